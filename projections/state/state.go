// Package state rebuilds the vault's state from the state records of the log: the
// one that is worked with, by Load, and one of the past without the values of
// secrets, as a History. It reads nothing else: a start costs the history of
// changes, not that of uses. It holds no copy of its own; what it returns is the
// engine's to keep.
package state

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// Load replays the log into a new state, up to and including the commit upTo
// (a stream sequence; 0 = the whole log). It fails on the first record that it
// cannot read or apply, and names it: a vault that cannot read its log stays
// closed.
//
// Lines are decoded by several goroutines and applied by one, in the order of the
// log.
func Load(ctx context.Context, log eventstore.Log, upTo uint64) (*vault.State, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	inOrder := make(chan *decoding, 4*runtime.GOMAXPROCS(0))
	work := make(chan *decoding)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for d := range work {
				d.run()
			}
		}()
	}
	var readErr error
	go func() {
		defer close(inOrder)
		defer close(work)
		readErr = log.Read(ctx, 1, []eventstore.Subject{eventstore.State}, func(c eventstore.Stored) error {
			if upTo != 0 && c.Seq > upTo {
				return errReached
			}
			d := &decoding{seq: c.Seq, lines: c.Lines, done: make(chan struct{})}
			for _, queue := range []chan<- *decoding{inOrder, work} {
				select {
				case queue <- d:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	}()
	st := vault.NewState()
	for d := range inOrder {
		select {
		case <-d.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := d.apply(st); err != nil {
			return nil, err
		}
	}
	if readErr != nil && !errors.Is(readErr, errReached) {
		return nil, readErr
	}
	return st, nil
}

var errReached = errors.New("the position is reached")

// decoding is one commit on its way into the state.
type decoding struct {
	seq    uint64
	lines  [][]byte
	events [][]event.Event
	failed int // index of the line that cannot be read
	err    error
	done   chan struct{}
}

func (d *decoding) run() {
	defer close(d.done)
	d.events = make([][]event.Event, 0, len(d.lines))
	for i, line := range d.lines {
		events, err := event.ParseEvents(line)
		if err != nil {
			d.failed, d.err = i, err
			return
		}
		d.events = append(d.events, events)
	}
}

func (d *decoding) apply(st *vault.State) error {
	for i, events := range d.events {
		if err := st.Apply(events); err != nil {
			return d.at(i, err)
		}
	}
	if d.err != nil {
		return d.at(d.failed, d.err)
	}
	return nil
}

// at names the record that an error is about, as people look it up.
func (d *decoding) at(i int, err error) error {
	if r, unreadable := event.ParseLine(d.lines[i]); unreadable == nil {
		return fmt.Errorf("replay sequence %d line %d, n=%d (%s, request %s): %w", d.seq, i, r.N, r.Op, r.Request, err)
	}
	return fmt.Errorf("replay sequence %d line %d: %w", d.seq, i, err)
}
