package eventstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/merkle"
)

// item is a call for the test bridge: a name and the size of its line.
type item struct {
	name string
	size int
}

// recorder is a bridge that stores each item as one line and notes what happens.
type recorder struct {
	log    eventstore.Log
	claims string // if set, every load appends a line of its own, with this in its id
	busy   func() // called when a commit is stored

	mu     sync.Mutex
	loads  int
	broken error // what Load fails with
	events []string
	failed map[string]error
	stored map[string]uint64 // name -> sequence
}

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

func (r *recorder) Load(ctx context.Context) (*merkle.Tree, uint64, error) {
	r.mu.Lock()
	r.loads++
	broken := r.broken
	r.mu.Unlock()
	if broken != nil {
		return nil, 0, broken
	}
	genesis := eventstore.HeadOf(&merkle.Tree{}, 0)
	tree, last, err := eventstore.Check(ctx, r.log, &genesis)
	if err != nil || r.claims == "" {
		return tree, last, err
	}
	line, first := []byte("claim of "+r.claims), tree.Size()
	tree.Append(line)
	last, err = r.log.Append(ctx, &eventstore.Commit{Subject: eventstore.Use, First: first, Lines: [][]byte{line},
		Root: tree.Root(), ID: fmt.Sprint(r.claims, first), After: last})
	return tree, last, err
}

func (r *recorder) Decide(_ context.Context, s eventstore.Subject, items []item, b *eventstore.Batch) (int, error) {
	for i, it := range items {
		if it.name == "undecidable" {
			return i, errors.New("cannot be decided")
		}
		if !b.Room(it.size) {
			return i, nil
		}
		line := append(b.Buffer(), it.name...)
		for len(line) < len(b.Buffer())+it.size {
			line = append(line, '.')
		}
		b.Add(line)
	}
	return len(items), nil
}

func (r *recorder) Prepare(_ context.Context, s eventstore.Subject, items []item) error {
	if items[0].name == "unprepared" {
		return errors.New("cannot be prepared")
	}
	return nil
}

func (r *recorder) Stored(s eventstore.Subject, items []item, b *eventstore.Batch, seq uint64) {
	names := make([]string, len(items))
	r.mu.Lock()
	for i, it := range items {
		names[i] = it.name
		r.stored[it.name] = seq
	}
	r.mu.Unlock()
	short := strings.TrimPrefix(s.String(), "keytrail.log.")
	r.note("%s:%s", short, strings.Join(names, "+"))
	b.Free()
	if r.busy != nil {
		r.busy()
	}
}

func (r *recorder) Failed(items []item, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, it := range items {
		r.failed[it.name] = err
	}
}

func (r *recorder) waitFor(t *testing.T, names ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range names {
		if r.stored[n] == 0 && r.failed[n] == nil {
			t.Errorf("%s was not answered", n)
		}
	}
}

// harness is a running committer whose appends wait at a gate until it opens.
type harness struct {
	*recorder
	*eventstore.Committer[item]
	gate  chan struct{}
	fault memlog.Kind
	stop  context.CancelFunc
}

func start(t *testing.T, queue int) *harness {
	h := &harness{gate: make(chan struct{})}
	store := memlog.NewStore(memlog.Options{Fault: func(int, *eventstore.Commit) memlog.Fault {
		return memlog.Fault{Kind: h.fault, Slow: func(ctx context.Context) {
			select {
			case <-h.gate:
			case <-ctx.Done():
			}
		}}
	}})
	h.recorder = &recorder{log: store.Open(), failed: map[string]error{}, stored: map[string]uint64{}}
	h.Committer = eventstore.NewCommitter[item](h.log, nil, h.recorder, eventstore.CommitterOptions{Queue: queue})
	if err := h.Submit(eventstore.Use, item{"early", 1}); !errors.Is(err, eventstore.ErrEpochEnded) {
		t.Fatalf("a call before the log is loaded: %v", err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h.stop = cancel
	go h.Run(ctx)
	return h
}

func (h *harness) submit(t *testing.T, s eventstore.Subject, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := h.Submit(s, item{n, len(n)}); err != nil {
			t.Fatalf("submit %s: %v", n, err)
		}
	}
}

func TestWhatWaitsIsTheNextCommitChangesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, 0)
		h.submit(t, eventstore.Use, "u0")
		synctest.Wait() // u0 is in flight
		h.submit(t, eventstore.Use, "u1", "u2")
		h.submit(t, eventstore.State, "c1", "c2")
		h.submit(t, eventstore.Use, "u3")
		close(h.gate)
		h.waitFor(t, "u0", "u1", "u2", "u3", "c1", "c2")
		if want := []string{"use:u0", "state:c1+c2", "use:u1+u2+u3"}; !slices.Equal(h.events, want) {
			t.Errorf("commits %v, want %v", h.events, want)
		}
		h.stop()
	})
}

func TestNothingIsStoredBeforeItIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, 0)
		h.submit(t, eventstore.Use, "u0")
		synctest.Wait()
		if len(h.events) > 0 {
			t.Errorf("stored while the append is under way: %v", h.events)
		}
		close(h.gate)
		h.waitFor(t, "u0")
		h.stop()
	})
}

func TestTheQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, 3)
		h.submit(t, eventstore.Use, "u0")
		synctest.Wait()
		h.submit(t, eventstore.Use, "u1", "u2")
		h.submit(t, eventstore.State, "c1")
		if err := h.Submit(eventstore.Use, item{"u4", 2}); !errors.Is(err, eventstore.ErrQueueFull) {
			t.Errorf("past the bound: %v", err)
		}
		close(h.gate)
		h.waitFor(t, "u0", "u1", "u2", "c1")
		h.submit(t, eventstore.Use, "u5")
		h.waitFor(t, "u5")
		h.stop()
	})
}

func TestLargeBatchesAreSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, 0)
		h.submit(t, eventstore.Use, "u0")
		synctest.Wait()
		for i := range 5 {
			if err := h.Submit(eventstore.Use, item{fmt.Sprint("big", i), eventstore.MaxCommit / 2}); err != nil {
				t.Fatal(err)
			}
		}
		close(h.gate)
		h.waitFor(t, "big0", "big1", "big2", "big3", "big4")
		if want := []string{"use:u0", "use:big0+big1", "use:big2+big3", "use:big4"}; !slices.Equal(h.events, want) {
			t.Errorf("commits %v, want %v", h.events, want)
		}
		h.stop()
	})
}

func TestAnUnconfirmedCommitEndsTheEpoch(t *testing.T) {
	for name, kind := range map[string]memlog.Kind{
		"not stored": memlog.NotStored, "stored but reported failed": memlog.StoredButFailed, "ambiguous": memlog.NotStoredAmbiguous,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, 0)
				h.fault = kind
				h.submit(t, eventstore.State, "c0")
				synctest.Wait()
				h.submit(t, eventstore.State, "c1")
				h.submit(t, eventstore.Use, "u1")
				close(h.gate)
				h.waitFor(t, "c0", "c1", "u1")
				for _, n := range []string{"c0", "c1", "u1"} {
					if !errors.Is(h.failed[n], eventstore.ErrEpochEnded) {
						t.Errorf("%s: stored at %d, failed with %v", n, h.stored[n], h.failed[n])
					}
				}
				if h.loads != 2 {
					t.Errorf("the log was loaded %d times", h.loads)
				}
				h.fault = memlog.None
				h.submit(t, eventstore.State, "c2")
				h.waitFor(t, "c2")
				if h.stored["c2"] == 0 {
					t.Errorf("after the reload: %v", h.failed["c2"])
				}
				h.stop()
			})
		})
	}
}

func TestWhatCannotBeDecidedOrPreparedEndsTheEpoch(t *testing.T) {
	for _, name := range []string{"undecidable", "unprepared"} {
		synctest.Test(t, func(t *testing.T) {
			h := start(t, 0)
			close(h.gate)
			h.submit(t, eventstore.State, name)
			h.waitFor(t, name)
			if !errors.Is(h.failed[name], eventstore.ErrEpochEnded) || h.loads != 2 {
				t.Errorf("%s: %v, %d loads", name, h.failed[name], h.loads)
			}
			if last, _ := h.log.Last(t.Context()); last != 0 {
				t.Errorf("%s is in the log", name)
			}
			h.stop()
		})
	}
}

