package projections_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/merkle"
	"github.com/keytrail/keytrail/projections"
)

// list is a view that keeps every line. What it holds outlives its process: fail
// ends an Apply before, or after, the lines and the cursor are kept.
type list struct {
	mu     sync.Mutex
	cursor uint64
	lines  []string
	fail   func(before bool) error
}

func (l *list) Name() string { return "list" }

func (l *list) Cursor(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursor, nil
}

func (l *list) Apply(_ context.Context, commits []eventstore.Stored) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		if err := l.fail(true); err != nil {
			return err
		}
	}
	for _, c := range commits {
		if c.Seq != l.cursor+1 {
			return fmt.Errorf("commit %d after %d", c.Seq, l.cursor)
		}
		for _, line := range c.Lines {
			l.lines = append(l.lines, string(line))
		}
		l.cursor = c.Seq
	}
	if l.fail != nil {
		return l.fail(false)
	}
	return nil
}

func (l *list) Reset(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursor, l.lines = 0, nil
	return nil
}

type writer struct {
	t    *testing.T
	log  eventstore.Log
	tree merkle.Tree
	last uint64
	want []string
}

func (w *writer) append(n int) {
	w.t.Helper()
	for range n {
		line := fmt.Sprint("line ", w.tree.Size())
		first := w.tree.Size()
		w.tree.Append([]byte(line))
		w.want = append(w.want, line)
		seq, err := w.log.Append(w.t.Context(), &eventstore.Commit{Subject: eventstore.Use, First: first, Lines: [][]byte{[]byte(line)},
			Root: w.tree.Root(), ID: line[5:], After: w.last})
		if err != nil {
			w.t.Fatal(err)
		}
		w.last = seq
	}
}

func newWriter(t *testing.T) *writer {
	return &writer{t: t, log: memlog.NewStore(memlog.Options{Now: time.Now}).Open()}
}

func TestRunFollowsAndAwaitWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, v := newWriter(t), &list{}
		w.append(10)
		r := projections.NewRunner(w.log, v, nil)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		if err := r.Await(ctx, 10); err != nil {
			t.Fatal(err)
		}
		w.append(2000)
		if err := r.Await(ctx, w.last); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(v.lines, w.want) {
			t.Errorf("%d lines, want %d", len(v.lines), len(w.want))
		}
		early, cancel := context.WithTimeout(ctx, time.Second)
		if err := r.Await(early, w.last+1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for what is not there: %v", err)
		}
		cancel()
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// A view that dies at any point goes on without a loss and without counting
// twice: the cursor moves with what is held.
func TestResumeAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, v := newWriter(t), &list{}
		calls := 0
		v.fail = func(before bool) error {
			if calls++; calls%3 == 0 {
				return fmt.Errorf("killed, before=%v", before)
			}
			return nil
		}
		failures := 0
		r := projections.NewRunner(w.log, v, func(error) { failures++ })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		for range 50 {
			w.append(3)
			synctest.Wait()
		}
		if err := r.Await(ctx, w.last); err != nil {
			t.Fatal(err)
		}
		stop()
		<-done
		if !slices.Equal(v.lines, w.want) || failures == 0 {
			t.Errorf("%d lines, want %d; %d failures", len(v.lines), len(w.want), failures)
		}
	})
}

func TestRebuildGivesTheSame(t *testing.T) {
	w, v := newWriter(t), &list{}
	w.append(1500)
	r := projections.NewRunner(w.log, v, nil)
	steps := 0
	for range 2 {
		if err := r.Rebuild(t.Context(), func(applied, last uint64) {
			if steps++; last != 1500 || applied > last {
				t.Errorf("progress %d of %d", applied, last)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(v.lines, w.want) || r.Applied() != 1500 {
			t.Errorf("%d lines, applied %d", len(v.lines), r.Applied())
		}
	}
	if steps < 4 {
		t.Errorf("%d steps of progress", steps)
	}
}

// TestRestartWhileFollowing: a view that is built again while the log grows holds
// every line once, also when its process ends in the midst of it, at any point.
func TestRestartWhileFollowing(t *testing.T) {
	died := errors.New("the process died")
	for point := range 12 {
		for _, before := range []bool{true, false} {
			w := &writer{t: t, log: memlog.NewStore(memlog.Options{}).Open()}
			w.append(40)
			view := &list{}
			run := func(until func(*projections.Runner), restart bool) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				r := projections.NewRunner(w.log, view, func(err error) {
					if errors.Is(err, died) {
						stop()
					}
				})
				done := make(chan struct{})
				go func() { defer close(done); _ = r.Run(ctx) }()
				if restart {
					if err := r.Await(ctx, w.last); err != nil {
						t.Fatal(err)
					}
					n := 0
					view.mu.Lock()
					view.fail = func(b bool) error {
						if b == before {
							if n++; n > point {
								return died
							}
						}
						return nil
					}
					view.mu.Unlock()
					if !r.Restart(w.last) || r.Restart(w.last) {
						t.Error("of two restarts the first counts")
					}
				}
				until(r)
				stop()
				<-done
			}
			run(func(r *projections.Runner) {
				for r.Status().Rebuilding {
					w.append(1)
					time.Sleep(time.Millisecond)
					view.mu.Lock()
					dead := view.fail == nil
					view.mu.Unlock()
					if dead || w.last > 80 {
						break
					}
				}
			}, true)
			view.mu.Lock()
			view.fail = nil
			view.mu.Unlock()
			run(func(r *projections.Runner) {
				if err := r.Await(t.Context(), w.last); err != nil {
					t.Fatal(err)
				}
			}, false)
			if !slices.Equal(view.lines, w.want) {
				t.Fatalf("died at %d, before %v: %d lines, want %d once each", point, before, len(view.lines), len(w.want))
			}
		}
	}
}

// watchedReset is a list that tells when it is emptied.
type watchedReset struct {
	*list
	reset func()
}

func (l watchedReset) Reset(ctx context.Context) error {
	l.reset()
	return l.list.Reset(ctx)
}

// TestNobodyIsToldOfWhatIsThrownAway: a reader who asks how far a view has come, and
// then reads it, does not take an empty view for a complete one.
func TestNobodyIsToldOfWhatIsThrownAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t)
		w.append(5)
		var r *projections.Runner
		at := uint64(99)
		r = projections.NewRunner(w.log, watchedReset{&list{}, func() { at = r.Applied() }}, func(err error) { t.Error(err) })
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = r.Run(ctx) }()
		if err := r.Await(ctx, w.last); err != nil {
			t.Fatal(err)
		}
		r.Restart(w.last)
		synctest.Wait()
		if at != 0 || r.Applied() != w.last || r.Status().Rebuilding {
			t.Errorf("while it was emptied the view was told to be at %d; now at %d", at, r.Applied())
		}
		stop()
		synctest.Wait()
	})
}
