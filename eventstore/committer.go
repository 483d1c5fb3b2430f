package eventstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/keytrail/keytrail/eventstore/merkle"
)

// The commit pipeline.
//
// A ticket is a call that waits to be stored. Tickets queue while a commit is in
// flight; when it is on disk, everything that has arrived since becomes the next
// one. There is no timer and never a second commit in flight: under one fsync at
// a time, waiting longer or overlapping two both measured slower, and one writer
// with one commit in flight is what makes the order of the log the order of the
// decisions.
//
// A cycle has two halves. First the tickets that change state are decided one
// after the other against the working state, and stored on the State subject.
// Then the uses are stored on the Use subject, each decided, or decided again, on
// the state that the first half left. So no use is ever in the log behind a
// change that forbids it.
//
// An epoch is the time between two loads of the log. A commit that is refused
// (another writer), ambiguous (it may be stored or not) or not stored ends the
// epoch: the working state may hold what the log does not, so every ticket that
// waits on it fails with a retryable error, and the state is loaded again before
// anything is decided. Crash points: before Append returns, nobody has an answer
// and the commit is or is not in the log, as a whole; after it, the answer may be
// lost but the record is not.

// Errors that Submit and failed tickets carry.
var (
	// ErrQueueFull tells that the bound of waiting tickets is reached.
	ErrQueueFull = errors.New("eventstore: too many calls wait for the log")
	// ErrEpochEnded tells that the ticket was not answered because its commit, or
	// one before it, could not be confirmed. The same call may be made again.
	ErrEpochEnded = errors.New("eventstore: the log did not confirm the record")
)

// Bridge is what the committer asks of the engine. Its methods run in the
// committer's goroutine, never two at a time.
type Bridge[T any] interface {
	// Load rebuilds the working state from the log and returns where it ends.
	Load(ctx context.Context) (tree *merkle.Tree, lastSeq uint64, err error)
	// Decide appends the lines of the tickets to the batch, in order, and returns
	// how many tickets it took: fewer than all when the batch is full. An error
	// ends the epoch.
	Decide(ctx context.Context, subject Subject, tickets []T, batch *Batch) (taken int, err error)
	// Prepare makes durable what must be on disk before the batch is. An error
	// ends the epoch.
	Prepare(ctx context.Context, subject Subject, tickets []T) error
	// Stored tells that the batch is on disk as the commit with the sequence seq.
	// The batch's memory is the bridge's until it calls batch.Free.
	Stored(subject Subject, tickets []T, batch *Batch, seq uint64)
	// Failed tells that the tickets will not be stored by this committer.
	Failed(tickets []T, err error)
}

// CommitterOptions bound and observe a committer.
type CommitterOptions struct {
	Queue   int           // tickets that may wait; 0 = 8,192
	Timeout time.Duration // of one append; 0 = 10 s
	Backoff time.Duration // first pause between two failed loads; 0 = 50 ms, doubled up to 2 s
	Standby time.Duration // pause before taking the log back from another writer; 0 = 3 s
	Observe func(Commitment)
	// Seat, if the log is shared between processes: the committer waits for it
	// before every load, and claims it before the first one if Claim is set.
	Seat  Seat
	Claim bool          // the first load does not wait for who writes now: it displaces it
	Look  time.Duration // how often an idle writer looks whether it was displaced; 0 = 1 s
}

// Commitment tells an observer of one commit on disk, of the end of an epoch, or
// of one fsync of the head file.
type Commitment struct {
	Subject Subject
	Records int
	Bytes   int
	Took    time.Duration // of the append: write and fsync; of the head file's fsync
	Head    bool          // it is an fsync of the head file
	Err     error         // why an epoch ended, or the fsync failed; nil otherwise
}

// Committer groups tickets into commits. It owns the only write path to the log.
type Committer[T any] struct {
	log    Log
	head   *HeadFile // nil where the log is not meant to outlive the process
	bridge Bridge[T]
	opts   CommitterOptions

	mu      sync.Mutex
	changes []T
	uses    []T
	serving bool // an epoch is under way
	closed  bool
	cause   error // why no epoch is under way
	wake    chan struct{}

	tree  *merkle.Tree
	nodes []Hash // scratch
	last  uint64 // stream sequence of the last commit: the fence
	free  sync.Pool
}

