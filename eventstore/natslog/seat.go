package natslog

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/eventstore"
)

// seatSubject is where the process that writes the log is asked by those that wait
// for its place, in the writers' account. It answers below it: a writer may not
// publish to inboxes.
const (
	seatSubject = "keytrail.writer"
	seatAnswers = seatSubject + "."
)

// claim is the question of a process that does not want to wait.
const claim = "claim"

// How those that wait ask. Who does not answer so often, though its subscription
// is there, hangs.
const (
	seatEvery   = 500 * time.Millisecond
	seatTimeout = time.Second
	seatSilence = 3
)

// Seat is the place of the writer among the processes of external servers. When a
// process ends or loses its connection, its server forgets the subscription, and
// those that wait learn it with their next question.
type Seat struct {
	nc      *nats.Conn
	name    string
	waiting func(holder string)
	sub     *nats.Subscription
	claimed chan struct{}
}

var _ eventstore.Seat = (*Seat)(nil)

// NewSeat is a seat on the writer's connection. name is what others are told;
// waiting, if not nil, is called with the name of who writes when a wait begins
// and when that changes.
func NewSeat(nc *nats.Conn, name string, waiting func(holder string)) *Seat {
	if waiting == nil {
		waiting = func(string) {}
	}
	return &Seat{nc: nc, name: name, waiting: waiting, claimed: make(chan struct{}, 1)}
}

// Wait implements eventstore.Seat.
func (s *Seat) Wait(ctx context.Context) error {
	silent, last := 0, ""
	for {
		m, err := s.ask(ctx, nil)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			silent = 0
			if holder := string(m.Data); holder != last {
				last = holder
				s.waiting(holder)
			}
		case errors.Is(err, nats.ErrNoResponders):
			return nil
		case errors.Is(err, context.DeadlineExceeded) && s.nc.IsConnected():
			if silent++; silent == seatSilence {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(seatEvery):
		}
	}
}

// Claim implements eventstore.Seat. Who does not answer hangs, or has its last
// commit in flight: the fence of the log keeps it out all the same.
func (s *Seat) Claim(ctx context.Context) error {
	_, err := s.ask(ctx, []byte(claim))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// Claimed implements eventstore.Seat.
func (s *Seat) Claimed() <-chan struct{} { return s.claimed }

func (s *Seat) ask(ctx context.Context, question []byte) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, seatTimeout)
	defer cancel()
	reply := seatAnswers + nats.NewInbox()[len(nats.InboxPrefix):]
	sub, err := s.nc.SubscribeSync(reply)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe()
	if err := s.nc.PublishRequest(seatSubject, reply, question); err != nil {
		return nil, err
	}
	return sub.NextMsgWithContext(ctx)
}

// Take implements eventstore.Seat.
func (s *Seat) Take() {
	s.Leave(nil)
	select {
	case <-s.claimed: // what was claimed then is not what is taken now
	default:
	}
	// An error is that of a closed connection: then nothing can be written either.
	s.sub, _ = s.nc.Subscribe(seatSubject, func(m *nats.Msg) {
		if string(m.Data) == claim {
			select {
			case s.claimed <- struct{}{}:
			default:
			}
		}
		_ = m.Respond([]byte(s.name))
	})
	_ = s.nc.FlushTimeout(seatTimeout)
}

// Leave implements eventstore.Seat.
func (s *Seat) Leave(error) {
	if s.sub != nil {
		_ = s.sub.Unsubscribe()
		s.sub = nil
	}
}
