// Package memlog is the log in memory: deterministic, for simulation and tests.
// A Store plays the disk and the server; a Log is one connection to it. Faults
// are decided by a function that the test gives, so that a seed repeats them.
//
// It is the room for a store's promises and their breaking. What the commits
// hold must not matter here, and nothing here may depend on time or chance.
package memlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/keytrail/keytrail/eventstore"
)

// ErrCrashed: the store has crashed and Reopen was not called, or the handle is
// from before the crash.
var ErrCrashed = errors.New("memlog: store has crashed")

// Store is the memory that outlives its handles, as a disk outlives processes.
// Its zero value is not usable: use NewStore.
type Store struct {
	options Options

	mu      sync.Mutex
	commits []*eventstore.Stored // index = sequence-1; nil = missing
	ids     map[string]uint64    // Msg-Id to sequence, never forgotten
	appends int
	epoch   int // counts crashes; handles of an earlier one are dead
	crashed bool
	changed chan struct{} // closed and replaced when the store changes
}

// Options of a Store. The zero value is a store without faults.
type Options struct {
	// Fault decides what happens to the append-th append of the store, counted
	// from 0 over all handles. It is called with no lock held. nil = no faults.
	Fault func(append int, c *eventstore.Commit) Fault
	// Now gives Stored.At. nil = one microsecond per sequence from the Unix epoch.
	Now func() time.Time
}

// NewStore returns an empty store.
func NewStore(options Options) *Store {
	return &Store{options: options, ids: map[string]uint64{}, changed: make(chan struct{})}
}

// Open returns a handle. Several may be open; the log fences their appends. A
// handle opened on a crashed store fails until Reopen.
func (s *Store) Open() *Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Log{store: s, epoch: s.epoch, closed: make(chan struct{})}
}

// Reopen brings a crashed store back with all that it had stored. Handles from
// before the crash stay dead; without a crash it does nothing.
func (s *Store) Reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashed = false
}

// Crash stops the store at once: every call fails until Reopen, and those that
// follow the log end.
func (s *Store) Crash() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashLocked()
}

func (s *Store) crashLocked() {
	s.crashed = true
	s.epoch++
	s.broadcastLocked()
}

func (s *Store) broadcastLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Log is one handle on a Store.
type Log struct {
	store     *Store
	epoch     int
	closed    chan struct{}
	closeOnce sync.Once
}

var _ eventstore.Log = (*Log)(nil)

// usableLocked says why the handle cannot be used, if so. The store is locked.
func (l *Log) usableLocked() error {
	select {
	case <-l.closed:
		return eventstore.ErrClosed
	default:
	}
	if l.store.crashed || l.epoch != l.store.epoch {
		return ErrCrashed
	}
	return nil
}

// Append stores the commit unless a fault, the fence or its form says otherwise.
func (l *Log) Append(ctx context.Context, c *eventstore.Commit) (uint64, error) {
	s := l.store
	if err := c.Validate(); err != nil {
		return 0, fmt.Errorf("memlog: append: %w: %w", eventstore.ErrNotStored, err)
	}
	s.mu.Lock()
	if err := l.usableLocked(); err != nil {
		s.mu.Unlock()
		return 0, fmt.Errorf("memlog: append: %w: %w", eventstore.ErrNotStored, err)
	}
	number := s.appends
	s.appends++
	s.mu.Unlock()

	var fault Fault
	if s.options.Fault != nil {
		fault = s.options.Fault(number, c)
	}
	if fault.Slow != nil {
		fault.Slow(ctx)
	}
	// A context that ended says nothing about a request on its way: what the
	// fault lets through is stored, and only the caller does not learn of it.
	seq, err := l.append(c, fault.Kind)
	if err == nil && ctx.Err() != nil {
		return 0, fmt.Errorf("memlog: append: %w: %w", eventstore.ErrAmbiguous, context.Cause(ctx))
	}
	return seq, err
}

func (l *Log) append(c *eventstore.Commit, kind Kind) (uint64, error) {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return 0, fmt.Errorf("memlog: append: %w: %w", eventstore.ErrAmbiguous, err)
	}
	switch kind {
	case NotStored:
		return 0, fmt.Errorf("memlog: append: %w: injected fault", eventstore.ErrNotStored)
	case NotStoredAmbiguous:
		return 0, fmt.Errorf("memlog: append: %w: injected fault", eventstore.ErrAmbiguous)
	case Crash:
		s.crashLocked()
		return 0, fmt.Errorf("memlog: append: %w: %w", eventstore.ErrAmbiguous, ErrCrashed)
	}
	seq, err := s.storeLocked(c)
	switch {
	case kind == CrashAfterStore:
		s.crashLocked()
		return 0, fmt.Errorf("memlog: append: %w: %w", eventstore.ErrAmbiguous, ErrCrashed)
	case kind == StoredButFailed:
		return 0, fmt.Errorf("memlog: append: %w: injected fault", eventstore.ErrAmbiguous)
	case err != nil:
		return 0, fmt.Errorf("memlog: append: %w", err)
	}
	return seq, nil
}

// storeLocked looks at the fence first and for the ID second, as JetStream does.
func (s *Store) storeLocked(c *eventstore.Commit) (uint64, error) {
	last := uint64(len(s.commits))
	if c.After != last {
		return 0, fmt.Errorf("%w: last sequence is %d, not %d", eventstore.ErrFenced, last, c.After)
	}
	if seq, ok := s.ids[c.ID]; ok {
		return 0, fmt.Errorf("%w: the id %s belongs to the commit at sequence %d", eventstore.ErrNotStored, c.ID, seq)
	}
	stored := &eventstore.Stored{Commit: *c, Seq: last + 1}
	stored.Lines = make([][]byte, len(c.Lines))
	for i, line := range c.Lines {
		stored.Lines[i] = slices.Clone(line)
	}
	if s.options.Now != nil {
		stored.At = s.options.Now()
	} else {
		stored.At = time.UnixMicro(int64(stored.Seq)).UTC()
	}
	s.commits = append(s.commits, stored)
	s.ids[c.ID] = stored.Seq
	s.broadcastLocked()
	return stored.Seq, nil
}
