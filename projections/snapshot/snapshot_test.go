package snapshot_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/storetest"
	"github.com/keytrail/keytrail/projections/snapshot"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logOf is a log of commits with a line each.
func logOf(t *testing.T, lines ...string) eventstore.Log {
	t.Helper()
	log := memlog.NewStore(memlog.Options{}).Open()
	var w storetest.Writer
	for _, line := range lines {
		w.Append(t, log, w.Commit(eventstore.Use, line))
	}
	return log
}

func TestKeptAndReadBack(t *testing.T) {
	log := logOf(t, "a", "b", "c")
	f := snapshot.File{Path: filepath.Join(t.TempDir(), "view"), Format: 3, Rules: "of the house"}
	if cursor, held, err := f.Read(t.Context(), log); cursor != 0 || held != nil || err != nil {
		t.Errorf("without a file: %d, %q, %v", cursor, held, err)
	}
	check(t, f.Remove())
	for _, want := range []string{"", "one line", "two\nlines\n", "\n", "\xff\x00"} {
		check(t, f.Write(t.Context(), log, 2, []byte(want)))
		cursor, held, err := f.Read(t.Context(), log)
		check(t, err)
		if cursor != 2 || string(held) != want {
			t.Errorf("kept %q at 2, read %q at %d", want, held, cursor)
		}
	}
	if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if err := f.Write(t.Context(), log, 4, nil); err == nil {
		t.Error("kept at a commit that is not there")
	}
	if cursor, _, err := f.Read(t.Context(), log); cursor != 2 || err != nil {
		t.Errorf("after a failure the one before is gone: %d, %v", cursor, err)
	}
	check(t, f.Remove())
	if cursor, _, err := f.Read(t.Context(), log); cursor != 0 || err != nil {
		t.Errorf("after Remove: %d, %v", cursor, err)
	}
	none := snapshot.File{}
	check(t, none.Write(t.Context(), log, 2, []byte("x")))
	check(t, none.Remove())
	if cursor, held, err := none.Read(t.Context(), log); cursor != 0 || held != nil || err != nil {
		t.Errorf("of no file: %d, %q, %v", cursor, held, err)
	}
}

// A crash in the middle of a write leaves a part of the new file aside, and the
// one before in its place.
func TestCrashWhileWriting(t *testing.T) {
	log := logOf(t, "a", "b")
	f := snapshot.File{Path: filepath.Join(t.TempDir(), "view")}
	check(t, f.Write(t.Context(), log, 1, []byte("before")))
	check(t, os.WriteFile(f.Path+".new", []byte(`{"form`), 0o600))
	cursor, held, err := f.Read(t.Context(), log)
	if cursor != 1 || string(held) != "before" || err != nil {
		t.Errorf("%q at %d, %v", held, cursor, err)
	}
	check(t, f.Write(t.Context(), log, 2, []byte("after")))
	if cursor, held, err = f.Read(t.Context(), log); cursor != 2 || string(held) != "after" || err != nil {
		t.Errorf("%q at %d, %v", held, cursor, err)
	}
}

// Every flipped bit and every cut is noticed.
func TestDamage(t *testing.T) {
	log := logOf(t, "a")
	f := snapshot.File{Path: filepath.Join(t.TempDir(), "view"), Format: 1}
	check(t, f.Write(t.Context(), log, 1, []byte("held\n")))
	good, err := os.ReadFile(f.Path)
	check(t, err)
	unusable := func(what string, i int, content []byte) {
		check(t, os.WriteFile(f.Path, content, 0o600))
		if _, held, err := f.Read(t.Context(), log); err == nil || held != nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s %d is not noticed: %q, %v", what, i, held, err)
		}
	}
	for i := range good {
		unusable("cut at", i, good[:i])
		for bit := range 8 {
			flipped := bytes.Clone(good)
			flipped[i] ^= 1 << bit
			unusable("flipped byte", i, flipped)
		}
	}
	check(t, os.WriteFile(f.Path, good, 0o600))
	if _, _, err := f.Read(t.Context(), log); err != nil {
		t.Error(err)
	}
}

func TestOfAnother(t *testing.T) {
	log := logOf(t, "a", "b")
	f := snapshot.File{Path: filepath.Join(t.TempDir(), "view"), Format: 1, Rules: "r"}
	check(t, f.Write(t.Context(), log, 2, []byte("held")))
	for name, c := range map[string]struct {
		format int
		rules  string
		log    eventstore.Log
	}{
		"of another format": {2, "r", log},
		"of other rules":    {1, "s", log},
		"of another log":    {1, "r", logOf(t, "a", "B")},
		"of a longer log":   {1, "r", logOf(t, "a")},
	} {
		g := snapshot.File{Path: f.Path, Format: c.format, Rules: c.rules}
		if cursor, held, err := g.Read(t.Context(), c.log); err == nil || cursor != 0 || held != nil {
			t.Errorf("%s: %q at %d, %v", name, held, cursor, err)
		}
	}
}
