package memlog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

func TestFaults(t *testing.T) {
	for _, tc := range []struct {
		name   string
		kind   memlog.Kind
		class  error
		stored bool
		dead   bool
	}{
		{"none", memlog.None, nil, true, false},
		{"not stored", memlog.NotStored, eventstore.ErrNotStored, false, false},
		{"stored but failed", memlog.StoredButFailed, eventstore.ErrAmbiguous, true, false},
		{"not stored, ambiguous", memlog.NotStoredAmbiguous, eventstore.ErrAmbiguous, false, false},
		{"crash", memlog.Crash, eventstore.ErrAmbiguous, false, true},
		{"crash after the store", memlog.CrashAfterStore, eventstore.ErrAmbiguous, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := memlog.NewStore(memlog.Options{Fault: func(n int, _ *eventstore.Commit) memlog.Fault {
				if n == 2 {
					return memlog.Fault{Kind: tc.kind}
				}
				return memlog.Fault{}
			}})
			log := store.Open()
			var w storetest.Writer
			w.Fill(t, log, 2)
			followed := make(chan error, 1)
			go func() {
				followed <- log.Follow(t.Context(), 1, nil, func(eventstore.Stored) error { return nil })
			}()
			c := w.Commit(eventstore.Use, "the third")
			_, err := log.Append(t.Context(), c)
			if !errors.Is(err, tc.class) {
				t.Fatalf("Append: %v, want %v", err, tc.class)
			}
			if tc.dead {
				if err := <-followed; !errors.Is(err, memlog.ErrCrashed) {
					t.Fatalf("Follow over a crash: %v", err)
				}
				if _, err := log.Last(t.Context()); !errors.Is(err, memlog.ErrCrashed) {
					t.Fatalf("Last after the crash: %v", err)
				}
				if _, err := store.Open().Last(t.Context()); !errors.Is(err, memlog.ErrCrashed) {
					t.Fatalf("a new handle before Reopen: %v", err)
				}
				store.Reopen()
				if _, err := log.Append(t.Context(), c); !errors.Is(err, memlog.ErrCrashed) {
					t.Fatalf("the old handle after Reopen: %v", err)
				}
			}
			want := uint64(2)
			if tc.stored {
				want = 3
			}
			fresh := store.Open()
			if last, err := fresh.Last(t.Context()); err != nil || last != want {
				t.Fatalf("Last = %d, %v, want %d", last, err, want)
			}
			// The reload finds it, and the writer goes on.
			if tc.stored {
				w.Tree.Append(c.Lines[0])
				w.Last = 3
			}
			w.Fill(t, fresh, 2)
		})
	}
}

func TestSlowLetsOthersIn(t *testing.T) {
	var second *memlog.Log
	var w storetest.Writer
	overtaken := false
	store := memlog.NewStore(memlog.Options{Fault: func(n int, _ *eventstore.Commit) memlog.Fault {
		if n != 3 {
			return memlog.Fault{}
		}
		return memlog.Fault{Slow: func(context.Context) {
			overtaken = true
			w.Fill(t, second, 1)
		}}
	}})
	first := store.Open()
	second = store.Open()
	w.Fill(t, first, 3)
	slow := w.Commit(eventstore.Use, "slow")
	slow.ID = "slow"
	if _, err := first.Append(t.Context(), slow); !overtaken || !errors.Is(err, eventstore.ErrFenced) {
		t.Fatalf("the slow append: %v, want ErrFenced", err)
	}
}

func TestSlowPastTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	store := memlog.NewStore(memlog.Options{Fault: func(int, *eventstore.Commit) memlog.Fault {
		return memlog.Fault{Slow: func(context.Context) { cancel() }}
	}})
	log := store.Open()
	var w storetest.Writer
	_, err := log.Append(ctx, w.Commit(eventstore.Use, "late"))
	if !errors.Is(err, eventstore.ErrAmbiguous) {
		t.Fatalf("Append past its context: %v, want ErrAmbiguous", err)
	}
	if last, _ := log.Last(t.Context()); last != 1 {
		t.Fatalf("Last = %d: what was on its way should have arrived", last)
	}
}

func TestDeterministic(t *testing.T) {
	run := func() []eventstore.Stored {
		store := memlog.NewStore(memlog.Options{})
		var w storetest.Writer
		w.Fill(t, store.Open(), 10)
		return storetest.ReadAll(t, store.Open(), 1)
	}
	a, b := run(), run()
	for i := range a {
		if a[i].At != b[i].At || a[i].Root != b[i].Root || a[i].ID != b[i].ID {
			t.Fatalf("commit %d differs between two equal runs", i+1)
		}
	}
	now := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	store := memlog.NewStore(memlog.Options{Now: func() time.Time { return now }})
	var w storetest.Writer
	w.Fill(t, store.Open(), 1)
	if c, err := store.Open().Get(t.Context(), 1); err != nil || !c.At.Equal(now) {
		t.Fatalf("At = %v, %v, want the store's clock", c.At, err)
	}
}
