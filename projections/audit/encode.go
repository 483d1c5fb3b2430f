package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

var errDamaged = errors.New("audit: the database is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// rowOf is the row that holds a part of the block of n=first. Bound of n: 2⁵⁹.
func rowOf(first uint64, p part) int64 { return int64(first<<4 | uint64(p)) }

// sealed gives a part its checksum, which is over its row too: a part in the place
// of another is noticed like one that has changed.
func sealed(row int64, part []byte) []byte {
	return binary.LittleEndian.AppendUint32(part, checksumOf(row, part))
}

func checksumOf(row int64, part []byte) uint32 {
	seed := crc32.Checksum(binary.BigEndian.AppendUint64(nil, uint64(row)), castagnoli)
	return crc32.Update(seed, castagnoli, part)
}

// unsealed is a part without its checksum.
func unsealed(row int64, raw []byte) ([]byte, error) {
	n := len(raw) - 4
	if n < 0 || checksumOf(row, raw[:n]) != binary.LittleEndian.Uint32(raw[n:]) {
		return nil, fmt.Errorf("%w: part %d of the block of n=%d has another checksum than it was written with", errDamaged, row&15, row>>4)
	}
	return raw[:n:n], nil
}

// encode gives a part as bytes, sealed: numbers as narrow as they can be, and
// lists with their lengths.
func (b *block) encode(p part) []byte {
	c := b.held[p]
	var out []byte
	switch {
	case p < columns:
		out = appendPacked(out, c.codes.less(0))
		out = binary.AppendUvarint(out, uint64(len(c.values)))
		for _, v := range c.values {
			out = binary.AppendUvarint(out, uint64(len(v)))
		}
		for _, v := range c.values {
			out = append(out, v...)
		}
	case p == partTimes:
		out = appendPacked(out, c.codes.less(uint64(b.earliest-b.base)))
	case p == partCommits:
		out = append(out, c.end[:]...)
		before := uint32(0)
		for _, start := range c.starts {
			out = binary.AppendUvarint(out, uint64(start-before))
			before = start
		}
	default:
		out = append(out, c.bytes...)
	}
	return sealed(rowOf(b.first, p), out)
}

func appendPacked(dst []byte, p packed) []byte {
	return append(append(dst, byte(p.width)), p.bytes...)
}

// decode reads what encode wrote, of the block that the summary is of, and keeps
// parts of it.
func (s *summary) decode(p part, raw []byte) (*content, error) {
	raw, err := unsealed(rowOf(s.first, p), raw)
	if err != nil {
		return nil, err
	}
	if s.records > maxRecords+blockRecords {
		return nil, fmt.Errorf("%w: a block of %d records", errDamaged, s.records)
	}
	r := &reader{b: raw}
	c := &content{size: len(raw) + 200}
	records := int(s.records)
	switch {
	case p < columns:
		c.codes = r.packed(records)
		c.values = r.strings()
		c.size += 16 * len(c.values)
		r.failed = r.failed || c.codes.most() > uint64(len(c.values))
	case p == partTimes:
		c.codes = r.packed(records)
	case p == partCommits:
		copy(c.end[:], r.take(len(c.end)))
		c.starts = r.starts(s.lastSeq-s.firstSeq+1, records)
		c.size += 4 * len(c.starts)
	case p == partUUIDs:
		c.bytes = r.take(16 * records)
	case p == partFilter:
		c.bytes = r.take(len(r.b))
		r.failed = r.failed || len(c.bytes) == 0
	}
	if r.failed || len(r.b) != 0 {
		return nil, fmt.Errorf("%w: part %d of the block of n=%d is not well formed", errDamaged, p, s.first)
	}
	return c, nil
}

// reader takes bytes apart; once it has failed it gives nothing.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.failed, r.b = true, nil
		return nil
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) packed(n int) packed {
	p := packed{width: 1}
	if w := r.take(1); len(w) == 1 {
		p.width = int(w[0])
	}
	switch p.width {
	case 1, 2, 4, 8:
	default:
		r.failed, p.width = true, 1
	}
	p.bytes = r.take(p.width * n)
	return p
}

// strings are a list of texts, which share their memory.
func (r *reader) strings() []string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return nil
	}
	lengths := make([]int, n)
	for i := range lengths {
		lengths[i] = int(r.uvarint())
	}
	all := string(r.b)
	out := make([]string, n)
	for i, length := range lengths {
		if length < 0 || length > len(all) {
			r.failed, r.b = true, nil
			return nil
		}
		out[i], all = all[:length], all[length:]
	}
	r.b = r.b[len(r.b)-len(all):]
	return out
}

// starts are the places of the first records of commits.
func (r *reader) starts(commits uint64, records int) []uint32 {
	if commits > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return nil
	}
	out := make([]uint32, commits)
	at := uint64(0)
	for i := range out {
		at += r.uvarint()
		if i == 0 && at != 0 || at > uint64(records) {
			r.failed = true
			return nil
		}
		out[i] = uint32(at)
	}
	return out
}
