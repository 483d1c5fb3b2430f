package engine

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurnsAreFair: however many calls of one account wait, one of another has its
// turn next, and each account's calls have theirs as they came.
func TestTurnsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTurns(1, 10, 6)
		if _, ok := ts.enter("busy"); !ok { // has the place
			t.Fatal("the place is taken")
		}
		var mu sync.Mutex
		var served []string
		wait := func(account, name string) {
			turn, ok := ts.enter(account)
			if !ok {
				t.Fatalf("%s is turned away", name)
			}
			go func() {
				if !ts.come(account, turn, time.Hour) {
					t.Errorf("%s has no turn", name)
				}
				mu.Lock()
				served = append(served, name)
				mu.Unlock()
				ts.leave()
			}()
		}
		for i := range 6 {
			wait("busy", fmt.Sprint("busy", i))
		}
		if _, ok := ts.enter("busy"); ok {
			t.Error("more of one account wait than may")
		}
		wait("other", "other0")
		wait("third", "third0")
		wait("other", "other1")
		wait("third", "third1")
		if _, ok := ts.enter("fourth"); ok {
			t.Error("more wait than may")
		}
		ts.leave()
		synctest.Wait()
		want := "[busy0 other0 third0 busy1 other1 third1 busy2 busy3 busy4 busy5]"
		if got := fmt.Sprint(served); got != want {
			t.Errorf("served %s, want %s", got, want)
		}
		if ts.free != 1 || ts.waiting != 0 || len(ts.order) != 0 || len(ts.queues) != 0 {
			t.Errorf("something is left: %+v", ts)
		}
	})
}

// TestTurnsAreLimited: no more have a place at a time than there are, whoever gives up
// in between, and all are free in the end.
func TestTurnsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTurns(2, 8, 5)
		var in atomic.Int32
		var turned, late, had int
		var mu sync.Mutex
		var done sync.WaitGroup
		r := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			account, patience, hold := fmt.Sprint(r.IntN(3)), time.Duration(r.IntN(50))*time.Millisecond, time.Duration(r.IntN(10))*time.Millisecond
			time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
			done.Go(func() {
				turn, ok := ts.enter(account)
				came := ok && ts.come(account, turn, patience)
				if came {
					if in.Add(1) > 2 {
						t.Error("too many at a time")
					}
					time.Sleep(hold)
					in.Add(-1)
					ts.leave()
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case !ok:
					turned++
				case !came:
					late++
				default:
					had++
				}
			})
		}
		done.Wait()
		if ts.free != 2 || ts.waiting != 0 || len(ts.order) != 0 || len(ts.queues) != 0 || had == 0 || late == 0 || turned == 0 {
			t.Errorf("left %+v; %d had a turn, %d came late, %d were turned away", ts, had, late, turned)
		}
	})
}
