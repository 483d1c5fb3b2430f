package eventstore

import (
	"strconv"
	"sync"
)

// MaxCommit bounds the bytes of one commit's lines. It stays far below the
// server's payload limit, and keeps one fsync short.
const MaxCommit = 1 << 20

// Batch is the lines of one commit while they are put together, in one piece of
// memory.
type Batch struct {
	first uint64
	buf   []byte
	ends  []int
	lines [][]byte
	pool  *sync.Pool
}

// Next is the n of the next line.
func (b *Batch) Next() uint64 { return b.first + uint64(len(b.ends)) }

// First is the n of the first line.
func (b *Batch) First() uint64 { return b.first }

// Room reports whether size more bytes fit. The first ticket always fits.
func (b *Batch) Room(size int) bool {
	return len(b.ends) == 0 || len(b.buf)+size <= MaxCommit
}

// Buffer returns the memory to append the next line to; give the result to Add.
func (b *Batch) Buffer() []byte { return b.buf }

// Add ends a line at the end of buf, which is what Buffer returned, extended.
func (b *Batch) Add(buf []byte) {
	b.buf = buf
	b.ends = append(b.ends, len(buf))
}

// Lines are the lines of a stored batch, valid until Free.
func (b *Batch) Lines() [][]byte { return b.lines }

// Free gives the batch's memory back.
func (b *Batch) Free() {
	b.buf, b.ends = b.buf[:0], b.ends[:0]
	clear(b.lines)
	b.lines = b.lines[:0]
	if b.pool != nil && cap(b.buf) <= 2*MaxCommit {
		b.pool.Put(b)
	}
}

// seal cuts the memory into lines; it must not grow any more.
func (b *Batch) seal() [][]byte {
	start := 0
	for _, end := range b.ends {
		b.lines = append(b.lines, b.buf[start:end:end])
		start = end
	}
	return b.lines
}

func (c *Committer[T]) batch() *Batch {
	b, _ := c.free.Get().(*Batch)
	if b == nil {
		b = &Batch{pool: &c.free}
	}
	b.first = c.tree.Size()
	return b
}

// commitID is the message id of a commit: n of its first record and its root,
// so that no two different commits share one.
func commitID(c *Commit) string {
	const hexDigits = "0123456789abcdef"
	id := strconv.AppendUint(make([]byte, 0, 53), c.First, 10)
	id = append(id, '-')
	for _, x := range c.Root[:16] {
		id = append(id, hexDigits[x>>4], hexDigits[x&15])
	}
	return string(id)
}
