package bench

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/audit"
)

// TestMadeLog: a made log is a log: gapless, readable, the same each time, and
// every question finds something in its view.
func TestMadeLog(t *testing.T) {
	log := &madeLog{records: 30_000}
	next := uint64(0)
	err := log.Read(t.Context(), 1, nil, func(c eventstore.Stored) error {
		again, err := log.Get(t.Context(), c.Seq)
		if err != nil {
			return err
		}
		for i, line := range c.Lines {
			r, err := event.ParseLine(line)
			if err != nil {
				return err
			}
			if r.N != next || string(again.Lines[i]) != string(line) {
				t.Fatalf("record %d is %s and %s", next, line, again.Lines[i])
			}
			next++
		}
		return nil
	})
	if err != nil || next != 30_000 {
		t.Fatalf("%d records: %v", next, err)
	}
	view := built(t, log)
	for _, q := range questions(log.records) {
		a, err := ask(t.Context(), view, q)
		if err != nil || a.Found == 0 {
			t.Errorf("%s: %d found: %v", q.name, a.Found, err)
		}
	}
}

func built(t testing.TB, log *madeLog) *audit.View {
	t.Helper()
	view, err := audit.Open(context.Background(), filepath.Join(t.TempDir(), "audit.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { view.Close() })
	if err := projections.NewRunner(log, view, nil).Rebuild(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	return view
}

// BenchmarkAuditApply is records on their way into the view, read from a log that
// makes them, which is BenchmarkAuditMaking of it.
func BenchmarkAuditApply(b *testing.B) {
	built(b, &madeLog{records: b.N})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkAuditMaking is the making of the records of BenchmarkAuditApply.
func BenchmarkAuditMaking(b *testing.B) {
	for n := range uint64(b.N) {
		madeLine(n)
	}
}

// BenchmarkAuditRebuildMillion builds the view of a million records.
func BenchmarkAuditRebuildMillion(b *testing.B) {
	for b.Loop() {
		built(b, &madeLog{records: 1_000_000})
	}
}

// BenchmarkAuditQueryMillion asks the view of a million records.
func BenchmarkAuditQueryMillion(b *testing.B) {
	log := &madeLog{records: 1_000_000}
	view := built(b, log)
	for _, q := range questions(log.records) {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := askOnce(b.Context(), view, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
