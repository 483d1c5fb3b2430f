package audit_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/projections/audit"
)

// TestQueryAgainstAScan: conditions of all kinds, together and with times, find
// what a plain scan of all records finds, page by page, and count it alike.
func TestQueryAgainstAScan(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWritten(t, seed).write(9000+int(seed)*500, 600)
			v := w.newView()
			hits := 0
			for range 60 {
				q := query(pick(w.world, mine, mine, other))
				for range w.IntN(4) {
					q.Where = append(q.Where, w.condition())
				}
				if w.IntN(3) == 0 {
					q.Since = pick(w.world, w.records...).At.Add(time.Duration(w.IntN(3)-1) * time.Microsecond)
				}
				if w.IntN(3) == 0 {
					q.Until = pick(w.world, w.records...).At.Add(time.Duration(w.IntN(3)-1) * time.Microsecond)
				}
				q.Ascending, q.Limit = w.IntN(2) == 0, 1+w.IntN(400)
				want := w.scan(q)
				if len(want) > 20*q.Limit {
					q.Limit = 1000
				}
				hits += len(want)
				if got := list(t, v, q); !slices.Equal(got, want) {
					t.Fatalf("%+v\nfound %d: %v\nwant  %d: %v", q, len(got), got[:min(len(got), 20)], len(want), want[:min(len(want), 20)])
				}
				compareActors(t, w.world, ask(t, v, actors(q)).Actors, q)
			}
			if hits < 5000 {
				t.Fatalf("the questions found %d records in all: they are too narrow to prove anything", hits)
			}
		})
	}
}

func actors(q vault.TrailQuery) vault.TrailQuery {
	q.Actors, q.Limit, q.Ascending, q.From = true, 1000, true, 0
	return q
}

// compareActors holds the counts by principal against a scan.
func compareActors(t *testing.T, w *world, got []vault.TrailActor, q vault.TrailQuery) {
	t.Helper()
	want := map[string]vault.TrailActor{}
	for _, n := range w.scan(q) {
		r := &w.records[n]
		name := r.Who.ARN
		switch {
		case r.Who.Account != q.Account:
			name = other + "/" + r.Who.ID[:len(r.Who.ID)-len(sessionOf(r.Who.ID))]
			if q.Account == other {
				name = mine + name[len(other):]
			}
			if r.Who.Account == "" {
				name = cmp.Or(r.Who.ID, r.Who.Type)
			}
		case r.Who.IssuerARN != "":
			name = r.Who.IssuerARN
		case name == "":
			name = r.Who.ID
		}
		a, ok := want[name]
		if !ok {
			a = vault.TrailActor{Principal: name, First: r.At, Last: r.At}
		}
		if r.Outcome == event.OutcomeOK {
			a.Done++
		} else {
			a.Failed++
		}
		if r.At.Before(a.First) {
			a.First = r.At
		}
		if r.At.After(a.Last) {
			a.Last = r.At
		}
		want[name] = a
	}
	if len(got) != len(want) {
		t.Fatalf("%+v\n%d actors %v\nwant %d %v", q, len(got), got, len(want), want)
	}
	for i, a := range got {
		if a != want[a.Principal] {
			t.Fatalf("%+v\ncounted %+v\nwant    %+v", q, a, want[a.Principal])
		}
		if i > 0 && got[i-1].Last.Before(a.Last) {
			t.Fatalf("the actors are not in order: %v", got)
		}
	}
}

func sessionOf(id string) string {
	for i := range len(id) {
		if id[i] == ':' {
			return id[i:]
		}
	}
	return ""
}

// TestPagesWhileRecordsArrive: a list that is gone through while the log grows has
// every record of its beginning once, and what came later is in none of its pages.
func TestPagesWhileRecordsArrive(t *testing.T) {
	for _, ascending := range []bool{false, true} {
		t.Run(fmt.Sprint("ascending ", ascending), func(t *testing.T) {
			w := newWritten(t, 11).write(4000, 50)
			v := w.newView()
			q := query(mine, vault.TrailCondition{Field: vault.TrailErrorCode, Value: vault.AnyError})
			q.Ascending, q.Limit = ascending, 37
			if ascending {
				q.From = 0
			}
			want := w.scan(q)
			var got []uint64
			for more := true; more; {
				a := ask(t, v, q)
				for _, r := range a.Records {
					got = append(got, r.N)
				}
				q.From, q.Through, more = a.Next, a.Through, a.More
				w.write(300, 100) // blocks are filled and stored meanwhile
				w.follow(v)
			}
			if !slices.Equal(got, want) {
				t.Errorf("the pages have %d records, want the %d that there were at the first", len(got), len(want))
			}
		})
	}
}

