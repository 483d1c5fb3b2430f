package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/eventstore"
)

// Error codes of JetStream acknowledgements (nats-server v2.15.2, errors.json).
const (
	codeWrongLastSequence         = 10071 // from a single server
	codeWrongLastSequenceConstant = 10164 // from a cluster, before the proposal
)

// refusals are the codes after which the message is certainly not stored.
var refusals = map[int]bool{
	10002: true, // account resources exceeded
	10023: true, // insufficient resources
	10028: true, // insufficient memory resources
	10039: true, // JetStream not enabled for the account
	10047: true, // insufficient storage resources
	10054: true, // message exceeds the maximum size
	10060: true, // expected stream does not match
	10076: true, // JetStream not enabled
	10077: true, // store refused: max messages, max bytes, too large, closed
	10097: true, // header exceeds the maximum size
	10109: true, // stream is sealed
	10120: true, // no limits for the account
}

// bodies are used again: the connection copies what it publishes.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// Append publishes the commit and waits for the acknowledgement, which a server
// that syncs always sends after the fsync.
//
// What a full disk gives, as nats-server v2.15.2 behaves: a write or fsync that
// fails is not answered at all, so the commit is ErrAmbiguous when ctx ends; the
// server then refuses every later write to the stream, again in silence, until it
// is restarted with room on the disk. With an embedded server Append says so with
// ErrNotStored from the second time on, and stays clear of it in the first place:
// it looks at the free space and refuses while there is still some, see
// ServerOptions.ReserveBytes.
func (l *Log) Append(ctx context.Context, c *eventstore.Commit) (uint64, error) {
	if err := l.refuse(ctx, c); err != nil {
		return 0, fmt.Errorf("natslog: append: %w: %w", eventstore.ErrNotStored, err)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.timeout)
		defer cancel()
	}
	body := bodies.Get().(*[]byte)
	defer bodies.Put(body)
	*body = c.AppendBody((*body)[:0])
	m, err := l.nc.RequestMsgWithContext(ctx, encode(c, *body))
	if err != nil {
		class := eventstore.ErrAmbiguous
		// These are found out before anything is sent; no responders means that
		// no stream took the message.
		for _, unsent := range []error{nats.ErrNoResponders, nats.ErrMaxPayload, nats.ErrReconnectBufExceeded, nats.ErrHeadersNotSupported} {
			if errors.Is(err, unsent) {
				class = eventstore.ErrNotStored
			}
		}
		if l.server != nil {
			l.suspect.Store(true)
			err = errors.Join(err, l.server.Health())
		}
		return 0, fmt.Errorf("natslog: append: %w: %w", class, err)
	}
	seq, err := acknowledged(m.Data, c)
	if err != nil {
		return 0, fmt.Errorf("natslog: append: %w", err)
	}
	return seq, nil
}

// refuse finds the reasons not to send the commit at all.
func (l *Log) refuse(ctx context.Context, c *eventstore.Commit) error {
	if l.closed.Load() {
		return eventstore.ErrClosed
	}
	if l.nc.IsClosed() {
		return nats.ErrConnectionClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if l.server == nil {
		return nil
	}
	// After a failed write the server is silent, and every append would cost the
	// caller its whole patience. The question is dear, so it is asked only once
	// there was reason to.
	if l.suspect.Load() {
		if err := l.server.Health(); err != nil {
			return err
		}
		l.suspect.Store(false)
	}
	return l.server.checkSpace(c.Size())
}

// acknowledged reads the acknowledgement of a commit.
func acknowledged(data []byte, c *eventstore.Commit) (uint64, error) {
	var ack struct {
		Stream    string `json:"stream"`
		Seq       uint64 `json:"seq"`
		Duplicate bool   `json:"duplicate"`
		Error     *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(data, &ack); err != nil {
		return 0, fmt.Errorf("%w: acknowledgement: %w", eventstore.ErrAmbiguous, err)
	}
	switch e := ack.Error; {
	case e == nil:
	case e.Code == codeWrongLastSequence || e.Code == codeWrongLastSequenceConstant:
		return 0, fmt.Errorf("%w: %s (%d), expected %d", eventstore.ErrFenced, e.Description, e.Code, c.After)
	case refusals[e.Code]:
		return 0, fmt.Errorf("%w: %s (%d)", eventstore.ErrNotStored, e.Description, e.Code)
	default:
		return 0, fmt.Errorf("%w: %s (%d)", eventstore.ErrAmbiguous, e.Description, e.Code)
	}
	switch {
	case ack.Stream != StreamName:
		return 0, fmt.Errorf("%w: acknowledged by stream %q", eventstore.ErrAmbiguous, ack.Stream)
	// A cluster looks for the id before the fence, a single server after it. So
	// the id of the very commit that follows After is a resend, which a single
	// server would have fenced; any other is the id of another commit.
	case ack.Duplicate && ack.Seq == c.After+1:
		return 0, fmt.Errorf("%w: the commit was sent before and is at sequence %d", eventstore.ErrFenced, ack.Seq)
	case ack.Duplicate:
		return 0, fmt.Errorf("%w: the id %s belongs to the commit at sequence %d", eventstore.ErrNotStored, c.ID, ack.Seq)
	case ack.Seq != c.After+1:
		return 0, fmt.Errorf("%w: acknowledged at sequence %d after %d: the stream did not keep the fence", eventstore.ErrAmbiguous, ack.Seq, c.After)
	}
	return ack.Seq, nil
}
