package natsapi

import (
	"context"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/identity"
)

// The domain refuses a revoked credential at the next request, whatever its
// connection. The connection is ended nevertheless, and at once: it could go on
// to watch live records, and its client should learn why nothing works.

// Changed is told of every change of state that is on disk: see
// engine.Config.Changed. It wakes the review when an event may have revoked
// something. Events that come in thousands and revoke nothing are passed over; an
// event unknown here is not.
func (s *Service) Changed(events []event.Event) {
	for _, e := range events {
		switch e.(type) {
		case *event.SessionIssued, *event.KeyCreated, *event.AliasCreated, *event.GrantCreated,
			*event.SecretCreated, *event.SecretVersionCreated, *event.SecretStageMoved:
			continue
		}
		select {
		case s.review <- struct{}{}:
		default: // one that has not begun yet will see this change too
		}
		return
	}
}

// lookOver ends connections when something was revoked and, for sessions that have
// expired by our clock, now and then.
func (s *Service) lookOver(ctx context.Context) {
	tick := time.NewTicker(s.options.ReviewEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.review:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s.endRevoked()
	}
}

// keepBooks forgets connections that are gone, and ends those that external
// servers have and nobody here has judged.
func (s *Service) keepBooks(ctx context.Context) {
	tick := time.NewTicker(s.options.ReviewEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.forgetGone(ctx)
		case <-s.unknown:
			// The answers of all servers cost them work: at most once in a while.
			_ = s.reconcile(ctx, s.options.Callout, 0)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		case <-ctx.Done():
			return
		}
	}
}

// endRevoked ends the connections whose credential no longer stands, and those
// that watch live records and may not any more.
func (s *Service) endRevoked() {
	s.callers.each(func(credential identity.Credential, connections []*connection) {
		actor, err := s.engine.Resolve(credential)
		for _, c := range connections {
			if err != nil || c.tails && !s.mayTail(actor, c.origin) {
				s.end(c)
			}
		}
	})
}

func (s *Service) end(c *connection) {
	if s.options.Server != nil {
		// The only error is that the connection is gone already.
		_ = s.options.Server.NATS().DisconnectClientByID(c.id.number)
	} else {
		s.options.Callout.kick(c.id)
	}
	s.callers.remove(c.id)
}

// forgetGone removes connections that their server does not have any more.
func (s *Service) forgetGone(ctx context.Context) {
	if s.options.Server == nil {
		_ = s.reconcile(ctx, s.options.Callout, grace) // what it could not learn it learns the next time
		return
	}
	s.callers.forget(func(c *connection) bool { return s.options.Server.NATS().GetClient(c.id.number) == nil })
}