// While the log cannot be loaded calls are refused at once, not queued.
func TestNoEpochNoQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, 0)
		close(h.gate)
		h.mu.Lock()
		h.broken = errors.New("the disk is gone")
		h.mu.Unlock()
		h.submit(t, eventstore.State, "undecidable")
		h.waitFor(t, "undecidable")
		err := h.Submit(eventstore.Use, item{"u1", 2})
		if !errors.Is(err, eventstore.ErrEpochEnded) || !strings.Contains(err.Error(), "the disk is gone") {
			t.Errorf("submit: %v", err)
		}
		if h.Serving() == nil {
			t.Error("serving without an epoch")
		}
		h.mu.Lock()
		h.broken = nil
		h.mu.Unlock()
		for h.Serving() != nil {
			synctest.Wait()
			sleep()
		}
		h.submit(t, eventstore.Use, "u2")
		h.waitFor(t, "u2")
		h.stop()
	})
}

// A writer that has been fenced off answers nothing from its old epoch.
func TestAnotherWriterFences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, 0)
		h.submit(t, eventstore.Use, "u0")
		synctest.Wait()
		var tree merkle.Tree
		line := []byte("theirs")
		tree.Append(line)
		go close(h.gate)
		other := h.log
		synctest.Wait()
		last, _ := other.Last(t.Context())
		tree = merkle.Tree{}
		_ = other.Read(t.Context(), 1, nil, func(s eventstore.Stored) error {
			for _, l := range s.Lines {
				tree.Append(l)
			}
			return nil
		})
		first := tree.Size()
		tree.Append(line)
		if _, err := other.Append(t.Context(), &eventstore.Commit{Subject: eventstore.Use, First: first, Lines: [][]byte{line},
			Root: tree.Root(), ID: "theirs", After: last}); err != nil {
			t.Fatal(err)
		}
		h.submit(t, eventstore.Use, "u1")
		h.waitFor(t, "u1")
		if err := h.failed["u1"]; !errors.Is(err, eventstore.ErrEpochEnded) || !errors.Is(err, eventstore.ErrFenced) {
			t.Errorf("u1: %v", err)
		}
		if err := h.Submit(eventstore.Use, item{"standing by", 1}); !errors.Is(err, eventstore.ErrFenced) {
			t.Errorf("a displaced writer takes calls: %v", err)
		}
		for range 5 {
			sleep()
		}
		h.submit(t, eventstore.Use, "u2")
		h.waitFor(t, "u2")
		if h.stored["u2"] != 3 {
			t.Errorf("u2 at %d: %v", h.stored["u2"], h.failed["u2"])
		}
		h.stop()
	})
}

func TestCloseAnswersWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, 0)
		h.submit(t, eventstore.Use, "u0")
		synctest.Wait()
		h.submit(t, eventstore.Use, "u1")
		h.stop()
		close(h.gate)
		h.waitFor(t, "u0", "u1")
		if h.stored["u0"] == 0 {
			t.Errorf("the commit in flight was given up: %v", h.failed["u0"])
		}
		if err := h.Submit(eventstore.Use, item{"u2", 2}); !errors.Is(err, eventstore.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// Every commit carries the root over all records before it and its own.
func TestCommitsCarryTheRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, 0)
		close(h.gate)
		for i := range 20 {
			h.submit(t, eventstore.Use, fmt.Sprint("u", i))
			h.waitFor(t, fmt.Sprint("u", i))
		}
		if _, err := eventstore.Verify(t.Context(), h.log, nil); err != nil {
			t.Error(err)
		}
		c, err := h.log.Get(t.Context(), 20)
		if err != nil || !bytes.Equal(c.Lines[0], []byte("u19")) || c.First != 19 {
			t.Errorf("%+v, %v", c, err)
		}
		h.stop()
	})
}

func sleep() { time.Sleep(time.Second) } // of the bubble