// NewCommitter returns a committer that serves once Run has loaded the log.
func NewCommitter[T any](log Log, head *HeadFile, bridge Bridge[T], opts CommitterOptions) *Committer[T] {
	if opts.Queue == 0 {
		opts.Queue = 8192
	}
	if opts.Timeout == 0 {
		opts.Timeout = 10 * time.Second
	}
	if opts.Backoff == 0 {
		opts.Backoff = 50 * time.Millisecond
	}
	if opts.Standby == 0 {
		opts.Standby = 3 * time.Second
	}
	if opts.Look == 0 {
		opts.Look = time.Second
	}
	return &Committer[T]{log: log, head: head, bridge: bridge, opts: opts,
		wake: make(chan struct{}, 1), cause: errors.New("the log is being loaded")}
}

// Submit queues the ticket for a commit on the subject. It never blocks: past the
// bound it returns ErrQueueFull, and while the log is not writable the reason,
// wrapped in ErrEpochEnded. A ticket that was queued is answered by exactly one
// of Bridge.Stored and Bridge.Failed.
func (c *Committer[T]) Submit(subject Subject, ticket T) error {
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return ErrClosed
	case !c.serving:
		cause := c.cause
		c.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrEpochEnded, cause)
	case len(c.changes)+len(c.uses) >= c.opts.Queue:
		c.mu.Unlock()
		return ErrQueueFull
	}
	if subject == State {
		c.changes = append(c.changes, ticket)
	} else {
		c.uses = append(c.uses, ticket)
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// Waiting returns how many tickets wait for a commit.
func (c *Committer[T]) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.changes) + len(c.uses)
}

// Serving reports whether an epoch is under way, and if not, why.
func (c *Committer[T]) Serving() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if !c.serving {
		return c.cause
	}
	return nil
}

// Start loads the log for the first epoch, when the seat is free. Its error is
// final: a log that cannot be read, or that fails its integrity check, is not
// served.
func (c *Committer[T]) Start(ctx context.Context) error {
	seated := c.wait
	if c.opts.Claim && c.opts.Seat != nil {
		seated = c.opts.Seat.Claim
	}
	for {
		if err := seated(ctx); err != nil {
			return err
		}
		tree, last, err := c.bridge.Load(ctx)
		switch {
		case err == nil:
			c.begin(tree, last)
			return nil
		case c.opts.Seat != nil && errors.Is(err, ErrFenced):
			continue // another one that waited was faster, or still had a commit in flight
		}
		return err
	}
}

// wait returns when no other process says that it writes the log.
func (c *Committer[T]) wait(ctx context.Context) error {
	if c.opts.Seat == nil {
		return nil
	}
	return c.opts.Seat.Wait(ctx)
}

// Run commits until ctx ends, then fails what waits. Call it once, after Start.
func (c *Committer[T]) Run(ctx context.Context) {
	defer c.close()
	if c.head != nil {
		syncing, stop := context.WithCancel(ctx)
		defer stop()
		go c.syncHead(syncing)
	}
	var look <-chan time.Time
	var claimed <-chan struct{}
	if c.opts.Seat != nil {
		claimed = c.opts.Seat.Claimed()
		tick := time.NewTicker(c.opts.Look)
		defer tick.Stop()
		look = tick.C
	}
	var changes, uses []T
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-look:
			if err := c.look(ctx); err != nil && !c.reload(ctx, err) {
				return
			}
		case <-claimed:
			if !c.reload(ctx, errClaimed) {
				return
			}
		}
		for {
			select {
			case <-claimed: // also when there is always something to do
				if !c.reload(ctx, errClaimed) {
					return
				}
			default:
			}
			c.mu.Lock()
			changes, c.changes = c.changes, changes[:0]
			uses, c.uses = c.uses, uses[:0]
			c.mu.Unlock()
			if len(changes)+len(uses) == 0 {
				break
			}
			if err := c.cycle(ctx, changes, uses); err != nil && !c.reload(ctx, err) {
				return
			}
			clear(changes)
			clear(uses)
		}
	}
}

// errClaimed ends the epoch of a writer whose seat was claimed. It stands by as if
// it had been fenced off already: the claimant is about to do it.
var errClaimed = fmt.Errorf("%w: another process has asked for the log", ErrFenced)

// look finds out whether another writer has appended. A busy writer learns it
// from its next commit; an idle one would go on to say that it writes, and to
// judge who may connect, by a state that is no longer that of the log.
func (c *Committer[T]) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	last, err := c.log.Last(ctx)
	if err != nil || last <= c.last {
		return nil // a log that does not answer refuses the next commit
	}
	return fmt.Errorf("%w: the log is at sequence %d, this writer left it at %d", ErrFenced, last, c.last)
}

const lookTimeout = time.Second

