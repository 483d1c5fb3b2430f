package engine

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// ticket is one call on its way through the log.
type ticket struct {
	req      *vault.Request
	done     func(vault.Reply)
	decision *vault.Decision
	epoch    uint64
	lines    *lines // from decide to number
	last     uint64 // n of the call's own record, once stored
	founding *founding
}

// lines are a decision's record lines without their n.
type lines struct {
	bodies []byte // one after the other
	ends   []int  // where each body ends
}

// spare keeps the memory of lines for later calls: at a kilobyte a record it would
// be most of what a call allocates.
var spare = sync.Pool{New: func() any { return &lines{bodies: make([]byte, 0, 2<<10)} }}

// maxSpare keeps the memory of one large call from staying.
const maxSpare = 64 << 10

func (l *lines) free() {
	if cap(l.bodies) <= maxSpare {
		spare.Put(l)
	}
}

func (l *lines) encode(records []event.Record) error {
	l.bodies, l.ends = l.bodies[:0], l.ends[:0]
	for i := range records {
		var err error
		if l.bodies, err = records[i].AppendBody(l.bodies); err != nil {
			return err
		}
		l.ends = append(l.ends, len(l.bodies))
	}
	return nil
}

// founding is the one decision that is not made by vault.Handle: that of the
// first record.
type founding struct {
	vault.Founding
	keep func(vault.Administrator) error
}

func (f *founding) decide(e *Engine) (*vault.Decision, error) {
	if e.state.Initialized() {
		return nil, errors.New("the vault has been founded already")
	}
	d, admin, err := vault.Bootstrap(f.Founding, e.env())
	if err != nil {
		return nil, err
	}
	defer admin.Secret.Zero()
	if err := f.keep(admin); err != nil {
		return nil, err
	}
	return d, e.state.Apply(d.Records[0].Events)
}

// decide runs the domain on the working state and encodes the records. The
// caller holds the state's lock.
func (t *ticket) decide(e *Engine) error {
	if t.decision != nil {
		t.decision.Forget()
	}
	if t.founding != nil {
		var err error
		if t.decision, err = t.founding.decide(e); err != nil {
			return err
		}
	} else {
		t.decision = vault.Handle(e.state, t.req, e.env())
	}
	t.epoch = e.epoch
	if t.decision.Broken != nil {
		return fmt.Errorf("decide %s:%s: %w", t.req.Service, t.req.Operation, t.decision.Broken)
	}
	if t.lines == nil {
		t.lines = spare.Get().(*lines)
	}
	return t.lines.encode(t.decision.Records)
}

// decideUse is decide on the state as it is now. The lock is given back also by code
// that panics: an edge may live on after it.
func (t *ticket) decideUse(e *Engine) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return t.decide(e)
}

// stale reports whether the state has moved since the decision.
func (t *ticket) stale(e *Engine) bool {
	return t.epoch != e.epoch || t.decision.Revision != e.state.Revision
}

// size bounds the bytes of the ticket's lines: a line's number has at most 20
// digits.
func (t *ticket) size() int { return len(t.lines.bodies) + 32*len(t.lines.ends) }

func (t *ticket) fail(err error) {
	t.end(vault.Reply{RequestID: t.req.ID, Fault: refusal(err)})
}

// end answers, and keeps nothing: the call will not be decided again.
func (t *ticket) end(r vault.Reply) {
	t.req.Prepared.Wipe()
	t.done(r)
	if t.decision != nil {
		t.decision.Forget()
		t.decision = nil
	}
}

// erasure is a call whose record is on disk and ends keyring entries.
type erasure struct {
	ticket *ticket
	seq    uint64
}

// release is a stored commit whose callers wait for their replies.
type release struct {
	subject eventstore.Subject
	tickets []*ticket
	batch   *eventstore.Batch
	seq     uint64
}

// NewRequestID draws a request id: a random UUID.
func (e *Engine) NewRequestID() string {
	var b [16]byte
	if _, err := io.ReadFull(e.cfg.Entropy, b[:]); err != nil {
		panic("engine: no entropy: " + err.Error())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return event.FormatUUID(b)
}
