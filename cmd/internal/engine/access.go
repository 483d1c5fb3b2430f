package engine

import (
	"context"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// Access is the view of who used what last, kept in memory beside the write path.
type Access interface {
	// Accesses is what the view knows, also when it is emptied afterwards.
	Accesses() vault.Accesses
	// Applied is the sequence of the last commit that the view holds: 0 before it is
	// emptied.
	Applied() uint64
	// Await returns when the view holds the commit seq, or with the error of ctx.
	Await(ctx context.Context, seq uint64) error
}

// maxWatchers bounds the calls that wait for the view of accesses, each in a
// goroutine of its own; past it callers are throttled as by a full queue of the log.
const maxWatchers = 1024

// farBehind is how many commits the view is behind when it is being built: nobody
// waits for that.
const farBehind = 1 << 13

// withAccesses carries the call out when the view of accesses holds everything
// that any caller has had an answer to before. It is behind by a commit or two at
// most times; one that is further behind has no answer at present.
func (e *Engine) withAccesses(req *vault.Request, done func(vault.Reply)) {
	with := *req
	with.Accesses = e.cfg.Access.Accesses()
	seq, applied := e.stored.Load(), e.cfg.Access.Applied()
	if applied >= seq {
		e.Do(&with, done)
		return
	}
	if seq-applied > farBehind {
		with.Accesses = vault.NoAccesses
		e.Do(&with, done)
		return
	}
	select {
	case e.watchers <- struct{}{}:
	default:
		done(vault.Reply{RequestID: req.ID, Fault: refusal(eventstore.ErrQueueFull)})
		return
	}
	go func() {
		defer func() { <-e.watchers }()
		soon, cancel := context.WithTimeout(context.Background(), catchUp)
		defer cancel()
		err := e.cfg.Access.Await(soon, seq)
		// The view may have been emptied meanwhile: Applied says so after what it held.
		if with.Accesses = e.cfg.Access.Accesses(); err != nil || e.cfg.Access.Applied() < seq {
			with.Accesses = vault.NoAccesses
		}
		e.Do(&with, done)
	}()
}
