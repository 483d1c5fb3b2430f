package audit_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/audit"
)

// answers is everything that the view says to many questions, as bytes.
func answers(t testing.TB, w *world, v *audit.View) []byte {
	t.Helper()
	var all []*vault.TrailAnswer
	same := newWorld(99)
	same.records = w.records
	for _, account := range []string{mine, other} {
		for i := range 12 {
			q := query(account)
			for range i % 3 {
				q.Where = append(q.Where, same.condition())
			}
			q.Ascending, q.Limit = i%2 == 0, 40
			if q.Ascending {
				q.From = 0
			}
			for more := true; more; {
				a := ask(t, v, q)
				all = append(all, a)
				q.From, q.Through, more = a.Next, a.Through, a.More && len(all)%4 != 0
			}
		}
		all = append(all, ask(t, v, actors(query(account))),
			run(t, v, account, "SELECT eventName, errorCode, count(*), sum(n), max(eventTime) FROM events GROUP BY 1, 2 ORDER BY 1, 2"),
			run(t, v, account, "SELECT eventID, record FROM events WHERE n % 997 = 0"))
	}
	raw, err := json.Marshal(all)
	check(t, err)
	return raw
}

// TestRebuild: built at once, built piece by piece, opened again and rebuilt by
// the runner, the view gives the same answers to the byte.
func TestRebuild(t *testing.T) {
	w := newWritten(t, 31)
	path := filepath.Join(t.TempDir(), "audit.db")
	v := w.view(path)
	for range 12 {
		w.write(900, 250)
		w.follow(v)
	}
	want := answers(t, w.world, v)
	check(t, v.Close())
	again := w.view(path)
	if got := answers(t, w.world, again); !bytes.Equal(got, want) {
		t.Error("opened again, it gives other answers")
	}
	var steps []uint64
	check(t, projections.NewRunner(w.log, again, nil).Rebuild(context.Background(), func(applied, last uint64) { steps = append(steps, applied) }))
	if got := answers(t, w.world, again); !bytes.Equal(got, want) {
		t.Error("rebuilt, it gives other answers")
	}
	last, err := w.log.Last(context.Background())
	check(t, err)
	if len(steps) == 0 || steps[len(steps)-1] != last {
		t.Errorf("progress %v of %d", steps, last)
	}
	if got := answers(t, w.world, w.newView()); !bytes.Equal(got, want) {
		t.Error("built at once, it gives other answers")
	}
}

// TestKilledAnywhere: a process that dies leaves its files as they are; whatever
// it had not stored comes again, once.
func TestKilledAnywhere(t *testing.T) {
	w := newWritten(t, 32).write(20_000, 700)
	last, err := w.log.Last(context.Background())
	check(t, err)
	want := answers(t, w.world, w.newView())
	for range 8 {
		dir := t.TempDir()
		path := filepath.Join(dir, "audit.db")
		for upTo := uint64(0); upTo < last; {
			upTo += 1 + w.Uint64N(last/3)
			v, err := audit.OpenSmall(context.Background(), path, w.log)
			check(t, err)
			check(t, follow(v, w.log, upTo))
			// The files of the moment, without the order of a Close.
			left := t.TempDir()
			for _, suffix := range []string{"", "-wal"} {
				raw, err := os.ReadFile(path + suffix)
				if errors.Is(err, os.ErrNotExist) {
					continue
				}
				check(t, err)
				if suffix == "-wal" && w.IntN(2) == 0 { // and with its last write torn
					raw = raw[:len(raw)-min(len(raw), w.IntN(5000))]
				}
				check(t, os.WriteFile(filepath.Join(left, "audit.db"+suffix), raw, 0o600))
			}
			check(t, v.Close())
			path = filepath.Join(left, "audit.db")
		}
		if got := answers(t, w.world, w.view(path)); !bytes.Equal(got, want) {
			t.Fatal("after deaths, it gives other answers")
		}
	}
}

// TestApplyHalf: commits that do not follow, or hold what is no record, are
// refused, and the view goes on from what it has.
func TestApplyHalf(t *testing.T) {
	w := newWritten(t, 33).write(6000, 400)
	v := w.newView()
	want := answers(t, w.world, v)
	ctx := context.Background()
	cursor, err := v.Cursor(ctx)
	check(t, err)
	good, err := w.log.Get(ctx, cursor)
	check(t, err)
	for name, change := range map[string]func(c *eventstore.Stored){
		"again":     func(c *eventstore.Stored) {},
		"a gap":     func(c *eventstore.Stored) { c.Seq += 2 },
		"another n": func(c *eventstore.Stored) { c.Seq++ },
		"no record": func(c *eventstore.Stored) { c.Seq++; c.First = c.Next(); c.Lines = [][]byte{[]byte("{}")} },
		"not JSON":  func(c *eventstore.Stored) { c.Seq++; c.First = c.Next(); c.Lines = [][]byte{[]byte("\x00")} },
		"n of later": func(c *eventstore.Stored) {
			c.Seq++
			c.First = c.Next()
			c.Lines = [][]byte{line(t, w.world, c.First+1)}
		},
	} {
		c := good
		c.Lines = slices.Clone(good.Lines)
		change(&c)
		if err := v.Apply(ctx, []eventstore.Stored{c}); err == nil {
			t.Errorf("%s is applied", name)
		}
		w.follow(v) // what was in memory only comes again
		if got := answers(t, w.world, v); !bytes.Equal(got, want) {
			t.Fatalf("%s: other answers", name)
		}
	}
}

