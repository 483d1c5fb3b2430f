// Package access is the view of who used what last: for every key its last
// cryptographic use, for every secret and every version of it the day it was read,
// for every access key and every role its last call. The state is not rebuilt from
// uses, so what is shown of them comes from here.
//
// It keeps one entry for each of these, in memory, and is a function of the log
// alone: a restart goes on from a snapshot, a rebuild gives the same answers. What
// has ended is forgotten. Nothing here decides who may ask or do anything; that is
// domain/vault. Values and secrets cannot enter, because the log has none.
package access

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// Options of a View. The zero value keeps no snapshot.
type Options struct {
	// Snapshot is the file that keeps the view over a restart; "" = none. It holds
	// nothing that the log does not hold: losing it costs a replay.
	Snapshot string
	// Every is how often a snapshot is written at most while the log grows; 0 = 30 s.
	// One that takes long is written less often.
	Every time.Duration
	// Observe, if set, is told why a snapshot could not be used or written.
	Observe func(error)
}

// View implements projections.View. Accesses may be asked concurrently with everything
// else; Apply, Reset and Close are for one goroutine at a time.
type View struct {
	log     eventstore.Log
	options Options

	cursor  uint64
	saved   time.Time
	pause   time.Duration // from one snapshot to the next
	stale   bool          // learned something since saved
	callers map[string]caller
	header  event.Header  // of the line that is read
	outline event.Outline // of it
	writing sync.WaitGroup

	mu sync.RWMutex // guards what answers are made of
	*entries
}

// entries are what the view knows.
type entries struct {
	keys       map[string]*use  // by key id
	secrets    map[string]reads // by ARN
	accessKeys map[string]*made // by access key id, long-term ones
	roles      map[string]*made // by unique id
}

func newEntries() *entries {
	return &entries{keys: map[string]*use{}, secrets: map[string]reads{}, accessKeys: map[string]*made{}, roles: map[string]*made{}}
}

// use is the last cryptographic use of a key.
type use struct {
	operation string
	at        int64 // microseconds since the Unix epoch
	n         uint64
	request   [16]byte
}

// reads are the days on which the versions of a secret were read last. A version is
// known by a hash of its id: there are as many of these as there are secrets, and a
// day told of the wrong version in one pair of 2^64 harms nobody.
type reads []readOn

type readOn struct {
	version uint64 // 0 = of versions that are gone
	day     int32  // since the Unix epoch
}

// noted notes a read. It changes in place where it can.
func (r reads) noted(version uint64, day int32) reads {
	for i := range r {
		if r[i].version == version {
			r[i].day = max(r[i].day, day)
			return r
		}
	}
	return append(r, readOn{version, day})
}

// gone forgets a version, but not that the secret was read.
func (r reads) gone(version uint64) reads {
	for i := range r {
		if r[i].version == version {
			day := r[i].day
			return slices.Delete(r, i, i+1).noted(0, day)
		}
	}
	return r
}

// last is the last day of all.
func (r reads) last() (day int32) {
	for i := range r {
		day = max(day, r[i].day)
	}
	return day
}

// hashVersion takes the id as it stands in a line, between its quotes.
func hashVersion(inner []byte) uint64 {
	if bytes.IndexByte(inner, '\\') >= 0 {
		inner = []byte(event.Unquote(inner))
	}
	return hashOf(inner)
}

func hashOf(version []byte) uint64 {
	h := fnv.New64a()
	h.Write(version)
	return max(h.Sum64(), 1)
}

// made is the last call that was made with something.
type made struct {
	service string
	at      int64
}

