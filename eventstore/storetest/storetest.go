// Package storetest is the conformance suite of eventstore.Log: what memlog and
// natslog promise alike, so that a simulation over the one says something about
// the other.
//
// It is the room for promises that every store keeps. What only one store does,
// its faults and its files, is tested beside that store.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/merkle"
)

// Store is a place for one log, under test.
type Store interface {
	// Open returns a new handle on the log. Several may be open at a time.
	Open(t *testing.T) eventstore.Log
	// Restart ends the process that holds the log, and starts it again with
	// what is on disk. Handles from before are of no use after.
	Restart(t *testing.T)
}

// patience bounds every wait of the suite; it is far above what any step takes.
const patience = 20 * time.Second

// Run holds a store to the suite. New makes an empty one.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, test := range map[string]func(*testing.T, Store){
		"empty":                      testEmpty,
		"what is appended is read":   testRoundTrip,
		"order and subjects":         testSubjects,
		"restart keeps every commit": testRestart,
		"a second writer fences":     testFence,
		"racing writers":             testRace,
		"a resend is not stored":     testResend,
		"a reused id is refused":     testReusedID,
		"invalid commits":            testInvalid,
		"the largest commit":         testLargest,
		"append keeps no memory":     testAppendKeepsNothing,
		"an error stops reading":     testStops,
		"follow":                     testFollow,
		"follow ends with its error": testFollowStops,
		"readers beside the writer":  testConcurrentReaders,
		"cancelled append":           testCancelled,
		"closed handle":              testClosed,
		"a log verifies":             testVerifies,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// Writer makes commits that continue a log as it should be continued. It is for
// other tests too.
type Writer struct {
	Tree merkle.Tree
	Last uint64
	made int
}

// Commit makes the next commit of the given lines.
func (w *Writer) Commit(subject eventstore.Subject, lines ...string) *eventstore.Commit {
	c := &eventstore.Commit{Subject: subject, First: w.Tree.Size(), After: w.Last}
	tree := w.Tree
	for _, l := range lines {
		c.Lines = append(c.Lines, []byte(l))
		tree.Append([]byte(l))
	}
	c.Root = tree.Root()
	w.made++
	c.ID = fmt.Sprintf("%d-%s", w.made, c.Root.String()[:16])
	return c
}

// Append appends the commit and goes on from it.
func (w *Writer) Append(t testing.TB, log eventstore.Log, c *eventstore.Commit) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seq, err := log.Append(ctx, c)
	if err != nil {
		t.Fatalf("Append at n=%d: %v", c.First, err)
	}
	if seq != w.Last+1 {
		t.Fatalf("Append at n=%d: sequence %d, want %d", c.First, seq, w.Last+1)
	}
	for _, l := range c.Lines {
		w.Tree.Append(l)
	}
	w.Last = seq
	return seq
}

// Fill appends commits of a few lines each, on both subjects, and returns them.
func (w *Writer) Fill(t testing.TB, log eventstore.Log, commits int) []*eventstore.Commit {
	t.Helper()
	var out []*eventstore.Commit
	for i := range commits {
		subject := eventstore.State
		if i%3 != 0 {
			subject = eventstore.Use
		}
		var lines []string
		for j := range 1 + i%4 {
			lines = append(lines, fmt.Sprintf(`{"n":%d,"op":"kms:Decrypt","agent":"%s"}`, w.Tree.Size()+uint64(j), strings.Repeat("x", i*7%200)))
		}
		c := w.Commit(subject, lines...)
		w.Append(t, log, c)
		out = append(out, c)
	}
	return out
}

// ReadAll reads what the log has from a sequence on.
func ReadAll(t testing.TB, log eventstore.Log, from uint64, subjects ...eventstore.Subject) []eventstore.Stored {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out []eventstore.Stored
	err := log.Read(ctx, from, subjects, func(c eventstore.Stored) error {
		out = append(out, c)
		return nil
	})
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return out
}

func same(a, b *eventstore.Commit) bool {
	if a.Subject != b.Subject || a.First != b.First || a.Root != b.Root || a.ID != b.ID || a.After != b.After || len(a.Lines) != len(b.Lines) {
		return false
	}
	for i := range a.Lines {
		if !bytes.Equal(a.Lines[i], b.Lines[i]) {
			return false
		}
	}
	return true
}

func wantCommits(t *testing.T, got []eventstore.Stored, want []*eventstore.Commit) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("read %d commits, want %d", len(got), len(want))
	}
	for i := range got {
		if !same(&got[i].Commit, want[i]) {
			t.Fatalf("commit %d: got %+v, want %+v", i, got[i].Commit, *want[i])
		}
		if got[i].Seq != want[i].After+1 {
			t.Fatalf("commit %d: sequence %d, want %d", i, got[i].Seq, want[i].After+1)
		}
		if got[i].At.IsZero() {
			t.Fatalf("commit %d has no time", i)
		}
	}
}

