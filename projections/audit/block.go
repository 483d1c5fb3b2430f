package audit

import (
	"fmt"
	"math"
	"sort"
)

// Size of a block. It ends with the commit that fills it, or with the one that
// takes its values over a bound; maxRecords keeps codes within 16 bits also when
// that commit is a large one.
//
// A block is small enough to be filled in memory and to be read again from the log
// after a start (some 0.1 s), and large enough that what callers, keys and secrets
// are is read once for many records: a question about one caller of a million
// records reads thirty blocks.
const (
	blockRecords = 32 << 10
	blockBytes   = 16 << 20 // of values
	maxRecords   = math.MaxUint16
)

// part is a piece of a block that is stored and read by itself: a question reads
// the parts that it is about. The first are columns, members of a record that the
// block keeps. Most columns take few values in one block: the values are kept
// once, as the log has them, and the records as codes.
type part int

const (
	colOp part = iota
	colWho
	colVia
	colSource
	colAgent
	colOutcome
	colMessage
	colResources
	colRequest // of requests whose id is no UUID
	columns

	partUUIDs   part = iota - 1 // the ids of all requests, 16 bytes each
	partTimes                   // microseconds since the base of the block
	partCommits                 // which records stand in which commit
	partFilter                  // what the block can be asked for
	parts
)

// content is what a part holds. It is shared by those who read it, and grows at
// the ends of its slices at most: what was read from a copy stays true.
type content struct {
	codes  packed   // of a column, 0 = absent; the numbers of partTimes
	values []string // of a column, JSON; a code is one more than an index
	starts []uint32 // of partCommits: the first record of each, by its place in the block
	bytes  []byte   // of partUUIDs, partFilter
	end    [32]byte // of partCommits: the fingerprint of the last commit
	size   int      // of it all in memory, about
}

// summary is what is known of a block without reading any of its parts.
type summary struct {
	first, records    uint64 // n of the first record
	firstSeq, lastSeq uint64 // sequences of its commits, which follow without a gap
	earliest, latest  int64  // microseconds since the Unix epoch
}

func (s *summary) next() uint64 { return s.first + s.records }

// block is consecutive records, column by column. It is read by one goroutine.
type block struct {
	summary
	base int64 // what partTimes counts from
	held [parts]*content
	load func(part) (*content, error) // what is not held; nil: all is
}

func (b *block) part(p part) (*content, error) {
	if b.held[p] == nil {
		c, err := b.load(p)
		if err != nil {
			return nil, err
		}
		b.held[p] = c
	}
	return b.held[p], nil
}

// value is a member of the i-th record as JSON, "" if it is absent.
func (b *block) value(c part, i int) (string, error) {
	column, err := b.part(c)
	if err != nil {
		return "", err
	}
	return column.value(int(column.codes.at(i))), nil
}

// value is what a code stands for, "" if for nothing.
func (c *content) value(code int) string {
	if code == 0 {
		return ""
	}
	return c.values[code-1]
}

// at is the time of the i-th record, microseconds since the Unix epoch.
func (b *block) at(i int) (int64, error) {
	times, err := b.part(partTimes)
	if err != nil {
		return 0, err
	}
	return b.base + int64(times.codes.at(i)), nil
}

// requestID is the request id of the i-th record as text.
func (b *block) requestID(i int) (string, error) {
	value, err := b.value(colRequest, i)
	if err != nil || value != "" {
		return text(value), err
	}
	ids, err := b.part(partUUIDs)
	if err != nil {
		return "", err
	}
	return formatUUID(ids.bytes[16*i : 16*i+16]), nil
}

// place is the sequence of the commit that holds the i-th record, and the index of
// the record's line in it.
func (b *block) place(i int) (seq uint64, line int, err error) {
	commits, err := b.part(partCommits)
	if err != nil {
		return 0, 0, err
	}
	after := sort.Search(len(commits.starts), func(c int) bool { return int(commits.starts[c]) > i })
	if after == 0 {
		return 0, 0, fmt.Errorf("%w: no commit has record %d of the block of n=%d", errDamaged, i, b.first)
	}
	return b.firstSeq + uint64(after) - 1, i - int(commits.starts[after-1]), nil
}
