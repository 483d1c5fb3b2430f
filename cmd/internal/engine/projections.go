package engine

import (
	"context"

	"github.com/keytrail/keytrail/domain/vault"
)

// Projections are the views of the log that this process keeps.
type Projections interface {
	// Projections tells how far each has come.
	Projections(ctx context.Context) ([]vault.Projection, error)
	// Rebuild has a view emptied and built again, and returns at once. last is where
	// the log ends.
	Rebuild(name string, last uint64)
}

// withProjections adds what the call shows of the views. A call that may not see it,
// or for which they cannot be asked, goes on without, to be refused and recorded.
func (e *Engine) withProjections(req *vault.Request, done func(vault.Reply)) {
	e.setAside(req, done, func(ctx context.Context, with *vault.Request) error {
		with.Projections = []vault.Projection{}
		may := false
		e.consult(func(st *vault.State, env *vault.Env) { may = vault.NeedsProjections(st, req, env) })
		if !may {
			return nil
		}
		if list, err := e.cfg.Projections.Projections(ctx); err == nil {
			with.Projections = append(with.Projections, list...)
		}
		return nil
	})
}
