package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/keytrail/keytrail/eventstore"
)

// Bounds of one answer when reading. The bytes keep the answer well inside what
// the server lets pile up for a connection (ServerOptions), the messages bound
// it where they are small. A read holds up appends while the server collects the
// answer, so it must not be too large either.
const (
	readBytes    = 4 << 20
	readMessages = 4096
)

// replicaPatience is how long a read waits for a replica that is behind the
// leader to catch up.
const replicaPatience = 5 * time.Second

const directGet = "$JS.API.DIRECT.GET." + StreamName

// directRequest asks for messages of the stream by sequence.
type directRequest struct {
	Seq      uint64 `json:"seq,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// filter is the one subject that a set of subjects comes to, or empty for all of
// the stream, which costs the server much less than a filter that matches all.
func filter(subjects []eventstore.Subject) string {
	if len(subjects) == 0 {
		return ""
	}
	for _, s := range subjects[1:] {
		if s != subjects[0] {
			return "" // there are but two
		}
	}
	return subjects[0].String()
}

// Read asks the server for one piece of the log after the other, and holds what
// comes against what the server counts: JetStream skips in silence a message that
// it cannot read.
//
// Its count of the messages on one subject is sound from the first sequence on
// only, where it comes from the stream's index. So a read of one subject that
// begins later reads the others too and leaves them out here, where the
// sequences have to be contiguous.
func (l *Log) Read(ctx context.Context, from uint64, subjects []eventstore.Subject, fn func(eventstore.Stored) error) error {
	from = max(from, 1)
	filter := filter(subjects)
	if from > 1 {
		filter, fn = "", only(filter, fn)
	}
	r, err := l.reader(from, filter, fn)
	if err != nil {
		return fmt.Errorf("natslog: read: %w", err)
	}
	defer r.stop()
	return r.read(ctx)
}

// only leaves out what the filter does not match.
func only(filter string, fn func(eventstore.Stored) error) func(eventstore.Stored) error {
	if filter == "" {
		return fn
	}
	return func(c eventstore.Stored) error {
		if c.Subject.String() != filter {
			return nil
		}
		return fn(c)
	}
}

// reader has one subscription for the answers to all of its requests.
type reader struct {
	log    *Log
	filter string
	fn     func(eventstore.Stored) error
	inbox  string
	sub    *nats.Subscription

	next uint64 // the lowest sequence not yet seen
	// Found out with the first answer, in this order, so that all that is
	// counted is up to the end:
	left int64  // messages that the server counted and that are still to come
	end  uint64 // where to stop
}

func (l *Log) reader(from uint64, filter string, fn func(eventstore.Stored) error) (*reader, error) {
	if l.closed.Load() {
		return nil, eventstore.ErrClosed
	}
	inbox := l.nc.NewInbox()
	sub, err := l.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	// What may pile up is bounded by what is asked for, not by the client.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, errors.Join(err, sub.Unsubscribe())
	}
	return &reader{log: l, filter: filter, fn: fn, inbox: inbox, sub: sub, next: from}, nil
}

func (r *reader) stop() { _ = r.sub.Unsubscribe() }

// read delivers until the end is reached or nothing more comes.
func (r *reader) read(ctx context.Context) error {
	var behind time.Time // since when a replica has had no more
	for first := true; first || r.next <= r.end; first = false {
		before := r.next
		if err := r.piece(ctx); err != nil {
			return err
		}
		if r.next > before {
			behind = time.Time{}
			continue
		}
		if r.end == 0 {
			// Nothing at all was found.
			if err := r.start(ctx, 0); err != nil {
				return err
			}
		}
		if r.next > r.end || r.filter != "" && r.left == 0 && !r.log.replicated {
			break
		}
		if !r.log.replicated {
			return r.lost()
		}
		if behind.IsZero() {
			behind = time.Now()
		}
		if time.Since(behind) > replicaPatience {
			return r.lost()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	if r.left > 0 {
		return r.lost()
	}
	return nil
}

// start finds out where the log ends, after counted messages were announced.
func (r *reader) start(ctx context.Context, counted int64) error {
	r.left = counted
	if r.filter == "" {
		last, err := r.log.Last(ctx)
		if err != nil {
			return fmt.Errorf("natslog: read: %w", err)
		}
		r.end = last
		return nil
	}
	info, err := r.log.info(ctx, jetstream.WithSubjectFilter(r.filter))
	if err != nil {
		return fmt.Errorf("natslog: read: %w", err)
	}
	// A message that the stream knows to have lost may have been one of these.
	if s := info.State; s.LastSeq > 0 && (s.FirstSeq != 1 || s.Msgs != s.LastSeq) {
		return r.lost()
	}
	r.end = info.State.LastSeq
	if counted == 0 {
		r.left = int64(info.State.Subjects[r.filter])
	}
	if !r.log.replicated {
		return nil
	}
	// The last one on the subject, for a replica to come up to.
	r.end, err = r.log.lastOn(ctx, r.filter)
	if err != nil {
		return fmt.Errorf("natslog: read: %w", err)
	}
	return nil
}

func (r *reader) lost() error {
	what := "a message that the server counts is"
	if r.left > 0 {
		what = fmt.Sprintf("%d messages that the server counts are", r.left)
	}
	return fmt.Errorf("natslog: read: %w", &eventstore.UnreadableError{Seq: r.next,
		Err: fmt.Errorf("%s not to be had from it", what)})
}

// lastOn is the sequence of the last message on a subject, as the leader has it.
func (l *Log) lastOn(ctx context.Context, subject string) (uint64, error) {
	request, err := json.Marshal(directRequest{LastFor: subject})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	m, err := l.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+StreamName, request)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, err
	}
	if answer.Error != nil && answer.Error.ErrorCode != jetstream.JSErrCodeMessageNotFound {
		return 0, answer.Error
	}
	return answer.Message.Seq, nil
}

// piece asks once and delivers the answer.
func (r *reader) piece(ctx context.Context) error {
	if r.log.closed.Load() {
		return eventstore.ErrClosed
	}
	request, err := json.Marshal(directRequest{Seq: r.next, NextFor: r.filter, Batch: readMessages, MaxBytes: readBytes})
	if err != nil {
		return err
	}
	if err := r.log.nc.PublishRequest(directGet, r.inbox, request); err != nil {
		return fmt.Errorf("natslog: read: %w", err)
	}
	for {
		m, err := r.message(ctx)
		if errors.Is(err, errNoAnswer) {
			// The server gives no answer at all when it meets a block that it
			// cannot read while it counts what is to come.
			if _, gone := r.log.get(ctx, r.next); errors.Is(gone, eventstore.ErrNotFound) {
				return r.lost()
			}
		}
		if err != nil {
			return err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204", "404": // end of the piece; nothing found
			return nil
		default:
			return fmt.Errorf("natslog: read: the server answers %s %s", status, m.Header.Get("Description"))
		}
		if err := r.deliver(ctx, m); err != nil || r.next > r.end {
			return err // the rest of the answer goes with the subscription
		}
	}
}

// deliver hands one message on.
func (r *reader) deliver(ctx context.Context, m *nats.Msg) error {
	c, err := fromDirect(m)
	if err != nil {
		return fmt.Errorf("natslog: read: %w", err)
	}
	if r.end == 0 {
		pending, err := number(m.Header, headerPending)
		if err != nil {
			return fmt.Errorf("natslog: read: the server's answer: %w", err)
		}
		if err := r.start(ctx, int64(pending)+1); err != nil {
			return err
		}
	}
	if r.filter == "" && c.Seq != r.next {
		return r.lost()
	}
	r.next = c.Seq + 1
	if c.Seq > r.end {
		return nil
	}
	r.left--
	return r.fn(c)
}

var errNoAnswer = errors.New("natslog: no answer from the server")

// message waits for a message of an answer: each may take the time that the Log has
// for an answer.
func (r *reader) message(ctx context.Context) (*nats.Msg, error) {
	// What is there already needs no timer.
	if n, _, err := r.sub.Pending(); err == nil && n > 0 {
		return r.sub.NextMsgWithContext(ctx)
	}
	waiting, cancel := context.WithTimeoutCause(ctx, r.log.timeout, fmt.Errorf("%w within %s", errNoAnswer, r.log.timeout))
	defer cancel()
	m, err := r.sub.NextMsgWithContext(waiting)
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		err = context.Cause(waiting)
	}
	return m, err
}

// Get returns one commit.
func (l *Log) Get(ctx context.Context, seq uint64) (eventstore.Stored, error) {
	c, err := l.get(ctx, seq)
	if err != nil {
		return eventstore.Stored{}, fmt.Errorf("natslog: get %d: %w", seq, err)
	}
	return c, nil
}

func (l *Log) get(ctx context.Context, seq uint64) (eventstore.Stored, error) {
	if l.closed.Load() {
		return eventstore.Stored{}, eventstore.ErrClosed
	}
	if seq == 0 {
		return eventstore.Stored{}, eventstore.ErrNotFound
	}
	request, err := json.Marshal(directRequest{Seq: seq})
	if err != nil {
		return eventstore.Stored{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	for begun := time.Now(); ; {
		m, err := l.nc.RequestWithContext(ctx, directGet, request)
		if err != nil {
			return eventstore.Stored{}, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			return fromDirect(m)
		case "404":
		default:
			return eventstore.Stored{}, fmt.Errorf("the server answers %s %s", status, m.Header.Get("Description"))
		}
		if !l.replicated || time.Since(begun) > replicaPatience {
			return eventstore.Stored{}, eventstore.ErrNotFound
		}
		// The replica that answered may be behind the leader.
		if last, err := l.Last(ctx); err != nil || seq > last {
			return eventstore.Stored{}, errors.Join(eventstore.ErrNotFound, err)
		}
		select {
		case <-ctx.Done():
			return eventstore.Stored{}, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
