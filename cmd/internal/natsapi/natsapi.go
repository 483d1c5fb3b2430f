// Package natsapi is the NATS edge: it lets connections in by their access keys,
// turns messages into calls of the engine and its replies into messages, offers
// the service for discovery, and publishes stored records to those who watch.
//
// Identity is the connection: the server lets each one publish under its own
// access key id alone, so the subject of a request proves who is calling, and
// nothing in a message can claim anything else. No rule about who may do what
// belongs in this room; that is the domain's.
package natsapi

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/cmd/internal/refusals"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// Bounds of what waits here; the engine has its own.
const (
	queueLength = 4096     // requests between the connection and the engine
	queueBytes  = 64 << 20 // their bodies
	liveLength  = 4096     // records that wait to be published to those who watch
)

// Options of a Service. Server or Callout is required; the zero value of the
// others is what a server runs with.
type Options struct {
	// Server is the embedded server, or nil: then Callout judges the connections of
	// external servers.
	Server      *natslog.Server
	Callout     *Callout
	Version     string           // for service discovery; "" = 0.0.0
	Now         func() time.Time // nil = time.Now
	Workers     int              // goroutines that hand requests to the engine; 0 = GOMAXPROCS
	ReviewEvery time.Duration    // how often connections are looked over; 0 = 5 s
	RefuseEvery time.Duration    // how often refusals are summed up in the log; 0 = 10 s
}

// Service answers requests. It exists before the engine, which tells it what is
// stored (Stored, Changed).
type Service struct {
	options   Options
	responder *nats.Conn
	auth      *Authenticator
	callers   *callers
	stats     map[string]*endpointStats // by service; "" = everything else
	review    chan struct{}
	unknown   chan struct{} // a request of an unknown connection has come
	refusals  *refusals.Recorder
	live      chan liveRecord
	missed    atomic.Uint64 // live records that were dropped
	watch     chan struct{} // somebody may have begun to watch

	// management is the id of the management account, which never changes; set before
	// the first connection that may tail is let in.
	management atomic.Pointer[string]

	// From here on set by Serve.
	engine   *engine.Engine
	started  time.Time
	id       string
	requests *nats.Subscription
	others   []*nats.Subscription
	queue    chan job
	queued   atomic.Int64 // bytes of the bodies in queue
	inFlight inFlight
	closed   atomic.Bool
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// New returns a service that does not serve yet. The responder's connection hears
// requests and answers them.
func New(responder *nats.Conn, auth *Authenticator, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.ReviewEvery <= 0 {
		o.ReviewEvery = 5 * time.Second
	}
	o.Version = semantic(o.Version)
	s := &Service{
		options: o, responder: responder, auth: auth, callers: newCallers(), stats: newStats(append(vault.Services(), auditService)),
		review: make(chan struct{}, 1), unknown: make(chan struct{}, 1), live: make(chan liveRecord, liveLength), watch: make(chan struct{}, 1),
	}
	s.refusals = refusals.New("nats", o.RefuseEvery, o.Now, s.record)
	return s
}

// Serve begins to let connections in and to answer requests.
func (s *Service) Serve(e *engine.Engine) error {
	if s.engine != nil {
		return errors.New("natsapi: serves already")
	}
	if s.options.Server == nil && s.options.Callout == nil {
		// Whoever lets connections in proves who is calling.
		return errors.New("natsapi: serve: on external servers connections must be judged by their auth callout")
	}
	s.engine, s.started, s.id = e, s.options.Now().UTC(), e.NewRequestID()
	s.queue = make(chan job, queueLength)
	running, stop := context.WithCancel(context.Background())
	s.stop = stop
	for range s.options.Workers {
		s.done.Go(func() { s.work(running) })
	}
	s.done.Go(func() { s.refusals.Run(running) })
	s.done.Go(func() { s.lookOver(running) })
	s.done.Go(func() { s.keepBooks(running) })
	s.done.Go(func() { s.publishLive(running) })
	s.done.Go(func() { s.keepWatch(running) })
	if err := s.subscribe(); err != nil {
		return errors.Join(fmt.Errorf("natsapi: serve: %w", err), s.Close())
	}
	if s.options.Server == nil {
		if err := s.serveCallout(s.options.Callout); err != nil {
			return errors.Join(fmt.Errorf("natsapi: serve: %w", err), s.Close())
		}
	}
	s.auth.serving.Store(s)
	return nil
}

// closeTimeout bounds how long Close waits for the replies to what has arrived: on
// a slow disk, all that may wait.
const closeTimeout = 15 * time.Second

// Close lets nobody in any more, answers the requests that have arrived, writes
// the last summary of refusals and stops. The engine must be open still. An error
// means that requests were left unanswered. A second Close does nothing.
func (s *Service) Close() error {
	if s.engine == nil || !s.closed.CompareAndSwap(false, true) {
		return nil
	}
	s.auth.serving.CompareAndSwap(s, nil)
	for _, sub := range s.others {
		_ = sub.Unsubscribe() // the error of a closed connection
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.drain(ctx)
	s.stop()
	s.done.Wait()
	return err
}

// drain takes no new requests and waits for the replies to those that are here.
func (s *Service) drain(ctx context.Context) error {
	if s.requests == nil || s.responder.IsClosed() {
		return nil
	}
	drained := make(chan struct{})
	s.requests.SetClosedHandler(func(string) { close(drained) })
	if err := s.requests.Drain(); err != nil {
		return fmt.Errorf("natsapi: close: %w", err)
	}
	if !within(ctx, drained) || !within(ctx, s.inFlight.none()) {
		return fmt.Errorf("natsapi: close: %d requests left unanswered: %w", s.inFlight.count.Load(), ctx.Err())
	}
	if err := s.responder.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("natsapi: close: %w", err)
	}
	return nil
}

// within waits for done; it is false when ctx ends first.
func within(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// record carries out an internal request of the vault.
func (s *Service) record(ctx context.Context, req *vault.Request) error {
	req.ID = s.engine.NewRequestID()
	reply, err := s.engine.Call(ctx, req)
	if err != nil {
		return err
	}
	if reply.Fault != nil {
		return reply.Fault
	}
	return nil
}

// mayTail reports whether the principal may watch its account's records over a
// connection from there.
func (s *Service) mayTail(actor *identity.Actor, from origin) bool {
	may := false
	s.engine.Read(func(st *vault.State) {
		may = vault.MayTail(st, &vault.Env{Now: s.options.Now()}, actor,
			&vault.Request{Source: from.source, Agent: from.agent, Secure: from.secure})
		if m := st.Identities.Management(); m != nil {
			s.management.Store(&m.ID)
		}
	})
	return may
}

// Figures are counts since Serve, and what is there now.
type Figures struct {
	Connections int
	Refused     map[refusals.Reason]uint64 // connections and messages
	Requests    uint64
	Faults      uint64 // requests answered with an error
	LiveMissed  uint64 // live records that were dropped because nobody took them in time
}

// Figures returns what was counted. On the embedded server connections that have
// ended are not among them; on servers elsewhere they may be for some seconds.
func (s *Service) Figures() Figures {
	if s.options.Server != nil {
		s.forgetGone(context.Background())
	}
	f := Figures{Connections: s.callers.count(), Refused: s.refusals.Totals(), LiveMissed: s.missed.Load()}
	for _, e := range s.stats {
		f.Requests += e.requests.Load()
		f.Faults += e.faults.Load()
	}
	return f
}
