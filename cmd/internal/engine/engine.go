// Package engine is the write path: the only bridge between the domain, which
// decides and stores nothing, and the event store, which stores and understands
// nothing. A call goes in by Do and its reply comes out when, and only when, the
// call's records are on disk.
//
// No protocol and no policy may enter this room: the edges know the one, the
// domain the other.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/keyring"
)

// Config is what an engine runs on. Log, OpenRing, Root, Now and Entropy are
// required.
type Config struct {
	Log  eventstore.Log
	Head *eventstore.HeadFile // nil: no head outside of the log (simulation)
	// OpenRing opens the keyring as it is on disk. It is called at every load of the
	// log, after the load has fenced other writers off: what a displaced writer
	// put there last is seen, and it puts nothing more that this one could miss.
	OpenRing  func(context.Context) (keyring.Ring, error)
	Root      *envelope.RootKey
	Now       func() time.Time
	Entropy   io.Reader // must be safe for concurrent use
	RekeyMode vault.RekeyMode
	Queue     int           // calls that may wait for the log; 0 = eventstore's default
	Tick      time.Duration // how often due work is looked for; 0 = 1 s, negative = never

	// Seat and Claim, if the log is shared between processes: see
	// eventstore.CommitterOptions.
	Seat  eventstore.Seat
	Claim bool

	// Stored, if set, is told of every commit's lines once they are on disk and
	// before the replies go out. Lines and records are valid during the call only.
	Stored func(Published)
	// Changed, if set, is told when stored records have changed who may do what:
	// credentials may have been revoked. It runs after the records are on disk.
	Changed func([]event.Event)
	Observe func(eventstore.Commitment)
	// Defect, if set, is told why a call failed that is recorded as an internal failure,
	// for its caller learns nothing of the cause, and what fails behind the calls, which
	// has no request.
	Defect func(what, requestID string, cause error)

	// Trail, if set, answers the operations that ask for records.
	Trail Trail
	// Access, if set, answers the operations that show who used what last.
	Access Access
	// Projections, if set, are the views that the operations on them are about.
	Projections Projections
	// Answered, if set, is told of every call's service and request id and of how
	// long its caller waited. It is called concurrently and must be quick.
	Answered func(service, requestID string, took time.Duration)
}

// Published is one commit on disk.
type Published struct {
	Subject eventstore.Subject
	Seq     uint64
	First   uint64 // n of the first line
	Lines   [][]byte
	Records []*event.Record // the same records, decoded
}

// Engine carries out calls. All its methods may be called concurrently.
type Engine struct {
	cfg       Config
	committer *eventstore.Committer[*ticket]
	keys      *keys
	releases  chan release
	aside     *turns        // of the calls that are set aside
	watchers  chan struct{} // bounds how many calls wait for the view of accesses
	stored    atomic.Uint64 // sequence of the last commit whose callers may have an answer
	erasures  chan erasure
	histories histories
	stop      context.CancelFunc
	done      sync.WaitGroup

	// mu guards the working state: handlers of uses read it under RLock; the
	// committer's goroutine alone writes it, under Lock.
	mu    sync.RWMutex
	state *vault.State
	epoch uint64 // counts loads: a decision of an earlier epoch is void
}

// Open loads and checks the log, reconciles the keyring with it and starts to
// serve. With a seat it waits for it first, and before that looks whether this
// process could take it at all. An error means that nothing is served: a log that
// cannot be read, that fails its integrity check, or a wrong root key.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if cfg.Tick == 0 {
		cfg.Tick = time.Second
	}
	e := &Engine{cfg: cfg, keys: newKeys(cfg.Root), releases: make(chan release, 4),
		erasures: make(chan erasure, 256), aside: newTurns(maxReaders, maxAside, maxAsideOf), watchers: make(chan struct{}, maxWatchers)}
	e.committer = eventstore.NewCommitter[*ticket](cfg.Log, cfg.Head, (*bridge)(e),
		eventstore.CommitterOptions{Queue: cfg.Queue, Observe: cfg.Observe, Seat: cfg.Seat, Claim: cfg.Claim})
	err := (*bridge)(e).fit(ctx)
	if err == nil {
		err = e.committer.Start(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open the vault: %w", errors.Join(err, e.keys.reset(nil)))
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	e.done.Go(e.erase)
	e.done.Go(e.release)
	e.done.Go(func() {
		defer close(e.releases)
		e.committer.Run(running)
	})
	if cfg.Tick > 0 {
		e.done.Go(func() { e.keepTime(running) })
	}
	return e, nil
}

// Close stops the engine: calls that wait for the log are answered with an
// error, the one commit in flight is waited for. It does not close the log.
func (e *Engine) Close() error {
	e.stop()
	e.done.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.keys.reset(nil)
}

// Ready returns nil while calls are served, and otherwise why they are not.
func (e *Engine) Ready() error { return e.committer.Serving() }

// Waiting returns how many calls wait for the log.
func (e *Engine) Waiting() int { return e.committer.Waiting() }

// Read runs fn with the working state under the read lock. fn must not keep the
// state, and must not call Do.
func (e *Engine) Read(fn func(*vault.State)) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	fn(e.state)
}