func wantLast(t *testing.T, log eventstore.Log, want uint64) {
	t.Helper()
	last, err := log.Last(t.Context())
	if err != nil || last != want {
		t.Fatalf("Last = %d, %v, want %d", last, err, want)
	}
	gap, err := log.Gap(t.Context())
	if err != nil || gap != 0 {
		t.Fatalf("Gap = %d, %v, want none", gap, err)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
	for _, class := range []error{eventstore.ErrFenced, eventstore.ErrNotStored, eventstore.ErrAmbiguous} {
		if class != want && errors.Is(err, class) {
			t.Fatalf("%s: error %v is of two classes", what, err)
		}
	}
}

func testEmpty(t *testing.T, s Store) {
	log := s.Open(t)
	wantLast(t, log, 0)
	if got := ReadAll(t, log, 0); len(got) != 0 {
		t.Fatalf("an empty log has %d commits", len(got))
	}
	for _, seq := range []uint64{0, 1, 1 << 40} {
		if _, err := log.Get(t.Context(), seq); !errors.Is(err, eventstore.ErrNotFound) {
			t.Fatalf("Get(%d): %v, want ErrNotFound", seq, err)
		}
	}
}

func testRoundTrip(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	want := w.Fill(t, log, 25)
	// Bytes that a text protocol could trip over.
	odd := w.Commit(eventstore.Use, "\x00\r\x01", "\xff\xfe not UTF-8", " ", "NATS/1.0 503", strings.Repeat("é", 1000))
	w.Append(t, log, odd)
	want = append(want, odd)
	wantLast(t, log, uint64(len(want)))
	wantCommits(t, ReadAll(t, log, 0), want)
	wantCommits(t, ReadAll(t, log, 1), want)
	wantCommits(t, ReadAll(t, log, 11), want[10:])
	wantCommits(t, ReadAll(t, log, uint64(len(want))), want[len(want)-1:])
	wantCommits(t, ReadAll(t, log, uint64(len(want))+1), nil)
	for i, c := range want {
		got, err := log.Get(t.Context(), uint64(i)+1)
		if err != nil {
			t.Fatal(err)
		}
		wantCommits(t, []eventstore.Stored{got}, []*eventstore.Commit{c})
	}
	if _, err := log.Get(t.Context(), uint64(len(want))+1); !errors.Is(err, eventstore.ErrNotFound) {
		t.Fatalf("Get after the last: %v, want ErrNotFound", err)
	}
}

func testSubjects(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	all := w.Fill(t, log, 30)
	only := map[eventstore.Subject][]*eventstore.Commit{}
	for _, c := range all {
		only[c.Subject] = append(only[c.Subject], c)
	}
	wantCommits(t, ReadAll(t, log, 1, eventstore.State), only[eventstore.State])
	wantCommits(t, ReadAll(t, log, 1, eventstore.Use), only[eventstore.Use])
	wantCommits(t, ReadAll(t, log, 1, eventstore.Use, eventstore.State), all)
	wantCommits(t, ReadAll(t, log, 1, eventstore.Use, eventstore.Use), only[eventstore.Use])
	var late []*eventstore.Commit
	for _, c := range only[eventstore.State] {
		if c.After >= 12 {
			late = append(late, c)
		}
	}
	wantCommits(t, ReadAll(t, log, 13, eventstore.State), late)
}

func testRestart(t *testing.T, s Store) {
	var w Writer
	var want []*eventstore.Commit
	for range 3 {
		want = append(want, w.Fill(t, s.Open(t), 10)...)
		s.Restart(t)
		log := s.Open(t)
		wantLast(t, log, uint64(len(want)))
		wantCommits(t, ReadAll(t, log, 1), want)
	}
	w.Fill(t, s.Open(t), 1)
}

func testFence(t *testing.T, s Store) {
	first, second := s.Open(t), s.Open(t)
	var a Writer
	a.Fill(t, first, 5)
	b := a
	mine := a.Commit(eventstore.Use, "mine")
	theirs := b.Commit(eventstore.State, "theirs")
	theirs.ID = "theirs-1"
	b.Append(t, second, theirs)
	for range 2 {
		_, err := first.Append(t.Context(), mine)
		wantError(t, "append of a fenced writer", err, eventstore.ErrFenced)
	}
	// A writer that is ahead of the log is as wrong as one behind it.
	ahead := b.Commit(eventstore.Use, "ahead")
	ahead.After += 3
	_, err := second.Append(t.Context(), ahead)
	wantError(t, "append after a sequence to come", err, eventstore.ErrFenced)
	wantLast(t, second, 6)
	b.Fill(t, first, 3) // the epoch counts, not the handle
	wantLast(t, second, 9)
}

func testRace(t *testing.T, s Store) {
	const writers, rounds = 4, 20
	handles := make([]eventstore.Log, writers)
	for i := range handles {
		handles[i] = s.Open(t)
	}
	var w Writer
	for round := range rounds {
		var wg sync.WaitGroup
		errs := make([]error, writers)
		commits := make([]*eventstore.Commit, writers)
		for i := range writers {
			commits[i] = w.Commit(eventstore.Use, fmt.Sprintf("round %d writer %d", round, i))
			wg.Go(func() { _, errs[i] = handles[i].Append(t.Context(), commits[i]) })
		}
		wg.Wait()
		won := -1
		for i, err := range errs {
			switch {
			case err == nil && won < 0:
				won = i
			case err == nil:
				t.Fatalf("round %d: writers %d and %d both won", round, won, i)
			default:
				wantError(t, "the loser of a race", err, eventstore.ErrFenced)
			}
		}
		if won < 0 {
			t.Fatalf("round %d: nobody won: %v", round, errs)
		}
		for _, l := range commits[won].Lines {
			w.Tree.Append(l)
		}
		w.Last++
		got, err := handles[0].Get(t.Context(), w.Last)
		if err != nil || !same(&got.Commit, commits[won]) {
			t.Fatalf("round %d: stored %v, %v; writer %d won", round, got, err, won)
		}
	}
	wantLast(t, handles[0], rounds)
}

func testResend(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	w.Fill(t, log, 2)
	c := w.Commit(eventstore.Use, "once")
	w.Append(t, log, c)
	for range 3 {
		_, err := log.Append(t.Context(), c)
		wantError(t, "resend", err, eventstore.ErrFenced)
	}
	w.Fill(t, log, 2)
	_, err := log.Append(t.Context(), c)
	wantError(t, "late resend", err, eventstore.ErrFenced)
	wantLast(t, log, 5)
}

func testReusedID(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	id := w.Fill(t, log, 3)[1].ID
	c := w.Commit(eventstore.Use, "another commit")
	c.ID = id
	_, err := log.Append(t.Context(), c)
	wantError(t, "append under a used id", err, eventstore.ErrNotStored)
	wantLast(t, log, 3)
}

func testInvalid(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	for name, spoil := range map[string]func(c *eventstore.Commit){
		"no lines":            func(c *eventstore.Commit) { c.Lines = nil },
		"an empty line":       func(c *eventstore.Commit) { c.Lines[1] = nil },
		"a newline":           func(c *eventstore.Commit) { c.Lines[1] = []byte("a\nb") },
		"no subject":          func(c *eventstore.Commit) { c.Subject = 0 },
		"unknown subject":     func(c *eventstore.Commit) { c.Subject = 77 },
		"no id":               func(c *eventstore.Commit) { c.ID = "" },
		"a header in the id":  func(c *eventstore.Commit) { c.ID = "x\r\nNats-Rollup: all" },
		"a space in the id":   func(c *eventstore.Commit) { c.ID = "a b" },
		"a long id":           func(c *eventstore.Commit) { c.ID = strings.Repeat("x", eventstore.MaxIDBytes+1) },
		"too many bytes":      func(c *eventstore.Commit) { c.Lines[0] = make([]byte, eventstore.MaxCommitBytes) },
		"an index that wraps": func(c *eventstore.Commit) { c.First = ^uint64(0) },
	} {
		c := w.Commit(eventstore.Use, "one", "two")
		spoil(c)
		_, err := log.Append(t.Context(), c)
		wantError(t, name, err, eventstore.ErrNotStored)
	}
	wantLast(t, log, 0)
}

func testLargest(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	line := func(i, size int) string {
		return fmt.Sprintf("%08d", i) + strings.Repeat(string(rune('a'+i%26)), size-8)
	}
	big := w.Commit(eventstore.Use, line(0, 1<<20), line(1, 1<<20), line(2, 1<<20))
	w.Append(t, log, big)
	var many []string
	for i := range 6000 {
		many = append(many, line(i, 500))
	}
	packed := w.Commit(eventstore.State, many...)
	w.Append(t, log, packed)
	largest := w.Commit(eventstore.Use, line(4, eventstore.MaxCommitBytes))
	largest.ID = strings.Repeat("i", eventstore.MaxIDBytes)
	w.Append(t, log, largest)
	want := []*eventstore.Commit{big, packed, largest}
	wantCommits(t, ReadAll(t, log, 1), want)
	s.Restart(t)
	wantCommits(t, ReadAll(t, s.Open(t), 1), want)
}

func testAppendKeepsNothing(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	c := w.Commit(eventstore.Use, "before")
	w.Append(t, log, c)
	copy(c.Lines[0], "AFTER!")
	c.Lines[0] = []byte("gone")
	if got := ReadAll(t, log, 1); string(got[0].Lines[0]) != "before" {
		t.Fatalf("the stored line became %q", got[0].Lines[0])
	}
}

func testStops(t *testing.T, s Store) {
	log := s.Open(t)
	var w Writer
	w.Fill(t, log, 10)
	stop := errors.New("enough")
	seen := 0
	err := log.Read(t.Context(), 1, nil, func(eventstore.Stored) error {
		if seen++; seen == 4 {
			return stop
		}
		return nil
	})
	if err != stop || seen != 4 {
		t.Fatalf("Read returned %v after %d commits, want the function's own error after 4", err, seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = log.Read(ctx, 1, nil, func(eventstore.Stored) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Read with a cancelled context: %v", err)
	}
}
