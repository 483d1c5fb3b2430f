// Package state rebuilds the vault's working state from the state records of the
// log. It reads nothing else: a start costs the history of changes, not that of
// uses. It holds no copy of its own; what it returns is the engine's to keep.
package state

import (
	"context"
	"fmt"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// Load replays the log into a new state, up to and including the commit upTo
// (a stream sequence; 0 = the whole log). It fails on the first record that it
// cannot read or apply, and names it: a vault that cannot read its log stays
// closed.
func Load(ctx context.Context, log eventstore.Log, upTo uint64) (*vault.State, error) {
	st := vault.NewState()
	err := log.Read(ctx, 1, []eventstore.Subject{eventstore.State}, func(c eventstore.Stored) error {
		if upTo != 0 && c.Seq > upTo {
			return errReached
		}
		for i, line := range c.Lines {
			if err := ApplyLine(st, line); err != nil {
				return fmt.Errorf("replay sequence %d line %d: %w", c.Seq, i, err)
			}
		}
		return nil
	})
	if err != nil && err != errReached {
		return nil, err
	}
	return st, nil
}

type reached struct{}

func (reached) Error() string { return "the position is reached" }

var errReached error = reached{}

// ApplyLine applies one stored line to the state.
func ApplyLine(st *vault.State, line []byte) error {
	r, err := event.ParseLine(line)
	if err != nil {
		return err
	}
	if err := st.Apply(r.Events); err != nil {
		return fmt.Errorf("record n=%d (%s, request %s): %w", r.N, r.Op, r.Request, err)
	}
	return nil
}
