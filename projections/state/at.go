package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// Until says where a History ends: before the record n = Records, or, with a Time,
// behind the last state record that was decided no later.
type Until struct {
	Records uint64
	Time    time.Time
}

// History is the state as it was at some position of the log, in memory and apart
// from the state that is worked with. Values of secrets are not in it: it is for
// questions about who may do what. Its size is that of the working state without
// them.
type History struct {
	State   *vault.State
	Records uint64    // the state records with n < Records are in it, and no other
	At      time.Time // of the last one
	seq     uint64    // of the commit to go on with
	line    int       // within it
}

// NewHistory is the state before the first record.
func NewHistory() *History { return &History{State: vault.NewState(), seq: 1} }

// Reaches reports whether the history can be carried on to the position: whether
// nothing is in it that came later.
func (h *History) Reaches(u Until) bool {
	if !u.Time.IsZero() {
		return !h.At.After(u.Time)
	}
	return h.Records <= u.Records
}

// Advance carries the history on to the position. After an error it must not be
// used.
func (h *History) Advance(ctx context.Context, log eventstore.Log, u Until) error {
	err := log.Read(ctx, h.seq, []eventstore.Subject{eventstore.State}, func(c eventstore.Stored) error {
		from := 0
		if c.Seq == h.seq {
			from = h.line
		}
		for i := from; i < len(c.Lines); i++ {
			if err := h.take(c.Lines[i], c.First+uint64(i), u); err != nil {
				if errors.Is(err, errReached) {
					h.seq, h.line = c.Seq, i
					return err
				}
				return fmt.Errorf("replay sequence %d line %d, n=%d: %w", c.Seq, i, c.First+uint64(i), err)
			}
		}
		h.seq, h.line = c.Seq+1, 0
		return nil
	})
	if err != nil && !errors.Is(err, errReached) {
		return err
	}
	return nil
}

// noValue stands for every ciphertext.
var noValue = []byte{0}

func (h *History) take(line []byte, n uint64, u Until) error {
	if u.Time.IsZero() && n >= u.Records {
		return errReached
	}
	var header event.Header
	if err := event.ParseHeader(line, &header); err != nil {
		return err
	}
	at := time.UnixMicro(header.At).UTC()
	if !u.Time.IsZero() && at.After(u.Time) {
		return errReached
	}
	events, err := event.ParseEvents(line)
	if err != nil {
		return err
	}
	for _, e := range events {
		if v, ok := e.(*event.SecretVersionCreated); ok {
			v.Ciphertext = noValue
		}
	}
	if err := h.State.Apply(events); err != nil {
		return err
	}
	h.Records = n + 1
	if at.After(h.At) {
		h.At = at
	}
	return nil
}
