package memlog

import (
	"context"
	"fmt"

	"github.com/keytrail/keytrail/eventstore"
)

// Kind is what becomes of an append.
type Kind uint8

// The kinds of fault. In each case the error of Append tells the caller no more
// than a real store could.
const (
	None               Kind = iota // stored and acknowledged
	NotStored                      // refused: ErrNotStored
	StoredButFailed                // stored, yet ErrAmbiguous
	NotStoredAmbiguous             // not stored, ErrAmbiguous
	Crash                          // not stored, ErrAmbiguous; every later call fails until Reopen
	CrashAfterStore                // stored, ErrAmbiguous; every later call fails until Reopen
)

// Fault is what the test decides about one append.
type Fault struct {
	Kind Kind
	// Slow, if not nil, runs before the append takes effect, with no lock held:
	// the store is slow for as long as it runs, and other handles may append.
	Slow func(ctx context.Context)
}

// Damage to stored commits, as a failing disk or a hand on it would do. Each
// panics on a sequence that the store has not: a test's mistake.

// Flip inverts one bit of one byte of a stored line.
func (s *Store) Flip(seq uint64, line, offset int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := *s.commits[seq-1]
	// Readers may hold the old lines, so the damage goes into a copy.
	lines := make([][]byte, len(c.Lines))
	copy(lines, c.Lines)
	lines[line] = append([]byte(nil), lines[line]...)
	lines[line][offset] ^= 1
	c.Lines = lines
	s.commits[seq-1] = &c
}

// Drop removes a commit; its sequence is missing from then on.
func (s *Store) Drop(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits[seq-1] = nil
}

// Swap exchanges what two sequences hold.
func (s *Store) Swap(a, b uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ca, cb := *s.commits[a-1], *s.commits[b-1]
	ca.Seq, cb.Seq = b, a
	s.commits[a-1], s.commits[b-1] = &cb, &ca
}

// Truncate cuts the log after the given sequence, and forgets the IDs of what
// it cut: the sequences will be used again.
func (s *Store) Truncate(last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last > uint64(len(s.commits)) {
		panic(fmt.Sprintf("memlog: truncate to %d: the store ends at %d", last, len(s.commits)))
	}
	s.commits = s.commits[:last:last]
	for id, seq := range s.ids {
		if seq > last {
			delete(s.ids, id)
		}
	}
}

// Replace changes a stored commit in place, its sequence excepted.
func (s *Store) Replace(seq uint64, change func(*eventstore.Commit)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := *s.commits[seq-1]
	change(&c.Commit)
	s.commits[seq-1] = &c
}
