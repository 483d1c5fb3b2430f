package state_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/merkle"
	"github.com/keytrail/keytrail/projections/state"
)

// userLog holds a user a record: users n0, n1, ... at seconds 0, 1, ..., in commits
// of three, with commits of uses between them.
func userLog(t *testing.T, users int) eventstore.Log {
	t.Helper()
	log := memlog.NewStore(memlog.Options{}).Open()
	began := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	var tree merkle.Tree
	last := uint64(0)
	store := func(subject eventstore.Subject, records ...event.Record) {
		var lines [][]byte
		first := tree.Size()
		for i := range records {
			records[i].N = tree.Size()
			line, err := records[i].AppendLine(nil)
			if err != nil {
				t.Fatal(err)
			}
			tree.Append(line)
			lines = append(lines, line)
		}
		seq, err := log.Append(t.Context(), &eventstore.Commit{Subject: subject, First: first, Lines: lines, Root: tree.Root(), ID: fmt.Sprint("c", last), After: last})
		if err != nil {
			t.Fatal(err)
		}
		last = seq
	}
	record := func(i int, events ...event.Event) event.Record {
		return event.Record{At: began.Add(time.Duration(i) * time.Second), Request: "r", Op: "iam:CreateUser", Outcome: event.OutcomeOK, Events: events}
	}
	const account = "111122223333"
	store(eventstore.State, record(0, &event.VaultInitialized{Installation: "00112233445566778899aabbccddeeff", Region: "us-east-1", RootKey: "k"},
		&event.AccountCreated{Account: account, At: began}))
	for i := 0; i < users; i += 3 {
		var batch []event.Record
		for j := i; j < min(i+3, users); j++ {
			batch = append(batch, record(j, &event.UserCreated{User: fmt.Sprintf("AIDA%016d", j), Account: account, Name: fmt.Sprint("n", j), Path: "/", At: began}))
		}
		store(eventstore.State, batch...)
		store(eventstore.Use, record(i))
	}
	return log
}

func usersIn(st *vault.State) int { return st.Identities.Account("111122223333").Users.Len() }

// TestHistoryIsTheStateOfItsPosition: made at once or carried on from any earlier
// position, also from within a commit, it holds exactly what came before.
func TestHistoryIsTheStateOfItsPosition(t *testing.T) {
	log := userLog(t, 10)
	ctx := context.Background()
	want := func(records uint64) (n int) { // record 0 founds; of each four, the last is a use
		for i := uint64(1); i < records && n < 10; i++ {
			if i%4 != 0 {
				n++
			}
		}
		return n
	}
	for from := uint64(1); from <= 14; from++ {
		for to := from; to <= 14; to++ {
			h := state.NewHistory()
			for _, records := range []uint64{from, to} {
				until := state.Until{Records: records}
				if !h.Reaches(until) {
					t.Fatalf("%d does not reach %d", from, to)
				}
				if err := h.Advance(ctx, log, until); err != nil {
					t.Fatal(err)
				}
				if got := usersIn(h.State); got != want(records) {
					t.Fatalf("from %d to %d: %d users, want %d", from, records, got, want(records))
				}
			}
			if from > 2 && h.Reaches(state.Until{Records: 1}) {
				t.Fatal("it cannot go back")
			}
		}
	}
	for second := range 10 {
		h := state.NewHistory()
		at := time.Date(2026, 11, 23, 18, 0, second, 0, time.UTC)
		if err := h.Advance(ctx, log, state.Until{Time: at}); err != nil {
			t.Fatal(err)
		}
		if got := usersIn(h.State); got != second+1 {
			t.Errorf("at second %d: %d users", second, got)
		}
	}
}