// TestTimeBounds: both bounds are included, to the microsecond.
func TestTimeBounds(t *testing.T) {
	w := newWritten(t, 12).write(300, 10)
	v := w.newView()
	at := w.records[100].At
	for _, tt := range []struct {
		name         string
		since, until time.Time
	}{
		{"one instant", at, at},
		{"since", at, time.Time{}},
		{"until", time.Time{}, at},
		{"before all", time.Time{}, time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)},
		{"before 1970", time.Time{}, time.Date(1960, 1, 2, 0, 0, 0, 0, time.UTC)},
		{"after all", time.Date(2100, 1, 2, 0, 0, 0, 0, time.UTC), time.Time{}},
		{"crossed", at, at.Add(-time.Microsecond)},
	} {
		q := query(mine)
		q.Since, q.Until, q.Limit = tt.since, tt.until, 1000
		if got, want := list(t, v, q), w.scan(q); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tt.name, got, want)
		}
	}
	one := query(mine)
	one.Since, one.Until = at, at
	if len(w.scan(one)) == 0 && w.records[100].Who.Account == mine {
		t.Error("the record of the bound itself is not found")
	}
}

// TestEmptyView: before the first record there is nothing, and no error.
func TestEmptyView(t *testing.T) {
	w := newWritten(t, 13)
	v := w.newView()
	for _, q := range []vault.TrailQuery{query(mine), actors(query(mine))} {
		if a := ask(t, v, q); len(a.Records)+len(a.Actors) != 0 || a.More {
			t.Errorf("%+v", a)
		}
	}
	if a := run(t, v, mine, "SELECT count(*) FROM events"); fmt.Sprint(a.Rows) != "[[0]]" {
		t.Errorf("%+v", a)
	}
}

// TestLargeAnswers: an answer fits a reply whatever the records weigh, and the
// next page goes on where it ended.
func TestLargeAnswers(t *testing.T) {
	w := newWritten(t, 14)
	w.write(5, 5)
	for i := range 40 {
		r := w.record()
		r.Who, r.Outcome = w.callers[0], event.OutcomeOK
		r.Params = []byte(fmt.Sprintf(`{"text":%q}`, string(slices.Repeat([]byte{'<'}, 1000*(i+1)))))
		w.records[r.N] = r
		line, err := r.AppendLine(nil)
		check(t, err)
		w.writer.Append(t, w.log, w.writer.Commit(eventstore.Use, string(line)))
	}
	v := w.newView()
	q := query(mine)
	q.Limit = 1000
	first := ask(t, v, q)
	size := 0
	for _, r := range first.Records {
		size += len(r.Event)
	}
	if !first.More || len(first.Records) == 0 || size > 700<<10 {
		t.Errorf("%d records of %d bytes in one answer, more: %v", len(first.Records), size, first.More)
	}
	if got, want := list(t, v, q), w.scan(q); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestQueriesBesideTheWriter: answers stay right, and the race detector quiet,
// while records arrive.
func TestQueriesBesideTheWriter(t *testing.T) {
	w := newWritten(t, 15).write(3000, 200)
	v := w.newView()
	before := w.scan(query(mine))
	stop := make(chan struct{})
	failed := make(chan error, 4)
	for range 3 {
		go func() {
			for {
				select {
				case <-stop:
					failed <- nil
					return
				default:
				}
				q := query(mine)
				q.From, q.Limit = before[0], 20
				a, err := v.Query(context.Background(), q)
				if err == nil && (len(a.Records) != 20 || a.Records[19].N != before[19]) {
					err = fmt.Errorf("found %+v", a.Records)
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	for range 12 {
		w.write(1000, 300)
		w.follow(v)
	}
	close(stop)
	for range 3 {
		check(t, <-failed)
	}
}

// TestMatcher: a line on its own matches exactly when the view finds its record.
func TestMatcher(t *testing.T) {
	w := newWritten(t, 16).write(600, 20)
	v := w.newView()
	matched := 0
	for range 150 {
		q := query(pick(w.world, mine, other))
		q.Limit = 1000
		for range 1 + w.IntN(2) {
			if c := w.condition(); c.Field != vault.TrailEventID {
				q.Where = append(q.Where, c)
			}
		}
		m := audit.NewMatcher(q.Account, q.Management, q.Where)
		got := []uint64{}
		for i := range w.records {
			r := &w.records[i]
			raw, err := r.AppendLine(nil)
			check(t, err)
			ok, err := m.Match(raw)
			check(t, err)
			if ok {
				got = append(got, r.N)
			}
		}
		q.Ascending = true
		if want := list(t, v, q); !slices.Equal(got, want) {
			t.Fatalf("%+v\nmatched %v\nwant    %v", q, got, want)
		}
		matched += len(got)
	}
	if matched < 1000 {
		t.Errorf("%d lines matched in all", matched)
	}
	m, first := audit.NewMatcher(mine, false, []vault.TrailCondition{{Field: vault.TrailErrorCode, Value: vault.AnyError}}), 0
	for pass := range 12 { // it forgets now and then what it remembers of lines
		found := 0
		for i := range w.records {
			raw, err := w.records[i].AppendLine(nil)
			check(t, err)
			ok, err := m.Match(raw)
			check(t, err)
			if ok {
				found++
			}
		}
		if pass == 0 {
			first = found
		}
		if found != first || found == 0 {
			t.Fatalf("pass %d: %d matched, %d at first", pass, found, first)
		}
	}
	if _, err := audit.NewMatcher(mine, false, nil).Match([]byte("{}")); err == nil {
		t.Error("what is no record is matched")
	}
}
