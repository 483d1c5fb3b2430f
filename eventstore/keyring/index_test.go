package keyring

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// check compares all of an index with a model, by every road into it.
func check(t *testing.T, x *index, model map[string][]byte) {
	t.Helper()
	if x.n != len(model) {
		t.Fatalf("%d entries, want %d", x.n, len(model))
	}
	for id, sealed := range model {
		if got, seq, ok := x.get(id); !ok || !bytes.Equal(got, sealed) || seq == 0 {
			t.Fatalf("get(%s) = %d bytes, %d, %v", id, len(got), seq, ok)
		}
	}
	var ids []string
	for chunk, more := 0, true; more; chunk++ {
		ids, more = x.chunkIDs(ids, chunk)
	}
	if len(ids) != len(model) {
		t.Fatalf("%d ids, want %d", len(ids), len(model))
	}
	for _, id := range ids {
		if _, ok := model[id]; !ok {
			t.Fatalf("id %s is gone", id)
		}
	}
}

func TestIndexAgainstMap(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	x, model := newIndex(), map[string][]byte{}
	for step := range 20_000 {
		id := fmt.Sprintf("%d", random.IntN(500))
		if _, there := model[id]; there {
			x.remove(id)
			delete(model, id)
		} else {
			size := []int{1, 32, 89, 137, 300, MaxSealed}[random.IntN(6)]
			if size == MaxSealed && random.IntN(50) > 0 {
				size = 2
			}
			model[id] = bytes.Repeat([]byte{byte(step)}, size)
			x.put(id, model[id], uint64(step+1))
		}
		if step%500 == 0 {
			check(t, x, model)
		}
	}
	check(t, x, model)
}

func TestIndexWipesAndReuses(t *testing.T) {
	x := newIndex()
	secret := []byte("a canary in the memory of the ring")
	for i := range 1000 {
		id := fmt.Sprintf("id-%04d", i)
		x.put(id, secret, 1)
		if i >= 10 {
			x.remove(fmt.Sprintf("id-%04d", i-10))
		}
	}
	if len(x.chunks) != 1 || len(x.chunks[0]) > 12*(recordHeader+7+len(secret)) {
		t.Errorf("%d bytes in %d chunks for 10 entries", len(x.chunks[0]), len(x.chunks))
	}
	ids, _ := x.chunkIDs(nil, 0)
	for _, id := range ids {
		x.remove(id)
	}
	if x.n != 0 || bytes.Contains(x.chunks[0], secret) {
		t.Error("an erased entry is still in memory")
	}
}

// FuzzIndex reads a program: each byte puts or removes one of 16 ids, in a
// size of its upper bits.
func FuzzIndex(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0, 1, 2})
	f.Add(bytes.Repeat([]byte{0x10, 0x20, 0x30, 0x11}, 8))
	f.Fuzz(func(t *testing.T, program []byte) {
		x, model := newIndex(), map[string][]byte{}
		for i, op := range program {
			id := fmt.Sprint(op & 15)
			if _, there := model[id]; there {
				x.remove(id)
				delete(model, id)
			} else {
				model[id] = bytes.Repeat([]byte{op}, 1+int(op>>4)*40)
				x.put(id, model[id], uint64(i+1))
			}
		}
		check(t, x, model)
	})
}

// BenchmarkIndexMillion reports what a million wrapped data keys cost to keep.
func BenchmarkIndexMillion(b *testing.B) {
	const n = 1_000_000
	sealed := make([]byte, 137)
	var raw [16]byte
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		x := newIndex()
		random := rand.NewChaCha8([32]byte{})
		for i := range n {
			_, _ = random.Read(raw[:])
			x.put(hex.EncodeToString(raw[:]), sealed, uint64(i+1))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/entry")
		b.ReportMetric(float64(after.HeapObjects-before.HeapObjects), "objects")
		runtime.KeepAlive(x)
	}
}
