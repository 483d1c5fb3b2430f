package memlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keytrail/keytrail/eventstore"
)

// Read calls fn for the commits that the log had at the time of the call.
func (l *Log) Read(ctx context.Context, from uint64, subjects []eventstore.Subject, fn func(eventstore.Stored) error) error {
	commits, _, err := l.view(from)
	if err != nil {
		return fmt.Errorf("memlog: read: %w", err)
	}
	return each(ctx, max(from, 1), commits, subjects, fn)
}

// Follow reads and then waits for more, until ctx ends or the store crashes.
func (l *Log) Follow(ctx context.Context, from uint64, subjects []eventstore.Subject, fn func(eventstore.Stored) error) error {
	from = max(from, 1)
	for {
		commits, changed, err := l.view(from)
		if err != nil {
			return fmt.Errorf("memlog: follow: %w", err)
		}
		if err := each(ctx, from, commits, subjects, fn); err != nil {
			return err
		}
		from += uint64(len(commits))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.closed:
			return fmt.Errorf("memlog: follow: %w", eventstore.ErrClosed)
		case <-changed:
		}
	}
}

// view is the store's commits from a sequence on as they are now, and the
// channel that closes when there is something new to see.
func (l *Log) view(from uint64) ([]*eventstore.Stored, <-chan struct{}, error) {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return nil, nil, err
	}
	if from = max(from, 1); from > uint64(len(s.commits)) {
		return nil, s.changed, nil
	}
	return slices.Clone(s.commits[from-1:]), s.changed, nil
}

func each(ctx context.Context, from uint64, commits []*eventstore.Stored, subjects []eventstore.Subject, fn func(eventstore.Stored) error) error {
	for i, c := range commits {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c == nil {
			return fmt.Errorf("memlog: read: %w", &eventstore.UnreadableError{Seq: from + uint64(i), Err: errMissing})
		}
		if len(subjects) > 0 && !slices.Contains(subjects, c.Subject) {
			continue
		}
		if err := fn(*c); err != nil {
			return err
		}
	}
	return nil
}

var errMissing = errors.New("the commit is missing")

// Last is the sequence of the last commit.
func (l *Log) Last(context.Context) (uint64, error) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return 0, fmt.Errorf("memlog: last: %w", err)
	}
	return uint64(len(l.store.commits)), nil
}

// Get returns the commit at a sequence.
func (l *Log) Get(_ context.Context, seq uint64) (eventstore.Stored, error) {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return eventstore.Stored{}, fmt.Errorf("memlog: get %d: %w", seq, err)
	}
	if seq == 0 || seq > uint64(len(s.commits)) || s.commits[seq-1] == nil {
		return eventstore.Stored{}, fmt.Errorf("memlog: get %d: %w", seq, eventstore.ErrNotFound)
	}
	return *s.commits[seq-1], nil
}

// Gap is the sequence of the first dropped commit.
func (l *Log) Gap(context.Context) (uint64, error) {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return 0, fmt.Errorf("memlog: gap: %w", err)
	}
	return uint64(slices.Index(s.commits, nil) + 1), nil
}

// Close ends this handle's calls; the store stays.
func (l *Log) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return nil
}
