package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/keytrail/keytrail/eventstore/merkle"
)

// IntegrityError says that the log is not what was appended to it. Nothing may
// be served from such a log.
type IntegrityError struct {
	Position Position // the first bad one; Line is 0: a root vouches for whole commits
	N        uint64   // index of the first record in doubt
	Reason   string
}

func (e *IntegrityError) Error() string {
	return fmt.Sprintf("eventstore: the log is damaged at sequence %d (record n=%d): %s", e.Position.Seq, e.N, e.Reason)
}

func damaged(seq, n uint64, format string, args ...any) error {
	return &IntegrityError{Position: Position{Seq: seq}, N: n, Reason: fmt.Sprintf(format, args...)}
}

// ErrNoHead: the log holds commits, but there is no head to hold it against.
var ErrNoHead = errors.New("eventstore: the log has commits but the head file does not exist or is empty; " +
	"if it was lost, walk the log and write it anew: keytrail verify --data-dir DIR --write-head")

// Check holds the log against the head (nil if there is none) before it is
// served. The commit that the head names must be there with the same size and
// root; those after it are read and verified. It returns the Merkle tree and the
// sequence of the last commit.
//
// It costs one commit plus what is ahead of the head, not the whole log: Verify
// is for that. A log that fails gives an *IntegrityError; nothing is repaired.
func Check(ctx context.Context, log Log, head *Head) (tree *merkle.Tree, lastSeq uint64, err error) {
	last, err := log.Last(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("eventstore: check: %w", err)
	}
	if head == nil {
		if last != 0 {
			return nil, 0, fmt.Errorf("eventstore: check: %w", ErrNoHead)
		}
		return &merkle.Tree{}, 0, nil
	}
	tree, err = head.tree()
	if err != nil {
		return nil, 0, fmt.Errorf("check: %w", err)
	}
	if last < head.Seq {
		return nil, 0, behind(ctx, log, last, head)
	}
	gap, err := log.Gap(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("eventstore: check: %w", err)
	}
	if gap != 0 {
		return nil, 0, damaged(gap, firstAfter(ctx, log, gap-1), "the commit is missing")
	}
	if head.Seq > 0 {
		c, err := log.Get(ctx, head.Seq)
		if errors.Is(err, ErrNotFound) {
			return nil, 0, damaged(head.Seq, firstAfter(ctx, log, head.Seq-1), "the commit is missing")
		}
		if err != nil {
			return nil, 0, fmt.Errorf("eventstore: check: %w", err)
		}
		if c.Next() != head.N {
			return nil, 0, damaged(head.Seq, c.First, "the commit ends at n=%d, the head file has n=%d there", c.Next(), head.N)
		}
		if c.Root != head.Root {
			return nil, 0, damaged(head.Seq, c.First, "the commit has the root %s, the head file %s", c.Root, head.Root)
		}
	}
	w := walk{tree: *tree, seq: head.Seq}
	if err := w.run(ctx, log, last); err != nil {
		return nil, 0, err
	}
	*tree = w.tree
	return tree, w.seq, nil
}

// behind describes a log that ends before its head.
func behind(ctx context.Context, log Log, last uint64, head *Head) error {
	n := firstAfter(ctx, log, last)
	return damaged(last+1, n, "the log ends at sequence %d, the head file knows sequence %d: %d records are lost", last, head.Seq, head.N-min(n, head.N))
}

// firstAfter is the index of the record after the commit at seq: a help for the
// message about what is missing there, 0 if the commit cannot tell.
func firstAfter(ctx context.Context, log Log, seq uint64) uint64 {
	if seq == 0 {
		return 0
	}
	c, err := log.Get(ctx, seq)
	if err != nil {
		return 0
	}
	return c.Next()
}

// Report is what a whole walk found.
type Report struct {
	Commits uint64
	Records uint64
	Bytes   uint64 // of the record lines
	Head    Head   // of the log as it is, up to the last good commit
	Ahead   uint64 // commits that the log has after the given head
}

