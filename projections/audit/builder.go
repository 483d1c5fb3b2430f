package audit

import (
	"crypto/sha256"
	"fmt"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/eventstore"
)

// builder is the block that records are being added to.
type builder struct {
	summary
	contents [parts]content // but partFilter, which is made of the full block
	known    [columns]map[string]int
	last     [columns]int // the code given last
	weight   int          // bytes of values
	header   event.Header // of the line that is read
}

func newBuilder() *builder {
	b := &builder{}
	b.contents[partTimes].codes.width = 8
	for c := range columns {
		b.contents[c].codes.width = 2
		b.known[c] = map[string]int{}
	}
	return b
}

// block is the block as it stands. What the builder does later does not change it.
func (b *builder) block() *block {
	now := b.contents
	out := &block{summary: b.summary}
	for p := range parts {
		out.held[p] = &now[p]
	}
	return out
}

// live is the block that grows with the builder, for who adds to it and reads it in
// turn. Its summary stays as it is.
func (b *builder) live() *block {
	out := &block{summary: b.summary}
	for p := range parts {
		out.held[p] = &b.contents[p]
	}
	return out
}

// room reports whether a commit of so many records still belongs into a block that
// is full with a number of them.
func (b *builder) room(records, full int) bool {
	have := int(b.records)
	return have == 0 || have < full && have+records <= maxRecords && b.weight < blockBytes
}

// add takes a commit. After an error the builder must not be used further.
func (b *builder) add(c *eventstore.Stored) error {
	if len(c.Lines) > maxRecords {
		return fmt.Errorf("sequence %d: %d records in one commit", c.Seq, len(c.Lines))
	}
	if b.records == 0 {
		b.first, b.firstSeq = c.First, c.Seq
	}
	commits := &b.contents[partCommits]
	commits.starts = append(commits.starts, uint32(b.records))
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
	b.lastSeq = c.Seq
	return nil
}

func (b *builder) addRecord(h *event.Header) {
	if b.records == 0 || h.At < b.earliest {
		b.earliest = h.At
	}
	b.latest = max(b.latest, h.At)
	b.contents[partTimes].codes.append(uint64(h.At))
	var id [16]byte
	if parseUUID(h.Request, &id) {
		h.Request = nil
	}
	ids := &b.contents[partUUIDs]
	ids.bytes = append(ids.bytes, id[:]...)
	for c, value := range [columns][]byte{
		colOp: h.Op, colWho: h.Who, colVia: h.Via, colSource: h.Source, colAgent: h.Agent, colOutcome: h.Outcome,
		colMessage: h.Message, colResources: h.Resources, colRequest: h.Request,
	} {
		b.contents[c].codes.append(uint64(b.codeOf(part(c), value)))
	}
	b.records++
}

func (b *builder) codeOf(c part, value []byte) int {
	if value == nil {
		return 0
	}
	column := &b.contents[c]
	if last := b.last[c]; last > 0 && column.values[last-1] == string(value) { // mostly
		return last
	}
	code, ok := b.known[c][string(value)]
	if !ok {
		own := string(value)
		column.values = append(column.values, own)
		code = len(column.values)
		b.known[c][own] = code
		b.weight += len(own)
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
