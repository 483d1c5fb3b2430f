package envelope

import (
	"sync"
	"sync/atomic"
)

// slabSize is how much memory is mapped at a time: room for 512 keys.
const slabSize = 16 << 10

// lockedMemory lends out 32-byte cells of memory outside the Go heap: the
// collector does not copy them, the kernel does not swap them (mlock) and,
// on Linux, leaves them out of core dumps. Locking is best effort: where the
// limit on locked memory is reached, or the system has no such call, cells are
// ordinary memory, wiped all the same.
//
// What this does not cover: crypto/aes keeps its key schedules in the Go heap,
// one for each key in use. A process that must keep those from disk as well
// runs with swap and core dumps off.
//
// A mapping is never returned to the system; its cells are used again.
type lockedMemory struct {
	mu   sync.Mutex
	free []*[keySize]byte
}

var lockedKeys = &lockedMemory{}

// take returns a cell of zeros.
func (l *lockedMemory) take() *[keySize]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) == 0 {
		slab := mapSlab(slabSize)
		for len(slab) >= keySize {
			l.free = append(l.free, (*[keySize]byte)(slab))
			slab = slab[keySize:]
		}
	}
	cell := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	return cell
}

// give wipes a cell and takes it back.
func (l *lockedMemory) give(cell *[keySize]byte) {
	clear(cell[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, cell)
}

// lockedKey is a cell as the key types hold it; nil once destroyed. The atomic
// pointer is opaque to package fmt, which shows what a plain one points to
// when the verb is wrong; users hold the key's mutex besides, so that no cell
// is given back while it is read.
type lockedKey struct{ atomic.Pointer[[keySize]byte] }