// consult asks the domain what a call needs before it is decided. Code that panics
// needs nothing: the decision meets the same defect, and records it.
func (e *Engine) consult(ask func(*vault.State, *vault.Env)) {
	defer func() { _ = recover() }()
	e.mu.RLock()
	defer e.mu.RUnlock()
	ask(e.state, e.env())
}

// Authenticate checks long-term or temporary credentials as a connection
// presents them, against the state as it is now.
func (e *Engine) Authenticate(accessKey, secret, token string) (identity.Credential, *identity.Actor, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return vault.Authenticate(e.state, e.env(), accessKey, secret, token)
}

// Resolve tells whether a credential that was verified before still stands.
func (e *Engine) Resolve(c identity.Credential) (*identity.Actor, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.state.Identities.Resolve(c, e.cfg.Now())
}

func (e *Engine) env() *vault.Env {
	return &vault.Env{Now: e.cfg.Now(), Entropy: e.cfg.Entropy, Keys: e.keys, Root: e.cfg.Root, RekeyMode: e.cfg.RekeyMode}
}

// Do carries out one call. done runs exactly once, in a goroutine of the engine
// or of the caller, when the call's records are on disk, or with a fault when
// they could not be stored: then nothing of what the call would have answered
// has left. The reply's body is valid during done only, and zeroed after it.
func (e *Engine) Do(req *vault.Request, done func(vault.Reply)) {
	if req.Evidence == nil && vault.AsksEvidence(req.Service, req.Operation) {
		e.withEvidence(req, done)
		return
	}
	if e.cfg.Projections != nil && req.Projections == nil && vault.AsksProjections(req.Service, req.Operation) {
		e.withProjections(req, done)
		return
	}
	if req.Past == nil && e.asksPast(req) {
		e.withPast(req, done)
		return
	}
	if e.cfg.Trail != nil && req.Trail == nil && vault.AsksTrail(req.Service, req.Operation) {
		e.withTrail(req, done)
		return
	}
	if e.cfg.Access != nil && req.Accesses == nil && vault.AsksAccesses(req.Service, req.Operation) {
		e.withAccesses(req, done)
		return
	}
	if req.Prepared == nil && vault.AsksKey(req.Service, req.Operation) {
		spec, ok := "", false
		e.consult(func(st *vault.State, env *vault.Env) { spec, ok = vault.NeedsKey(st, req, env) })
		if ok {
			e.withKey(spec, req, done)
			return
		}
	}
	if e.cfg.Answered != nil {
		done = e.timed(req, done)
	}
	t := &ticket{req: req, done: done}
	subject := eventstore.State
	if !vault.ChangesState(req) {
		subject = eventstore.Use
		if err := t.decideUse(e); err != nil {
			t.fail(err)
			return
		}
	}
	if err := e.committer.Submit(subject, t); err != nil {
		t.fail(err)
	}
}

// Call is Do for callers that wait. The reply's body is the caller's.
func (e *Engine) Call(ctx context.Context, req *vault.Request) (vault.Reply, error) {
	replies := make(chan vault.Reply, 1)
	e.Do(req, func(r vault.Reply) {
		r.Body = append([]byte(nil), r.Body...)
		replies <- r
	})
	select {
	case r := <-replies:
		return r, nil
	case <-ctx.Done():
		return vault.Reply{}, ctx.Err()
	}
}

// Found makes the first record of an empty log: the installation, its first
// account and an administrator. keep is called with the administrator's
// credentials before the record is stored, so that they cannot be lost with the
// process; its error undoes everything. Found returns once the record is on disk.
func (e *Engine) Found(ctx context.Context, f vault.Founding, keep func(vault.Administrator) error) error {
	replies := make(chan vault.Reply, 1)
	t := &ticket{req: &vault.Request{ID: e.NewRequestID()}, done: func(r vault.Reply) { replies <- r },
		founding: &founding{f, keep}}
	if err := e.committer.Submit(eventstore.State, t); err != nil {
		return fmt.Errorf("found the vault: %w", err)
	}
	select {
	case r := <-replies:
		if r.Fault != nil {
			return fmt.Errorf("found the vault: %w", r.Fault)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keepTime makes the calls that nobody makes: keys and secrets whose window has
// ended, rotations that are due.
func (e *Engine) keepTime(ctx context.Context) {
	tick := time.NewTicker(e.cfg.Tick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e.DoDue(ctx)
		}
	}
}

// DoDue carries out what is due now and returns when it is on disk or has
// failed; what failed is due again the next time.
func (e *Engine) DoDue(ctx context.Context) {
	var due []vault.Request
	e.Read(func(st *vault.State) { due = vault.Due(st, e.cfg.Now()) })
	for i := range due {
		req := &due[i]
		req.ID = e.NewRequestID()
		if _, err := e.Call(ctx, req); err != nil {
			return
		}
	}
}

// refusal turns an error of the log into what the caller is told.
func refusal(err error) *fault.Fault {
	if errors.Is(err, eventstore.ErrQueueFull) {
		return fault.New(fault.ThrottlingException, "Rate exceeded: too many calls wait for the log.").Because(err)
	}
	return fault.New(fault.ServiceUnavailable, "The audit log did not take the record of this call, so it was not carried out or its outcome is not known. Try again.").Because(err)
}
