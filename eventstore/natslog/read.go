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

// followBytes bounds what a follower has ahead of it.
const followBytes = 8 << 20

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

// Read asks the server for one piece of the log after the other. It creates no
// consumer, so that it cannot stall on a record that the server cannot read: such
// a one is missing in what fn sees.
func (l *Log) Read(ctx context.Context, from uint64, subjects []eventstore.Subject, fn func(eventstore.Stored) error) error {
	end, err := l.end(ctx, filter(subjects))
	if err != nil {
		return fmt.Errorf("natslog: read: %w", err)
	}
	r, err := l.reader(filter(subjects))
	if err != nil {
		return fmt.Errorf("natslog: read: %w", err)
	}
	defer r.stop()
	return r.read(ctx, max(from, 1), end, fn)
}

// end is the sequence of the last message that the filter matches, or one after
// it. Only the leader of a replicated stream knows; a replica may be behind it.
func (l *Log) end(ctx context.Context, filter string) (uint64, error) {
	last, err := l.Last(ctx)
	if err != nil || !l.replicated || filter == "" || last == 0 {
		return last, err
	}
	request, err := json.Marshal(directRequest{LastFor: filter})
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

// reader has one subscription for the answers to all of its requests.
type reader struct {
	log    *Log
	filter string
	inbox  string
	sub    *nats.Subscription
}

func (l *Log) reader(filter string) (*reader, error) {
	inbox := l.nc.NewInbox()
	sub, err := l.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	// What may pile up is bounded by what is asked for, not by the client.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, errors.Join(err, sub.Unsubscribe())
	}
	return &reader{log: l, filter: filter, inbox: inbox, sub: sub}, nil
}

func (r *reader) stop() { _ = r.sub.Unsubscribe() }

// read delivers what is there from next to end.
func (r *reader) read(ctx context.Context, next, end uint64, fn func(eventstore.Stored) error) error {
	var behind time.Time // since when a replica has had no more
	for next <= end {
		seen, err := r.piece(ctx, next, end, fn)
		if err != nil {
			return err
		}
		if seen > 0 {
			next, behind = seen+1, time.Time{}
			continue
		}
		if !r.log.replicated {
			return nil
		}
		if behind.IsZero() {
			behind = time.Now()
		}
		if time.Since(behind) > replicaPatience {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// piece asks once, delivers the answer and returns the last sequence in it, 0 if
// there is nothing more.
func (r *reader) piece(ctx context.Context, next, end uint64, fn func(eventstore.Stored) error) (seen uint64, err error) {
	if r.log.closed.Load() {
		return 0, eventstore.ErrClosed
	}
	request, err := json.Marshal(directRequest{Seq: next, NextFor: r.filter, Batch: readMessages, MaxBytes: readBytes})
	if err != nil {
		return 0, err
	}
	if err := r.log.nc.PublishRequest(directGet, r.inbox, request); err != nil {
		return 0, err
	}
	for {
		m, err := r.next(ctx)
		if errors.Is(err, errNoAnswer) {
			// The server gives no answer at all when it meets a block that it
			// cannot read while it counts what is to come.
			if _, gone := r.log.get(ctx, next); errors.Is(gone, eventstore.ErrNotFound) {
				return seen, &eventstore.DecodeError{Seq: next, Err: errors.New("the server cannot read the message")}
			}
		}
		if err != nil {
			return seen, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204", "404": // end of the piece; nothing found
			return seen, nil
		default:
			return seen, fmt.Errorf("natslog: read: the server answers %s %s", status, m.Header.Get("Description"))
		}
		c, err := fromDirect(m)
		if err != nil {
			return seen, fmt.Errorf("natslog: read: %w", err)
		}
		if c.Seq > end {
			return c.Seq, nil // the rest of the answer goes with the subscription
		}
		seen = c.Seq
		if err := fn(c); err != nil {
			return seen, err
		}
	}
}

var errNoAnswer = errors.New("natslog: no answer from the server")

// next waits for a message of an answer: each may take the time that the Log has
// for an answer.
func (r *reader) next(ctx context.Context) (*nats.Msg, error) {
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

// Follow reads through an ordered consumer, which the client library renews
// when the connection or the order is lost.
func (l *Log) Follow(ctx context.Context, from uint64, subjects []eventstore.Subject, fn func(eventstore.Stored) error) error {
	if err := l.follow(ctx, max(from, 1), filter(subjects), fn); err != nil {
		var own errFollower
		if errors.As(err, &own) {
			return own.error
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if l.closed.Load() {
			err = eventstore.ErrClosed
		}
		return fmt.Errorf("natslog: follow: %w", err)
	}
	return nil
}

// errFollower marks the error of a follower's function, which is returned as it
// is whatever else has ended.
type errFollower struct{ error }

func (l *Log) follow(ctx context.Context, from uint64, filter string, fn func(eventstore.Stored) error) error {
	if l.closed.Load() {
		return eventstore.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.closing, cancel)()
	var filters []string
	if filter != "" {
		filters = []string{filter}
	}
	consumer, err := l.js.OrderedConsumer(ctx, StreamName, jetstream.OrderedConsumerConfig{
		FilterSubjects: filters,
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    from,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxBytes(followBytes))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		c, err := decode(m.Subject(), meta.Sequence.Stream, meta.Timestamp.UTC(), m.Headers(), m.Data())
		if err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return errFollower{err}
		}
	}
}
