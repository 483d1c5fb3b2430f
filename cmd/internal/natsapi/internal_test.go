package natsapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
)

// When nobody takes the live records, Stored drops them and goes on.
func TestLiveNeverBlocks(t *testing.T) {
	s := New(nil, NewAuthenticator(), Options{})
	r := event.Record{Op: "kms:Decrypt", Who: event.Who{Account: "111122223333"}, Outcome: "ok"}
	p := engine.Published{Lines: [][]byte{[]byte("{}")}, Records: []*event.Record{&r}}
	s.Stored(p)
	if n := len(s.live); n != 0 {
		t.Errorf("%d records wait though nobody may tail", n)
	}
	s.callers.tails.Store(1)
	for range liveLength + 3 {
		s.Stored(p)
	}
	if n := s.missed.Load(); n != 3 || len(s.live) != liveLength {
		t.Errorf("%d records missed and %d waiting, want 3 and %d", n, len(s.live), liveLength)
	}
	got := <-s.live
	p.Lines[0][0] = 'x' // the line is the engine's again
	if got.subject != "keytrail.live.111122223333.kms.Decrypt.ok" || string(got.line) != "{}" {
		t.Errorf("%s: %s", got.subject, got.line)
	}
}

// What a caller wrote into a name cannot become a header of its own.
func TestErrorRendering(t *testing.T) {
	f := fault.New(fault.ValidationException, "no \"key\"\r\nKeytrail-Receipt: n=1 seq=1\x00%s", strings.Repeat("é", 2000))
	h := headerText(string(f.Code) + ": " + f.Message)
	if strings.ContainsAny(h, "\r\n\x00") || len(h) > 1024 {
		t.Errorf("header %q", h)
	}
	for service, member := range map[string]string{"kms": "message", "secretsmanager": "Message", "": "message"} {
		var body map[string]string
		if err := json.Unmarshal(errorBody(service, f), &body); err != nil || body[member] != f.Message || body["__type"] != string(f.Code) {
			t.Errorf("%s: %v, %v", service, err, body)
		}
	}
}

func TestSemantic(t *testing.T) {
	for in, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3-rc.1+x": "1.2.3-rc.1+x", "devel": "0.0.0", "": "0.0.0", "v1": "0.0.0",
		"v0.0.0-20261123180000-abcdefabcdef+dirty": "0.0.0-20261123180000-abcdefabcdef+dirty",
	} {
		if got := semantic(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
