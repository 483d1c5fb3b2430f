package keyring

import (
	"errors"
	"slices"
	"testing"
)

// Faults at each step of a Put and an Erase of three entries: which of them
// are durable, and that doing it again settles it.
func TestMemoryFaults(t *testing.T) {
	fault := errors.New("fault")
	for _, c := range []struct {
		at      Step
		crash   bool
		durable []string // after the fault and a restart
	}{
		{Step{Op: "put", ID: "a"}, false, nil},
		{Step{Op: "put", ID: "b"}, false, []string{"a"}},
		{Step{Op: "put", ID: "b", Done: true}, false, []string{"a", "b"}},
		{Step{Op: "put", ID: "b", Done: true}, true, []string{"a", "b"}},
		{Step{Op: "erase", ID: "a"}, false, []string{"a", "b", "c"}},
		{Step{Op: "erase", ID: "b"}, true, []string{"b", "c"}},
		{Step{Op: "erase", ID: "b", Done: true}, false, []string{"c"}},
	} {
		m := NewMemory()
		var steps []Step
		m.SetHook(func(s Step) error {
			steps = append(steps, s)
			switch {
			case s != c.at:
				return nil
			case c.crash:
				m.Crash()
				return nil
			}
			return fault
		})
		all := []Entry{{"a", []byte("1")}, {"b", []byte("2")}, {"c", []byte("3")}}
		err := m.Put(t.Context(), all...)
		if c.at.Op == "erase" {
			if err != nil {
				t.Fatal(err)
			}
			err = m.Erase(t.Context(), "a", "b", "c")
			wantIDs(t, m)
		}
		if expected := map[bool]error{false: fault, true: ErrClosed}[c.crash]; !errors.Is(err, expected) {
			t.Errorf("%+v: %v, want %v", c.at, err, expected)
		}
		if !slices.Equal(steps[len(steps)-1:], []Step{c.at}) {
			t.Errorf("%+v: went on to %+v", c.at, steps[len(steps)-1])
		}
		again := m.Reopen()
		wantIDs(t, again, c.durable...)
		put(t, again, all...)
		wantIDs(t, again, "a", "b", "c")
		erase(t, again, "a", "b", "c")
		wantIDs(t, again.Reopen())
	}
}

// An entry that was stored and reported failed is not known until it is put
// again, or the ring reopened.
func TestMemoryUnheardPut(t *testing.T) {
	m := NewMemory()
	m.SetHook(func(s Step) error {
		if s.Done {
			return errors.New("lost")
		}
		return nil
	})
	if err := m.Put(t.Context(), Entry{"a", []byte("1")}); err == nil {
		t.Fatal("the fault was not reported")
	}
	wantNone(t, m, "a")
	m.SetHook(nil)
	if err := m.Put(t.Context(), Entry{"a", []byte("2")}); !errors.Is(err, ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
	put(t, m, Entry{"a", []byte("1")})
	want(t, m, "a", "1")
}
