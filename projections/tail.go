package projections

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/keytrail/keytrail/eventstore"
)

// tailBytes bounds what a Tail remembers: a fraction of a second of a busy log.
const tailBytes = 16 << 20

// tailPatience is how long a follower of a Tail that hears nothing waits before
// it asks the log itself.
const tailPatience = time.Second

// tailRest is how long a follower that was given something waits before it looks for
// more. What comes after a longer silence is given at once.
const tailRest = 4 * time.Millisecond

// Tail is a log with its newest commits in memory. The process that writes the log
// hands them over as it stores them, and its views need not fetch them back from
// the store, which costs the write path more than most views do.
//
// It changes nothing of what Follow promises. Whatever is not in memory is read
// from the log: the past, what was stored while the log was loaded, what another
// process writes.
type Tail struct {
	eventstore.Log

	mu      sync.Mutex
	commits []eventstore.Stored // contiguous, oldest first
	bytes   int
	moved   chan struct{} // closed and replaced whenever a commit comes
}

// NewTail returns a tail of the log that remembers nothing yet.
func NewTail(log eventstore.Log) *Tail { return &Tail{Log: log, moved: make(chan struct{})} }

// Stored takes a commit that is on disk as sequence seq, n of its first line being
// first. Calls come in order, one at a time; the lines are copied.
func (t *Tail) Stored(subject eventstore.Subject, seq, first uint64, lines [][]byte) {
	c := eventstore.Stored{Commit: eventstore.Commit{Subject: subject, First: first, Lines: copied(lines), After: seq - 1}, Seq: seq, At: time.Now()}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.commits); n > 0 && t.commits[n-1].Seq+1 != seq {
		t.commits, t.bytes = nil, 0
	}
	t.commits = append(t.commits, c)
	t.bytes += c.Size()
	old := 0
	for ; t.bytes > tailBytes && old < len(t.commits)-1; old++ {
		t.bytes -= t.commits[old].Size()
		t.commits[old] = eventstore.Stored{}
	}
	t.commits = t.commits[old:]
	close(t.moved)
	t.moved = make(chan struct{})
}

// copied puts lines into one piece of memory.
func copied(lines [][]byte) [][]byte {
	memory := bytes.Join(lines, nil)
	own := make([][]byte, len(lines))
	for i, line := range lines {
		own[i], memory = memory[:len(line):len(line)], memory[len(line):]
	}
	return own
}

// held gives the remembered commits from a sequence on, what closes when there
// are more, and whether next comes right after the newest.
func (t *Tail) held(next uint64, into []eventstore.Stored) (commits []eventstore.Stored, moved <-chan struct{}, newest bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.commits); n > 0 {
		if next >= t.commits[0].Seq && next <= t.commits[n-1].Seq {
			into = append(into, t.commits[next-t.commits[0].Seq:]...)
		}
		newest = next == t.commits[n-1].Seq+1
	}
	return into, t.moved, newest
}

// Follow gives the commits as eventstore.Log says. Those that come from memory
// have no Root and no ID.
func (t *Tail) Follow(ctx context.Context, from uint64, subjects []eventstore.Subject, fn func(eventstore.Stored) error) error {
	next := max(from, 1)
	deliver := func(c eventstore.Stored) error {
		next = c.Seq + 1
		if len(subjects) > 0 && !slices.Contains(subjects, c.Subject) {
			return nil
		}
		return fn(c)
	}
	patience := time.NewTimer(tailPatience)
	defer patience.Stop()
	var commits []eventstore.Stored
	for ask := true; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		clear(commits) // what was delivered is the follower's to keep or not
		var moved <-chan struct{}
		var newest bool
		commits, moved, newest = t.held(next, commits[:0])
		for i := range commits {
			if err := deliver(commits[i]); err != nil {
				return err
			}
		}
		if len(commits) > 0 {
			ask = false
			if err := rest(ctx); err != nil {
				return err
			}
			continue
		}
		if ask || !newest {
			last, err := t.Last(ctx)
			if err != nil {
				return err
			}
			if last >= next {
				if err := t.Read(ctx, next, subjects, deliver); err != nil {
					return err
				}
				next = max(next, last+1)
				continue
			}
		}
		var err error
		patience.Reset(tailPatience)
		if ask, err = wait(ctx, moved, patience.C); err != nil {
			return err
		}
	}
}

// rest lets some commits come together: a follower that was woken for each of a busy
// log's would cost the write path more in waking than in reading.
func rest(ctx context.Context) error {
	over := time.NewTimer(tailRest)
	defer over.Stop()
	select {
	case <-over.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait returns when moved closes, or, with true, when patience ends.
func wait(ctx context.Context, moved <-chan struct{}, patience <-chan time.Time) (bool, error) {
	select {
	case <-moved:
		return false, nil
	case <-patience:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
