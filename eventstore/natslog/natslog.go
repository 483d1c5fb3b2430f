// Package natslog is the log on a NATS JetStream stream, in a server embedded in
// the process or in one elsewhere. It also starts the embedded server, whose
// accounts keep clients away from the stream.
//
// It is the room for what is JetStream's: stream configuration, error codes,
// what is synced when, how a damaged store behaves. What the records mean must
// not enter; nor may the answering of calls, which is natsapi.
package natslog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/keytrail/keytrail/eventstore"
)

// StreamName is the stream that holds the log.
const StreamName = "KEYTRAIL"

// allSubjects is what the stream captures.
const allSubjects = "keytrail.log.>"

// Options of Open.
type Options struct {
	// Server is the embedded server that the connection leads to; nil means an
	// external one. With it Open creates the stream over a connection of its
	// own, and Append refuses to fill the disk.
	Server *Server
	// System is a connection to the system account of external servers, over
	// which Open asks them whether they sync always. Not used with Server.
	System *nats.Conn
	// UnsafeNoSync skips that question: acknowledged commits can then be lost
	// with the power.
	UnsafeNoSync bool
	// Replicas of the stream if Open creates it; 0 means 1.
	Replicas int
	// Timeout bounds the wait for one answer of the server, except where the
	// context of Append has a deadline; 0 means 10 seconds.
	Timeout time.Duration
}

// Log is the log on the stream KEYTRAIL. The connection belongs to the caller,
// who closes it after the Log.
type Log struct {
	nc         *nats.Conn
	js         jetstream.JetStream
	server     *Server
	timeout    time.Duration
	replicated bool
	suspect    atomic.Bool // an append failed since the server was last known to be well
	closed     atomic.Bool
	closing    context.Context // ends with Close
	close      context.CancelFunc
}

var _ eventstore.Log = (*Log)(nil)

// Open creates the stream, or checks that the one there is can be trusted with
// the log: it refuses one whose configuration differs in a way that matters,
// naming the field, and servers that do not sync every write.
func Open(ctx context.Context, nc *nats.Conn, options Options) (*Log, error) {
	timeout := options.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(timeout))
	if err != nil {
		return nil, fmt.Errorf("natslog: open: %w", err)
	}
	info, err := openStream(ctx, js, options)
	if err != nil {
		return nil, fmt.Errorf("natslog: open: %w", err)
	}
	if err := checkConfig(info.Config); err != nil {
		return nil, fmt.Errorf("natslog: open: %w", err)
	}
	if options.Server == nil && !options.UnsafeNoSync {
		if err := checkSync(ctx, options.System, holders(nc, info.Cluster), timeout); err != nil {
			return nil, fmt.Errorf("natslog: open: %w", err)
		}
	}
	l := &Log{nc: nc, js: js, server: options.Server, timeout: timeout, replicated: info.Config.Replicas > 1}
	l.closing, l.close = context.WithCancel(context.Background())
	return l, nil
}

// Close ends the calls that follow the log. It leaves the connection open.
func (l *Log) Close() error {
	l.closed.Store(true)
	l.close()
	return nil
}

// Last is the sequence of the last commit, as the stream's leader has it.
func (l *Log) Last(ctx context.Context) (uint64, error) {
	info, err := l.info(ctx)
	if err != nil {
		return 0, fmt.Errorf("natslog: last: %w", err)
	}
	return info.State.LastSeq, nil
}

// Gap is the first sequence from 1 on that the stream has not.
func (l *Log) Gap(ctx context.Context) (uint64, error) {
	info, err := l.info(ctx)
	if err != nil {
		return 0, fmt.Errorf("natslog: gap: %w", err)
	}
	s := info.State
	switch {
	case s.LastSeq == 0 || s.FirstSeq == 1 && s.Msgs == s.LastSeq:
		return 0, nil
	case s.FirstSeq > 1:
		return 1, nil
	}
	info, err = l.info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return 0, fmt.Errorf("natslog: gap: %w", err)
	}
	gap := s.LastSeq // the count says that one is missing; at the latest it is this one
	for _, seq := range info.State.Deleted {
		gap = min(gap, seq)
	}
	return gap, nil
}

func (l *Log) info(ctx context.Context, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	if l.closed.Load() {
		return nil, eventstore.ErrClosed
	}
	stream, err := l.js.Stream(ctx, StreamName)
	if err != nil {
		return nil, err
	}
	if len(opts) == 0 {
		return stream.CachedInfo(), nil
	}
	return stream.Info(ctx, opts...)
}

// openStream looks the stream up and creates it if there is none.
func openStream(ctx context.Context, js jetstream.JetStream, options Options) (*jetstream.StreamInfo, error) {
	stream, err := js.Stream(ctx, StreamName)
	if err == nil {
		return stream.CachedInfo(), nil
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("look up stream %s: %w", StreamName, err)
	}
	if options.Server != nil {
		return options.Server.createStream(ctx, config(options.Replicas))
	}
	if stream, err = js.CreateStream(ctx, config(options.Replicas)); err != nil {
		return nil, fmt.Errorf("create stream %s: %w", StreamName, err)
	}
	return stream.CachedInfo(), nil
}
