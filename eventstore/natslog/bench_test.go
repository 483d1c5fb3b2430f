package natslog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

func packed(w *storetest.Writer, records int) *eventstore.Commit {
	lines := make([]string, records)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"n":%d,"at":"2026-11-23T18:00:00.%06dZ","req":"%08x","op":"kms:Decrypt",%s}`,
			w.Tree.Size()+uint64(i), i, i*2654435761, strings.Repeat(`"who":{"arn":"arn:aws:iam::000000000000:user/app"},`, 8))
	}
	return w.Commit(eventstore.Use, lines...)
}

// BenchmarkAppend is one writer, one commit in flight, each synced; Merkle
// hashing and the making of the lines are in it.
func BenchmarkAppend(b *testing.B) {
	for _, records := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(records), func(b *testing.B) {
			e := newEmbedded(b)
			log := e.open(b)
			var w storetest.Writer
			b.ReportAllocs()
			for b.Loop() {
				w.Append(b, log, packed(&w, records))
			}
			b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkRead reads a million records, 256 to a commit.
func BenchmarkRead(b *testing.B) {
	const commits, records = 1_000_000 / 256, 256
	e := newEmbedded(b)
	log := e.open(b)
	var w storetest.Writer
	for range commits {
		w.Append(b, log, packed(&w, records))
	}
	b.Run("Read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			if err := log.Read(b.Context(), 1, nil, func(c eventstore.Stored) error { n += len(c.Lines); return nil }); err != nil {
				b.Fatal(err)
			}
			if n != commits*records {
				b.Fatalf("read %d records", n)
			}
		}
		b.ReportMetric(float64(commits*records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("Verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := eventstore.Verify(b.Context(), log, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(commits*records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}
