package event

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata of events that have none yet; existing files are never touched")

var at = time.Date(2026, 11, 23, 18, 0, 0, 123456000, time.UTC)

// fill sets every field of an event to a value that is not its zero value, so
// that a frozen line shows every member.
func fill(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(at))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.String:
		v.SetString("x" + path)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(7)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("bytes"))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), fmt.Sprint(path, i))
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"k" + path: "v"}))
	default:
		panic("event_test: no filling for " + v.Type().String() + " at " + path)
	}
}

func filled(name string) Event {
	e := catalogue[name]()
	fill(reflect.ValueOf(e).Elem(), "")
	return e
}

func sample(events ...Event) *Record {
	return &Record{
		N: 918273, At: at, Request: "5e2c0a3f-7d1b-4f55-9a57-0f7f3e6c1d20", Op: "kms:Decrypt",
		Who: Who{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/SecretReader/s", ID: "AROA1:s",
			Account: "111122223333", AccessKey: "ASIA1", Name: "SecretReader",
			IssuerARN: "arn:aws:iam::111122223333:role/SecretReader", Issued: "2026-11-23T17:00:00Z", Source: "jane"},
		Via: "secretsmanager", Source: "10.0.3.17", Agent: "agent/1 \"q\" \x01 \xff é",
		Params: json.RawMessage(`{"encryptionContext":{"a":"b"}}`), Outcome: "AccessDenied", Message: "no",
		Response: json.RawMessage(`{"keyId":"k"}`), Extra: json.RawMessage(`{"keyMaterialId":"m"}`),
		Resources: []string{"arn:aws:kms:us-east-1:111122223333:key/k"},
		Decision: &Decision{Allowed: false, Checks: []Check{{Action: "kms:Decrypt", Resource: "*", Road: "implicit",
			By: []string{"key-policy#0"}, Missing: []string{"identity"}}}},
		Events: events,
	}
}

// The frozen files are what logs out there hold. They may be added to, never
// changed. An optional member may join an event; one that is lost, renamed or
// read differently is a new version.
func TestStoredEventsStayReadable(t *testing.T) {
	for name := range catalogue {
		file := filepath.Join("testdata", fmt.Sprintf("%s.v%d.json", name, version(name)))
		_, err := os.Stat(file)
		switch {
		case os.IsNotExist(err) && *update:
			line, err := sample(filled(name)).AppendLine(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, append(line, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		case err != nil:
			t.Errorf("%s: %v (a new event needs its frozen line: go test ./domain/event -update)", name, err)
		}
	}
	files, err := filepath.Glob("testdata/*.v*.json")
	if err != nil || len(files) < len(catalogue) {
		t.Fatalf("testdata: %d files for %d events, %v", len(files), len(catalogue), err)
	}
	for _, file := range files {
		frozen, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ParseLine(frozen)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		name, v, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), ".v")
		if _, unknown := r.Events[0].(*Unknown); unknown || r.Events[0].EventType() != name {
			t.Errorf("%s: its event is not in the catalogue any more", file)
			continue
		}
		if v != fmt.Sprint(version(name)) {
			continue // lifted by upcasters: read is all that is asked
		}
		again, err := r.AppendLine(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, bytes.TrimSuffix(frozen, []byte("\n"))) {
			t.Errorf("%s is not read as it was written:\n got %s\nwant %s", file, again, frozen)
		}
	}
}

func TestLineRoundTrip(t *testing.T) {
	var events []Event
	for name := range catalogue {
		events = append(events, filled(name))
	}
	want := sample(events...)
	line, err := want.AppendLine(nil)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsAny(line, "\n\r") {
		t.Fatal("a line holds a line break")
	}
	got, err := ParseLine(line)
	if err != nil {
		t.Fatal(err)
	}
	want.Agent = "agent/1 \"q\" \x01 \ufffd é"
	if !reflect.DeepEqual(got, want) {
		for i := range want.Events {
			if !reflect.DeepEqual(got.Events[i], want.Events[i]) {
				t.Errorf("the event came back different:\n got %#v\nwant %#v", got.Events[i], want.Events[i])
			}
		}
		t.Fatalf("the line came back different:\n%s", line)
	}
}

