package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/cmd/internal/natsapi"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// openEdges begins to answer calls, on NATS and on HTTP.
func (s *Server) openEdges() error {
	o := natsapi.Options{Server: s.nats, Version: s.opts.Version}
	var responder *nats.Conn
	if s.out == nil {
		responder = s.nats.ResponderConn()
	} else {
		responder = s.out.Responder
		o.Callout = &natsapi.Callout{Conn: s.out.Callout, System: s.out.System, Issuer: s.out.Issuer,
			Servers: s.out.Servers, Options: s.out.Options}
	}
	api := natsapi.New(responder, s.auth, o)
	s.api.Store(api)
	if err := api.Serve(s.engine); err != nil {
		s.api.Store(nil)
		return fmt.Errorf("serve requests: %w", err)
	}
	return s.serveHTTP()
}

// closeEdges answers no calls any more, once those that have arrived are.
func (s *Server) closeEdges() error {
	var errs []error
	if aws := s.aws.Swap(nil); aws != nil {
		errs = append(errs, aws.Close())
	}
	if api := s.api.Swap(nil); api != nil {
		errs = append(errs, api.Close())
	}
	return errors.Join(errs...)
}

// stored passes on what is on disk.
func (s *Server) stored(p engine.Published) {
	if api := s.api.Load(); api != nil {
		api.Stored(p)
	}
	s.views.stored(p)
}

// changed tells both edges what may have revoked credentials.
func (s *Server) changed(events []event.Event) {
	if api := s.api.Load(); api != nil {
		api.Changed(events)
	}
	if aws := s.aws.Load(); aws != nil {
		aws.Changed(events)
	}
}

// edges follows whether this process holds the log of external servers. It answers
// calls only while it does: what another process writes is not in its state, and
// by an old state it would let the wrong ones in.
//
// Short of another process, edges stay open while the log is loaded again: their
// callers are told to try again, and their connections stay.
type edges struct {
	log  zerolog.Logger
	wake chan struct{}

	mu     sync.Mutex
	want   bool
	is     bool
	holder string // who writes instead, as far as known

	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newEdges(log zerolog.Logger) *edges {
	return &edges{log: log, wake: make(chan struct{}, 1)}
}

// open is nil while the edges are open, and otherwise the reason why not.
func (d *edges) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.want && d.is:
		return nil
	case !d.want && d.holder != "":
		return fmt.Errorf("standing by: %s writes the log", d.holder)
	}
	return errors.New("standing by")
}

// standing tells whether another process writes the log, or this one has not taken it.
func (d *edges) standing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.want
}

func (d *edges) set(want bool, holder string) {
	d.mu.Lock()
	d.want, d.holder = want, holder
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// retryEdges is the pause after edges that could not be opened.
const retryEdges = 3 * time.Second

// attend opens and closes the edges of a server, which are open now, until stop.
func (d *edges) attend(s *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	d.mu.Lock()
	d.is = true
	d.mu.Unlock()
	d.done.Go(func() {
		var again <-chan time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case <-d.wake:
			case <-again:
			}
			again = nil
			d.mu.Lock()
			want, is, holder := d.want, d.is, d.holder
			d.mu.Unlock()
			if want == is {
				continue
			}
			var err error
			if want {
				err = s.openEdges()
			} else {
				d.log.Warn().Str("holder", holder).Msg("another process writes the log: standing by")
				err = s.closeEdges()
				is = false
			}
			if err != nil && want {
				err = errors.Join(err, s.closeEdges())
				again = time.After(retryEdges)
			}
			if err != nil {
				d.log.Error().Err(err).Bool("serve", want).Msg("change between serving and standing by")
			}
			if want && err == nil {
				is = true
				d.log.Info().Msg("this process writes the log again: serving")
			}
			d.mu.Lock()
			d.is = is
			d.mu.Unlock()
		}
	})
}

func (d *edges) stop() {
	if d.cancel != nil {
		d.cancel()
		d.done.Wait()
	}
}

// seat is the seat of the log of external servers, and nil on the embedded one,
// which this process has to itself.
func (s *Server) seat(writer *nats.Conn) eventstore.Seat {
	if s.edges == nil {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	held := func(holder string) {
		s.opts.Log.Info().Str("holder", holder).Msg("another process writes the log: standing by")
		s.edges.set(false, holder)
	}
	return &seat{natslog.NewSeat(writer, fmt.Sprintf("%s, process %d", host, os.Getpid()), held), s.edges}
}

// seat tells the edges who holds the log.
type seat struct {
	*natslog.Seat
	edges *edges
}

func (t *seat) Take() {
	t.Seat.Take()
	t.edges.set(true, "")
}

func (t *seat) Leave(cause error) {
	t.Seat.Leave(cause)
	if errors.Is(cause, eventstore.ErrFenced) {
		t.edges.set(false, "")
	}
}
