package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/keytrail/keytrail/domain/vault"
)

// Trail is the view of the log that calls may ask, see vault.TrailQuery.
type Trail interface {
	// Await returns when the view holds the commit seq, or with the error of ctx.
	Await(ctx context.Context, seq uint64) error
	// Query answers from what the view holds.
	Query(ctx context.Context, q vault.TrailQuery) (*vault.TrailAnswer, error)
}

// catchUp bounds how long a question waits for the view. It follows the log by
// milliseconds; further behind it is being built.
const catchUp = 5 * time.Second

// withTrail asks the view what the call wants to know, and then carries the call
// out like any other. A call that may not ask goes on without an answer, to be
// refused and recorded.
func (e *Engine) withTrail(req *vault.Request, done func(vault.Reply)) {
	e.setAside(req, done, func(ctx context.Context, with *vault.Request) error {
		with.Trail = &vault.TrailAnswer{}
		var q vault.TrailQuery
		ok := false
		e.consult(func(st *vault.State, env *vault.Env) { q, ok = vault.NeedsTrail(st, req, env) })
		if !ok {
			return nil
		}
		last, err := e.cfg.Log.Last(ctx)
		if err != nil {
			return fmt.Errorf("ask for the end of the log: %w", err)
		}
		soon, cancel := context.WithTimeout(ctx, catchUp)
		defer cancel()
		if e.cfg.Trail.Await(soon, last) != nil {
			return nil // the call says that there is no answer at present
		}
		q.Held = last // it may be emptied between Await and here
		answer, err := e.cfg.Trail.Query(ctx, q)
		if err != nil {
			return nil
		}
		with.Trail = answer
		return nil
	})
}
