package server

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

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
		return v.View.Accesses()
	}
	return vault.NoAccesses
}

// accessPatience bounds how long a start waits for the view of accesses. After its
// snapshot there are seconds of records to read at most, which take less; a view
// that is built from the beginning of a long log goes on beside the calls.
const accessPatience = 10 * time.Second

// startAccess opens the view of accesses and begins to follow the log with it. Once
// it has caught up, every answer is the one that it was before the stop.
func (s *Server) startAccess(ctx, running context.Context, tail *projections.Tail, tell func(error)) error {
	view := access.Open(ctx, s.log, access.Options{Snapshot: s.dir.file(accessFile), Observe: tell})
	runner := projections.NewRunner(tail, view, tell)
	s.views.close = append(s.views.close, view.Close)
	s.follow(running, runner)
	s.access.view.Store(&followedAccess{view, runner})
	last, err := s.log.Last(ctx)
	if err != nil {
		return fmt.Errorf("ask for the end of the log: %w", err)
	}
	soon, cancel := context.WithTimeout(ctx, accessPatience)
	defer cancel()
	if err := runner.Await(soon, last); err != nil && ctx.Err() == nil {
		tell(fmt.Errorf("who used what last is not known yet: %w", err))
	}
	return ctx.Err()
}
