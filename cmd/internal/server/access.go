package server

import (
	"context"
	"sync/atomic"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/access"
)

// accesses is the view of who used what last as the engine asks it. Like trail it
// is there before its view is.
type accesses struct {
	view atomic.Pointer[followedAccess]
}

type followedAccess struct {
	*access.View
	runner *projections.Runner
}

// Applied is the sequence of the last commit that the view holds.
func (a *accesses) Applied() uint64 {
	if v := a.view.Load(); v != nil {
		return v.runner.Applied()
	}
	return 0
}

// Await returns when the view holds the commit seq.
func (a *accesses) Await(ctx context.Context, seq uint64) error {
	v := a.view.Load()
	if v == nil {
		return errNoView
	}
	return v.runner.Await(ctx, seq)
}

// Accesses is what the view knows.
func (a *accesses) Accesses() vault.Accesses {
	if v := a.view.Load(); v != nil {
		return v.View
	}
	return vault.NoAccesses
}

// startAccess opens the view of accesses and begins to follow the log with it.
func (s *Server) startAccess(ctx, running context.Context, tail *projections.Tail, tell func(error)) {
	view := access.Open(ctx, s.log, access.Options{Snapshot: s.dir.file(accessFile), Observe: tell})
	runner := projections.NewRunner(tail, view, tell)
	s.views.close = append(s.views.close, view.Close)
	s.follow(running, runner)
	s.access.view.Store(&followedAccess{view, runner})
}
