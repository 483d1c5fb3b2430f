package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
)

func headed() *event.Record {
	return &event.Record{
		N: 918273, At: time.Date(2026, 11, 23, 18, 0, 0, 123456000, time.UTC), Request: "5e2c0a3f-7d1b-4f55-9a57-0f7f3e6c1d20",
		Op: "kms:Decrypt", Via: "secretsmanager", Source: "secretsmanager.amazonaws.com", Agent: "a \"quoted\" agent\n",
		Who: event.Who{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/R/s", ID: "AROAX:s", Account: "111122223333",
			AccessKey: "ASIAX", Name: "R", IssuerARN: "arn:aws:iam::111122223333:role/R", Issued: "2026-11-23T10:02:11Z"},
		Params:  json.RawMessage(`{"encryptionContext":{"}":"\"resources\":["},"op":"kms:Fake"}`),
		Outcome: "AccessDenied", Message: "User: x is not authorized", Extra: json.RawMessage(`{"outcome":"ok"}`),
		Resources: []string{"arn:aws:kms:us-east-1:111122223333:key/k", "arn:aws:kms:us-east-1:111122223333:alias/a"},
		Decision:  &event.Decision{Checks: []event.Check{{Action: "kms:Decrypt"}}},
		Events:    []event.Event{&event.Decrypted{Key: "k"}},
	}
}

// A header says of a line what ParseLine says.
func sameHeader(t *testing.T, line []byte, r *event.Record) {
	t.Helper()
	var o event.Header
	if err := event.ParseHeader(line, &o); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	if o.N != r.N || o.At != r.At.UnixMicro() {
		t.Fatalf("n %d at %d, want %d at %d", o.N, o.At, r.N, r.At.UnixMicro())
	}
	for name, pair := range map[string]struct {
		raw  []byte
		want string
	}{
		"req": {o.Request, r.Request}, "op": {o.Op, r.Op}, "via": {o.Via, r.Via}, "src": {o.Source, r.Source},
		"agent": {o.Agent, r.Agent}, "outcome": {o.Outcome, r.Outcome}, "message": {o.Message, r.Message},
	} {
		var got string
		if pair.raw != nil {
			if err := json.Unmarshal(pair.raw, &got); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if got != pair.want {
			t.Fatalf("%s is %q, want %q", name, got, pair.want)
		}
	}
	var who struct{ Type, ARN, Account string }
	if err := json.Unmarshal(o.Who, &who); err != nil || who.ARN != r.Who.ARN || who.Account != r.Who.Account || who.Type != r.Who.Type {
		t.Fatalf("who is %s (%v), want %+v", o.Who, err, r.Who)
	}
	var resources []string
	if o.Resources != nil {
		if err := json.Unmarshal(o.Resources, &resources); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(resources, r.Resources) {
		t.Fatalf("resources are %q, want %q", resources, r.Resources)
	}
}

func TestHeader(t *testing.T) {
	full := headed()
	bare := &event.Record{At: time.Unix(0, 0).UTC(), Op: "keytrail:OpenLog", Outcome: "ok", Who: event.Who{Type: "AWSService"}}
	for _, r := range []*event.Record{full, bare} {
		line, err := r.AppendLine(nil)
		if err != nil {
			t.Fatal(err)
		}
		sameHeader(t, line, r)
	}
}

func TestHeaderRefuses(t *testing.T) {
	line, err := headed().AppendLine(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, swap := range [][2]string{
		{`{"n":918273`, `{"n":-1`}, {`{"n":918273,`, `{`}, {`"op":"kms:Decrypt",`, ``}, {`2026-11-23T`, `2026-13-23T`},
		{`.123456Z`, `.12345Z`}, {`"at":"2026`, `"at":"x026`}, {`{"n"`, `["n"`},
	} {
		broken := bytes.Replace(line, []byte(swap[0]), []byte(swap[1]), 1)
		if bytes.Equal(broken, line) {
			t.Fatalf("%q is not in the line", swap[0])
		}
		var o event.Header
		if event.ParseHeader(broken, &o) == nil {
			t.Errorf("a line with %q for %q has a header", swap[1], swap[0])
		}
	}
	for i := range line {
		var o event.Header
		event.ParseHeader(line[:i], &o) // no panic
	}
}

// A line's time is what package time makes of it, or no time at all.
func TestHeaderTime(t *testing.T) {
	line, err := headed().AppendLine(nil)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := bytes.Cut(line, []byte(`"at":"`))
	_, after, _ := bytes.Cut(rest, []byte(`"`))
	check := func(at string) {
		t.Helper()
		var o event.Header
		err := event.ParseHeader([]byte(string(before)+`"at":"`+at+`"`+string(after)), &o)
		want, wrong := time.Parse("2006-01-02T15:04:05.000000Z", at)
		if (err != nil) != (wrong != nil) || err == nil && o.At != want.UnixMicro() {
			t.Errorf("%s is %d (%v), want %d (%v)", at, o.At, err, want.UnixMicro(), wrong)
		}
	}
	for _, year := range []int{0, 1, 4, 100, 400, 1582, 1899, 1900, 1969, 1970, 2000, 2023, 2024, 2026, 2038, 2100, 2400, 9999} {
		for month := range 14 {
			for day := range 33 {
				check(fmt.Sprintf("%04d-%02d-%02dT23:59:59.999999Z", year, month, day))
			}
		}
	}
	for _, clock := range []string{"00:00:00.000000", "12:34:56.789012", "24:00:00.000000", "23:60:00.000000", "23:59:60.000000", "2a:00:00.000000", "12:34:56;789012"} {
		check("2026-11-27T" + clock + "Z")
	}
}

// Whatever can be read and is written again has the header of what was read.
func FuzzHeader(f *testing.F) {
	line, err := headed().AppendLine(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	if raw, err := os.ReadFile("testdata/KeyCreated.v1.json"); err == nil {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var o event.Header
		event.ParseHeader(raw, &o)
		r, err := event.ParseLine(raw)
		if err != nil || r.At.Year() < 0 || r.At.Year() > 9999 {
			return
		}
		r.At, r.Events = r.At.UTC().Truncate(time.Microsecond), nil
		if len(r.Params) > 0 {
			var compact bytes.Buffer
			json.Compact(&compact, r.Params)
			r.Params = compact.Bytes()
		}
		r.Response, r.Extra = nil, nil
		again, err := r.AppendLine(nil)
		if err != nil {
			t.Fatal(err)
		}
		sameHeader(t, again, r)
	})
}

func BenchmarkParseHeader(b *testing.B) {
	line, err := headed().AppendLine(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(line)))
	var o event.Header
	for b.Loop() {
		if err := event.ParseHeader(line, &o); err != nil {
			b.Fatal(err)
		}
	}
}
