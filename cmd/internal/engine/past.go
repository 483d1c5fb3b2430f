package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/projections/state"
)

// Bounds of what is kept of the past: each history may be as large as the working
// state without its secrets.
const (
	maxHistories = 2
	keepHistory  = 5 * time.Minute
)

// histories are the states of the past that were asked for last. One is replayed
// at a time. A history that somebody reads is not carried on: it stands still.
type histories struct {
	mu   sync.Mutex // held while one is replayed
	kept []*kept    // the latest used last
}

type kept struct {
	*state.History
	readers sync.RWMutex // read-locked while a call is decided on it
	used    time.Time
}

// past gives the state of a position, and what to call when it is no longer read.
func (e *Engine) past(ctx context.Context, q vault.PastQuery) (*vault.Past, func(), error) {
	e.histories.mu.Lock()
	defer e.histories.mu.Unlock()
	last, err := e.cfg.Log.Last(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for the end of the log: %w", err)
	}
	at, problem, err := e.position(ctx, q, last)
	if err != nil || problem != "" {
		return &vault.Past{Problem: problem}, func() {}, err
	}
	until := state.Until{Records: q.Records, Time: q.Time}
	k := e.histories.take(until)
	if err := k.Advance(ctx, e.cfg.Log, until); err != nil {
		k.readers.Unlock()
		return nil, nil, fmt.Errorf("replay the past: %w", err)
	}
	k.used = time.Now()
	e.histories.keep(k)
	past := &vault.Past{State: k.State, Records: k.Records, At: at}
	if q.Time.IsZero() {
		past.Records = q.Records
	}
	// Whoever reads holds the lock from here on; nobody can write in between, for
	// that takes e.histories.mu.
	k.readers.Unlock()
	k.readers.RLock()
	return past, k.readers.RUnlock, nil
}

// position is the time of a position, or why there is none.
func (e *Engine) position(ctx context.Context, q vault.PastQuery, last uint64) (time.Time, string, error) {
	if !q.Time.IsZero() {
		if q.Time.After(e.cfg.Now()) {
			return q.Time, "The time is in the future.", nil
		}
		return q.Time, "", nil
	}
	lines, err := e.recordN(ctx, int64(max(q.Records, 1)-1))
	if err != nil {
		return time.Time{}, "", err
	}
	if len(lines) == 0 {
		return time.Time{}, fmt.Sprintf("The log has no record %d.", max(q.Records, 1)-1), nil
	}
	r, err := event.ParseLine(lines[0])
	if err != nil {
		return time.Time{}, "", err
	}
	return r.At, "", nil
}

// take gives a history that nobody reads and that reaches the position, write
// locked: the one that has come furthest, or a new one.
func (h *histories) take(u state.Until) *kept {
	h.kept = slices.DeleteFunc(h.kept, func(k *kept) bool { return time.Since(k.used) > keepHistory })
	var best *kept
	for _, k := range h.kept {
		if !k.Reaches(u) || best != nil && k.Records <= best.Records || !k.readers.TryLock() {
			continue
		}
		if best != nil {
			best.readers.Unlock()
		}
		best = k
	}
	if best == nil {
		best = &kept{History: state.NewHistory()}
		best.readers.Lock()
	}
	h.kept = slices.DeleteFunc(h.kept, func(k *kept) bool { return k == best })
	return best
}

func (h *histories) keep(k *kept) {
	h.kept = append(h.kept, k)
	if len(h.kept) > maxHistories {
		h.kept = slices.Delete(h.kept, 0, len(h.kept)-maxHistories)
	}
}

// asksPast reports whether the call asks about a state that was.
func (e *Engine) asksPast(req *vault.Request) bool {
	if req.Service != "keytrail" {
		return false
	}
	ok := false
	e.consult(func(st *vault.State, env *vault.Env) { _, ok = vault.NeedsPast(st, req, env) })
	return ok
}

// withPast replays the state that the call asks about, and carries the call out on
// it. A call that may not ask goes on without, to be refused and recorded.
func (e *Engine) withPast(req *vault.Request, done func(vault.Reply)) {
	e.setAsideWith(req, done, e.addPast)
}

// addPast adds the past that the request asks for, until release. A past that could
// not be replayed is empty: the call is refused and recorded.
func (e *Engine) addPast(ctx context.Context, with *vault.Request) (release func(), err error) {
	with.Past = &vault.Past{Problem: "There is no such position in the log."}
	var q vault.PastQuery
	ok := false
	e.consult(func(st *vault.State, env *vault.Env) { q, ok = vault.NeedsPast(st, with, env) })
	if !ok {
		return nil, nil
	}
	past, release, err := e.past(ctx, q)
	if err != nil {
		with.Past = &vault.Past{}
		return nil, nil
	}
	with.Past = past
	return release, nil
}
