// Package projections runs the views that are derived from the log: one runner
// for all of them, with a cursor, lag and rebuild. A view can be thrown away at
// any time and gives the same answers when it is built again.
//
// What a view holds belongs to the view, in a room of its own below this one.
// Nothing here may write to the log.
package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keytrail/keytrail/eventstore"
)

// View is something derived from the log.
type View interface {
	// Name is short and stable: "audit", "metrics".
	Name() string
	// Cursor is the sequence of the last commit that the view holds; 0 = none.
	Cursor(ctx context.Context) (uint64, error)
	// Apply takes commits that follow on the cursor, in order, and moves the cursor
	// with them: both or neither, also when the process dies in between.
	Apply(ctx context.Context, commits []eventstore.Stored) error
	// Reset empties the view; its cursor is 0 then.
	Reset(ctx context.Context) error
}

// Bounds of one Apply.
const (
	maxCommits = 512
	maxBytes   = 8 << 20
)

// Runner keeps one view up to date.
type Runner struct {
	log      eventstore.Log
	view     View
	subjects []eventstore.Subject
	observe  func(error)

	again   chan struct{} // a rebuild has been asked for
	phase   atomic.Int32  // of a rebuild
	target  atomic.Uint64 // the end of the log when the rebuild was asked for
	applied atomic.Uint64
	behind  atomic.Int64 // nanoseconds that the newest applied commit was old when it was applied

	mu    sync.Mutex
	moved chan struct{} // closed and replaced whenever applied moves
}

// NewRunner returns a runner for the view over the log's commits of the given
// subjects (none = all). observe, if not nil, is told of errors that the runner
// recovers from by trying again.
func NewRunner(log eventstore.Log, view View, observe func(error), subjects ...eventstore.Subject) *Runner {
	if observe == nil {
		observe = func(error) {}
	}
	return &Runner{log: log, view: view, subjects: subjects, observe: observe, moved: make(chan struct{}), again: make(chan struct{}, 1)}
}

// Phases of a rebuild.
const (
	phaseNone     int32 = iota
	phaseAsked          // the view is still there
	phaseBuilding       // it has been emptied, and does not hold yet what it held
)

// Status is how far a view has come.
type Status struct {
	Applied    uint64 // sequence of the last commit that the view holds
	Rebuilding bool
	Target     uint64 // of the rebuild: the end that the log had when it was asked for
}

// Status tells how far the view has come.
func (r *Runner) Status() Status {
	switch r.phase.Load() {
	case phaseAsked:
		return Status{Rebuilding: true, Target: r.target.Load()}
	case phaseBuilding:
		return Status{Applied: r.applied.Load(), Rebuilding: true, Target: r.target.Load()}
	}
	return Status{Applied: r.applied.Load()}
}

// Restart has the running Run empty the view and build it again, and returns at
// once: see Status. last is the sequence up to which the rebuild counts as under
// way. It reports false if one is. A process that dies meanwhile goes on with what
// the view holds by then.
func (r *Runner) Restart(last uint64) bool {
	if !r.phase.CompareAndSwap(phaseNone, phaseAsked) {
		return false
	}
	r.target.Store(last)
	select {
	case r.again <- struct{}{}:
	default: // told already
	}
	return true
}

// empty carries out what Restart asked for. It is tried again until it succeeds. Who
// asks how far the view has come must not be told of what is being thrown away.
func (r *Runner) empty(ctx context.Context) error {
	r.advance(0)
	if err := r.view.Reset(ctx); err != nil {
		return fmt.Errorf("rebuild: empty the view: %w", err)
	}
	r.phase.Store(phaseBuilding)
	return nil
}

// Name is that of the view.
func (r *Runner) Name() string { return r.view.Name() }

// Run follows the log until ctx ends, and tries again after errors, at most once
// a second. It returns the error of ctx.
func (r *Runner) Run(ctx context.Context) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		before := r.applied.Load()
		err := r.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errAgain) {
			continue
		}
		r.observe(fmt.Errorf("projection %s: %w", r.view.Name(), err))
		if r.applied.Load() > before {
			pause = 50 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

var (
	errEnded = errors.New("the log ended")
	errAgain = errors.New("the view is to be built again")
)

func (r *Runner) follow(ctx context.Context) error {
	if r.phase.Load() == phaseAsked {
		if err := r.empty(ctx); err != nil {
			return err
		}
	}
	cursor, err := r.view.Cursor(ctx)
	if err != nil {
		return fmt.Errorf("read the cursor: %w", err)
	}
	r.advance(cursor)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	commits := make(chan eventstore.Stored, maxCommits)
	ended := make(chan error, 1)
	go func() {
		defer close(commits)
		ended <- r.log.Follow(ctx, cursor+1, r.subjects, func(c eventstore.Stored) error {
			select {
			case commits <- c:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	for {
		select {
		case <-r.again:
			return errAgain
		case first, ok := <-commits:
			if !ok {
				if err := <-ended; err != nil {
					return err
				}
				return errEnded
			}
			if err := r.apply(ctx, gather(first, commits)); err != nil {
				return err
			}
		}
	}
}

// gather takes what has arrived, without waiting for more: a view that falls
// behind takes larger pieces.
func gather(first eventstore.Stored, more <-chan eventstore.Stored) []eventstore.Stored {
	batch := []eventstore.Stored{first}
	size := first.Size()
	for len(batch) < maxCommits && size < maxBytes {
		select {
		case c, ok := <-more:
			if !ok {
				return batch
			}
			batch = append(batch, c)
			size += c.Size()
		default:
			return batch
		}
	}
	return batch
}

func (r *Runner) apply(ctx context.Context, batch []eventstore.Stored) error {
	if err := r.view.Apply(ctx, batch); err != nil {
		return fmt.Errorf("apply sequences %d to %d: %w", batch[0].Seq, batch[len(batch)-1].Seq, err)
	}
	last := batch[len(batch)-1]
	if !last.At.IsZero() {
		r.behind.Store(int64(time.Since(last.At)))
	}
	r.advance(last.Seq)
	return nil
}

func (r *Runner) advance(seq uint64) {
	r.applied.Store(seq)
	if seq >= r.target.Load() {
		r.phase.CompareAndSwap(phaseBuilding, phaseNone)
	}
	r.mu.Lock()
	close(r.moved)
	r.moved = make(chan struct{})
	r.mu.Unlock()
}

// Applied is the sequence of the last commit that the view holds.
func (r *Runner) Applied() uint64 { return r.applied.Load() }

// Delay is how old the newest commit was when the view took it.
func (r *Runner) Delay() time.Duration { return time.Duration(r.behind.Load()) }

// Await returns when the view holds the commit seq, or with the error of ctx.
// With the log's last sequence it gives a reader everything that was answered
// before.
func (r *Runner) Await(ctx context.Context, seq uint64) error {
	for {
		r.mu.Lock()
		moved := r.moved
		r.mu.Unlock()
		if r.applied.Load() >= seq {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("projection %s is at %d, behind %d: %w", r.view.Name(), r.applied.Load(), seq, ctx.Err())
		}
	}
}

// Rebuild empties the view and builds it again up to the present end of the log,
// telling progress (applied, last sequence) as it goes. Run must not be running.
func (r *Runner) Rebuild(ctx context.Context, progress func(applied, last uint64)) error {
	last, err := r.log.Last(ctx)
	if err != nil {
		return fmt.Errorf("rebuild %s: %w", r.view.Name(), err)
	}
	if err := r.view.Reset(ctx); err != nil {
		return fmt.Errorf("rebuild %s: empty it: %w", r.view.Name(), err)
	}
	r.advance(0)
	var batch []eventstore.Stored
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := r.apply(ctx, batch); err != nil {
			return err
		}
		if progress != nil {
			progress(r.Applied(), last)
		}
		batch, size = nil, 0
		return nil
	}
	err = r.log.Read(ctx, 1, r.subjects, func(c eventstore.Stored) error {
		batch = append(batch, c)
		if size += c.Size(); len(batch) < maxCommits && size < maxBytes {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("rebuild %s: %w", r.view.Name(), err)
	}
	return nil
}
