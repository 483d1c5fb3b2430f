// Package refusals counts what the edges refuse before anybody is known to be
// calling, and writes it to the log in summaries: one record for each edge and
// reason in an interval, however many refusals there were. It bounds what an
// attacker without credentials can make the vault store.
//
// No call enters here: a call that is refused is a record of its own, made by the
// domain.
package refusals

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

// Reason is why something was refused. The set is closed: it bounds how many
// summaries an interval has.
type Reason string

// The reasons.
const (
	BadCredentials Reason = "unknown or wrong credentials"
	NoCredentials  Reason = "no credentials"
	Expired        Reason = "expired session token"
	Unencrypted    Reason = "unencrypted connection from another machine"
	NotAClient     Reason = "not a client connection"
	SecondConnect  Reason = "second CONNECT on one connection"
	ForeignReply   Reason = "reply subject outside of the caller's inbox"
	Oversized      Reason = "request body too large"
	Malformed      Reason = "malformed request"
)

// maxNames bounds the addresses and access key ids that a summary names.
const maxNames = 8

// Recorder collects the refusals of one edge. Note may be called concurrently.
type Recorder struct {
	edge  string
	now   func() time.Time
	store func(context.Context, *vault.Request) error
	every time.Duration

	mu      sync.Mutex
	pending map[Reason]*summary
	total   map[Reason]uint64
}

type summary struct {
	count       int64
	first, last time.Time
	sources     []string
	accessKeys  []string
	more        bool
}

// New returns the recorder of an edge ("nats", "https"), which writes summaries
// every interval while Run runs; 0 = 10 s. store carries out one internal
// request, and its error means that the summary was not stored.
func New(edge string, every time.Duration, now func() time.Time, store func(context.Context, *vault.Request) error) *Recorder {
	if every <= 0 {
		every = 10 * time.Second
	}
	return &Recorder{edge: edge, now: now, store: store, every: every, pending: map[Reason]*summary{}, total: map[Reason]uint64{}}
}

// Note counts one refusal. source and accessKey are what was seen, "" for
// unknown; an access key that is not of the form of one is left out.
func (r *Recorder) Note(reason Reason, source, accessKey string) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total[reason]++
	s := r.pending[reason]
	if s == nil {
		s = &summary{first: now}
		r.pending[reason] = s
	}
	s.count++
	s.last = now
	s.name(&s.sources, source, 64)
	if plausible(accessKey) {
		s.name(&s.accessKeys, accessKey, 128)
	}
}

func (s *summary) name(names *[]string, name string, longest int) {
	switch {
	case name == "" || len(name) > longest || slices.Contains(*names, name):
	case len(*names) == maxNames:
		s.more = true
	default:
		*names = append(*names, name)
	}
}

// plausible keeps out of the log what was typed into the wrong field, such as a
// secret.
func plausible(accessKey string) bool {
	if len(accessKey) != 20 || accessKey[:4] != "AKIA" && accessKey[:4] != "ASIA" {
		return false
	}
	for i := range len(accessKey) {
		if c := accessKey[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// Totals returns how often each reason was noted since the start.
func (r *Recorder) Totals() map[Reason]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[Reason]uint64, len(r.total))
	for reason, n := range r.total {
		all[reason] = n
	}
	return all
}

// Run writes summaries until ctx ends, and the last ones then.
func (r *Recorder) Run(ctx context.Context) {
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = r.Flush(ctx) // what was not stored is in the next summary
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = r.Flush(last)
			return
		}
	}
}

// Flush writes a summary for each reason that has something to tell. What could
// not be stored is kept for the next time.
func (r *Recorder) Flush(ctx context.Context) error {
	r.mu.Lock()
	pending := r.pending
	r.pending = map[Reason]*summary{}
	r.mu.Unlock()
	var failed error
	for reason, s := range pending {
		if err := r.write(ctx, reason, s); err != nil {
			failed = fmt.Errorf("record refusals: %w", err)
			r.keep(reason, s)
		}
	}
	return failed
}

func (r *Recorder) write(ctx context.Context, reason Reason, s *summary) error {
	body, err := json.Marshal(vault.Refusals{
		Edge: r.edge, Reason: string(reason), Count: s.count,
		First: shape.At(s.first), Last: shape.At(s.last),
		Sources: s.sources, AccessKeys: s.accessKeys, More: s.more,
	})
	if err != nil {
		return err
	}
	return r.store(ctx, &vault.Request{Service: "keytrail", Operation: "RefuseConnections", Body: body})
}

// keep merges a summary that was not stored with what has been noted since.
func (r *Recorder) keep(reason Reason, s *summary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if since := r.pending[reason]; since != nil {
		s.count += since.count
		s.last = since.last
		s.more = s.more || since.more
		for _, source := range since.sources {
			s.name(&s.sources, source, 64)
		}
		for _, accessKey := range since.accessKeys {
			s.name(&s.accessKeys, accessKey, 128)
		}
	}
	r.pending[reason] = s
}
