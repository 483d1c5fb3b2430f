package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/keytrail/keytrail/eventstore"
)

// follower collects what Follow delivers.
type follower struct {
	seen chan eventstore.Stored
	done chan error
	stop context.CancelFunc
}

func follow(t *testing.T, log eventstore.Log, from uint64, subjects ...eventstore.Subject) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{seen: make(chan eventstore.Stored, 1000), done: make(chan error, 1), stop: cancel}
	go func() {
		f.done <- log.Follow(ctx, from, subjects, func(c eventstore.Stored) error {
			f.seen <- c
			return nil
		})
	}()
	t.Cleanup(cancel)
	return f
}

// take waits for so many commits.
func (f *follower) take(t *testing.T, n int) []eventstore.Stored {
	t.Helper()
	var out []eventstore.Stored
	for len(out) < n {
		select {
		case c := <-f.seen:
			out = append(out, c)
		case err := <-f.done:
			t.Fatalf("Follow ended after %d of %d commits: %v", len(out), n, err)
		case <-time.After(patience):
			t.Fatalf("Follow delivered %d of %d commits", len(out), n)
		}
	}
	return out
}

func (f *follower) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-f.done:
		return err
	case <-time.After(patience):
		t.Fatal("Follow did not end")
		return nil
	}
}

func testFollow(t *testing.T, s Store) {
	writer, reader := s.Open(t), s.Open(t)
	var w Writer
	want := w.Fill(t, writer, 10)
	all, late, uses := follow(t, reader, 0), follow(t, reader, 14), follow(t, reader, 1, eventstore.Use)
	wantCommits(t, all.take(t, 10), want)
	want = append(want, w.Fill(t, writer, 10)...)
	wantCommits(t, all.take(t, 10), want[10:])
	wantCommits(t, late.take(t, 7), want[13:])
	var onlyUses []*eventstore.Commit
	for _, c := range want {
		if c.Subject == eventstore.Use {
			onlyUses = append(onlyUses, c)
		}
	}
	wantCommits(t, uses.take(t, len(onlyUses)), onlyUses)
	all.stop()
	if err := all.ended(t); !errors.Is(err, context.Canceled) {
		t.Fatalf("Follow with a cancelled context: %v", err)
	}
	want = append(want, w.Fill(t, writer, 1)...)
	wantCommits(t, late.take(t, 1), want[20:])
	if len(all.seen) != 0 {
		t.Fatal("a commit after the end of Follow")
	}
}

func testFollowStops(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	w.Fill(t, log, 3)
	stop := errors.New("enough")
	done := make(chan error, 1)
	go func() {
		done <- log.Follow(context.Background(), 1, nil, func(c eventstore.Stored) error {
			if c.Seq == 5 {
				return stop
			}
			return nil
		})
	}()
	w.Fill(t, log, 3)
	select {
	case err := <-done:
		if err != stop {
			t.Fatalf("Follow returned %v, want the function's own error", err)
		}
	case <-time.After(patience):
		t.Fatal("Follow goes on after the function's error")
	}
}

func testConcurrentReaders(t *testing.T, s Store) {
	writer, reader := s.Open(t), s.Open(t)
	var w Writer
	w.Fill(t, writer, 5)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				last, err := reader.Last(t.Context())
				if err != nil {
					t.Errorf("Last: %v", err)
					return
				}
				next := uint64(1)
				err = reader.Read(t.Context(), 1, nil, func(c eventstore.Stored) error {
					if c.Seq != next {
						t.Errorf("sequence %d, want %d", c.Seq, next)
					}
					next++
					return nil
				})
				// What was there before the call is read; what comes after
				// it may or may not be.
				if err != nil || next <= last {
					t.Errorf("Read: %v; ended before %d, Last was %d", err, next, last)
					return
				}
			}
		})
	}
	w.Fill(t, writer, 60)
	cancel()
	wg.Wait()
}

func testCancelled(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	w.Fill(t, log, 2)
	c := w.Commit(eventstore.Use, "perhaps")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := log.Append(ctx, c)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Append with a cancelled context: %v", err)
	}
	// Whether it was stored is for the log to say, and the error has to agree.
	last, lerr := log.Last(t.Context())
	if lerr != nil {
		t.Fatal(lerr)
	}
	switch {
	case errors.Is(err, eventstore.ErrNotStored) && last != 2:
		t.Fatalf("Append said %v, and stored it", err)
	case !errors.Is(err, eventstore.ErrNotStored) && !errors.Is(err, eventstore.ErrAmbiguous):
		t.Fatalf("Append: %v is of no class", err)
	}
}

func testClosed(t *testing.T, s Store) {
	log, other := s.Open(t), s.Open(t)
	var w Writer
	w.Fill(t, log, 2)
	f := follow(t, log, 1)
	f.take(t, 2)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatalf("second Close: %v", err)
	}
	if err := f.ended(t); !errors.Is(err, eventstore.ErrClosed) {
		t.Fatalf("Follow on a closed handle: %v", err)
	}
	_, err := log.Append(t.Context(), w.Commit(eventstore.Use, "too late"))
	wantError(t, "append on a closed handle", err, eventstore.ErrNotStored)
	if _, err := log.Last(t.Context()); !errors.Is(err, eventstore.ErrClosed) {
		t.Fatalf("Last on a closed handle: %v", err)
	}
	if err := log.Read(t.Context(), 1, nil, func(eventstore.Stored) error { return nil }); !errors.Is(err, eventstore.ErrClosed) {
		t.Fatalf("Read on a closed handle: %v", err)
	}
	w.Fill(t, other, 1)
}

func testVerifies(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	w.Fill(t, log, 20)
	head := eventstore.HeadOf(&w.Tree, w.Last)
	w.Fill(t, log, 20)
	tree, last, err := eventstore.Check(t.Context(), log, &head)
	if err != nil {
		t.Fatal(err)
	}
	if last != w.Last || tree.Root() != w.Tree.Root() || tree.Size() != w.Tree.Size() {
		t.Fatalf("Check ends at %d with n=%d, want %d with n=%d", last, tree.Size(), w.Last, w.Tree.Size())
	}
	report, err := eventstore.Verify(t.Context(), log, &head)
	if err != nil {
		t.Fatal(err)
	}
	if report.Commits != 40 || report.Ahead != 20 || report.Records != w.Tree.Size() || report.Head.Root != w.Tree.Root() || report.Head.Seq != 40 {
		t.Fatalf("report %+v", report)
	}
}
