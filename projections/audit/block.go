package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/eventstore"
)

// Size of a block. It ends with the commit that fills it; maxRecords keeps codes
// within 16 bits also when that commit is a large one.
const (
	blockRecords = 4096
	maxRecords   = math.MaxUint16
)

// column is a member of a record that a block keeps. Most take few values in one
// block: the values are kept once, as the log has them, and the records as codes.
type column int

const (
	colOp column = iota
	colWho
	colVia
	colSource
	colAgent
	colOutcome
	colMessage
	colResources
	colRequest // of requests whose id is no UUID; the others have 16 bytes each
	columns
)

// A block holds consecutive records, column by column. Its slices only grow:
// what was read from a copy stays true.
type block struct {
	first    uint64 // n of the first record
	records  int
	firstSeq uint64 // sequence of the first commit; the others follow without a gap
	commits  []uint32
	end      [32]byte // fingerprint of the last commit
	earliest int64    // microseconds since the Unix epoch
	latest   int64
	base     int64 // times are kept as distances from it
	times    packed
	requests []byte // 16 bytes each
	codes    [columns]packed
	values   [columns][]string // JSON; a code is one more than an index, 0 = absent
}

// packed is a list of numbers of 1, 2, 4 or 8 bytes each.
type packed struct {
	width int
	bytes []byte
}

func (p packed) at(i int) uint64 {
	switch p.width {
	case 1:
		return uint64(p.bytes[i])
	case 2:
		return uint64(binary.LittleEndian.Uint16(p.bytes[2*i:]))
	case 4:
		return uint64(binary.LittleEndian.Uint32(p.bytes[4*i:]))
	default:
		return binary.LittleEndian.Uint64(p.bytes[8*i:])
	}
}

func (p *packed) append(v uint64) {
	switch p.width {
	case 1:
		p.bytes = append(p.bytes, byte(v))
	case 2:
		p.bytes = binary.LittleEndian.AppendUint16(p.bytes, uint16(v))
	case 4:
		p.bytes = binary.LittleEndian.AppendUint32(p.bytes, uint32(v))
	default:
		p.bytes = binary.LittleEndian.AppendUint64(p.bytes, v)
	}
}

func (p packed) len() int { return len(p.bytes) / p.width }

// widthOf is how many bytes the number needs.
func widthOf(v uint64) int {
	switch {
	case v <= math.MaxUint8:
		return 1
	case v <= math.MaxUint16:
		return 2
	case v <= math.MaxUint32:
		return 4
	}
	return 8
}

// most is the largest number.
func (p packed) most() (most uint64) {
	switch p.width {
	case 1:
		for _, v := range p.bytes {
			most = max(most, uint64(v))
		}
	case 2:
		for i := 0; i+1 < len(p.bytes); i += 2 {
			most = max(most, uint64(p.bytes[i])|uint64(p.bytes[i+1])<<8)
		}
	default:
		for i := range p.len() {
			most = max(most, p.at(i))
		}
	}
	return most
}

// pack makes the list as narrow as its largest number allows.
func (p packed) pack() packed {
	out := packed{width: widthOf(p.most())}
	out.bytes = make([]byte, 0, out.width*p.len())
	for i := range p.len() {
		out.append(p.at(i))
	}
	return out
}

func (b *block) at(i int) int64                  { return b.base + int64(b.times.at(i)) }
func (b *block) code(c column, i int) int        { return int(b.codes[c].at(i)) }
func (b *block) request(i int) []byte            { return b.requests[16*i : 16*i+16] }
func (b *block) lastSeq() uint64                 { return b.firstSeq + uint64(len(b.commits)) - 1 }
func (b *block) next() uint64                    { return b.first + uint64(b.records) }
func (b *block) value(c column, code int) string { return b.values[c][code-1] }

// seq is the sequence of the commit that holds the i-th record, and the index of
// the record's line in it.
func (b *block) seq(i int) (seq uint64, line int) {
	for c, n := range b.commits {
		if i < int(n) {
			return b.firstSeq + uint64(c), i
		}
		i -= int(n)
	}
	return 0, 0
}

// builder is the block that records are being added to.
type builder struct {
	block
	known  [columns]map[string]int
	last   [columns]int      // the code given last
	header event.Header      // of the line that is read
	newest eventstore.Stored // the last commit
}

func newBuilder() *builder {
	b := &builder{}
	b.times.width = 8
	for c := range columns {
		b.codes[c].width = 2
		b.known[c] = map[string]int{}
	}
	return b
}

// room reports whether a commit of so many records still fits.
func (b *builder) room(records int) bool {
	return b.records == 0 || b.records < blockRecords && b.records+records <= maxRecords
}

// add takes a commit. After an error the builder must not be used further.
func (b *builder) add(c *eventstore.Stored) error {
	if len(c.Lines) > maxRecords {
		return fmt.Errorf("sequence %d: %d records in one commit", c.Seq, len(c.Lines))
	}
	if b.records == 0 {
		b.first, b.firstSeq = c.First, c.Seq
	}
	h := &b.header
	for i, line := range c.Lines {
		if err := event.ParseHeader(line, h); err != nil {
			return fmt.Errorf("sequence %d line %d: %w", c.Seq, i, err)
		}
		if h.N != b.next() {
			return fmt.Errorf("sequence %d line %d: n=%d where %d follows", c.Seq, i, h.N, b.next())
		}
		if h.At < 0 {
			return fmt.Errorf("sequence %d line %d: a time before 1970", c.Seq, i)
		}
		b.addRecord(h)
	}
	b.commits = append(b.commits, uint32(len(c.Lines)))
	b.newest = *c
	return nil
}

