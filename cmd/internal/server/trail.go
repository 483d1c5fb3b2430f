package server

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/audit"
)

// trail is the audit view as the engine asks it. The view follows a log that the
// engine has opened, so it comes after the engine.
type trail struct {
	log  zerolog.Logger
	view atomic.Pointer[followedAudit]
}

type followedAudit struct {
	*audit.View
	runner *projections.Runner
}

var errNoView = errors.New("the view is not open yet")

// Await returns when the view holds the commit seq.
func (t *trail) Await(ctx context.Context, seq uint64) error {
	v := t.view.Load()
	if v == nil {
		return errNoView
	}
	return v.runner.Await(ctx, seq)
}

// Query asks the view. Callers learn only that there is no answer; why is for
// those who run the server.
func (t *trail) Query(ctx context.Context, q vault.TrailQuery) (*vault.TrailAnswer, error) {
	v := t.view.Load()
	if v == nil {
		return nil, errNoView
	}
	answer, err := v.Query(ctx, q)
	if err != nil {
		t.log.Warn().Err(err).Msg("the audit view did not answer")
	}
	return answer, err
}

// startAudit opens the audit view and begins to follow the log with it.
func (s *Server) startAudit(ctx, running context.Context, tail *projections.Tail, tell func(error)) error {
	view, err := audit.Open(ctx, s.dir.file(auditFile), s.log)
	if err != nil {
		return fmt.Errorf("open the audit view: %w", err)
	}
	runner := projections.NewRunner(tail, view, tell)
	s.views.close = append(s.views.close, func() {
		if err := view.Close(); err != nil {
			tell(fmt.Errorf("close the audit view: %w", err))
		}
	})
	s.follow(running, runner)
	s.trail.view.Store(&followedAudit{view, runner})
	return nil
}
