package projections_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/projections"
)

// asked is a log that counts what is asked of it.
type asked struct {
	eventstore.Log
	reads, lasts atomic.Int64
}

func (a *asked) Read(ctx context.Context, from uint64, subjects []eventstore.Subject, fn func(eventstore.Stored) error) error {
	a.reads.Add(1)
	return a.Log.Read(ctx, from, subjects, fn)
}

func (a *asked) Last(ctx context.Context) (uint64, error) {
	a.lasts.Add(1)
	return a.Log.Last(ctx)
}

// handOver gives the tail what was appended last, in memory that is used again.
func (w *writer) handOver(tail *projections.Tail) {
	w.t.Helper()
	c, err := w.log.Get(w.t.Context(), w.last)
	if err != nil {
		w.t.Fatal(err)
	}
	var lines [][]byte
	for _, line := range c.Lines {
		lines = append(lines, bytes.Clone(line))
	}
	tail.Stored(c.Subject, c.Seq, c.First, lines)
	for _, line := range lines {
		clear(line)
	}
}

// Whatever part of the log is handed over, a follower gets all of it, once and in
// order.
func TestTailGivesTheWholeLog(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			w, v := newWriter(t), &list{}
			w.append(random.IntN(20))
			tail := projections.NewTail(w.log)
			ctx, stop := context.WithCancel(t.Context())
			r := projections.NewRunner(tail, v, func(err error) { t.Errorf("seed %d: %v", seed, err) })
			done := make(chan struct{})
			go func() { defer close(done); r.Run(ctx) }()
			own := true // this process writes the log, or another one does
			for range 300 {
				w.append(1)
				if own {
					w.handOver(tail)
				}
				if random.IntN(20) == 0 {
					own = !own
				}
				if random.IntN(10) == 0 {
					synctest.Wait()
				}
			}
			if err := r.Await(ctx, w.last); err != nil {
				t.Fatal(err)
			}
			stop()
			<-done
			if !slices.Equal(v.lines, w.want) {
				t.Errorf("seed %d: %d lines, want %d", seed, len(v.lines), len(w.want))
			}
		})
	}
}

// What is handed over is not read back.
func TestTailSparesTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, v := newWriter(t), &list{}
		w.append(5)
		log := &asked{Log: w.log}
		tail := projections.NewTail(log)
		ctx, stop := context.WithCancel(t.Context())
		r := projections.NewRunner(tail, v, nil)
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		if err := r.Await(ctx, 5); err != nil {
			t.Fatal(err)
		}
		const silence = 5 * time.Millisecond
		for range 1000 {
			time.Sleep(silence)
			w.append(1)
			w.handOver(tail)
			synctest.Wait()
			if r.Applied() != w.last { // after a silence, at once
				t.Fatalf("applied %d of %d", r.Applied(), w.last)
			}
		}
		for range 100 { // as they come, a moment later
			began := time.Now()
			for range 3 {
				w.append(1)
				w.handOver(tail)
			}
			if err := r.Await(ctx, w.last); err != nil || time.Since(began) >= silence {
				t.Fatalf("applied %d of %d after %v: %v", r.Applied(), w.last, time.Since(began), err)
			}
		}
		stop()
		<-done
		if reads, lasts := log.reads.Load(), log.lasts.Load(); reads != 1 || lasts > 3 {
			t.Errorf("the log was read %d times and asked for its end %d times", reads, lasts)
		}
		if !slices.Equal(v.lines, w.want) {
			t.Errorf("%d lines, want %d", len(v.lines), len(w.want))
		}
	})
}

// A follower that is slower than the memory is long reads the log.
func TestTailForgets(t *testing.T) {
	w := newWriter(t)
	tail := projections.NewTail(w.log)
	for i := range 40 {
		w.append(1)
		// The tail is told of more than the log holds, to fill it quickly.
		tail.Stored(eventstore.Use, w.last, uint64(i), [][]byte{bytes.Repeat([]byte{'x'}, 1<<20)})
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var fromLog, fromMemory int
	var seqs []uint64
	err := tail.Follow(ctx, 1, nil, func(c eventstore.Stored) error {
		if len(c.Lines[0]) == 1<<20 {
			fromMemory++
		} else {
			fromLog++
		}
		if seqs = append(seqs, c.Seq); c.Seq == 40 {
			return fmt.Errorf("enough")
		}
		return nil
	})
	if err == nil || err.Error() != "enough" || len(seqs) != 40 || seqs[0] != 1 || seqs[39] != 40 {
		t.Fatalf("%v: %v", err, seqs)
	}
	if fromLog+fromMemory != 40 || fromLog < 20 {
		t.Errorf("%d commits from the log, %d from memory", fromLog, fromMemory)
	}
}

func TestTailKeepsToSubjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t)
		tail := projections.NewTail(w.log)
		ctx, stop := context.WithCancel(t.Context())
		got := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			tail.Follow(ctx, 1, []eventstore.Subject{eventstore.State}, func(eventstore.Stored) error { got++; return nil })
		}()
		w.append(3)
		synctest.Wait()
		for range 3 {
			w.append(1)
			w.handOver(tail)
		}
		synctest.Wait()
		stop()
		<-done
		if got != 0 {
			t.Errorf("%d commits of another subject", got)
		}
	})
}
