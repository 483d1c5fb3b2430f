package eventstore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

// TestIntegrity damages a log of 20 commits whose head is at the twelfth, and
// wants both checks to name the first bad position.
func TestIntegrity(t *testing.T) {
	const none = 0
	for _, tc := range []struct {
		name   string
		damage func(s *memlog.Store, h *eventstore.Head)
		check  uint64 // first bad sequence that Check finds; it does not read what is before the head
		verify uint64
		reason string
	}{
		{"nothing", func(*memlog.Store, *eventstore.Head) {}, none, none, ""},
		{"flipped before the head", func(s *memlog.Store, _ *eventstore.Head) { s.Flip(5, 0, 3) }, none, 5, "root"},
		{"flipped after the head", func(s *memlog.Store, _ *eventstore.Head) { s.Flip(15, 1, 3) }, 15, 15, "root"},
		{"missing before the head", func(s *memlog.Store, _ *eventstore.Head) { s.Drop(5) }, 5, 5, "missing"},
		{"missing at the head", func(s *memlog.Store, _ *eventstore.Head) { s.Drop(12) }, 12, 12, "missing"},
		{"missing after the head", func(s *memlog.Store, _ *eventstore.Head) { s.Drop(15) }, 15, 15, "missing"},
		{"the first missing", func(s *memlog.Store, _ *eventstore.Head) { s.Drop(1) }, 1, 1, "missing"},
		{"several missing", func(s *memlog.Store, _ *eventstore.Head) { s.Drop(14); s.Drop(15); s.Drop(16) }, 14, 14, "missing"},
		{"the last missing", func(s *memlog.Store, _ *eventstore.Head) { s.Drop(20) }, 20, 20, "missing"},
		{"swapped before the head", func(s *memlog.Store, _ *eventstore.Head) { s.Swap(4, 7) }, none, 4, "begins with n="},
		{"swapped across the head", func(s *memlog.Store, _ *eventstore.Head) { s.Swap(12, 13) }, 12, 12, "n="},
		{"swapped after the head", func(s *memlog.Store, _ *eventstore.Head) { s.Swap(14, 18) }, 14, 14, "begins with n="},
		{"cut after the head", func(s *memlog.Store, _ *eventstore.Head) { s.Truncate(15) }, none, none, ""},
		{"cut at the head", func(s *memlog.Store, _ *eventstore.Head) { s.Truncate(12) }, none, none, ""},
		{"cut before the head", func(s *memlog.Store, _ *eventstore.Head) { s.Truncate(9) }, 10, 10, "records are lost"},
		{"all cut", func(s *memlog.Store, _ *eventstore.Head) { s.Truncate(0) }, 1, 1, "records are lost"},
		{"another root at the head", func(s *memlog.Store, _ *eventstore.Head) {
			s.Replace(12, func(c *eventstore.Commit) { c.Root[0]++ })
		}, 12, 12, "root"},
		{"another fence", func(s *memlog.Store, _ *eventstore.Head) {
			s.Replace(14, func(c *eventstore.Commit) { c.After-- })
		}, 14, 14, "after sequence"},
		{"a line more", func(s *memlog.Store, _ *eventstore.Head) {
			s.Replace(13, func(c *eventstore.Commit) { c.Lines = append(c.Lines[:len(c.Lines):len(c.Lines)], []byte("forged")) })
		}, 13, 13, "root"},
		{"a line less", func(s *memlog.Store, _ *eventstore.Head) {
			s.Replace(15, func(c *eventstore.Commit) { c.Lines = c.Lines[:len(c.Lines)-1] })
		}, 15, 15, "root"},
		{"the head of another log", func(_ *memlog.Store, h *eventstore.Head) { *h = otherHead(t) }, 12, 12, "head file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := memlog.NewStore(memlog.Options{})
			log := store.Open()
			var w storetest.Writer
			w.Fill(t, log, 12)
			head := eventstore.HeadOf(&w.Tree, w.Last)
			commits := w.Fill(t, log, 8)
			tc.damage(store, &head)

			tree, last, err := eventstore.Check(t.Context(), log, &head)
			wantDamage(t, "Check", err, tc.check, tc.reason)
			if err == nil && tc.verify == none {
				root := head.Root
				if last > 12 {
					root = commits[last-13].Root
				}
				if tree.Root() != root {
					t.Errorf("Check ends at sequence %d with n=%d and another root", last, tree.Size())
				}
			}
			report, err := eventstore.Verify(t.Context(), log, &head)
			wantDamage(t, "Verify", err, tc.verify, tc.reason)
			if tc.verify != none && report.Commits != tc.verify-1 {
				t.Errorf("the report covers %d commits, want those before %d", report.Commits, tc.verify)
			}
			if report.Head.Seq != report.Commits || report.Head.N != report.Records {
				t.Errorf("report %+v does not agree with itself", report)
			}
		})
	}
}

