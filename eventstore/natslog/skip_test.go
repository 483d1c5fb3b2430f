package natslog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

// JetStream skips in silence a message that it cannot read. A state rebuilt
// without it would, for example, not know that a key was disabled.
func TestReadDoesNotSkipWhatTheServerCannotRead(t *testing.T) {
	e := newEmbedded(t)
	var w storetest.Writer
	commits := w.Fill(t, e.open(t), 30) // every third on State
	e.server.Shutdown()
	good := &files{dir: e.dir, commits: commits, head: eventstore.HeadOf(&w.Tree, w.Last)}
	for name, tc := range map[string]struct {
		damaged uint64
		from    uint64
		fine    bool // nothing that is read is damaged
	}{
		"the first":              {1, 1, false},
		"one inside":             {13, 1, false},
		"one inside, from there": {13, 13, false},
		"one inside, from later": {13, 14, true},
		"the last":               {28, 1, false},
		"another subject":        {14, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := good.clone(t)
			f.edit(t, func(block []byte) []byte {
				r := records(t, block)[tc.damaged-1]
				r[len(r)-20] ^= 1
				return block
			})
			var want, got int
			for _, c := range commits[tc.from-1:] {
				if c.Subject == eventstore.State {
					want++
				}
			}
			e := &embedded{dir: f.dir}
			e.start(t)
			defer e.server.Shutdown()
			err := e.open(t).Read(t.Context(), tc.from, []eventstore.Subject{eventstore.State}, func(eventstore.Stored) error { got++; return nil })
			var unreadable *eventstore.UnreadableError
			switch {
			case tc.fine && (err != nil || got != want):
				t.Fatalf("%d commits of %d were read: %v", got, want, err)
			case !tc.fine && !errors.As(err, &unreadable):
				t.Fatalf("%d commits of %d were read: %v", got, want, err)
			}
			if !tc.fine {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				err := e.open(t).Follow(ctx, tc.from, []eventstore.Subject{eventstore.State}, func(eventstore.Stored) error { return nil })
				if !errors.As(err, &unreadable) {
					t.Fatalf("Follow: %v", err)
				}
			}
			t.Run("after a scan", func(t *testing.T) {
				// Without its index, as after a kill, JetStream scans the block and
				// ends the log before the damage. That is for the head to tell.
				e.server.Shutdown()
				if err := os.Remove(filepath.Join(natslog.StreamDir(f.dir), "msgs", "index.db")); err != nil {
					t.Fatal(err)
				}
				e.start(t)
				_, _, err := eventstore.Check(t.Context(), e.open(t), &good.head)
				var damage *eventstore.IntegrityError
				if !errors.As(err, &damage) || damage.Position.Seq != tc.damaged {
					t.Fatalf("Check: %v, want damage at sequence %d", err, tc.damaged)
				}
			})
		})
	}
}
