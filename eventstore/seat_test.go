package eventstore_test

import (
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
)

// place is a seat that several committers share, without a network.
type place struct {
	mu     sync.Mutex
	holder string
	events []string
	claims map[string]chan struct{} // of those that hear a claim
}

func (p *place) note(format string, args ...any) {
	p.events = append(p.events, fmt.Sprintf(format, args...))
}

type seat struct {
	*place
	name string
}

func (s seat) Wait(ctx context.Context) error {
	for {
		s.mu.Lock()
		free := s.holder == "" || s.holder == s.name
		s.mu.Unlock()
		if free {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s seat) Claim(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.claims[s.holder]; c != nil {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return nil
}

func (s seat) Claimed() <-chan struct{} { return s.claims[s.name] }

func (s seat) Take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holder = s.name
	s.note("%s takes", s.name)
}

func (s seat) Leave(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holder == s.name {
		s.holder = ""
	}
	s.note("%s leaves, fenced: %v", s.name, errors.Is(cause, eventstore.ErrFenced))
}

// claimant is a bridge whose loads claim the log, as the engine's do.
type claimant struct {
	*eventstore.Committer[item]
	*recorder
	stop context.CancelFunc
}

// contend starts a committer on the store; with a nil store error it has begun.
func contend(ctx context.Context, store *memlog.Store, p *place, name string, claim bool) *claimant {
	c := &claimant{recorder: &recorder{log: store.Open(), claims: name, failed: map[string]error{}, stored: map[string]uint64{}}}
	c.Committer = eventstore.NewCommitter[item](c.recorder.log, nil, c.recorder,
		eventstore.CommitterOptions{Seat: seat{p, name}, Claim: claim})
	ctx, c.stop = context.WithCancel(ctx)
	go func() {
		if c.Start(ctx) == nil {
			c.Run(ctx)
		}
	}()
	return c
}

// A writer that always has something to commit hears a claim, and stands by.
func TestSeatClaimedUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := memlog.NewStore(memlog.Options{}), &place{claims: map[string]chan struct{}{"a": make(chan struct{}, 1)}}
		a := contend(t.Context(), store, p, "a", false)
		synctest.Wait()
		a.busy = func() {
			time.Sleep(time.Millisecond)
			_ = a.Submit(eventstore.Use, item{"u", 1})
		}
		_ = a.Submit(eventstore.Use, item{"u", 1})
		b := contend(t.Context(), store, p, "b", true)
		time.Sleep(time.Minute)
		if err := a.Serving(); b.Serving() != nil || !errors.Is(err, eventstore.ErrFenced) || !strings.Contains(err.Error(), "has asked for the log") {
			t.Fatalf("b did not ask a to stand by: a %v, b %v", err, b.Serving())
		}
		a.stop()
		b.stop()
	})
}

// One writer at a time: who comes second waits, who is displaced learns it without
// a call, does not come back while the other is there, and takes over after it.
func TestSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := memlog.NewStore(memlog.Options{}), &place{}
		a := contend(t.Context(), store, p, "a", false)
		synctest.Wait()
		b := contend(t.Context(), store, p, "b", false)
		time.Sleep(time.Minute)
		if a.Serving() != nil || b.Serving() == nil {
			t.Fatalf("b does not wait: a %v, b %v", a.Serving(), b.Serving())
		}
		c := contend(t.Context(), store, p, "c", true)
		time.Sleep(1100 * time.Millisecond) // a looks once a second
		if c.Serving() != nil || !errors.Is(a.Serving(), eventstore.ErrFenced) {
			t.Fatalf("c did not displace a: a %v, c %v", a.Serving(), c.Serving())
		}
		time.Sleep(time.Minute)
		loads := a.loads + b.loads
		if loads != 1 {
			t.Errorf("%d loads of those that stand by, want a's first alone", loads)
		}
		if err := a.Submit(eventstore.Use, item{"u", 1}); !errors.Is(err, eventstore.ErrEpochEnded) {
			t.Errorf("a takes calls while it stands by: %v", err)
		}
		c.stop()
		time.Sleep(time.Minute)
		if (a.Serving() == nil) == (b.Serving() == nil) {
			t.Errorf("after c one of the others writes: a %v, b %v", a.Serving(), b.Serving())
		}
		p.mu.Lock()
		want := []string{"a takes", "c takes", "a leaves, fenced: true", "c leaves, fenced: false"}
		if len(p.events) < 5 || !slices.Equal(p.events[:4], want) {
			t.Errorf("%q, want %q and then one who takes", p.events, want)
		}
		p.mu.Unlock()
		if _, err := eventstore.Verify(t.Context(), a.recorder.log, nil); err != nil {
			t.Error(err)
		}
		a.stop()
		b.stop()
	})
}
