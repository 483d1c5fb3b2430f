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

// withProjections adds what the call shows of the views.
func (e *Engine) withProjections(req *vault.Request, done func(vault.Reply)) {
	e.setAside(req, done, func(ctx context.Context, with *vault.Request) error {
		list, err := e.cfg.Projections.Projections(ctx)
		with.Projections = append([]vault.Projection{}, list...)
		return err
	})
}