// Open returns a view that goes on from its snapshot, if that one is of this log:
// it names the last commit that it holds by its Merkle root. A snapshot that is
// lost, damaged or of another log is told to Observe and dropped, and the log is
// read from its beginning.
func Open(ctx context.Context, log eventstore.Log, o Options) *View {
	if o.Every == 0 {
		o.Every = 30 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(error) {}
	}
	v := &View{log: log, options: o, pause: o.Every, saved: time.Now(), callers: map[string]caller{}, entries: newEntries()}
	if err := v.restore(ctx); err != nil {
		v.entries, v.cursor = newEntries(), 0
		o.Observe(fmt.Errorf("access: read the log from its beginning: %w", err))
	}
	return v
}

// Name is "access".
func (v *View) Name() string { return "access" }

// Cursor is the sequence of the last commit that the view holds.
func (v *View) Cursor(context.Context) (uint64, error) { return v.cursor, nil }

// Apply takes commits. The entries and the cursor lie together in the snapshot, so
// neither is ever ahead of the other. Commits that the view holds are left out, a
// gap is an error.
func (v *View) Apply(_ context.Context, commits []eventstore.Stored) error {
	for i := range commits {
		c := &commits[i]
		if c.Seq <= v.cursor {
			continue
		}
		if c.Seq != v.cursor+1 {
			return fmt.Errorf("access: commit %d after %d", c.Seq, v.cursor)
		}
		v.learn(c)
		v.cursor, v.stale = c.Seq, true
	}
	if v.options.Snapshot != "" && v.stale && time.Since(v.saved) >= v.pause {
		v.save()
	}
	return nil
}

// Reset forgets everything and removes the snapshot.
func (v *View) Reset(context.Context) error {
	v.writing.Wait()
	v.mu.Lock()
	v.entries = newEntries()
	v.mu.Unlock()
	v.cursor, v.stale = 0, false
	clear(v.callers)
	if err := v.file().Remove(); err != nil {
		return fmt.Errorf("access: %w", err)
	}
	return nil
}

// Close writes the last snapshot, while the log is open still.
func (v *View) Close() {
	v.writing.Wait()
	if v.options.Snapshot != "" && v.stale {
		v.save()
		v.writing.Wait()
	}
}

// Accesses is what the view knows. It goes on to learn, but a view that is emptied
// afterwards, to be built again, takes nothing from it: a call that is decided on it
// would else be told that a key was never used.
func (v *View) Accesses() vault.Accesses {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return held{&v.mu, v.entries}
}

// held implements vault.Accesses.
type held struct {
	mu *sync.RWMutex
	*entries
}

// Key implements vault.Accesses.
func (h held) Key(id string) (vault.KeyUse, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	u := h.keys[id]
	if u == nil {
		return vault.KeyUse{}, false
	}
	return vault.KeyUse{Operation: u.operation, At: time.UnixMicro(u.at).UTC(), N: u.n, Request: event.FormatUUID(u.request)}, true
}

// Secret implements vault.Accesses. The time is the beginning of a day.
func (h held) Secret(arn string) (time.Time, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r, ok := h.secrets[arn]
	if !ok {
		return time.Time{}, false
	}
	return beginning(r.last()), true
}

// SecretVersion implements vault.Accesses. The time is the beginning of a day.
func (h held) SecretVersion(arn, version string) (time.Time, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	hash := hashOf([]byte(version))
	for _, on := range h.secrets[arn] {
		if on.version == hash {
			return beginning(on.day), true
		}
	}
	return time.Time{}, false
}

func beginning(day int32) time.Time { return time.Unix(int64(day)*secondsOfDay, 0).UTC() }

// AccessKey implements vault.Accesses.
func (h held) AccessKey(id string) (vault.CredentialUse, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.accessKeys[id].shown()
}

// Role implements vault.Accesses.
func (h held) Role(id string) (vault.CredentialUse, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.roles[id].shown()
}

func (m *made) shown() (vault.CredentialUse, bool) {
	if m == nil || m.at == 0 {
		return vault.CredentialUse{}, false
	}
	return vault.CredentialUse{Service: m.service, At: time.UnixMicro(m.at).UTC()}, true
}

const secondsOfDay = 24 * 60 * 60
