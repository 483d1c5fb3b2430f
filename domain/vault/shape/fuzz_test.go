package shape_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

// mirror is everything without limits, so that a fuzzer's values are not refused
// for their size, and with encoding/json's reading of every member.
type mirror struct {
	Name        string            `json:"Name"`
	Days        *int64            `json:"Days"`
	Limit       int32             `json:"Limit"`
	Force       *bool             `json:"Force"`
	Blob        []byte            `json:"Blob"`
	Operations  []operation       `json:"Operations"`
	Tags        []mirrorTag       `json:"Tags"`
	Constraints *mirrorNested     `json:"Constraints"`
	Context     map[string]string `json:"Context"`
	Start       shape.Timestamp   `json:"Start"`
}

type mirrorTag struct {
	Key string `json:"TagKey"`
}

type mirrorNested struct {
	Subset map[string]string `json:"EncryptionContextSubset"`
	At     *shape.Timestamp  `json:"At"`
}

var bodies = []string{
	``, `{}`, `[]`, `null`, `{"Name":"abc","Days":7,"Limit":-0,"Force":true,"Blob":"AP8\/","Operations":["Decrypt"]}`,
	`{"Tags":[{"TagKey":"k"},{},null],"Constraints":{"EncryptionContextSubset":{"a":"1"},"At":1.5},"Context":{"\u00e9":"\ud83d\ude00"}}`,
	`{"Start":"2026-11-23T18:00:00.123456Z","Else":[1,-2.5e+3,{"a":[true,false,null]}]}`, `{"Start":1700000000.1239}`,
	`{"Name":"\ud800","Context":{"a":"1","a":"2"}}`, "{\"Name\":\"\xff\"}", `{"Days":1e3,"Limit":99999999999}`, `{"Secret":"canary","Blob":"!"}`,
	`{"Name":"a","Hidden":{"EncryptionContextSubset":{"a":"b"},"Proof":"AAAA"},"SecretName":"a","SecretSize":4}`, `{"name":"a","Days":null}`,
}

func FuzzDecode(f *testing.F) {
	for _, body := range bodies {
		f.Add([]byte(body))
	}
	limited, plain := shape.Of[everything](), shape.Of[mirror]()
	f.Fuzz(func(t *testing.T, body []byte) {
		var in everything
		checkError(t, limited.Decode(body, &in))

		var got, want mirror
		err := plain.Decode(body, &got)
		checkError(t, err)
		if err != nil || len(bytes.TrimSpace(body)) == 0 {
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("accepted %q, which is not JSON", body)
		}
		// encoding/json takes a member by any case; those texts have two readings.
		if json.Unmarshal(body, &want) != nil || namesByAnotherCase(body) {
			return
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\n got %+v\nwant %+v", body, got, want)
		}
		var valid any
		if audit := plain.AppendAudit(nil, &got); json.Unmarshal(audit, &valid) != nil {
			t.Fatalf("audit is not JSON: %s", audit)
		}
	})
}

func checkError(t *testing.T, err error) {
	var form *shape.SerializationError
	var limit *shape.ValidationError
	if err != nil && !errors.As(err, &form) && !errors.As(err, &limit) {
		t.Fatalf("error of type %T: %v", err, err)
	}
	if err != nil && !utf8.ValidString(err.Error()) {
		t.Fatalf("error text is not UTF-8: %q", err)
	}
}

// namesByAnotherCase tells whether some object names a member of mirror, at any
// depth, in other letters than its own.
func namesByAnotherCase(body []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(body))
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		text, ok := token.(string)
		for _, name := range []string{"Name", "Days", "Limit", "Force", "Blob", "Operations", "Tags", "Constraints", "Context", "Start", "TagKey", "EncryptionContextSubset", "At"} {
			if ok && text != name && strings.EqualFold(text, name) {
				return true
			}
		}
	}
}

func FuzzAppendAudit(f *testing.F) {
	f.Add("abc", "key", "value", []byte{0, 0xff}, int64(7))
	f.Add("\xff\x00\"\\", "\u2028", "é😀", []byte(nil), int64(-1))
	f.Fuzz(func(t *testing.T, name, key, value string, blob []byte, n int64) {
		const canary, number = "PLANTED-CANARY", 918273645546372819
		for _, given := range []string{name, key, value, string(blob)} {
			if strings.Contains(given, canary) || strings.Contains(given, "918273") {
				t.Skip()
			}
		}
		if strings.Contains(string(event.AppendString(nil, string(blob))), "UExBTlRFRC1DQU5BUl") {
			t.Skip()
		}
		secret := constraints{Subset: map[string]string{canary: canary}, Proof: []byte(canary)}
		in := everything{
			Name: name, Limit: int32(n), Days: &n, Blob: blob, Operations: []operation{operation(value), operation(key)},
			Tags: []pair{{key, value}, {value, name}}, Context: map[string]string{key: value, value: name, name: key},
			Constraints: &constraints{Subset: map[string]string{value: key}, Proof: []byte(canary)},
			Secret:      []byte(canary), SecretName: ptr(canary), SecretSize: ptr(number), Hidden: secret,
		}
		audit := every.AppendAudit(nil, &in)
		var got struct {
			Name       *string           `json:"name"`
			Blob       []byte            `json:"blob"`
			Operations []string          `json:"operations"`
			Context    map[string]string `json:"ctx"`
		}
		if err := json.Unmarshal(audit, &got); err != nil || !utf8.Valid(audit) {
			t.Fatalf("%v: %q", err, audit)
		}
		if name != "" && *got.Name != strings.ToValidUTF8(name, "\ufffd") && utf8.ValidString(name) || !bytes.Equal(got.Blob, blob) ||
			utf8.ValidString(value) && got.Operations[0] != value {
			t.Errorf("read back %+v from %s", got, audit)
		}
		for _, leak := range []string{canary, "918273", "UExBTlRFRC1DQU5BUl"} { // the last is the canary in base64
			if bytes.Contains(audit, []byte(leak)) {
				t.Errorf("%q in %s", leak, audit)
			}
		}
		if bytes.ContainsAny(audit, "\n\r") {
			t.Errorf("more than one line: %q", audit)
		}
	})
}

// FuzzErrorsKeepSecrets sends a canary in every secret member, beside what the
// fuzzer makes of the rest, and looks for it in the error text.
func FuzzErrorsKeepSecrets(f *testing.F) {
	f.Add(`"Name":"abc"`)
	f.Add(`"Name":7`)
	f.Add(`"Operations":["Fly"],"Tags":[{}]`)
	f.Fuzz(func(t *testing.T, rest string) {
		const canary = "PLANTED-CANARY"
		if strings.Contains(rest, canary) {
			t.Skip()
		}
		body := `{"Secret":"PLANTED-CANARY","SecretName":"PLANTED-CANARY","Constraints":{"Proof":"UExBTlRFRC1DQU5BUlk="},` +
			`"Hidden":{"EncryptionContextSubset":{"PLANTED-CANARY":"PLANTED-CANARY"},"Proof":"PLANTED-CANARY"},` + rest + `}`
		for _, b := range []string{body, strings.Replace(body, `"Proof":"PLANTED-CANARY"`, `"Proof":""`, 1)} {
			var in everything
			err := every.Decode([]byte(b), &in)
			if err == nil {
				t.Fatal("accepted secrets past their limits")
			}
			if strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "UExBTlRF") {
				t.Errorf("secret in %q", err)
			}
			if bytes.Contains(in.Secret, []byte("CANARY")) {
				t.Error("secret not wiped")
			}
		}
	})
}