func line(t testing.TB, w *world, n uint64) []byte {
	r := w.records[0]
	r.N = n
	raw, err := r.AppendLine(nil)
	check(t, err)
	return raw
}

// TestDamage: whatever a disk or a hand has done to the file, the view is built
// again and answers as before; it never answers from what is damaged.
func TestDamage(t *testing.T) {
	w := newWritten(t, 34).write(15_000, 500)
	fresh := w.newView()
	want := answers(t, w.world, fresh)
	for _, tt := range []struct {
		name   string
		damage func(path string)
		late   bool // found by a query, not when the view is opened
	}{
		{"no file", func(p string) { check(t, os.Remove(p)) }, false},
		{"an empty file", func(p string) { check(t, os.Truncate(p, 0)) }, false},
		{"cut short", func(p string) { check(t, os.Truncate(p, 9000)) }, false},
		{"no database", func(p string) { check(t, os.WriteFile(p, bytes.Repeat([]byte("x"), 8192), 0o600)) }, false},
		{"another version", func(p string) { sqlite(t, p, "PRAGMA user_version = 99") }, false},
		{"another schema", func(p string) { sqlite(t, p, "DROP TABLE block; CREATE TABLE other(x)") }, false},
		{"half the schema", func(p string) { sqlite(t, p, "DROP TABLE part") }, false},
		{"a schema of two versions ago", func(p string) {
			sqlite(t, p, "DROP TABLE part; DROP TABLE block; CREATE TABLE block(first INTEGER PRIMARY KEY, filter BLOB, body BLOB); PRAGMA user_version = 2")
		}, false},
		{"a block less", func(p string) {
			sqlite(t, p, "DELETE FROM block WHERE first = (SELECT min(first) FROM block WHERE first > 0)")
		}, false},
		{"the first block less", func(p string) { sqlite(t, p, "DELETE FROM block WHERE first = 0") }, false},
		{"a changed block", func(p string) { flip(t, p, commitsOf+" AND row > 16 ORDER BY row DESC") }, false},
		{"a changed column", func(p string) { flip(t, p, "row = 1") }, true},
		{"a column in another's place", func(p string) {
			sqlite(t, p, "UPDATE part SET bytes = (SELECT bytes FROM part WHERE row > 16 AND row & 15 = 1 LIMIT 1) WHERE row = 1")
		}, true},
		{"no column", func(p string) { sqlite(t, p, "DELETE FROM part WHERE row = 1") }, true},
		{"a changed filter", func(p string) { flip(t, p, filterOf+" AND row < 16") }, true},
		{"another time", func(p string) { sqlite(t, p, "UPDATE block SET latest = latest - 60000000 WHERE first = 0") }, false},
		{"no filter", func(p string) { sqlite(t, p, "UPDATE part SET bytes = x'' WHERE row < 16 AND "+filterOf) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.db")
			check(t, w.view(path).Close())
			tt.damage(path)
			v, err := audit.OpenSmall(context.Background(), path, w.log)
			check(t, err)
			defer v.Close()
			if tt.late {
				q := query(mine)
				q.Ascending, q.From = true, 0
				if _, err := v.Query(context.Background(), q); err == nil {
					t.Error("answered from what is damaged")
				}
			} else if cursor, _ := v.Cursor(context.Background()); cursor != 0 {
				t.Errorf("what is damaged is taken up to %d", cursor)
			}
			w.follow(v)
			if got := answers(t, w.world, v); !bytes.Equal(got, want) {
				t.Error("built again, it gives other answers")
			}
		})
	}
}

// Rows of the parts that are named.
const (
	commitsOf = "row & 15 = 11"
	filterOf  = "row & 15 = 12"
)

// flip changes a bit in the middle of the first part that a condition finds.
func flip(t testing.TB, path, where string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	check(t, err)
	defer db.Close()
	var row int64
	var body []byte
	check(t, db.QueryRow("SELECT row, bytes FROM part WHERE "+where).Scan(&row, &body))
	body[len(body)/2] ^= 4
	_, err = db.Exec("UPDATE part SET bytes = ? WHERE row = ?", body, row)
	check(t, err)
}