func TestEventsAreNamedByWhatHappened(t *testing.T) {
	for name, empty := range catalogue {
		if got := empty().EventType(); got != name {
			t.Errorf("%s calls itself %s", name, got)
		}
		if got := reflect.TypeOf(empty()).Elem().Name(); got != name {
			t.Errorf("%s is of type %s", name, got)
		}
		if strings.HasSuffix(name, "Updated") {
			t.Errorf("%s says nothing of what happened", name)
		}
	}
}

func TestUnknownEventsAreKept(t *testing.T) {
	for _, raw := range []string{`{"type":"MoonLanded","v":1,"x":2}`, `{"type":"KeyDisabled","v":99,"key":"k"}`} {
		line := []byte(`{"n":1,"at":"2026-11-23T18:00:00.000000Z","op":"kms:X","who":{"type":"Root"},"outcome":"ok","events":[` + raw + `]}`)
		r, err := ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := r.Events[0].(*Unknown); !ok || string(u.Raw) != raw {
			t.Errorf("%s came back as %#v", raw, r.Events[0])
		}
	}
}

func TestMalformedLines(t *testing.T) {
	for _, line := range []string{
		``, `{}`, `[]`, `{"n":1}`, `{"n":-1,"at":"2026-11-23T18:00:00Z","op":"a","outcome":"ok"}`,
		`{"at":"2026-11-23T18:00:00Z","op":"a","outcome":"ok"}`,
		`{"n":1,"at":"2026-11-23T18:00:00Z","op":"a","outcome":"ok","events":[{}]}`,
		`{"n":1,"at":"2026-11-23T18:00:00Z","op":"a","outcome":"ok","events":[{"type":"KeyDisabled","v":0}]}`,
		`{"n":1,"at":"2026-11-23T18:00:00Z","op":"a","outcome":"ok","events":[{"type":"KeyDisabled","v":1,"key":5}]}`,
	} {
		if r, err := ParseLine([]byte(line)); err == nil {
			t.Errorf("%s was read as %+v", line, r)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.v*.json")
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseLine(line)
		if err != nil {
			return
		}
		_, _ = ParseEvents(line)
		for _, e := range r.Events {
			if _, unknown := e.(*Unknown); unknown {
				return
			}
		}
		again, err := r.AppendLine(nil)
		if err != nil {
			return // a time beyond what JSON can hold
		}
		if !json.Valid(again) {
			t.Fatalf("wrote invalid JSON: %s", again)
		}
		events, err := ParseEvents(again)
		if err != nil || len(events) != len(r.Events) || len(events) > 0 && !reflect.DeepEqual(events, r.Events) {
			t.Fatalf("ParseEvents: %v, %d events, ParseLine has %d", err, len(events), len(r.Events))
		}
	})
}

func BenchmarkAppendLine(b *testing.B) {
	r := sample(&Decrypted{Key: "arn:aws:kms:us-east-1:111122223333:key/4f0c3b5e-6d0a-4f7e-9a70-2b8f8a9a1c55", Material: strings.Repeat("a", 64)})
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = r.AppendLine(buf[:0])
	}
	b.ReportMetric(float64(len(buf)), "B/record")
}

func BenchmarkParseEvents(b *testing.B) {
	line, _ := sample(filled("KeyCreated")).AppendLine(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEvents(line); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseLine(b *testing.B) {
	line, _ := sample(filled("KeyCreated")).AppendLine(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseLine(line); err != nil {
			b.Fatal(err)
		}
	}
}

// TestContextOfADenial: what the request had of condition keys comes back as it
// was, and equal contexts have equal bytes.
func TestContextOfADenial(t *testing.T) {
	r := sample()
	want := map[string][]string{"aws:sourceip": {"192.0.2.1"}, "aws:principaltag/Dept": {`a "b"`}, "aws:tagkeys": {"x", "y"}, "kms:grantoperations": {}}
	r.Decision.Checks[0].Context = want
	line, err := r.AppendLine(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, _ := r.AppendLine(nil); string(again) != string(line) {
			t.Fatalf("%s\nand\n%s", line, again)
		}
	}
	read, err := ParseLine(line)
	if err != nil {
		t.Fatal(err)
	}
	if got := read.Decision.Checks[0].Context; !reflect.DeepEqual(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}
