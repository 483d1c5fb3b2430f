package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// Load checks the log against the head file, claims it, rebuilds the state, and
// brings the keyring in line with it. Whatever the keyring holds beyond the state
// is an orphan of a crash between Put and Append, or was to be erased after an
// Append: either way it goes now. The claim comes first: it fences off a writer
// that may have put entries for a record it has yet to append, and whose entries
// would look like orphans.
func (b *bridge) Load(ctx context.Context) (*merkle.Tree, uint64, error) {
	e := (*Engine)(b)
	tree, last, err := b.check(ctx)
	if err != nil {
		return nil, 0, err
	}
	if last, err = b.claim(ctx, tree, last); err != nil {
		return nil, 0, fmt.Errorf("claim the log: %w", err)
	}
	if err := b.writeHead(tree, last); err != nil {
		return nil, 0, err
	}
	st, err := state.Load(ctx, e.cfg.Log, last)
	if err != nil {
		return nil, 0, err
	}
	if err := b.rightRootKey(st); err != nil {
		return nil, 0, err
	}
	ring, err := e.cfg.OpenRing(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("open the keyring: %w", err)
	}
	if err := reconcile(ctx, ring, st); err != nil {
		return nil, 0, errors.Join(err, ring.Close())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = st
	e.stored.Store(last)
	e.epoch++
	return tree, last, e.keys.reset(ring)
}

// fit looks, before a process that shares the log waits for its turn, whether it
// could serve it: has its head file and its root key, and can read its records. A
// standby that cannot would be found out in the moment it is needed.
func (b *bridge) fit(ctx context.Context) error {
	if b.cfg.Seat == nil {
		return nil
	}
	tree, last, err := b.check(ctx)
	if err != nil || last == 0 {
		return err
	}
	st, err := state.Load(ctx, b.cfg.Log, last)
	if err != nil {
		return err
	}
	if err := b.rightRootKey(st); err != nil {
		return err
	}
	return b.writeHead(tree, last)
}

func (b *bridge) rightRootKey(st *vault.State) error {
	if st.Initialized() && st.RootKey != b.cfg.Root.ID() {
		return fmt.Errorf("%w: the log was written under root key %s, the one given is %s", ErrWrongRootKey, st.RootKey, b.cfg.Root.ID())
	}
	return nil
}

// check holds the log against its head. A new log gets a head of its own before
// its first commit, so that one without a head is never taken for new.
func (b *bridge) check(ctx context.Context) (*merkle.Tree, uint64, error) {
	if b.cfg.Head == nil {
		genesis := eventstore.HeadOf(&merkle.Tree{}, 0)
		return eventstore.Check(ctx, b.cfg.Log, &genesis)
	}
	if h, ok := b.cfg.Head.Head(); ok {
		return eventstore.Check(ctx, b.cfg.Log, &h)
	}
	tree, last, err := eventstore.Check(ctx, b.cfg.Log, nil)
	if err != nil {
		return nil, 0, err
	}
	return tree, last, b.writeHead(tree, last)
}

// writeHead moves the head up to the end of the log, durably.
func (b *bridge) writeHead(tree *merkle.Tree, last uint64) error {
	if b.cfg.Head == nil {
		return nil
	}
	if err := b.cfg.Head.Write(eventstore.HeadOf(tree, last)); err != nil {
		return err
	}
	return b.cfg.Head.Sync()
}

// claim appends the record that begins an epoch. From it on, the next commit of
// any other writer is refused by the log.
func (b *bridge) claim(ctx context.Context, tree *merkle.Tree, last uint64) (uint64, error) {
	e := (*Engine)(b)
	r := event.Record{
		N: tree.Size(), At: e.cfg.Now().UTC().Truncate(time.Microsecond), Request: e.NewRequestID(),
		Op: "keytrail:OpenLog", Who: event.Who{Type: "AWSService", ID: "keytrail"}, Outcome: event.OutcomeOK,
	}
	line, err := r.AppendLine(nil)
	if err != nil {
		return 0, err
	}
	tree.Append(line)
	return e.cfg.Log.Append(ctx, &eventstore.Commit{
		Subject: eventstore.Use, First: r.N, Lines: [][]byte{line}, Root: tree.Root(), ID: "open-" + r.Request, After: last,
	})
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
			return fmt.Errorf("%w: it has no entry %s that the log refers to", ErrKeyringIncomplete, id)
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
	for i, end := range t.lines.ends {
		t.last = batch.Next()
		t.decision.Records[i].N = t.last
		line := event.AppendNumber(batch.Buffer(), t.last)
		batch.Add(append(line, t.lines.bodies[start:end]...))
		start = end
	}
	t.lines.free()
	t.lines = nil
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
	if err := b.keys.ringNow().Put(ctx, entries...); err != nil {
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

// release tells who listens, and replies. Calls that end keyring entries go to
// the eraser, which costs milliseconds, and have their reply from there.
func (e *Engine) release() {
	defer close(e.erasures)
	for r := range e.releases {
		e.publish(r)
		for _, t := range r.tickets {
			if cause := t.decision.Defect(); cause != nil && e.cfg.Defect != nil {
				e.cfg.Defect(t.req.Service+":"+t.req.Operation, t.req.ID, cause)
			}
			if len(t.decision.Erase) > 0 {
				e.erasures <- erasure{t, r.seq}
				continue
			}
			if view := t.decision.Rebuild; view != "" && e.cfg.Projections != nil {
				e.cfg.Projections.Rebuild(view, r.seq)
			}
			t.reply(r.seq)
		}
		r.batch.Free()
	}
}

func (t *ticket) reply(seq uint64) {
	t.end(t.decision.Release(vault.Receipt{N: t.last, Seq: seq}))
}

// eraseAgain is how long the keyring is left alone after an erasure that failed.
const eraseAgain = 10 * time.Second

// erase removes from the keyring what stored records have ended, and then
// replies. The records are durable and say so: what cannot be erased now is
// tried again with the next and after a while, and when the process dies the next
// Load does it.
func (e *Engine) erase() {
	var left []string
	for {
		var again <-chan time.Time
		if len(left) > 0 {
			again = time.After(eraseAgain)
		}
		select {
		case x, ok := <-e.erasures:
			if !ok {
				return
			}
			left = e.eraseNow(append(left, x.ticket.decision.Erase...))
			x.ticket.reply(x.seq)
		case <-again:
			left = e.eraseNow(left)
		}
	}
}

// eraseNow erases the entries, and returns those that may be left.
func (e *Engine) eraseNow(ids []string) (left []string) {
	e.mu.Lock() // no use is being decided with the material that goes
	e.keys.forget(ids)
	e.mu.Unlock()
	err := e.keys.ringNow().Erase(context.Background(), ids...)
	if err == nil {
		return nil
	}
	if e.cfg.Defect != nil { // the epoch goes on
		e.cfg.Defect("erase from the keyring", "", err)
	}
	return ids
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
	e.stored.Store(r.seq)
	if e.cfg.Stored != nil {
		p := Published{Subject: r.subject, Seq: r.seq, First: r.batch.First(), Lines: r.batch.Lines()}
		p.Records = make([]*event.Record, 0, len(p.Lines))
		for _, t := range r.tickets {
			for i := range t.decision.Records {
				p.Records = append(p.Records, &t.decision.Records[i])
			}
		}
		e.cfg.Stored(p)
	}
}