func otherHead(t *testing.T) eventstore.Head {
	var w storetest.Writer
	log := memlog.NewStore(memlog.Options{}).Open()
	for range 12 {
		w.Append(t, log, w.Commit(eventstore.Use, "another", "log"))
	}
	return eventstore.HeadOf(&w.Tree, w.Last)
}

func wantDamage(t *testing.T, what string, err error, seq uint64, reason string) {
	t.Helper()
	if seq == 0 {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return
	}
	var damage *eventstore.IntegrityError
	if !errors.As(err, &damage) {
		t.Fatalf("%s: %v, want damage at sequence %d", what, err, seq)
	}
	if damage.Position.Seq != seq || !strings.Contains(damage.Reason, reason) {
		t.Fatalf("%s: %v, want sequence %d and %q", what, err, seq, reason)
	}
}

func TestCheckWithoutHead(t *testing.T) {
	log := memlog.NewStore(memlog.Options{}).Open()
	tree, last, err := eventstore.Check(t.Context(), log, nil)
	if err != nil || last != 0 || tree.Size() != 0 {
		t.Fatalf("an empty log without head: %v, %d", err, last)
	}
	var w storetest.Writer
	w.Fill(t, log, 3)
	_, _, err = eventstore.Check(t.Context(), log, nil)
	if !errors.Is(err, eventstore.ErrNoHead) || !strings.Contains(err.Error(), "keytrail verify --data-dir DIR --write-head") {
		t.Fatalf("a log without head: %v", err)
	}
	report, err := eventstore.Verify(t.Context(), log, nil)
	if err != nil {
		t.Fatal(err)
	}
	// What --write-head would write serves.
	if _, _, err := eventstore.Check(t.Context(), log, &report.Head); err != nil {
		t.Fatalf("with the head of the report: %v", err)
	}
}

func TestCheckRefusesAHeadThatContradictsItself(t *testing.T) {
	log := memlog.NewStore(memlog.Options{}).Open()
	var w storetest.Writer
	w.Fill(t, log, 3)
	good := eventstore.HeadOf(&w.Tree, w.Last)
	for name, spoil := range map[string]func(h *eventstore.Head){
		"root":           func(h *eventstore.Head) { h.Root[3]++ },
		"size":           func(h *eventstore.Head) { h.N++ },
		"a node":         func(h *eventstore.Head) { h.Nodes = append([]eventstore.Hash{{1}}, h.Nodes[1:]...) },
		"a node missing": func(h *eventstore.Head) { h.Nodes = h.Nodes[1:] },
	} {
		h := good
		spoil(&h)
		if _, _, err := eventstore.Check(t.Context(), log, &h); err == nil {
			t.Errorf("%s: Check accepts it", name)
		}
		if _, err := eventstore.Verify(t.Context(), log, &h); err == nil {
			t.Errorf("%s: Verify accepts it", name)
		}
	}
}
