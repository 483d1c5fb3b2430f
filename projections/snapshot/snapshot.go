// Package snapshot keeps what a view holds in a file, so that a restart does not
// read the whole log again. A snapshot holds nothing that the log does not hold:
// one that is lost, damaged, of another log or made by other rules is not used,
// and costs a replay.
package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/keytrail/keytrail/eventstore"
)

// File is the snapshot of one view: a line of JSON that says what it is, the
// view's own bytes, and a line with the hex SHA-256 of all before. It is written
// aside and renamed, and not synced: a crash leaves the one before, this one, or,
// after a loss of power, one whose digest is wrong.
type File struct {
	Path   string // "" = none is kept
	Format int    // grows with every change of what the view makes of a record
	Rules  string // whatever else decides that; a snapshot with others is not used
}

// head is the first line.
type head struct {
	Format int    `json:"format"`
	Rules  string `json:"rules,omitempty"`
	Cursor uint64 `json:"cursor"`
	Root   string `json:"root"` // of the commit at Cursor: which log was read
}

const (
	digestLine = 2*sha256.Size + 1
	// patience bounds how long a snapshot waits for the log.
	patience = 2 * time.Second
)

// Write keeps held, which is what the view holds at the commit cursor of the log.
// After an error the snapshot before is still there.
func (f File) Write(ctx context.Context, log eventstore.Log, cursor uint64, held []byte) error {
	if f.Path == "" {
		return nil
	}
	if err := f.write(ctx, log, cursor, held); err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	return nil
}

func (f File) write(ctx context.Context, log eventstore.Log, cursor uint64, held []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last, err := log.Get(ctx, cursor)
	if err != nil {
		return err
	}
	content, err := json.Marshal(head{Format: f.Format, Rules: f.Rules, Cursor: cursor, Root: hex.EncodeToString(last.Root[:])})
	if err != nil {
		return err
	}
	content = append(append(content, '\n'), held...)
	content = fmt.Appendf(content, "%x\n", sha256.Sum256(content))
	aside := f.Path + ".new"
	if err := os.WriteFile(aside, content, 0o600); err != nil {
		return err
	}
	return os.Rename(aside, f.Path)
}

// Read returns what was kept last, and the commit of this log that it was kept at.
// Without a file it returns 0 and nil. Its error says why a snapshot cannot be used.
func (f File) Read(ctx context.Context, log eventstore.Log) (cursor uint64, held []byte, err error) {
	if f.Path == "" {
		return 0, nil, nil
	}
	content, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read the snapshot: %w", err)
	}
	if len(content) < digestLine {
		return 0, nil, fmt.Errorf("the snapshot %s is damaged: it is cut off", f.Path)
	}
	body := content[:len(content)-digestLine]
	if string(content[len(body):]) != fmt.Sprintf("%x\n", sha256.Sum256(body)) {
		return 0, nil, fmt.Errorf("the snapshot %s is damaged: its digest does not fit", f.Path)
	}
	first, held, _ := bytes.Cut(body, []byte("\n"))
	var h head
	if err := json.Unmarshal(first, &h); err != nil {
		return 0, nil, fmt.Errorf("the snapshot %s is damaged: %w", f.Path, err)
	}
	if h.Format != f.Format || h.Rules != f.Rules {
		return 0, nil, errors.New("the snapshot was made by other rules")
	}
	c, err := log.Get(ctx, h.Cursor)
	if err != nil {
		return 0, nil, fmt.Errorf("the snapshot's last commit: %w", err)
	}
	if hex.EncodeToString(c.Root[:]) != h.Root {
		return 0, nil, fmt.Errorf("the snapshot is of another log: it has the root %s at sequence %d, the log has %x", h.Root, h.Cursor, c.Root)
	}
	return h.Cursor, held, nil
}

// Remove removes the snapshot, if there is one.
func (f File) Remove() error {
	if f.Path == "" {
		return nil
	}
	if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the snapshot: %w", err)
	}
	return nil
}
