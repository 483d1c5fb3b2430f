package eventstore

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/keytrail/keytrail/eventstore/merkle"
)

func headAt(n int) Head {
	var tree merkle.Tree
	for i := range n {
		tree.Append(fmt.Append(nil, i))
	}
	return HeadOf(&tree, uint64(n))
}

func sameHead(a, b Head) bool {
	return a.N == b.N && a.Root == b.Root && a.Seq == b.Seq && slices.Equal(a.Nodes, b.Nodes)
}

func openHead(t *testing.T, path string) *HeadFile {
	t.Helper()
	f, err := OpenHead(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.file.Close() })
	return f
}

// wantHead opens the file anew, as a process after a crash does.
func wantHead(t *testing.T, path string, want Head) {
	t.Helper()
	got, ok := openHead(t, path).Head()
	if !ok || !sameHead(got, want) {
		t.Fatalf("head of n=%d (%v), want n=%d", got.N, ok, want.N)
	}
	got, ok, err := ReadHead(path)
	if err != nil || !ok || !sameHead(got, want) {
		t.Fatalf("ReadHead: n=%d, %v, %v, want n=%d", got.N, ok, err, want.N)
	}
}

func TestHeadOfAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "head")
	if _, ok, err := ReadHead(path); ok || err != nil {
		t.Fatalf("no file: %v, %v", ok, err)
	}
	for range 2 {
		if h, ok := openHead(t, path).Head(); ok {
			t.Fatalf("a new file has the head %+v", h)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v: want mode 0600", info.Mode(), err)
	}
	// Power lost before the first write was complete.
	if err := os.WriteFile(path, make([]byte, headSlotSize), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := openHead(t, path).Head(); ok {
		t.Fatal("a file of zeros has a head")
	}
}

func TestHeadSurvivesReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "head")
	for n := range 70 {
		f := openHead(t, path)
		for i := range 1 + n%4 {
			if err := f.Write(headAt(10*n + i)); err != nil {
				t.Fatal(err)
			}
			if i == n%3 {
				if err := f.Sync(); err != nil {
					t.Fatal(err)
				}
			}
		}
		// No Close: as after kill -9.
		wantHead(t, path, headAt(10*n+n%4))
	}
	full := Head{N: ^uint64(0), Seq: ^uint64(0), Nodes: make([]Hash, merkle.MaxNodes)}
	f := openHead(t, path)
	if err := f.Write(full); err != nil {
		t.Fatal(err)
	}
	wantHead(t, path, full)
	if err := f.Write(Head{Nodes: make([]Hash, merkle.MaxNodes+1)}); err == nil {
		t.Fatal("a head of too many nodes was written")
	}
}

// Whatever becomes of the slot that is being written, and of the one that is
// being flushed, the head of the last Sync or a later one is found.
func TestHeadSurvivesTornWrites(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		path := filepath.Join(t.TempDir(), "head")
		f := openHead(t, path)
		written, synced := 0, 0
		unsynced := map[int]bool{} // slots written to since they were last durable
		for range 1 + random.IntN(30) {
			if random.IntN(4) == 0 {
				if err := f.Sync(); err != nil {
					t.Fatal(err)
				}
				synced = written
				clear(unsynced)
				continue
			}
			written++
			if err := f.Write(headAt(written)); err != nil {
				t.Fatal(err)
			}
			unsynced[f.active] = true
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for slot := range unsynced {
			// Sectors of the unsynced slots reach the disk or do not.
			for sector := slot * headSlotSize; sector < min(len(data), (slot+1)*headSlotSize); sector += 512 {
				if random.IntN(2) == 0 {
					clear(data[sector : sector+512])
				}
			}
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		back, err := OpenHead(path)
		if errors.Is(err, ErrHeadDamaged) && synced == 0 {
			continue // nothing was promised yet
		}
		if err != nil {
			t.Fatal(err)
		}
		h, ok := back.Head()
		if !ok && synced == 0 {
			continue
		}
		if int(h.N) < synced || int(h.N) > written || !ok || !sameHead(h, headAt(int(h.N))) {
			t.Fatalf("head of n=%d, %v after Sync of %d and Write of %d", h.N, ok, synced, written)
		}
		back.file.Close()
		f.file.Close()
	}
}

func TestHeadDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "head")
	f := openHead(t, path)
	if err := f.Write(headAt(5)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(data, "\x00"))
	for at := range used {
		broken := bytes.Clone(data)
		broken[at] ^= 4
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenHead(path); !errors.Is(err, ErrHeadDamaged) {
			t.Fatalf("byte %d flipped: %v, want ErrHeadDamaged", at, err)
		}
		if _, _, err := ReadHead(path); !errors.Is(err, ErrHeadDamaged) {
			t.Fatalf("byte %d flipped: ReadHead: %v, want ErrHeadDamaged", at, err)
		}
	}
}

func TestHeadWritesBesideSync(t *testing.T) {
	path := filepath.Join(t.TempDir(), "head")
	f := openHead(t, path)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if err := f.Sync(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for n := range 200 {
		if err := f.Write(headAt(n)); err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		if f.active == f.durable {
			t.Error("Write uses the durable slot")
		}
		f.mu.Unlock()
	}
	close(done)
	wg.Wait()
	wantHead(t, path, headAt(199))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Write(headAt(1)); err == nil {
		t.Fatal("Write after Close succeeded")
	}
	if err := f.Sync(); err == nil {
		t.Fatal("Sync after a failed Write succeeded")
	}
}

func FuzzHeadFile(f *testing.F) {
	one := make([]byte, headSlotSize)
	h := headAt(7)
	copy(one, encodeHead(nil, &h, 3))
	f.Add(one)
	f.Add(append(slices.Clone(one), one[:900]...))
	f.Add([]byte(headMagic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		h, generation, slot, err := newestHead(data)
		if err != nil || slot < 0 {
			return
		}
		again, g, ok := decodeHead(encodeHead(nil, &h, generation))
		if !ok || g != generation || !sameHead(again, h) {
			t.Fatal("a head that was read does not survive being written")
		}
	})
}

func BenchmarkHeadWrite(b *testing.B) {
	f, err := OpenHead(filepath.Join(b.TempDir(), "head"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	h := headAt(1<<12 - 1)
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Write(h); err != nil {
			b.Fatal(err)
		}
	}
}