func (b *builder) addRecord(h *event.Header) {
	if b.records == 0 || h.At < b.earliest {
		b.earliest = h.At
	}
	b.latest = max(b.latest, h.At)
	b.times.append(uint64(h.At))
	var id [16]byte
	if parseUUID(h.Request, &id) {
		h.Request = nil
	}
	b.requests = append(b.requests, id[:]...)
	for c, value := range [columns][]byte{
		colOp: h.Op, colWho: h.Who, colVia: h.Via, colSource: h.Source, colAgent: h.Agent, colOutcome: h.Outcome,
		colMessage: h.Message, colResources: h.Resources, colRequest: h.Request,
	} {
		b.codes[c].append(uint64(b.codeOf(column(c), value)))
	}
	b.records++
}

func (b *builder) codeOf(c column, value []byte) int {
	if value == nil {
		return 0
	}
	if last := b.last[c]; last > 0 && b.values[c][last-1] == string(value) { // mostly
		return last
	}
	code, ok := b.known[c][string(value)]
	if !ok {
		b.values[c] = append(b.values[c], string(value))
		code = len(b.values[c])
		b.known[c][b.values[c][code-1]] = code
	}
	b.last[c] = code
	return code
}

// fingerprint tells a commit from what another log has at the same sequence.
func fingerprint(c *eventstore.Stored) [32]byte {
	h := sha256.New()
	for _, line := range c.Lines {
		h.Write(line)
		h.Write([]byte{'\n'})
	}
	return [32]byte(h.Sum(nil))
}

var errDamaged = errors.New("audit: the database is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const blockVersion = 1

// encode gives the block as bytes: numbers as narrow as they can be, each part
// with its length, and a checksum over all.
func (b *block) encode() []byte {
	times := packed{width: 8}
	for i := range b.records {
		times.append(uint64(b.at(i) - b.earliest))
	}
	out := []byte{blockVersion}
	for _, v := range []uint64{b.first, uint64(b.records), b.firstSeq, uint64(b.earliest), uint64(b.latest), uint64(len(b.commits))} {
		out = binary.AppendUvarint(out, v)
	}
	for _, n := range b.commits {
		out = binary.AppendUvarint(out, uint64(n))
	}
	out = append(out, b.end[:]...)
	out = appendPacked(out, times.pack())
	out = append(out, b.requests...)
	for c := range columns {
		out = appendPacked(out, b.codes[c].pack())
		out = binary.AppendUvarint(out, uint64(len(b.values[c])))
		for _, v := range b.values[c] {
			out = binary.AppendUvarint(out, uint64(len(v)))
			out = append(out, v...)
		}
	}
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

func appendPacked(dst []byte, p packed) []byte {
	return append(append(dst, byte(p.width)), p.bytes...)
}

// decodeBlock reads what encode wrote, and keeps parts of it.
func decodeBlock(raw []byte) (*block, error) {
	if len(raw) < 5 || crc32.Checksum(raw[:len(raw)-4], castagnoli) != binary.LittleEndian.Uint32(raw[len(raw)-4:]) {
		return nil, fmt.Errorf("%w: a block has another checksum than it was written with", errDamaged)
	}
	r := &reader{b: raw[1 : len(raw)-4], text: string(raw[:len(raw)-4])}
	if raw[0] != blockVersion {
		return nil, fmt.Errorf("%w: a block of version %d", errDamaged, raw[0])
	}
	b := &block{first: r.uvarint(), records: int(r.uvarint()), firstSeq: r.uvarint(), earliest: int64(r.uvarint()), latest: int64(r.uvarint())}
	b.base = b.earliest
	commits := r.uvarint()
	if b.records < 0 || b.records > maxRecords+blockRecords || commits > uint64(len(r.b)) {
		return nil, fmt.Errorf("%w: a block of %d records", errDamaged, b.records)
	}
	b.commits = make([]uint32, commits)
	for i := range b.commits {
		b.commits[i] = uint32(r.uvarint())
	}
	copy(b.end[:], r.take(len(b.end)))
	b.times = r.packed(b.records)
	b.requests = r.take(16 * b.records)
	for c := range columns {
		b.codes[c] = r.packed(b.records)
		n := r.uvarint()
		if n > uint64(len(r.b)) {
			r.failed = true
			break
		}
		b.values[c] = make([]string, n)
		for i := range b.values[c] {
			b.values[c][i] = r.string(int(r.uvarint()))
		}
	}
	if r.failed || len(r.b) != 0 || !b.sound() {
		return nil, fmt.Errorf("%w: a block is not well formed", errDamaged)
	}
	return b, nil
}

// sound reports whether the block's parts agree, so that no reader can step out
// of them.
func (b *block) sound() bool {
	var records uint64
	for _, n := range b.commits {
		records += uint64(n)
	}
	if records != uint64(b.records) {
		return false
	}
	for c := range columns {
		if b.codes[c].most() > uint64(len(b.values[c])) {
			return false
		}
	}
	return true
}

// reader takes bytes apart; once it has failed it gives nothing.
type reader struct {
	b      []byte
	text   string // the same bytes and those before them: strings share its memory
	failed bool
}

func (r *reader) string(n int) string {
	if n < 0 || n > len(r.b) {
		r.failed, r.b = true, nil
		return ""
	}
	start := len(r.text) - len(r.b)
	r.b = r.b[n:]
	return r.text[start : start+n]
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
