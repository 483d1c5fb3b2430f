package awsapi

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

// FuzzQuery: whatever comes as a form is refused, or becomes a JSON object for the
// operation's shape to judge.
func FuzzQuery(f *testing.F) {
	for _, form := range []string{
		"Action=GetCallerIdentity&Version=2011-06-15",
		"Action=CreateUser&Version=2010-05-08&UserName=a%20b+c&Tags.member.1.Key=k&Tags.member.1.Value=v",
		"Action=CreateUser&Version=2010-05-08&Tags.member.00.Key=k&Tags.member.-1.Key=&Tags.member.99999999999999999999.Key=x&Tags.member=&Tags=",
		"Action=ListUsers&Version=2010-05-08&MaxItems=1e400",
		"Action=SimulateCustomPolicy&Version=2010-05-08&PolicyInputList.member.1=%7B%7D&ContextEntries.member.1.ContextKeyValues.member.2=v",
		"Action=AssumeRole&Version=2011-06-15&DurationSeconds=900&RoleArn=%ff%00",
		"&&=&%&a=%zz", "Action=GetUser",
	} {
		f.Add(form, "", true)
		f.Add("", form, false)
	}
	f.Fuzz(func(t *testing.T, body, query string, iam bool) {
		service := "sts"
		if iam {
			service = "iam"
		}
		operation, input, err := readQuery(service, []byte(body), query)
		if err != nil {
			if f := fault.Of(err); f.Code != fault.MalformedQueryString {
				t.Fatalf("not a refusal of the form: %v", err)
			}
			return
		}
		if input == nil {
			return
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(input, &object); err != nil {
			t.Fatalf("%s of %q became %q: %v", operation, body, input, err)
		}
	})
}

// FuzzResult: a reply becomes well-formed XML or an error, and every string in it
// is the same when read back.
func FuzzResult(f *testing.F) {
	for _, reply := range []string{
		`{}`, `null`, `{"User":{"Path":"/","UserName":"a<b>&\"\u0000\ud83d\ude00","CreateDate":1.5,"Tags":[]}}`,
		`{"SummaryMap":{"Users":2,"<":3}}`, `{"Policy":{"Document":"{\"a\": 1}"}}`, `{"a":null,"b":[null,1,"x",true,-1.5e3]}`,
		`{"a":`, `[`, `{"a b":1}`, `{"a":"\q"}`, `{"a":"\ud800"}`, strings.Repeat(`{"a":`, 40), `{"a":1}x`, ` { "a" : [ 1 , 2 ] } `,
	} {
		f.Add([]byte(reply))
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		x, err := appendResult(nil, "iam", "GetUser", "id", reply)
		if err != nil {
			return
		}
		d := xml.NewDecoder(bytes.NewReader(x))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%q became %q: %v", reply, x, err)
			}
		}
	})
}

func TestResultKeepsText(t *testing.T) {
	for _, text := range []string{"", "plain", "<&>\"'", "line\nend\ttab\rreturn", "ሴ 😀", strings.Repeat("x", 5000), "]]>", "a\\b\"c"} {
		reply, err := json.Marshal(map[string]string{"Name": text})
		if err != nil {
			t.Fatal(err)
		}
		x, err := appendResult(nil, "sts", "Get", "id", reply)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Name string `xml:"GetResult>Name"`
		}
		if err := xml.Unmarshal(x, &got); err != nil || got.Name != text {
			t.Errorf("%q became %q: %v", text, got.Name, err)
		}
	}
}

// An operation without a result answers without its element, but for those whose model
// has a result without members.
func TestResultWithoutMembers(t *testing.T) {
	for operation, want := range map[string]bool{"DeleteRole": false, "UpdateRole": true} {
		x, err := appendResult(nil, "iam", operation, "id", []byte(`{}`))
		if err != nil || strings.Contains(string(x), "<"+operation+"Result></"+operation+"Result>") != want {
			t.Errorf("%s: %s, %v", operation, x, err)
		}
	}
}

// TestTimesAreKnown holds the table of times against what the operations answer
// with: names that AWS gives to times.
func TestTimesAreKnown(t *testing.T) {
	for _, c := range []struct{ reply, want string }{
		{`{"CreateDate":1479988800}`, "<CreateDate>2016-11-24T12:00:00Z</CreateDate>"},
		{`{"CreateDate":1479988800.123}`, "<CreateDate>2016-11-24T12:00:00Z</CreateDate>"},
		{`{"MaxSessionDuration":3600}`, "<MaxSessionDuration>3600</MaxSessionDuration>"},
		{`{"CreateDate":null}`, "<GetResult></GetResult>"},
	} {
		x, err := appendResult(nil, "sts", "Get", "id", []byte(c.reply))
		if err != nil || !strings.Contains(string(x), c.want) {
			t.Errorf("%s became %s, %v", c.reply, x, err)
		}
	}
}

func TestBudget(t *testing.T) {
	b := newBudget(3 * vault.MaxBody)
	s := &Service{bodies: b}
	read := func(n int) (*body, error) { return s.readBody(newBodyRequest(n)) }
	small, err := read(smallBody - 1)
	if err != nil || b.left != 3*vault.MaxBody {
		t.Fatalf("a small body took of the budget: %v, %d left", err, b.left)
	}
	small.free()
	var held []*body
	for {
		big, err := read(vault.MaxBody)
		if err != nil {
			if !fault.Is(err, fault.ThrottlingException) {
				t.Fatal(err)
			}
			break
		}
		if held = append(held, big); len(held) > 3 {
			t.Fatal("the budget has no end")
		}
	}
	if len(held) == 0 || b.left < 0 {
		t.Fatalf("%d bodies fit, %d left", len(held), b.left)
	}
	for _, h := range held {
		h.free()
	}
	if b.left != 3*vault.MaxBody {
		t.Errorf("%d bytes are not given back", 3*vault.MaxBody-b.left)
	}
}
