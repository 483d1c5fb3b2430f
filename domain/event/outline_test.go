package event

import (
	"slices"
	"testing"
)

// outlined reads a line both ways and holds the outline against the record.
func outlined(t *testing.T, line []byte) {
	t.Helper()
	r, err := ParseLine(line)
	if err != nil {
		return
	}
	var o Outline
	if err := ReadOutline(line, &o); err != nil {
		t.Fatalf("ParseLine reads it, ReadOutline does not: %v\n%s", err, line)
	}
	if Unquote(o.Op) != r.Op || Unquote(o.Outcome) != r.Outcome || Unquote(o.Message) != r.Message ||
		o.OK() != (r.Outcome == OutcomeOK) || o.Internal != (r.Who.Type == "AWSService") {
		t.Errorf("the outline %q %q %q %v is not that of\n%s", o.Op, o.Outcome, o.Message, o.Internal, line)
	}
	var types []string
	if err := o.Events(func(eventType, _ []byte) bool {
		types = append(types, Unquote(eventType))
		return true
	}); err != nil {
		t.Fatalf("events: %v\n%s", err, line)
	}
	var want []string
	for _, e := range r.Events {
		want = append(want, e.EventType())
	}
	if !slices.Equal(types, want) {
		t.Errorf("events %q, want %q", types, want)
	}
	refused, err := o.Refused()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if r.Decision != nil {
		for _, c := range r.Decision.Checks {
			if !c.Allowed {
				n++
			}
		}
	}
	if len(refused) != n {
		t.Errorf("%d refused checks, want %d", len(refused), n)
	}
}

func TestOutline(t *testing.T) {
	var events []Event
	for name := range catalogue {
		events = append(events, filled(name))
	}
	denied := sample(&Decrypted{Key: "arn:aws:kms:us-east-1:111122223333:key/k"})
	denied.Outcome, denied.Message = "AccessDenied", `no "statement" allows it`
	denied.Decision = &Decision{Checks: []Check{
		{Action: "kms:Decrypt", Allowed: true}, {Action: "kms:CreateGrant", Missing: []string{"grant lacks grant"}},
	}}
	internal := sample()
	internal.Who = Who{Type: "AWSService", ID: "keytrail"}
	for _, r := range []*Record{sample(events...), denied, internal} {
		line, err := r.AppendLine(nil)
		if err != nil {
			t.Fatal(err)
		}
		outlined(t, line)
	}
}

func TestMember(t *testing.T) {
	raw := []byte(`{"type":"X","v":1,"inner":{"key":"no"},"key":"a\"b","list":["key"]}`)
	if got := Unquote(Member(raw, "key")); got != `a"b` {
		t.Errorf("key is %q", got)
	}
	for _, name := range []string{"v", "inner", "none"} {
		if got := Member(raw, name); got != nil {
			t.Errorf("%s is %q, want nil", name, got)
		}
	}
	if Member([]byte(`nothing`), "key") != nil {
		t.Error("what is no object has a member")
	}
}

func TestOutlineAllocatesNothing(t *testing.T) {
	line, err := sample(&Decrypted{Key: "arn:aws:kms:us-east-1:111122223333:key/k"}).AppendLine(nil)
	if err != nil {
		t.Fatal(err)
	}
	var o Outline
	if n := testing.AllocsPerRun(100, func() { _ = ReadOutline(line, &o) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzReadOutline(f *testing.F) {
	line, _ := sample(&Decrypted{Key: "k"}).AppendLine(nil)
	f.Add(line)
	f.Add([]byte(`{"n":1,"at":"2026-11-23T18:00:00Z","op":"a:b","outcome":"ok","events":[{"v":1,"type":"X"}]}`))
	f.Add([]byte(`{"n":1,"op":"a","outcome":"x","decision":{"allowed":false,"checks":[{"allowed":false}]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var o Outline
		if ReadOutline(line, &o) != nil {
			return
		}
		_, _ = o.Refused()
		_ = o.Events(func(_, raw []byte) bool { Member(raw, "key"); return true })
	})
}

func BenchmarkReadOutline(b *testing.B) {
	line, _ := sample(&Decrypted{Key: "arn:aws:kms:us-east-1:111122223333:key/k", Material: "m"}).AppendLine(nil)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var o Outline
	for b.Loop() {
		if err := ReadOutline(line, &o); err != nil {
			b.Fatal(err)
		}
		if err := o.Events(func(_, raw []byte) bool { return Member(raw, "key") != nil }); err != nil {
			b.Fatal(err)
		}
	}
}
