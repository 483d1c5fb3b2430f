package engine

import (
	"bytes"
	"context"
	"errors"
	"sort"
	"time"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// Bounds of what is done for a caller before the call is decided: reading the log,
// asking a view, making a key. Two at a time leave the processor to the others; as
// many more as a busy caller has connections wait for their turn.
const (
	maxAside     = 256
	maxAsideOf   = 64 // of one account
	maxReaders   = 2
	turnTimeout  = 10 * time.Second
	readTimeout  = 20 * time.Second
	maxEvidence  = 256 // lines of one request
	searchLatest = 8   // chunks searched backwards grow by this factor
)

// withEvidence reads what the call wants to see of the log, and then carries the
// call out like any other. A call that may not see it, or for which the log cannot
// be read, goes on without, to be refused and recorded.
func (e *Engine) withEvidence(req *vault.Request, done func(vault.Reply)) {
	e.setAsideWith(req, done, func(ctx context.Context, with *vault.Request) (release func(), err error) {
		with.Evidence = [][]byte{}
		var want vault.Evidence
		ok := false
		e.consult(func(st *vault.State, env *vault.Env) { want, ok = vault.NeedsEvidence(st, req, env) })
		if !ok {
			return nil, nil
		}
		lines, err := e.evidence(ctx, want)
		if err != nil {
			with.EvidenceAbsent = true
			return nil, nil
		}
		with.Evidence = append(with.Evidence, lines...)
		if with.Operation != "ExplainRequest" {
			return nil, nil
		}
		return e.addPast(ctx, with)
	})
}

// withKey makes the private key that the call wants, and then carries the call
// out like any other.
func (e *Engine) withKey(spec string, req *vault.Request, done func(vault.Reply)) {
	e.setAside(req, done, func(_ context.Context, with *vault.Request) (err error) {
		with.Prepared, err = vault.PrepareKey(e.cfg.Entropy, spec)
		return err
	})
}

// setAside does what a call needs before it can be decided and what would hold up
// all others, in a goroutine of its own and outside of every lock. Past the bound
// of such goroutines, or when its turn does not come, the caller is throttled.
func (e *Engine) setAside(req *vault.Request, done func(vault.Reply), work func(context.Context, *vault.Request) error) {
	e.setAsideWith(req, done, func(ctx context.Context, with *vault.Request) (func(), error) { return nil, work(ctx, with) })
}

// setAsideWith is setAside for work that leaves something to be released when the
// call will not be decided again.
func (e *Engine) setAsideWith(req *vault.Request, done func(vault.Reply), work func(context.Context, *vault.Request) (release func(), err error)) {
	throttled := vault.Reply{RequestID: req.ID, Fault: refusal(eventstore.ErrQueueFull)}
	account := "" // of those whose credential stands no more
	if actor, err := e.Resolve(req.Credential); err == nil {
		account = actor.Principal.Account
	}
	turn, ok := e.aside.enter(account)
	if !ok {
		done(throttled)
		return
	}
	with := *req
	go func() {
		if !e.aside.come(account, turn, turnTimeout) {
			done(throttled)
			return
		}
		defer e.aside.leave()
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		release, err := work(ctx, &with)
		if err != nil {
			done(vault.Reply{RequestID: req.ID, Fault: refusal(err)})
			return
		}
		after := done
		if release != nil {
			after = func(r vault.Reply) {
				release()
				done(r)
			}
		}
		e.Do(&with, after)
	}()
}

func (e *Engine) evidence(ctx context.Context, want vault.Evidence) ([][]byte, error) {
	if want.N != nil {
		return e.recordN(ctx, *want.N)
	}
	if lines, ok := e.lookedUp(ctx, want.Find); ok {
		return lines, nil
	}
	return e.recordsOf(ctx, want.RequestID)
}

// lookedUp finds records by the view of the log. Without it, or when it is behind,
// the log must be searched.
func (e *Engine) lookedUp(ctx context.Context, q vault.TrailQuery) (lines [][]byte, ok bool) {
	if e.cfg.Trail == nil {
		return nil, false
	}
	last, err := e.cfg.Log.Last(ctx)
	if err != nil {
		return nil, false
	}
	soon, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	if e.cfg.Trail.Await(soon, last) != nil {
		return nil, false
	}
	q.Held = last
	for more := true; more; {
		answer, err := e.cfg.Trail.Query(ctx, q)
		if err != nil {
			return nil, false
		}
		for i := range answer.Records {
			line, err := e.recordN(ctx, int64(answer.Records[i].N))
			if err != nil || len(line) == 0 {
				return nil, false
			}
			if lines = append(lines, line...); len(lines) == maxEvidence {
				return lines, true
			}
		}
		q.From, q.Through, more = answer.Next, answer.Through, answer.More
	}
	return lines, true
}

// recordN finds the commit that holds the record n by bisection: the sequences of
// the stream have no gap and n grows with them.
func (e *Engine) recordN(ctx context.Context, n int64) ([][]byte, error) {
	last, err := e.cfg.Log.Last(ctx)
	if err != nil || n < 0 {
		return nil, err
	}
	var failed error
	seq := 1 + sort.Search(int(last), func(i int) bool {
		c, err := e.cfg.Log.Get(ctx, uint64(i)+1)
		if err != nil {
			failed = err
			return true
		}
		return c.Next() > uint64(n)
	})
	if failed != nil || uint64(seq) > last {
		return nil, failed
	}
	c, err := e.cfg.Log.Get(ctx, uint64(seq))
	if err != nil {
		return nil, err
	}
	return [][]byte{c.Lines[uint64(n)-c.First]}, nil
}

var errEnough = errors.New("enough")

// recordsOf searches the log for the records of one request, the newest chunk
// first: who asks mostly asks about what just happened.
func (e *Engine) recordsOf(ctx context.Context, requestID string) ([][]byte, error) {
	last, err := e.cfg.Log.Last(ctx)
	if err != nil {
		return nil, err
	}
	mark := append(append([]byte(`,"req":"`), requestID...), '"')
	for end, size := last, uint64(1024); end > 0; size *= searchLatest {
		from := uint64(1)
		if end > size {
			from = end - size + 1
		}
		var found [][]byte
		err := e.cfg.Log.Read(ctx, from, nil, func(c eventstore.Stored) error {
			if c.Seq > end || len(found) >= maxEvidence {
				return errEnough
			}
			for _, line := range c.Lines {
				if bytes.Contains(line[:min(len(line), 256)], mark) {
					found = append(found, bytes.Clone(line))
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, err
		}
		if len(found) > 0 {
			return found, nil
		}
		end = from - 1
	}
	return nil, nil
}
