package shape_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

type decryptInput struct {
	CiphertextBlob      []byte            `json:"CiphertextBlob" aws:"required,min=1,max=6144" audit:"-"`
	KeyId               *string           `json:"KeyId" aws:"min=1,max=2048"`
	EncryptionContext   map[string]string `json:"EncryptionContext"`
	EncryptionAlgorithm string            `json:"EncryptionAlgorithm" aws:"enum=SYMMETRIC_DEFAULT|RSAES_OAEP_SHA_1|RSAES_OAEP_SHA_256|SM2PKE"`
	GrantTokens         []string          `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
}

type operation string

type pair struct {
	Key   string `json:"TagKey" aws:"required,min=1,max=128"`
	Value string `json:"TagValue" aws:"required,max=256"`
}

type constraints struct {
	Subset map[string]string `json:"EncryptionContextSubset" aws:"max=2,key.max=4,each.max=4"`
	Proof  []byte            `json:"Proof" aws:"max=8" audit:"-"`
	At     *shape.Timestamp  `json:"At"`
}

// everything has each kind of member, with each option that fits it.
type everything struct {
	Name        string            `json:"Name" aws:"required,max=5,pattern=[a-z]{1,3},?"`
	ARN         string            `json:"ARN"`
	Days        *int64            `json:"Days" aws:"min=7,max=30"`
	Limit       int32             `json:"Limit"`
	Force       *bool             `json:"Force"`
	Plain       bool              `json:"Plain"`
	Blob        []byte            `json:"Blob" aws:"min=2,max=4"`
	Secret      []byte            `json:"Secret" aws:"text,min=1,max=3" audit:"-"`
	SecretName  *string           `json:"SecretName" aws:"enum=a|b" audit:"-"`
	SecretSize  *int              `json:"SecretSize" aws:"max=9" audit:"-"`
	Operations  []operation       `json:"Operations" aws:"max=3,each.enum=Encrypt|Decrypt"`
	Tags        []pair            `json:"Tags" aws:"max=2"`
	Constraints *constraints      `json:"Constraints"`
	Hidden      constraints       `json:"Hidden" audit:"-"`
	Context     map[string]string `json:"Context" audit:"ctx"`
	Start       shape.Timestamp   `json:"Start"`
	Ignored     chan int          `json:"-"`
}

var (
	decrypt = shape.Of[decryptInput]()
	every   = shape.Of[everything]()
)

func ptr[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want everything
	}{
		"minimal":         {`{"Name":"abc"}`, everything{Name: "abc"}},
		"spaces":          {" {\r\n\t\"Name\" : \"abc\" , \"Limit\" : 3 } \n", everything{Name: "abc", Limit: 3}},
		"other order":     {`{"Limit":3,"Name":"abc"}`, everything{Name: "abc", Limit: 3}},
		"escaped name":    {`{"\u004eame":"abc"}`, everything{Name: "abc"}},
		"null is absent":  {`{"Name":"a","Days":null,"Blob":null,"Tags":null,"Constraints":null,"Start":null,"Context":null}`, everything{Name: "a"}},
		"case matters":    {`{"name":7,"Name":"abc","NAME":[]}`, everything{Name: "abc"}},
		"unknown skipped": {`{"Else":{"a":[1,-2.5e+3,"\u00e9",true,false,null,{}]},"Name":"a"}`, everything{Name: "a"}},
		"pattern, comma":  {`{"Name":"abc,"}`, everything{Name: "abc,"}},
		"numbers":         {`{"Name":"a","Days":7,"Limit":-0,"SecretSize":-12}`, everything{Name: "a", Days: ptr[int64](7), SecretSize: ptr(-12)}},
		"fraction cut":    {`{"Name":"a","Days":29.99,"Limit":-1.5}`, everything{Name: "a", Days: ptr[int64](29), Limit: -1}},
		"int64's ends":    {`{"Name":"a","SecretSize":-9223372036854775808,"Limit":9223372036854775807}`, everything{Name: "a", SecretSize: ptr(math.MinInt64), Limit: math.MaxInt32}},
		"past them":       {`{"Name":"a","SecretSize":-9223372036854775809,"Limit":9223372036854775808}`, everything{Name: "a", SecretSize: ptr(math.MinInt64), Limit: math.MaxInt32}},
		"exponent":        {`{"Name":"a","Days":1.5e1,"Limit":1e99}`, everything{Name: "a", Days: ptr[int64](15), Limit: 1<<31 - 1}},
		"range's end":     {`{"Name":"a","Limit":-99999999999999999999}`, everything{Name: "a", Limit: -1 << 31}},
		"booleans":        {`{"Name":"a","Force":false,"Plain":true}`, everything{Name: "a", Force: ptr(false), Plain: true}},
		"blob":            {`{"Name":"a","Blob":"AP8\/"}`, everything{Name: "a", Blob: []byte{0, 0xff, '?'}}},
		"text blob":       {`{"Name":"a","Secret":"\u00e9\ud83d\ude00\n"}`, everything{Name: "a", Secret: []byte("é😀\n")}},
		"lists":           {`{"Name":"a","Operations":["Decrypt","Encrypt"],"Tags":[]}`, everything{Name: "a", Operations: []operation{"Decrypt", "Encrypt"}, Tags: []pair{}}},
		"structs":         {`{"Name":"a","Tags":[{"TagKey":"k","TagValue":""},{"TagKey":"l","TagValue":"w"}],"Constraints":{}}`, everything{Name: "a", Tags: []pair{{"k", ""}, {"l", "w"}}, Constraints: &constraints{}}},
		"maps":            {`{"Name":"a","Context":{"":"","\"\\é":"\b\f\/"},"Constraints":{"EncryptionContextSubset":{}}}`, everything{Name: "a", Context: map[string]string{"": "", `"\é`: "\b\f/"}, Constraints: &constraints{Subset: map[string]string{}}}},
		"times": {`{"Name":"a","Start":1700000000.1239,"Constraints":{"At":"2023-11-14T23:13:20.5+01:00"}}`, everything{Name: "a",
			Start: shape.At(time.UnixMilli(1700000000123)), Constraints: &constraints{At: ptr(shape.At(time.UnixMilli(1700000000500)))}}},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(tc.body)
			var got everything
			if err := every.Decode(body, &got); err != nil {
				t.Fatal(err)
			}
			for i := range body { // nothing may alias the body
				body[i] = 'X'
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func TestDecodeEmptyBody(t *testing.T) {
	s := shape.Of[struct {
		Limit *int64 `json:"Limit"`
	}]()
	for _, body := range []string{"", " \n", "{}"} {
		var in struct {
			Limit *int64 `json:"Limit"`
		}
		if err := s.Decode([]byte(body), &in); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestSerializationErrors(t *testing.T) {
	const (
		list      = "Start of list found where not expected"
		structure = "Start of structure or map found where not expected."
		twice     = "A member was sent more than once"
		many      = "Too many entries in a list or map"
	)
	for body, want := range map[string]string{
		`{`: "", `null`: "", `"x"`: "", `7`: "", `{"Name":"a",}`: "", `{"Name" "a"}`: "", `{"Name":"a"} x`: "", `{"Name":}`: "",
		`{Name:"a"}`: "", `{"Else":tru}`: "", `{"Plain":tru}`: "", `{"Days":nul}`: "", `{"Else":01}`: "", `{"Else":[1,]}`: "", `{"Else":+1}`: "", `{"Days":1.}`: "",
		`{"Days":-}`: "", `{"Days":1e}`: "", `{"Else":"` + "\n" + `"}`: "", `{"Else":"\x"}`: "", `{"Else":"\u12"}`: "", `{"Name":"a`: "",
		"{\"Else\":\"\xff\"}": "", "{\"Context\":{\"\xc0\xaf\":\"\"}}": "", `{"Else":"\ud800"}`: "", `{"Else":"\ud800\u0041"}`: "", `{"Else":"\udc00\ud800"}`: "",
		`[]`:                                     list,
		`{"Name":[]}`:                            list,
		`{"Days":[1]}`:                           list,
		`{"Plain":[]}`:                           list,
		`{"Start":[]}`:                           list,
		`{"Hidden":[]}`:                          list,
		`{"Context":[]}`:                         list,
		`{"Tags":[[]]}`:                          list,
		`{"Operations":[[]]}`:                    list,
		`{"Context":{"a":[]}}`:                   list,
		`{"Name":{}}`:                            structure,
		`{"Days":{}}`:                            structure,
		`{"Blob":{}}`:                            structure,
		`{"Tags":{}}`:                            structure,
		`{"Operations":{}}`:                      structure,
		`{"Operations":[{}]}`:                    structure,
		`{"Context":{"a":{}}}`:                   structure,
		`{"Name":1}`:                             "NUMBER_VALUE can not be converted to a String",
		`{"Name":1.5}`:                           "NUMBER_VALUE can not be converted to a String",
		`{"Name":true}`:                          "TRUE_VALUE can not be converted to a String",
		`{"Secret":false}`:                       "FALSE_VALUE can not be converted to a String",
		`{"Operations":["a",1]}`:                 "NUMBER_VALUE can not be converted to a String",
		`{"Context":{"a":true}}`:                 "TRUE_VALUE can not be converted to a String",
		`{"Days":"7"}`:                           "STRING_VALUE can not be converted to an Integer",
		`{"Limit":false}`:                        "FALSE_VALUE can not be converted to an Integer",
		`{"Plain":"true"}`:                       "STRING_VALUE can not be converted to a Boolean",
		`{"Force":0}`:                            "NUMBER_VALUE can not be converted to a Boolean",
		`{"Blob":7}`:                             "NUMBER_VALUE can not be converted to a Blob",
		`{"Blob":"canary"}`:                      "STRING_VALUE can not be converted to a Blob",
		`{"Blob":"AAA\u0041!"}`:                  "STRING_VALUE can not be converted to a Blob",
		`{"Start":true}`:                         "TRUE_VALUE can not be converted to milliseconds since epoch",
		`{"Start":"canary"}`:                     "STRING_VALUE can not be converted to milliseconds since epoch",
		`{"Start":1e15}`:                         "NUMBER_VALUE can not be converted to milliseconds since epoch",
		`{"Start":99999999999999999999999999}`:   "NUMBER_VALUE can not be converted to milliseconds since epoch",
		`{"Tags":"a"}`:                           "Expected list or null",
		`{"Operations":7}`:                       "Expected list or null",
		`{"Hidden":"a"}`:                         "Expected null",
		`{"Context":true}`:                       "Expected null",
		`{"Tags":[7]}`:                           "Expected null",
		`{"Name":"a","Name":"a"}`:                twice,
		`{"Name":null,"\u004eame":"a"}`:          twice,
		`{"Context":{"a":"1","\u0061":"2"}}`:     twice,
		`{"Tags":[{"TagKey":"a","TagKey":"a"}]}`: twice,
		`{"Else":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`:     "Lists and structures are nested too deeply",
		`{"Operations":["` + strings.Repeat(`","`, 4096) + `"]}`:                 many,
		`{"Tags":[{}` + strings.Repeat(`,{}`, 4096) + `]}`:                       many,
		`{"Else":"` + strings.Repeat("a", shape.MaxBody) + `"}`:                  "The request body is too large",
		`{"Name":"far too long","Days":1,"Limit":"wrong form outranks a limit"}`: "STRING_VALUE can not be converted to an Integer",
	} {
		var in everything
		err := every.Decode([]byte(body), &in)
		var got *shape.SerializationError
		if !errors.As(err, &got) {
			t.Errorf("%.80q: got %v, want a SerializationError", body, err)
			continue
		}
		if got.Message != want {
			t.Errorf("%.80q: got %q, want %q", body, got.Message, want)
		}
		if f := fault.Of(err); f.Code != fault.SerializationException || f.Message != want {
			t.Errorf("%.80q: got fault %v", body, f)
		}
		if text := err.Error(); text != strings.TrimSuffix("SerializationException: "+want, ": ") {
			t.Errorf("%.80q: got text %q", body, text)
		}
	}
}

func TestValidationErrors(t *testing.T) {
	const at = "1 validation error detected: Value "
	for body, want := range map[string]string{
		`{}`:               at + "null at 'name' failed to satisfy constraint: Member must not be null",
		``:                 at + "null at 'name' failed to satisfy constraint: Member must not be null",
		`{"Name":null}`:    at + "null at 'name' failed to satisfy constraint: Member must not be null",
		`{"Name":"A"}`:     at + "'A' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]{1,3},?",
		`{"Name":""}`:      at + "'' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]{1,3},?",
		`{"Name":"abc\n"}`: at + "'abc\n' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]{1,3},?",
		`{"Name":"éééééé"}`: "2 validation errors detected: Value 'éééééé' at 'name' failed to satisfy constraint: Member must have length less than or equal to 5; " +
			"Value 'éééééé' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]{1,3},?",
		`{"Name":"a","Days":6}`:                    at + "'6' at 'days' failed to satisfy constraint: Member must have value greater than or equal to 7",
		`{"Name":"a","Days":31}`:                   at + "'31' at 'days' failed to satisfy constraint: Member must have value less than or equal to 30",
		`{"Name":"a","Days":99999999999999999999}`: at + "'9223372036854775807' at 'days' failed to satisfy constraint: Member must have value less than or equal to 30",
		`{"Name":"a","Blob":""}`:                   at + "at 'blob' failed to satisfy constraint: Member must have length greater than or equal to 2",
		`{"Name":"a","Blob":"AAAAAAA="}`:           at + "at 'blob' failed to satisfy constraint: Member must have length less than or equal to 4",
		`{"Name":"a","Secret":""}`:                 at + "at 'secret' failed to satisfy constraint: Member must have length greater than or equal to 1",
		`{"Name":"a","Secret":"ééé!"}`:             at + "at 'secret' failed to satisfy constraint: Member must have length less than or equal to 3",
		`{"Name":"a","SecretName":"canary"}`:       at + "at 'secretName' failed to satisfy constraint: Member must satisfy enum value set: [a, b]",
		`{"Name":"a","SecretSize":10}`:             at + "at 'secretSize' failed to satisfy constraint: Member must have value less than or equal to 9",
		`{"Name":"a","Operations":["Encrypt","Fly"]}`: at + "'[Encrypt, Fly]' at 'operations' failed to satisfy constraint: " +
			"Member must satisfy constraint: [Member must satisfy enum value set: [Encrypt, Decrypt], Member must not be null]",
		`{"Name":"a","Operations":[null]}`: at + "'[]' at 'operations' failed to satisfy constraint: " +
			"Member must satisfy constraint: [Member must satisfy enum value set: [Encrypt, Decrypt], Member must not be null]",
		`{"Name":"a","Operations":["Encrypt","Encrypt","Encrypt","Encrypt"]}`:              at + "'[Encrypt, Encrypt, Encrypt, Encrypt]' at 'operations' failed to satisfy constraint: Member must have length less than or equal to 3",
		`{"Name":"a","Tags":[{"TagKey":"k","TagValue":"v"},{"TagKey":"","TagValue":"v"}]}`: at + "'' at 'tags.2.member.tagKey' failed to satisfy constraint: Member must have length greater than or equal to 1",
		`{"Name":"a","Tags":[{"TagKey":"k"}]}`:                                             at + "null at 'tags.1.member.tagValue' failed to satisfy constraint: Member must not be null",
		`{"Name":"a","Tags":[null]}`:                                                       at + "at 'tags' failed to satisfy constraint: Member must satisfy constraint: [Member must not be null]",
		`{"Tags":[{},{},{}],"Limit":1}`: "8 validation errors detected: " +
			"Value null at 'tags.1.member.tagKey' failed to satisfy constraint: Member must not be null; Value null at 'tags.1.member.tagValue' failed to satisfy constraint: Member must not be null; " +
			"Value null at 'tags.2.member.tagKey' failed to satisfy constraint: Member must not be null; Value null at 'tags.2.member.tagValue' failed to satisfy constraint: Member must not be null; " +
			"Value null at 'tags.3.member.tagKey' failed to satisfy constraint: Member must not be null; Value null at 'tags.3.member.tagValue' failed to satisfy constraint: Member must not be null; " +
			"Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 2; " +
			"Value null at 'name' failed to satisfy constraint: Member must not be null",
		`{"Name":"a","Constraints":{"EncryptionContextSubset":{"b":"2","a":"1","c":"3"}}}`: at + "'{a=1, b=2, c=3}' at 'constraints.encryptionContextSubset' failed to satisfy constraint: Member must have length less than or equal to 2",
		`{"Name":"a","Constraints":{"EncryptionContextSubset":{"aaaaa":"1"}}}`: at + "'{aaaaa=1}' at 'constraints.encryptionContextSubset' failed to satisfy constraint: " +
			"Map keys must satisfy constraint: [Member must have length less than or equal to 4, Member must not be null]",
		`{"Name":"a","Constraints":{"EncryptionContextSubset":{"a":"11111"}}}`: at + "'{a=11111}' at 'constraints.encryptionContextSubset' failed to satisfy constraint: " +
			"Map value must satisfy constraint: [Member must have length less than or equal to 4, Member must not be null]",
		`{"Name":"a","Context":{"a":null}}`:                                at + "'{a=}' at 'context' failed to satisfy constraint: Map value must satisfy constraint: [Member must not be null]",
		`{"Name":"a","Hidden":{"EncryptionContextSubset":{"canary":"1"}}}`: at + "at 'hidden.encryptionContextSubset' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 4, Member must not be null]",
		`{"Name":"a","Constraints":{"Proof":"AAAAAAAAAAAAAAAA"}}`:          at + "at 'constraints.proof' failed to satisfy constraint: Member must have length less than or equal to 8",
	} {
		var in everything
		err := every.Decode([]byte(body), &in)
		var got *shape.ValidationError
		if !errors.As(err, &got) {
			t.Errorf("%s: got %v, want a ValidationError", body, err)
			continue
		}
		if got.Error() != want {
			t.Errorf("%s:\n got %s\nwant %s", body, got, want)
		}
		if f := fault.Of(err); f.Code != fault.ValidationException || f.Message != want {
			t.Errorf("%s: got fault %v", body, f)
		}
	}
}

func TestValidationErrorIsBounded(t *testing.T) {
	body := `{"Name":"` + strings.Repeat("é", 100_000) + `","Tags":[{}` + strings.Repeat(`,{}`, 4000) + `]}`
	var got *shape.ValidationError
	if err := every.Decode([]byte(body), new(everything)); !errors.As(err, &got) {
		t.Fatal(err)
	}
	if want := 2 + 2*4001 + 1; got.Total != want || len(got.Violations) != 32 {
		t.Errorf("got %d violations, %d listed, want %d and 32", got.Total, len(got.Violations), want)
	}
	if n := len(got.Error()); n > 32<<10 {
		t.Errorf("text of %d bytes", n)
	}
}

func TestAppendAudit(t *testing.T) {
	for name, tc := range map[string]struct {
		in   everything
		want string
	}{
		"nothing": {everything{}, `null`},
		"secrets alone": {everything{Secret: []byte("canary"), SecretName: ptr("canary"), SecretSize: ptr(4711),
			Hidden: constraints{Proof: []byte("canary"), Subset: map[string]string{"canary": "canary"}}}, `null`},
		"empty but sent": {everything{Operations: []operation{}, Context: map[string]string{}, Constraints: &constraints{}, Force: ptr(false), Blob: []byte{}},
			`{"force":false,"blob":"","operations":[],"constraints":{},"ctx":{}}`},
		"everything": {everything{Name: "n\"", ARN: "arn:aws", Days: ptr[int64](7), Limit: -3, Force: ptr(true), Plain: true, Blob: []byte{0xff, 0xfe},
			Secret: []byte("canary"), Operations: []operation{"Encrypt", "Decrypt"}, Tags: []pair{{"k", "v"}, {"l", ""}},
			Constraints: &constraints{Subset: map[string]string{"SecretARN": "a", "A": "b"}, Proof: []byte("canary"), At: ptr(shape.At(time.Unix(0, 0)))},
			Context:     map[string]string{"b": "2", "B": "1"}, Start: shape.At(time.Date(2023, 7, 18, 18, 7, 39, 0, time.FixedZone("", 7200)))},
			`{"name":"n\"","aRN":"arn:aws","days":7,"limit":-3,"force":true,"plain":true,"blob":"//4=","operations":["Encrypt","Decrypt"],` +
				`"tags":[{"tagKey":"k","tagValue":"v"},{"tagKey":"l"}],"constraints":{"encryptionContextSubset":{"A":"b","SecretARN":"a"},"at":"Jan 1, 1970, 12:00:00 AM"},` +
				`"ctx":{"B":"1","b":"2"},"start":"Jul 18, 2023, 4:07:39 PM"}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(every.AppendAudit([]byte("~"), &tc.in)); got != "~"+tc.want {
				t.Errorf("\n got %s\nwant ~%s", got, tc.want)
			}
		})
	}
}

func TestWipe(t *testing.T) {
	type inner struct {
		Key  []byte `json:"Key" audit:"-"`
		Open []byte `json:"Open"`
	}
	type outer struct {
		Text   []byte  `json:"Text" aws:"text" audit:"-"`
		One    inner   `json:"One"`
		Two    *inner  `json:"Two"`
		Many   []inner `json:"Many"`
		Hidden *inner  `json:"Hidden" audit:"-"`
		Nil    *inner  `json:"Nil"`
		Short  string  `json:"Short" aws:"max=1"`
	}
	s := shape.Of[outer]()
	const one = `{"Key":"c2VjcmV0","Open":"b3Blbg=="}`
	const body = `{"Text":"secret","One":` + one + `,"Two":` + one + `,"Many":[` + one + `,` + one + `],"Hidden":` + one
	check := func(t *testing.T, in *outer) {
		t.Helper()
		zero := make([]byte, 6)
		for i, b := range [][]byte{in.Text, in.One.Key, in.Two.Key, in.Many[0].Key, in.Many[1].Key, in.Hidden.Key, append(in.Hidden.Open, 0, 0)} {
			if !bytes.Equal(b, zero) {
				t.Errorf("secret %d: got %q", i, b)
			}
		}
		if string(in.One.Open)+string(in.Two.Open)+string(in.Many[1].Open) != "openopenopen" {
			t.Error("wiped what is not secret")
		}
	}
	t.Run("by the caller", func(t *testing.T) {
		var in outer
		if err := s.Decode([]byte(body+"}"), &in); err != nil {
			t.Fatal(err)
		}
		if string(in.Text)+string(in.Many[1].Key)+string(in.Hidden.Open) != "secretsecretopen" {
			t.Fatalf("decoded %+v", in)
		}
		s.Wipe(&in)
		check(t, &in)
	})
	for name, rest := range map[string]string{"after a violation": `,"Short":"too long"}`, "after a wrong form": `,"Short":7}`, "after a cut": ``} {
		t.Run(name, func(t *testing.T) {
			var in outer
			if err := s.Decode([]byte(body+rest), &in); err == nil {
				t.Fatal("accepted")
			}
			check(t, &in)
		})
	}
}

func refused[In any](t *testing.T, why string) {
	t.Helper()
	defer func() {
		t.Helper()
		text, _ := recover().(string)
		if !strings.Contains(text, why) {
			t.Errorf("%v: got panic %q, want it to say %q", reflect.TypeFor[In](), text, why)
		}
	}()
	shape.Of[In]()
}

type recursive struct {
	Next *recursive `json:"Next"`
}

func TestOfRefuses(t *testing.T) {
	refused[int](t, "not a struct")
	refused[struct{ A string }](t, "no json tag")
	refused[struct{ pair }](t, "no json tag")
	refused[struct {
		A float64 `json:"A"`
	}](t, "cannot be a float64")
	refused[struct {
		A *[]string `json:"A"`
	}](t, "cannot be a *[]string")
	refused[struct {
		A map[string]int `json:"A"`
	}](t, "cannot be a map[string]int")
	refused[struct {
		A string `json:"A"`
		B string `json:"B" audit:"a"`
	}](t, "second member")
	refused[recursive](t, "in itself")
	refused[struct {
		A string `json:"A" aws:"requird"`
	}](t, "no such option")
	refused[struct {
		A string `json:"A" aws:"min=x"`
	}](t, "invalid syntax")
	refused[struct {
		A string `json:"A" aws:"min=2,max=1"`
	}](t, "above")
	refused[struct {
		A string `json:"A" aws:"pattern=("`
	}](t, "missing closing")
	refused[struct {
		A bool `json:"A" aws:"min=1"`
	}](t, "min and max")
	refused[struct {
		A []string `json:"A" aws:"enum=a"`
	}](t, "enum and pattern")
	refused[struct {
		A string `json:"A" aws:"each.min=1"`
	}](t, "each is for")
	refused[struct {
		A []string `json:"A" aws:"key.min=1"`
	}](t, "key is for")
	refused[struct {
		A string `json:"A" aws:"text"`
	}](t, "text is for")
	refused[struct {
		A string `json:"A" audit:""`
	}](t, "empty audit")
}

// vet would refuse these tags in the source, so the types are made at run time.
func TestOfRefusesTagsThatReflectIgnores(t *testing.T) {
	for tag, why := range map[string]string{
		`json:"A" aws:"pattern=[\\w]"`: "",
		`json:"A" aws:"pattern=[\w]"`:  "aws tag cannot be read",
		`json:"A" audit: "-"`:          "audit tag cannot be read",
		`json:"A" audit:-`:             "audit tag cannot be read",
		`json:"A",audit:"-"`:           "audit tag cannot be read",
	} {
		typ := reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeFor[string](), Tag: reflect.StructTag(tag)}})
		err := shape.Compile(typ)
		if got := fmt.Sprint(err); why == "" && err != nil || !strings.Contains(got, why) {
			t.Errorf("%s: got %v, want %q", tag, err, why)
		}
	}
}

func TestOfIsOneShapeATypeAndRefusesOthers(t *testing.T) {
	if shape.Of[decryptInput]() != decrypt {
		t.Error("compiled twice")
	}
	defer func() {
		if recover() == nil {
			t.Error("took another operation's input")
		}
	}()
	decrypt.Wipe(&everything{})
}

func TestTimestamp(t *testing.T) {
	for text, want := range map[string]string{
		`0`: `0`, `1700000000`: `1700000000`, `1700000000.120`: `1700000000.12`, `1700000000.0079`: `1700000000.007`, `-1.5`: `-1.5`,
		`1.523477145729E9`: `1523477145.729`, `253402300799.999`: `253402300799.999`, `-62135596799.999`: `-62135596799.999`,
		`"2026-11-23T18:00:00.123456Z"`: `1795456800.123`, `"2026-11-23T19:00:00+01:00"`: `1795456800`, ` 7 `: `7`,
	} {
		var got shape.Timestamp
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if out, err := json.Marshal(got); err != nil || string(out) != want {
			t.Errorf("%s: got %s, %v, want %s", text, out, err, want)
		}
	}
	for _, text := range []string{`253402300800`, `-62135596801`, `1e300`, `"yesterday"`, `true`, `{}`, `123456789012345678901234567890`} {
		var got shape.Timestamp
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s: accepted as %v", text, got)
		}
	}
	out, err := json.Marshal(struct {
		A shape.Timestamp  `json:"a,omitzero"`
		B shape.Timestamp  `json:"b"`
		C *shape.Timestamp `json:"c,omitzero"`
	}{})
	if err != nil || string(out) != `{"b":null}` {
		t.Errorf("got %s, %v", out, err)
	}
}
