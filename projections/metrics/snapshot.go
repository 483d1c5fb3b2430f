package metrics

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keytrail/keytrail/projections/snapshot"
)

// snapshotFormat grows with every change of how the log is counted: what an
// earlier program has counted is then counted anew. The snapshot is the counts as
// JSON.
const snapshotFormat = 5

func (v *View) file() snapshot.File {
	return snapshot.File{Path: v.options.Snapshot, Format: snapshotFormat, Rules: v.rules()}
}

// rules is a digest of what else decides how a record is counted: the operations
// that have a name here, those that use keys, and how many keys and secrets have a
// name.
func (v *View) rules() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(v.known)) {
		fmt.Fprintln(h, name)
	}
	for _, name := range slices.Sorted(maps.Keys(v.cryptographic)) {
		fmt.Fprintln(h, "uses a key:", name)
	}
	fmt.Fprintln(h, v.options.Named)
	return hex.EncodeToString(h.Sum(nil))
}

// save writes the snapshot; v.mu is held, and a scrape waits meanwhile. A failure
// is told and tried again later: all that it costs is a longer replay.
func (v *View) save(ctx context.Context) {
	v.saved = time.Now()
	held, err := json.Marshal(v.counts)
	if err == nil {
		err = v.file().Write(ctx, v.log, v.cursor, held)
	}
	if err != nil {
		v.options.Observe(fmt.Errorf("metrics: %w", err))
		return
	}
	v.stale = false
}

// restore takes up the snapshot. Its error says why that could not be; a file
// that is not there is none.
func (v *View) restore(ctx context.Context) error {
	cursor, held, err := v.file().Read(ctx, v.log)
	if err != nil || held == nil {
		return err
	}
	c := newCounts(0)
	if err := json.Unmarshal(held, c); err != nil {
		return fmt.Errorf("the snapshot is damaged: %w", err)
	}
	v.counts, v.cursor = c, cursor
	return nil
}
