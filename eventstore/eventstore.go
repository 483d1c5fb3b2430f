// Package eventstore is the log: commits of opaque record lines, appended by
// one writer that the log itself fences, each carrying the Merkle root of all
// that came before it. Beside it stands the head file, which remembers outside
// the log how far the log had come, so that a log that lost its tail is noticed.
//
// It is the room for bytes, positions and hashes. It knows no domain: what a
// line means, who is calling and what may be decrypted must not enter, nor may
// a particular store; those are the packages natslog and memlog.
package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keytrail/keytrail/eventstore/merkle"
)

// Hash is a Merkle hash: 32 bytes, printed as 64 hexadecimal digits.
type Hash = merkle.Hash

// Subject separates the commits that change state from those that only use it,
// so that state can be rebuilt without reading the history of uses.
type Subject uint8

// The subjects of the log. The zero Subject is none of them.
const (
	State Subject = iota + 1 // control plane: what changes state
	Use                      // data plane: what only uses it
)

// String gives the subject's name in the stream.
func (s Subject) String() string {
	switch s {
	case State:
		return "keytrail.log.state"
	case Use:
		return "keytrail.log.use"
	}
	return fmt.Sprintf("Subject(%d)", uint8(s))
}

// ParseSubject is the inverse of String.
func ParseSubject(name string) (Subject, error) {
	switch name {
	case "keytrail.log.state":
		return State, nil
	case "keytrail.log.use":
		return Use, nil
	}
	return 0, fmt.Errorf("eventstore: unknown subject %q", name)
}

// Position is where a record line stands: its commit's stream sequence, from 1,
// and its index among the commit's lines, from 0.
type Position struct {
	Seq  uint64
	Line int
}

func (p Position) String() string { return fmt.Sprintf("%d.%d", p.Seq, p.Line) }

// Limits of a commit.
const (
	// MaxCommitBytes bounds the lines of one commit with the newlines between
	// them. The stream's messages are bounded to 4 MiB, headers included; the
	// rest is left for those.
	MaxCommitBytes = 4<<20 - 4<<10
	// MaxIDBytes bounds Commit.ID.
	MaxIDBytes = 128
)

// Commit is what one append stores as one message: all of its lines or none.
type Commit struct {
	Subject Subject
	// First is the index n of the first line over all records of the log, from
	// 0. It is also its leaf index in the Merkle tree.
	First uint64
	// Lines are the exact bytes of 1..N records. None is empty or holds a
	// newline; together they respect MaxCommitBytes.
	Lines [][]byte
	// Root is the RFC 6962 root over the records 0..First+len(Lines)-1.
	Root Hash
	// ID is the message id, by which a store recognizes a resend: 1..MaxIDBytes
	// printable ASCII characters without space, different for every commit.
	ID string
	// After is the stream sequence of the commit before this one, 0 for the
	// first: the fence. The log refuses the commit if its last sequence differs.
	After uint64
}

// Next is the index n of the record that follows this commit, and so the size
// of the Merkle tree whose root it carries.
func (c *Commit) Next() uint64 { return c.First + uint64(len(c.Lines)) }

// Size is the length in bytes of the lines with the newlines between them.
func (c *Commit) Size() int {
	n := len(c.Lines) - 1
	for _, l := range c.Lines {
		n += len(l)
	}
	return n
}

// Stored is a commit as the log holds it. Its bytes may be kept, not changed.
type Stored struct {
	Commit
	Seq uint64    // stream sequence, contiguous from 1
	At  time.Time // when the store took it
}

// Receipt says that a record is on disk, and where: its index and position.
type Receipt struct {
	N        uint64
	Position Position
}

// Errors of a Log. They are wrapped with their cause: use errors.Is.
var (
	// ErrFenced: another writer has appended. The call stored nothing, and no
	// later one of this epoch will.
	ErrFenced = errors.New("eventstore: another writer has appended to the log")
	// ErrNotStored: the commit is certainly not in the log.
	ErrNotStored = errors.New("eventstore: commit not stored")
	// ErrAmbiguous: the commit may or may not be in the log, or may yet come to
	// be. The writer must end its epoch, reload from the log and look.
	ErrAmbiguous = errors.New("eventstore: commit may or may not be stored")
	// ErrNotFound: no commit has this sequence.
	ErrNotFound = errors.New("eventstore: no such commit")
	// ErrClosed: this handle of the log, or the committer, was closed.
	ErrClosed = errors.New("eventstore: closed")
)

// Log is an append-only sequence of commits. It is safe for concurrent use,
// but only one writer at a time gets its commits in: see Commit.After.
type Log interface {
	// Append returns the sequence of the commit once it is on disk.
	//
	// The error is one of three: ErrFenced, ErrNotStored (a full disk, a
	// reached limit, an invalid commit) or ErrAmbiguous (a timeout, a lost
	// connection, a cancelled context: the commit may even arrive later).
	//
	// A commit that is sent again is not stored again: After has passed, so it
	// is ErrFenced, and the reload that follows finds it in the log. A commit
	// under the ID of another recent one is ErrNotStored. Append keeps nothing
	// of c.
	Append(ctx context.Context, c *Commit) (seq uint64, err error)

	// Read calls fn for every commit with Seq >= from, in order, on the given
	// subjects (none means all), up to the end the log had at the time of the
	// call. It stops at fn's error and returns it as it is.
	//
	// It verifies no root, but a commit that the store knows to be there and
	// cannot deliver is an *UnreadableError and never skipped: a state rebuilt
	// without one of its changes would be wrong in silence.
	Read(ctx context.Context, from uint64, subjects []Subject, fn func(Stored) error) error

	// Follow is Read that goes on with new commits until ctx ends, whose error
	// it returns then.
	Follow(ctx context.Context, from uint64, subjects []Subject, fn func(Stored) error) error

	// Last is the sequence of the last commit, 0 for an empty log.
	Last(ctx context.Context) (seq uint64, err error)

	// Get returns one commit, or ErrNotFound.
	Get(ctx context.Context, seq uint64) (Stored, error)

	// Gap is the lowest sequence up to Last that the store itself knows to be
	// missing, 0 if it knows none. It reads no commits.
	Gap(ctx context.Context) (seq uint64, err error)

	// Close releases the handle; the log stays as it is.
	Close() error
}