// syncHead makes the head durable once in a while, beside the commits: a loss of
// power then takes at most that much of what the head knows, and nothing of the
// log. A failed sync fails the next Write, which ends the epoch.
func (c *Committer[T]) syncHead(ctx context.Context) {
	tick := time.NewTicker(headSyncInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			began := time.Now()
			err := c.head.Sync()
			c.observe(Commitment{Head: true, Took: time.Since(began), Err: err})
		}
	}
}

const headSyncInterval = time.Second

func (c *Committer[T]) cycle(ctx context.Context, changes, uses []T) error {
	if left, err := c.drain(ctx, State, changes); err != nil {
		c.bridge.Failed(left, err)
		c.bridge.Failed(uses, err)
		return err
	}
	if left, err := c.drain(ctx, Use, uses); err != nil {
		c.bridge.Failed(left, err)
		return err
	}
	return nil
}

// drain commits the tickets, in as many commits as their size asks for, and
// returns those it could not answer.
func (c *Committer[T]) drain(ctx context.Context, subject Subject, tickets []T) ([]T, error) {
	for len(tickets) > 0 {
		batch := c.batch()
		taken, err := c.bridge.Decide(ctx, subject, tickets, batch)
		if err == nil && taken == 0 {
			err = errors.New("a single call is larger than a commit may be")
		}
		if err == nil {
			err = c.bridge.Prepare(ctx, subject, tickets[:taken])
		}
		var seq uint64
		if err == nil && len(batch.ends) > 0 {
			seq, err = c.append(ctx, subject, batch)
		}
		if err != nil {
			return tickets, fmt.Errorf("%w: %w", ErrEpochEnded, err)
		}
		c.bridge.Stored(subject, tickets[:taken], batch, seq)
		tickets = tickets[taken:]
	}
	return nil, nil
}

func (c *Committer[T]) append(ctx context.Context, subject Subject, batch *Batch) (uint64, error) {
	for _, line := range batch.seal() {
		c.tree.Append(line)
	}
	commit := Commit{Subject: subject, First: batch.first, Lines: batch.lines, Root: c.tree.Root(), After: c.last}
	commit.ID = commitID(&commit)
	began := time.Now()
	// The append outlives a stop of the server: its outcome decides what the
	// callers are told.
	appending, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.Timeout)
	seq, err := c.log.Append(appending, &commit)
	cancel()
	if err != nil {
		return 0, err
	}
	c.last = seq
	if c.head != nil {
		// Before any reply: a kill -9 after a reply finds a head that covers it.
		c.nodes = c.tree.Snapshot(c.nodes[:0])
		if err := c.head.Write(Head{N: c.tree.Size(), Root: commit.Root, Seq: seq, Nodes: c.nodes}); err != nil {
			return 0, fmt.Errorf("write the head file: %w", err)
		}
	}
	c.observe(Commitment{Subject: subject, Records: len(batch.lines), Bytes: len(batch.buf), Took: time.Since(began)})
	return seq, nil
}

// reload ends the epoch, fails what waits on it, and loads the log until that
// succeeds. It returns false when ctx ends first. A writer that another one has
// fenced off stands by before it takes the log back, so that two do not spend
// their time fencing each other: for a while, and with a seat for as long as the
// other one has it.
func (c *Committer[T]) reload(ctx context.Context, cause error) bool {
	c.observe(Commitment{Err: cause})
	c.fail(cause)
	if errors.Is(cause, ErrFenced) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(c.opts.Standby):
		}
	}
	for pause := c.opts.Backoff; ; pause = min(2*pause, 2*time.Second) {
		if c.wait(ctx) != nil {
			return false
		}
		tree, last, err := c.bridge.Load(ctx)
		if err == nil {
			c.begin(tree, last)
			return true
		}
		c.mu.Lock()
		c.cause = err
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

func (c *Committer[T]) begin(tree *merkle.Tree, last uint64) {
	c.tree, c.last = tree, last
	c.mu.Lock()
	c.serving, c.cause = true, nil
	c.mu.Unlock()
	if c.opts.Seat != nil {
		c.opts.Seat.Take()
	}
}

func (c *Committer[T]) fail(cause error) {
	c.mu.Lock()
	waiting := append(c.changes, c.uses...)
	c.changes, c.uses = nil, nil
	c.serving, c.cause = false, cause
	c.mu.Unlock()
	if c.opts.Seat != nil {
		c.opts.Seat.Leave(cause)
	}
	c.bridge.Failed(waiting, cause)
}

func (c *Committer[T]) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.fail(ErrClosed)
}

func (c *Committer[T]) observe(e Commitment) {
	if c.opts.Observe != nil {
		c.opts.Observe(e)
	}
}
