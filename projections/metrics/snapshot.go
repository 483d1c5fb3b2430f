package metrics

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"
)

// snapshotFormat grows with every change of how the log is counted: what an
// earlier program has counted is then counted anew.
const snapshotFormat = 2

// The snapshot is one line of JSON and one with the hex SHA-256 of the first. It
// is written aside and renamed, and not synced: a crash leaves the one before,
// this one, or, after a loss of power, one whose digest is wrong.
type snapshot struct {
	Format  int     `json:"format"`
	Rules   string  `json:"rules"` // digest of what else decides how a record is counted
	Cursor  uint64  `json:"cursor"`
	Root    string  `json:"root"` // of the commit at Cursor: which log was counted
	Written string  `json:"written"`
	Counts  *counts `json:"counts"`
}

// rules is a digest of the operations that have a name here.
func (v *View) rules() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(v.known)) {
		fmt.Fprintln(h, name)
	}
	fmt.Fprintln(h, v.options.Named)
	return hex.EncodeToString(h.Sum(nil))
}

// save writes the snapshot; v.mu is held. A failure is told and tried again
// later: all that it costs is a longer replay.
func (v *View) save(ctx context.Context) {
	v.saved = time.Now()
	if err := v.write(ctx); err != nil {
		v.options.Observe(fmt.Errorf("metrics: write the snapshot: %w", err))
		return
	}
	v.stale = false
}

func (v *View) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout) // a scrape waits meanwhile
	defer cancel()
	last, err := v.log.Get(ctx, v.cursor)
	if err != nil {
		return err
	}
	line, err := json.Marshal(snapshot{
		Format: snapshotFormat, Rules: v.rules(), Cursor: v.cursor, Root: hex.EncodeToString(last.Root[:]),
		Written: v.saved.UTC().Format(time.RFC3339), Counts: v.counts,
	})
	if err != nil {
		return err
	}
	digest := sha256.Sum256(line)
	content := fmt.Appendf(line, "\n%x\n", digest)
	aside := v.options.Snapshot + ".new"
	if err := os.WriteFile(aside, content, 0o600); err != nil {
		return err
	}
	return os.Rename(aside, v.options.Snapshot)
}

// restore takes up the snapshot. Its error says why that could not be; a file
// that is not there is none.
func (v *View) restore(ctx context.Context) error {
	if v.options.Snapshot == "" {
		return nil
	}
	s, err := readSnapshot(v.options.Snapshot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the snapshot %s: %w", v.options.Snapshot, err)
	}
	if s.Format != snapshotFormat || s.Rules != v.rules() {
		return errors.New("the snapshot was counted by other rules")
	}
	c, err := v.log.Get(ctx, s.Cursor)
	if err != nil {
		return fmt.Errorf("the snapshot's last commit: %w", err)
	}
	if hex.EncodeToString(c.Root[:]) != s.Root {
		return fmt.Errorf("the snapshot is of another log: it has the root %s at sequence %d, the log has %x", s.Root, s.Cursor, c.Root)
	}
	v.counts, v.cursor = s.Counts, s.Cursor
	return nil
}

func readSnapshot(path string) (*snapshot, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	line, rest, _ := bytes.Cut(content, []byte("\n"))
	if string(rest) != fmt.Sprintf("%x\n", sha256.Sum256(line)) {
		return nil, errors.New("it is damaged: its digest does not fit")
	}
	s := snapshot{Counts: newCounts(0)}
	if err := json.Unmarshal(line, &s); err != nil {
		return nil, err
	}
	return &s, nil
}