// Verify walks the whole log: sequences contiguous from 1, n gapless, every
// commit's lines hashing to the root that it carries, and the given head (nil
// for none) on the way. The log may be longer than the head, never shorter.
// A log that fails gives an *IntegrityError naming the first bad position, and
// the report then covers what is before it.
func Verify(ctx context.Context, log Log, head *Head) (Report, error) {
	var r Report
	last, err := log.Last(ctx)
	if err != nil {
		return r, fmt.Errorf("eventstore: verify: %w", err)
	}
	if head != nil {
		if _, err := head.tree(); err != nil {
			return r, fmt.Errorf("verify: %w", err)
		}
	}
	var w walk
	w.visit = func(c *Stored) error {
		if head != nil && c.Seq == head.Seq && (c.Next() != head.N || c.Root != head.Root) {
			return damaged(c.Seq, c.First, "the commit ends at n=%d with the root %s, the head file has n=%d and %s there", c.Next(), c.Root, head.N, head.Root)
		}
		r.Commits++
		r.Records += uint64(len(c.Lines))
		r.Bytes += uint64(c.Size() - len(c.Lines) + 1)
		return nil
	}
	err = w.run(ctx, log, last)
	r.Head = HeadOf(&w.tree, w.seq)
	if err != nil {
		return r, err
	}
	if head != nil {
		if last < head.Seq {
			return r, damaged(last+1, w.tree.Size(), "the log ends at sequence %d, the head file knows sequence %d: %d records are lost",
				last, head.Seq, head.N-min(w.tree.Size(), head.N))
		}
		r.Ahead = last - head.Seq
	}
	return r, nil
}

// walk reads on from a known tree and sequence and verifies each commit against
// what came before it.
type walk struct {
	tree  merkle.Tree
	seq   uint64              // of the last good commit
	visit func(*Stored) error // called for each good commit, may be nil
}

func (w *walk) run(ctx context.Context, log Log, last uint64) error {
	if w.seq < last {
		if err := log.Read(ctx, w.seq+1, nil, w.commit); err != nil {
			var damage *UnreadableError
			if errors.As(err, &damage) {
				if missing := w.missing(damage.Seq); missing != nil {
					return missing
				}
				return damaged(damage.Seq, w.tree.Size(), "%v", damage.Err)
			}
			return err
		}
	}
	if w.seq < last {
		return damaged(w.seq+1, w.tree.Size(), "the commit is missing or cannot be read; the log says it goes on to sequence %d", last)
	}
	return nil
}

func (w *walk) missing(next uint64) error {
	switch missing := next - w.seq - 1; {
	case next <= w.seq:
		return damaged(next, w.tree.Size(), "the sequence was read after %d", w.seq)
	case missing == 1:
		return damaged(w.seq+1, w.tree.Size(), "the commit is missing")
	case missing > 1:
		return damaged(w.seq+1, w.tree.Size(), "%d commits are missing", missing)
	}
	return nil
}

func (w *walk) commit(c Stored) error {
	if err := w.missing(c.Seq); err != nil {
		return err
	}
	n := w.tree.Size()
	if c.First != n {
		return damaged(c.Seq, n, "the commit begins with n=%d, expected n=%d", c.First, n)
	}
	if c.After != w.seq {
		return damaged(c.Seq, n, "the commit was appended after sequence %d, expected %d", c.After, w.seq)
	}
	before := w.tree
	for _, line := range c.Lines {
		w.tree.Append(line)
	}
	if root := w.tree.Root(); root != c.Root {
		w.tree = before
		return damaged(c.Seq, n, "its records hash to the root %s, the commit carries %s", root, c.Root)
	}
	if w.visit != nil {
		if err := w.visit(&c); err != nil {
			w.tree = before
			return err
		}
	}
	w.seq = c.Seq
	return nil
}

// UnreadableError says that a store has lost a commit, or holds at its place
// what is none: headers that are missing or unreadable, a body that is not what
// they count.
type UnreadableError struct {
	Seq uint64 // of the commit; when reading only some subjects, the lowest it may have
	Err error
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("eventstore: the commit at sequence %d cannot be read: %v", e.Seq, e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }
