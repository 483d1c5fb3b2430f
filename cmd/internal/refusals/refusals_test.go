package refusals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/vault"
)

// What could not be stored is in the next summary, once, and what a summary names
// is bounded.
func TestFlush(t *testing.T) {
	now := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	var stored []vault.Refusals
	broken := errors.New("the log is away")
	down := true
	var r *Recorder
	r = New("nats", time.Hour, func() time.Time { return now }, func(_ context.Context, req *vault.Request) error {
		if down {
			r.Note(BadCredentials, "10.0.1.1", "hunter2hunter2hunter2") // while it is being written
			return broken
		}
		var s vault.Refusals
		if err := json.Unmarshal(req.Body, &s); err != nil {
			t.Fatal(err)
		}
		stored = append(stored, s)
		return nil
	})
	for i := range 100 {
		r.Note(BadCredentials, fmt.Sprint("10.0.0.", i), fmt.Sprintf("AKIA%016d", i))
		now = now.Add(time.Second)
	}
	if err := r.Flush(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("flush: %v", err)
	}
	r.Note(BadCredentials, "10.0.1.1", "hunter2hunter2hunter2")
	down = false
	for range 2 {
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(stored) != 1 {
		t.Fatalf("%d summaries, want one", len(stored))
	}
	s := stored[0]
	if s.Edge != "nats" || s.Reason != string(BadCredentials) || s.Count != 102 || !s.More ||
		len(s.Sources) != maxNames || len(s.AccessKeys) != maxNames || s.Last.Sub(s.First.Time) != 100*time.Second {
		t.Errorf("%+v", s)
	}
	if n := r.Totals()[BadCredentials]; n != 102 {
		t.Errorf("total %d", n)
	}
}

func TestPlausible(t *testing.T) {
	for id, want := range map[string]bool{
		"AKIAIOSFODNN7EXAMPLE": true, "ASIAIOSFODNN7EXAMPLE": true, "AIDAIOSFODNN7EXAMPLE": false, "AKIAIOSFODNN7EXAMPL": false,
		"AKIAIOSFODNN7EXAMPLEX": false, "AKIAIOSFODNN7EXAMPLe": false, "wJalrXUtnFEMI/K7MDEN": false, "": false,
	} {
		if got := plausible(id); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}
