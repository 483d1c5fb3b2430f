// Package keyring is the only store that forgets. The log is append-only, so
// whatever must one day be destroyed lives here instead, each under an opaque
// id that records of the log refer to: sealed key material, wrapped data keys
// of secret versions, sealed secret access keys.
//
// # Order of writes
//
// The ring and the log are two stores, and a crash can fall between them. The
// engine keeps them in step by order alone:
//
//	Put, then record     a record never names an entry that is not on disk
//	record, then Erase   an entry is never gone while the log still needs it
//
// Crash points, and what is found at restart:
//
//	before Put           nothing: the call did not happen
//	Put, not recorded    an entry that no record names: an orphan
//	recorded, not erased an entry whose end is recorded: an orphan too
//	within Put or Erase  any subset of the entries is there, each whole
//
// So one rule restores order: after a restart, erase every id of IDs that the
// state rebuilt from the log does not hold. The reverse, an id that the state
// holds and the ring does not, no crash explains: the store is damaged. An id
// is never used twice, for an orphan of it may still be there with other bytes.
//
// That rule is safe only for a writer that owns the log. Open the ring and
// reconcile it after the first append of an epoch is acknowledged: what is
// unreferenced then can never be recorded by a writer that was displaced. A
// ring that was opened earlier does not see what another process put since.
//
// # Trust
//
// Erasure is of the store's files: it cannot reach blocks that the device has
// remapped, backups, or the replication log of a cluster before it is
// compacted. It is honest because every entry is sealed: new root key, entries
// sealed anew, old root key destroyed, and no copy anywhere opens.
//
// The room is for storing and forgetting sealed bytes. It imports no domain
// and knows no key.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

const (
	// MaxID bounds an id, in bytes of [A-Za-z0-9-].
	MaxID = 64
	// MaxSealed bounds the bytes of one entry.
	MaxSealed = 64 << 10
)

var (
	// ErrNotFound: no entry has the id.
	ErrNotFound = errors.New("keyring: no such entry")
	// ErrConflict: the id is taken, by other bytes. Nothing was replaced.
	ErrConflict = errors.New("keyring: id is taken by other bytes")
	// ErrInvalidEntry: the id is not [A-Za-z0-9-]{1,64}, or the bytes are not
	// 1 to MaxSealed. Nothing was stored of the whole call.
	ErrInvalidEntry = errors.New("keyring: invalid entry")
	// ErrClosed: the ring was closed.
	ErrClosed = errors.New("keyring: closed")
)

// Entry is sealed bytes under an opaque id.
type Entry struct {
	ID     string // [A-Za-z0-9-]{1,64}, never used before
	Sealed []byte // 1 to MaxSealed bytes
}

// Ring is the store. It is safe for concurrent use, but a Put and an Erase of
// one id must not overlap. One process writes.
type Ring interface {
	// Put stores entries and returns once all are on disk. An entry that is
	// there already with the same bytes is stored; with other bytes it is
	// ErrConflict. On any error but ErrInvalidEntry each entry may or may not
	// be stored: putting the same entries again settles it, and erasing them
	// undoes it.
	Put(ctx context.Context, entries ...Entry) error

	// Get returns a copy of the bytes under id, from memory; ErrNotFound.
	Get(id string) ([]byte, error)

	// Erase destroys entries and returns once they are off the disk. What is
	// not there is erased. From the call on, Get does not find them; on an
	// error each may still be on disk, and erasing again settles it.
	Erase(ctx context.Context, ids ...string) error

	// IDs visits every id, in no order. Entries that are put or erased
	// meanwhile may be visited or not; the loop body may call the ring.
	IDs() iter.Seq[string]

	// Close frees the memory. The entries stay on disk.
	Close() error
}

func checkID(id string) error {
	if len(id) == 0 || len(id) > MaxID {
		return fmt.Errorf("%w: id of %d bytes", ErrInvalidEntry, len(id))
	}
	for _, c := range []byte(id) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return fmt.Errorf("%w: id %q", ErrInvalidEntry, id)
		}
	}
	return nil
}

func checkEntries(entries []Entry) error {
	for _, e := range entries {
		if err := checkID(e.ID); err != nil {
			return err
		}
		if len(e.Sealed) == 0 || len(e.Sealed) > MaxSealed {
			return fmt.Errorf("%w: %d bytes under %s", ErrInvalidEntry, len(e.Sealed), e.ID)
		}
	}
	return nil
}

func checkIDs(ids []string) error {
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return err
		}
	}
	return nil
}
