package natslog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/keytrail/keytrail/eventstore"
)

// followBytes bounds what a follower has ahead of it.
const followBytes = 8 << 20

// Follow reads through an ordered consumer, which the client library renews
// when the connection or the order is lost. The consumer has no filter, for
// without one the sequences have to be contiguous, and what the server skips is
// noticed. Only the past, from the first sequence on, is read by subject.
func (l *Log) Follow(ctx context.Context, from uint64, subjects []eventstore.Subject, fn func(eventstore.Stored) error) error {
	from = max(from, 1)
	filter := filter(subjects)
	if filter != "" && from == 1 {
		r, err := l.reader(from, filter, fn)
		if err != nil {
			return fmt.Errorf("natslog: follow: %w", err)
		}
		err = r.read(ctx)
		r.stop()
		if err != nil {
			return err
		}
		from = r.end + 1
	}
	err := l.follow(ctx, from, only(filter, fn))
	var own errFollower
	switch {
	case errors.As(err, &own):
		return own.error
	case ctx.Err() != nil:
		return ctx.Err()
	case l.closed.Load():
		err = eventstore.ErrClosed
	}
	return fmt.Errorf("natslog: follow: %w", err)
}

// errFollower marks the error of a follower's function, which is returned as it
// is whatever else has ended.
type errFollower struct{ error }

// follow never returns nil.
func (l *Log) follow(ctx context.Context, next uint64, fn func(eventstore.Stored) error) error {
	if l.closed.Load() {
		return eventstore.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.closing, cancel)()
	consumer, err := l.js.OrderedConsumer(ctx, StreamName, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   next,
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
		seq := meta.Sequence.Stream
		if seq != next {
			return &eventstore.UnreadableError{Seq: next, Err: fmt.Errorf("the server goes on with sequence %d", seq)}
		}
		c, err := decode(m.Subject(), seq, meta.Timestamp.UTC(), m.Headers(), m.Data())
		if err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return errFollower{err}
		}
		next++
	}
}
