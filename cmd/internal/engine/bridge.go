package engine

import (
	"context"
	"fmt"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/merkle"
	"github.com/keytrail/keytrail/projections/state"
)

// bridge is the engine as the committer sees it. All methods run in the
// committer's goroutine, the only one that writes the working state.
type bridge Engine

// Load checks the log against the head file, rebuilds the state, and brings the
// keyring in line with it. Whatever the keyring holds beyond the state is an
// orphan of a crash between Put and Append, or was to be erased after an Append:
// either way it goes now.
func (b *bridge) Load(ctx context.Context) (*merkle.Tree, uint64, error) {
	e := (*Engine)(b)
	tree, last, err := b.check(ctx)
	if err != nil {
		return nil, 0, err
	}
	st, err := state.Load(ctx, e.cfg.Log, last)
	if err != nil {
		return nil, 0, err
	}
	if st.Initialized() && st.RootKey != e.cfg.Root.ID() {
		return nil, 0, fmt.Errorf("wrong root key: the log was written under root key %s, the one given is %s", st.RootKey, e.cfg.Root.ID())
	}
	if err := reconcile(ctx, e.cfg.Ring, st); err != nil {
		return nil, 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = st
	e.epoch++
	e.keys.reset(e.cfg.Ring)
	return tree, last, nil
}

// check holds the log against its head. A new log gets a head of its own before
// its first commit, so that one without a head is never taken for new. What the
// log has beyond the head was committed when the process died, or without an
// answer; the head then moves up to it.
func (b *bridge) check(ctx context.Context) (*merkle.Tree, uint64, error) {
	if b.cfg.Head == nil {
		genesis := eventstore.HeadOf(&merkle.Tree{}, 0)
		return eventstore.Check(ctx, b.cfg.Log, &genesis)
	}
	var head *eventstore.Head
	if h, ok := b.cfg.Head.Head(); ok {
		head = &h
	}
	tree, last, err := eventstore.Check(ctx, b.cfg.Log, head)
	if err != nil {
		return nil, 0, err
	}
	if head == nil || head.Seq != last {
		if err := b.cfg.Head.Write(eventstore.HeadOf(tree, last)); err != nil {
			return nil, 0, err
		}
		if err := b.cfg.Head.Sync(); err != nil {
			return nil, 0, err
		}
	}
	return tree, last, nil
}

func reconcile(ctx context.Context, ring keyring.Ring, st *vault.State) error {
	wanted := map[string]bool{}
	for id := range st.RingIDs() {
		wanted[id] = false
	}
	var orphans []string
	for id := range ring.IDs() {
		if _, ok := wanted[id]; ok {
			wanted[id] = true
		} else {
			orphans = append(orphans, id)
		}
	}
	for id, there := range wanted {
		if !there {
			return fmt.Errorf("the keyring has no entry %s that the log refers to: the keyring is not the one of this log, or has lost data", id)
		}
	}
	if err := ring.Erase(ctx, orphans...); err != nil {
		return fmt.Errorf("erase what the log no longer refers to: %w", err)
	}
	return nil
}

// Decide fills the batch. Calls that change state are decided here, one after
// the other; uses were decided before and are decided again when the state has
// moved since.
func (b *bridge) Decide(_ context.Context, subject eventstore.Subject, tickets []*ticket, batch *eventstore.Batch) (int, error) {
	e := (*Engine)(b)
	if subject == eventstore.State {
		e.mu.Lock()
		defer e.mu.Unlock()
	} else {
		e.mu.RLock()
		defer e.mu.RUnlock()
	}
	for i, t := range tickets {
		if subject == eventstore.State {
			if !batch.Room(largestChange) {
				return i, nil
			}
			if err := t.decide(e); err != nil {
				return i, err
			}
			e.keys.stage(t.decision.Seals)
		} else {
			if t.stale(e) {
				if err := t.decide(e); err != nil {
					return i, err
				}
			}
			if !batch.Room(t.size()) {
				return i, nil
			}
		}
		t.number(batch)
	}
	return len(tickets), nil
}

// largestChange is the room a state-changing call is given in a commit: it cannot
// be decided and then put off, because its events are in the working state.
const largestChange = 256 << 10

// number gives the ticket's records their n and puts their lines in the batch.
func (t *ticket) number(batch *eventstore.Batch) {
	start := 0
	for i, end := range t.ends {
		t.last = batch.Next()
		t.decision.Records[i].N = t.last
		line := event.AppendNumber(batch.Buffer(), t.last)
		batch.Add(append(line, t.bodies[start:end]...))
		start = end
	}
}

// Prepare writes the keyring entries that the batch's records refer to. A crash
// after it leaves orphans, which the next Load erases.
func (b *bridge) Prepare(ctx context.Context, subject eventstore.Subject, tickets []*ticket) error {
	if subject != eventstore.State {
		return nil
	}
	var entries []keyring.Entry
	for _, t := range tickets {
		for _, s := range t.decision.Seals {
			entries = append(entries, keyring.Entry{ID: s.Ring, Sealed: s.Sealed})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if err := b.cfg.Ring.Put(ctx, entries...); err != nil {
		return fmt.Errorf("write to the keyring: %w", err)
	}
	b.keys.staged()
	return nil
}

// Stored hands a commit that is on disk to the goroutine that replies, so that
// the next commit does not wait for the replies of this one.
func (b *bridge) Stored(subject eventstore.Subject, tickets []*ticket, batch *eventstore.Batch, seq uint64) {
	b.releases <- release{subject: subject, tickets: append([]*ticket(nil), tickets...), batch: batch, seq: seq}
}

// Failed answers tickets whose records are not, or not certainly, on disk.
func (b *bridge) Failed(tickets []*ticket, err error) {
	for _, t := range tickets {
		if t != nil {
			t.fail(err)
		}
	}
}

// release erases what the records say is gone, tells who listens, and replies.
func (e *Engine) release() {
	for r := range e.releases {
		if r.subject == eventstore.State {
			e.erase(r.tickets)
		}
		e.publish(r)
		for _, t := range r.tickets {
			t.done(t.decision.Release(vault.Receipt{N: t.last, Seq: r.seq}))
			t.decision.Forget()
		}
		r.batch.Free()
	}
}

// erase removes from the keyring what the stored records have ended. The records
// are durable and say so: if it fails or the process dies, the next Load does it.
func (e *Engine) erase(tickets []*ticket) {
	var ids []string
	for _, t := range tickets {
		ids = append(ids, t.decision.Erase...)
	}
	if len(ids) == 0 {
		return
	}
	e.mu.Lock() // no use is being decided with the material that goes
	e.keys.forget(ids)
	e.mu.Unlock()
	if err := e.cfg.Ring.Erase(context.Background(), ids...); err != nil && e.cfg.Observe != nil {
		e.cfg.Observe(eventstore.Commitment{Err: fmt.Errorf("erase from the keyring: %w", err)})
	}
}

func (e *Engine) publish(r release) {
	if e.cfg.Changed != nil && r.subject == eventstore.State {
		var events []event.Event
		for _, t := range r.tickets {
			for i := range t.decision.Records {
				events = append(events, t.decision.Records[i].Events...)
			}
		}
		if len(events) > 0 {
			e.cfg.Changed(events)
		}
	}
	if e.cfg.Stored != nil {
		p := Published{Subject: r.subject, Seq: r.seq, First: r.batch.First(), Lines: r.batch.Lines()}
		for _, t := range r.tickets {
			for i := range t.decision.Records {
				p.Records = append(p.Records, &t.decision.Records[i])
			}
		}
		e.cfg.Stored(p)
	}
}
