package server

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/metrics"
)

// views are the projections that this process keeps up to date. They follow the
// log beside the write path and know of each other as little as it knows of them.
type views struct {
	tail    atomic.Pointer[projections.Tail] // of the log, fed by what this process stores
	runners []*projections.Runner
	stop    context.CancelFunc
	done    sync.WaitGroup
	close   []func()
}

// startViews opens the views and begins to follow the log.
func (s *Server) startViews(ctx context.Context, o *operational) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.views.stop = stop
	tell := func(err error) { s.opts.Log.Warn().Err(err).Msg("a view of the log is held up") }

	tail := projections.NewTail(s.log)
	s.views.tail.Store(tail)
	counts, err := metrics.Open(ctx, s.log, metrics.Options{Snapshot: s.dir.file(metricsFile), Named: s.opts.MetricsNamed, Observe: tell})
	if err != nil {
		return fmt.Errorf("open the metrics: %w", err)
	}
	s.views.close = append(s.views.close, counts.Close)
	o.registry.MustRegister(&whileWriting{s, counts},
		&whileWriting{s, metrics.NewCensus(s.engine.Read, metrics.CensusOptions{Now: time.Now, Named: s.opts.MetricsNamed})})
	s.follow(running, projections.NewRunner(tail, counts, tell))

	if err := s.startAccess(ctx, running, tail, tell); err != nil {
		return err
	}
	if !s.opts.NoAuditView {
		if err := s.startAudit(ctx, running, tail, tell); err != nil {
			return err
		}
	}
	s.rebuilding.runners.Store(&s.views.runners)
	o.registry.MustRegister(newFollowing(s.log, s.views.runners), newSurroundings(s))
	return nil
}

func (s *Server) follow(ctx context.Context, r *projections.Runner) {
	s.views.runners = append(s.views.runners, r)
	s.views.done.Go(func() { _ = r.Run(ctx) }) // the error of ctx
}

// stored hands a commit that is on disk to the views.
func (v *views) stored(p engine.Published) {
	if tail := v.tail.Load(); tail != nil {
		tail.Stored(p.Subject, p.Seq, p.First, p.Lines)
	}
}

// stopViews ends the following and lets the views put down what they hold.
func (v *views) stopViews() {
	if v.stop == nil {
		return
	}
	v.stop()
	v.done.Wait()
	for _, put := range v.close {
		put()
	}
}
