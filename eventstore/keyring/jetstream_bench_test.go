package keyring

import (
	"bytes"
	"fmt"
	"testing"
)

var benchSealed = bytes.Repeat([]byte{0xa5}, 137) // a wrapped data key

func BenchmarkJetStreamPut(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d entries", n), func(b *testing.B) {
			r := startServer(b, b.TempDir()).open(b)
			entries := make([]Entry, n)
			for b.Loop() {
				for i := range entries {
					entries[i] = Entry{fmt.Sprintf("id-%d", r.Len()+i), benchSealed}
				}
				if err := r.Put(b.Context(), entries...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(r.Len())/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// The cost of an erasure is that of writing the rest of its file anew.
func BenchmarkJetStreamErase(b *testing.B) {
	for _, n := range []int{1_000, 20_000, 100_000} {
		b.Run(fmt.Sprintf("among %d", n), func(b *testing.B) {
			r := seeded(b, n).open(b)
			i := 0
			for b.Loop() {
				if err := r.Erase(b.Context(), fmt.Sprintf("id-%d", i)); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkJetStreamOpen(b *testing.B) {
	const n = 200_000
	e := seeded(b, n)
	for b.Loop() {
		if r := e.open(b); r.Len() != n {
			b.Fatalf("%d entries", r.Len())
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// seeded fills a ring without syncing, for speed, and restarts its server.
func seeded(b *testing.B, n int) *embedded {
	e := &embedded{dir: b.TempDir()}
	e.start(b)
	r := e.open(b)
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = Entry{fmt.Sprintf("id-%d", i), benchSealed}
	}
	if err := r.Put(b.Context(), entries...); err != nil {
		b.Fatal(err)
	}
	e.stop()
	e.sync = true
	e.start(b)
	return e
}
