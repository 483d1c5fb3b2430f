package keyring

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// index holds the entries of a ring in memory, without one pointer per entry:
// a million of them must be cheap to keep and free to collect.
//
// Records lie one after another in chunks of bytes:
//
//	sequence (8) || id length (1) || sealed length (3) || id || sealed
//
// with all numbers big endian, and sequence 0 for an erased one. A table of
// positions, open addressing with linear probing, finds them by id. Chunks are
// never compacted: an erased record is overwritten with zeros and its place
// goes to the next one of exactly its size. Entries come in a handful of
// sizes, so that wastes little.
//
// It is not safe for concurrent use.
type index struct {
	seed   maphash.Seed
	table  []position // a power of two long
	n      int        // live entries
	chunks [][]byte
	holes  map[int][]position // by record size
}

// position is a chunk number above chunkBits of offset, plus one, so that zero
// is none.
type position uint64

const (
	chunkBits    = 20
	chunkSize    = 1 << chunkBits
	recordHeader = 8 + 1 + 3
	minTable     = 64
)

func newIndex() *index {
	return &index{seed: maphash.MakeSeed(), table: make([]position, minTable), holes: map[int][]position{}}
}

// record is a view into a chunk, from its position on.
type record []byte

func (r record) seq() uint64 { return binary.BigEndian.Uint64(r) }
func (r record) idLen() int  { return int(r[8]) }
func (r record) id() []byte  { return r[recordHeader:][:r.idLen()] }
func (r record) size() int   { return recordHeader + r.idLen() + r.sealedLen() }
func (r record) sealed() []byte {
	return r[recordHeader+r.idLen():][:r.sealedLen()]
}
func (r record) sealedLen() int {
	return int(r[9])<<16 | int(r[10])<<8 | int(r[11])
}

func (x *index) at(p position) record {
	p--
	return record(x.chunks[p>>chunkBits][p&(chunkSize-1):])
}

// slot is where id is in the table, or the free slot where it would go.
func (x *index) slot(id string) int {
	mask := len(x.table) - 1
	for i := int(maphash.String(x.seed, id)) & mask; ; i = (i + 1) & mask {
		if p := x.table[i]; p == 0 || string(x.at(p).id()) == id {
			return i
		}
	}
}

// get returns a view of the bytes under id, good until the next change.
func (x *index) get(id string) (sealed []byte, seq uint64, ok bool) {
	p := x.table[x.slot(id)]
	if p == 0 {
		return nil, 0, false
	}
	r := x.at(p)
	return r.sealed(), r.seq(), true
}

// put adds an entry whose id is not there; seq is not 0.
func (x *index) put(id string, sealed []byte, seq uint64) {
	if (x.n+1)*4 > len(x.table)*3 {
		x.grow()
	}
	p := x.place(recordHeader + len(id) + len(sealed))
	r := x.at(p)
	binary.BigEndian.PutUint64(r, seq)
	r[8] = byte(len(id))
	r[9], r[10], r[11] = byte(len(sealed)>>16), byte(len(sealed)>>8), byte(len(sealed))
	copy(r.id(), id)
	copy(r.sealed(), sealed)
	x.table[x.slot(id)] = p
	x.n++
}

// place finds room for a record.
func (x *index) place(size int) position {
	if free := x.holes[size]; len(free) > 0 {
		x.holes[size] = free[:len(free)-1]
		return free[len(free)-1]
	}
	last := len(x.chunks) - 1
	if last < 0 || len(x.chunks[last])+size > chunkSize {
		x.chunks = append(x.chunks, make([]byte, 0, chunkSize))
		last++
	}
	at := len(x.chunks[last])
	x.chunks[last] = x.chunks[last][:at+size]
	return position(last<<chunkBits|at) + 1
}

// remove wipes the entry under id.
func (x *index) remove(id string) {
	i := x.slot(id)
	p := x.table[i]
	if p == 0 {
		return
	}
	r := x.at(p)
	binary.BigEndian.PutUint64(r, 0)
	clear(r.sealed())
	x.holes[r.size()] = append(x.holes[r.size()], p)
	x.n--
	x.unslot(i)
}

// unslot empties slot i and moves up what was pushed past it, so that probing
// never meets a gap.
func (x *index) unslot(i int) {
	mask := len(x.table) - 1
	for j := (i + 1) & mask; x.table[j] != 0; j = (j + 1) & mask {
		home := int(maphash.Bytes(x.seed, x.at(x.table[j]).id())) & mask
		if (j-home)&mask >= (j-i)&mask {
			x.table[i] = x.table[j]
			i = j
		}
	}
	x.table[i] = 0
}

func (x *index) grow() {
	old := x.table
	x.table = make([]position, 1<<bits.Len(uint(len(old))))
	for _, p := range old {
		if p != 0 {
			x.table[x.slot(string(x.at(p).id()))] = p
		}
	}
}

// chunkIDs appends the ids of the live records of a chunk; false past the last.
func (x *index) chunkIDs(dst []string, chunk int) ([]string, bool) {
	if chunk >= len(x.chunks) {
		return dst, false
	}
	for rest := x.chunks[chunk]; len(rest) > 0; rest = rest[record(rest).size():] {
		if r := record(rest); r.seq() != 0 {
			dst = append(dst, string(r.id()))
		}
	}
	return dst, true
}