func sqlite(t testing.TB, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	check(t, err)
	defer db.Close()
	_, err = db.Exec(statements)
	check(t, err)
}

// TestAnotherLog: a database of another log, or of this one in a longer past, is
// not believed.
func TestAnotherLog(t *testing.T) {
	w := newWritten(t, 35).write(15_000, 500)
	for name, log := range map[string]*written{
		"another log": newWritten(t, 36).write(16_000, 500),
		"shorter":     newWritten(t, 35).write(3000, 500),
		"empty":       newWritten(t, 37),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.db")
			check(t, w.view(path).Close())
			v, err := audit.OpenSmall(context.Background(), path, log.log)
			check(t, err)
			defer v.Close()
			if cursor, _ := v.Cursor(context.Background()); cursor != 0 {
				t.Fatalf("the view goes on at %d", cursor)
			}
			log.follow(v)
			q := query(mine)
			q.Limit = 1000
			if got, want := list(t, v, q), log.scan(q); !slices.Equal(got, want) {
				t.Errorf("%d records, want %d", len(got), len(want))
			}
		})
	}
}

// TestLogUnreachable: a log that cannot be asked is no reason to throw the view
// away.
func TestLogUnreachable(t *testing.T) {
	w := newWritten(t, 38).write(9000, 500)
	path := filepath.Join(t.TempDir(), "audit.db")
	check(t, w.view(path).Close())
	before, err := os.ReadFile(path)
	check(t, err)
	if v, err := audit.OpenSmall(context.Background(), path, unreachable{w.log}); err == nil {
		v.Close()
		t.Fatal("opened")
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed: %v", err)
	}
}

type unreachable struct{ eventstore.Log }

func (unreachable) Get(context.Context, uint64) (eventstore.Stored, error) {
	return eventstore.Stored{}, errors.New("no route to the log")
}

// TestPrivate: nobody but its owner reads the view's files, as it was made and as
// somebody has left it.
func TestPrivate(t *testing.T) {
	w := newWritten(t, 41).write(3000, 500)
	path := filepath.Join(t.TempDir(), "audit.db")
	for range 2 {
		v := w.view(path)
		files, err := filepath.Glob(path + "*")
		check(t, err)
		if len(files) < 2 {
			t.Fatalf("the files are %v", files)
		}
		for _, f := range files {
			info, err := os.Stat(f)
			check(t, err)
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %o", filepath.Base(f), info.Mode().Perm())
			}
		}
		check(t, v.Close())
		check(t, os.Chmod(path, 0o644))
	}
}

// TestClosed: a closed view answers with an error.
func TestClosed(t *testing.T) {
	w := newWritten(t, 39).write(50, 5)
	v := w.newView()
	check(t, v.Close())
	if a, err := v.Query(context.Background(), query(mine)); err == nil {
		t.Errorf("%+v", a)
	}
	check(t, v.Close())
}

// TestLogChangedBelow: a line of the log that is not the one the view has seen is
// shown to nobody as what it is not.
func TestLogChangedBelow(t *testing.T) {
	w := newWritten(t, 40).write(500, 1)
	v := w.newView()
	q := query(mine)
	q.Limit = 1000
	n := w.scan(q)[3]
	w.store.Replace(n+1, func(c *eventstore.Commit) { c.Lines = [][]byte{line(t, w.world, n+math.MaxUint16)} })
	if a, err := v.Query(context.Background(), q); err == nil {
		t.Errorf("answered with %d records", len(a.Records))
	}
}

// TestBehindIsNoAnswer: a view that does not hold the commit that a question is about,
// as when it was emptied meanwhile, does not answer with what it holds.
func TestBehindIsNoAnswer(t *testing.T) {
	w := newWritten(t, 5).write(300, 100)
	v := w.newView()
	last, err := v.Cursor(t.Context())
	check(t, err)
	for _, sql := range []string{"", "SELECT count(*) FROM events"} {
		q := query(mine)
		q.SQL, q.Held = sql, last
		if _, err := v.Query(t.Context(), q); err != nil {
			t.Errorf("%q: %v", sql, err)
		}
		q.Held = last + 1
		if a, err := v.Query(t.Context(), q); err == nil {
			t.Errorf("%q: answered with %d records", sql, len(a.Records))
		}
	}
	check(t, v.Reset(t.Context()))
	q := query(mine)
	q.Held = last
	if a, err := v.Query(t.Context(), q); err == nil {
		t.Errorf("an empty view answered with %d records", len(a.Records))
	}
}
