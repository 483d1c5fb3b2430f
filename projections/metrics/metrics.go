// Package metrics counts what the log holds. Its counters are a function of the
// log alone: a restart or a rebuild gives the same numbers, and a process killed
// at any point has lost nothing and counted nothing twice. Its gauges are a census
// of the working state.
//
// How fast the process writes, waits and answers is not in the log and does not
// enter here; nor do values, only names of keys and secrets, and of those a
// bounded number.
package metrics

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// DefaultNamed is how many keys, and how many secrets, have a series of their own
// unless Options say otherwise.
const DefaultNamed = 100

// Options of a View. The zero value keeps no snapshot and names nothing.
type Options struct {
	// Snapshot is the file that keeps the counts over a restart; "" = none. It
	// holds nothing that the log does not hold: losing it costs a replay.
	Snapshot string
	// Named is how many keys and how many secrets have series of their own; what
	// the others do is counted under "other". At most MaxNamed.
	Named int
	// Every is how often a snapshot is written while the log grows; 0 = 30 s.
	Every time.Duration
	// Now tells which sessions have expired; nil = time.Now.
	Now func() time.Time
	// Observe, if set, is told why a snapshot could not be used or written.
	Observe func(error)
}

// MaxNamed bounds Options.Named: every name is a series that a scrape carries.
const MaxNamed = 10_000

// View counts the records of the log. It implements projections.View and
// prometheus.Collector. Its methods may be called concurrently.
type View struct {
	log           eventstore.Log
	options       Options
	known         map[string]string // operations by the name that a record has for them
	cryptographic map[string]bool   // those that use the keys among their resources
	shown         uint64            // sequence that counts are shown from, see Open

	outline event.Outline // of the line that is counted

	mu     sync.RWMutex
	counts *counts
	cursor uint64
	saved  time.Time
	stale  bool // counted since saved
}

// Open returns a view that goes on from its snapshot, if that one is of this log:
// it names the last commit that it counted by its Merkle root. A snapshot that is
// lost, damaged, of another log or counted under other options is told to Observe
// and dropped, and the log is counted from its beginning.
//
// Until the view has counted as far as the log goes now, it shows nothing: counts
// that come back from zero would look like a surge.
func Open(ctx context.Context, log eventstore.Log, o Options) (*View, error) {
	if o.Every == 0 {
		o.Every = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observe == nil {
		o.Observe = func(error) {}
	}
	if o.Named < 0 || o.Named > MaxNamed {
		return nil, fmt.Errorf("metrics: %d named series, want 0 to %d", o.Named, MaxNamed)
	}
	v := &View{log: log, options: o, known: knownOperations(), cryptographic: map[string]bool{}, counts: newCounts(o.Named), saved: time.Now()}
	for _, name := range vault.CryptographicOperations() {
		v.cryptographic[name] = true
	}
	last, err := log.Last(ctx)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	v.shown = last
	if err := v.restore(ctx); err != nil {
		o.Observe(fmt.Errorf("metrics: count the log from its beginning: %w", err))
	}
	return v, nil
}

// Name is "metrics".
func (v *View) Name() string { return "metrics" }

// Cursor is the sequence of the last commit that is counted.
func (v *View) Cursor(context.Context) (uint64, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.cursor, nil
}

// Apply counts commits. The counts and the cursor move together in memory and
// lie together in the snapshot, so neither is ever ahead of the other. Commits
// that were counted are left out, a gap is an error.
func (v *View) Apply(ctx context.Context, commits []eventstore.Stored) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range commits {
		c := &commits[i]
		if c.Seq <= v.cursor {
			continue
		}
		if c.Seq != v.cursor+1 {
			return fmt.Errorf("metrics: commit %d after %d", c.Seq, v.cursor)
		}
		for _, line := range c.Lines {
			v.count(line, &v.outline)
		}
		v.cursor, v.stale = c.Seq, true
	}
	if v.options.Snapshot != "" && v.stale && time.Since(v.saved) >= v.options.Every {
		v.save(ctx)
	}
	return nil
}

// Reset forgets the counts and removes the snapshot. Nothing is shown until as much
// is counted again as was before.
func (v *View) Reset(context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shown = max(v.shown, v.cursor)
	v.counts, v.cursor, v.stale = newCounts(v.options.Named), 0, false
	if err := v.file().Remove(); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// Close writes the last snapshot, while the log is open still.
func (v *View) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.options.Snapshot != "" && v.stale {
		v.save(context.Background())
	}
}
