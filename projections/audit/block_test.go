package audit

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/keytrail/keytrail/eventstore"
)

// sample is a block of some records.
func sample(t testing.TB, records int) *builder {
	t.Helper()
	b := newBuilder()
	for i := range records {
		line := fmt.Appendf(nil, `{"n":%d,"at":"2026-11-23T10:00:%02d.%06dZ","req":"%08x-0000-4000-8000-000000000000","op":"kms:Decrypt","who":{"type":"IAMUser","id":"AIDA%d"},"src":"192.0.2.%d","outcome":"ok","resources":["arn:aws:kms:us-east-1:111122223333:key/%d"]}`,
			100+i, i%60, i, i, i%300, i%7, i%11)
		c := eventstore.Stored{Commit: eventstore.Commit{First: uint64(100 + i), Lines: [][]byte{line}}, Seq: uint64(7 + i)}
		if err := b.add(&c); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// stored is a block as the database has it: each part as bytes.
func stored(b *block) (raw [parts][]byte) {
	b.held[partFilter] = &content{bytes: newFilter(b.terms())}
	for p := range parts {
		raw[p] = b.encode(p)
	}
	return raw
}

// read is a block that is read back from its parts.
func read(s summary, raw [parts][]byte) *block {
	return &block{summary: s, base: s.earliest, load: func(p part) (*content, error) { return s.decode(p, raw[p]) }}
}

// TestBlockAsBytes: what is read back is what was written.
func TestBlockAsBytes(t *testing.T) {
	for _, records := range []int{1, 2, 255, 256, 257, 5000} {
		b := sample(t, records).block()
		got := read(b.summary, stored(b))
		if got.first != 100 || got.records != uint64(records) || got.firstSeq != 7 || got.lastSeq != uint64(6+records) {
			t.Fatalf("%d records: %+v", records, got)
		}
		for i := range records {
			if one, other := must(t)(got.at(i)), must(t)(b.at(i)); one != other {
				t.Fatalf("record %d of %d: time %v, want %v", i, records, one, other)
			}
			if one, other := must(t)(got.requestID(i)), must(t)(b.requestID(i)); one != other {
				t.Fatalf("record %d of %d: request %v, want %v", i, records, one, other)
			}
			for c := range columns {
				if one, other := must(t)(got.value(c, i)), must(t)(b.value(c, i)); one != other {
					t.Fatalf("record %d of %d: column %d is %v, want %v", i, records, c, one, other)
				}
			}
			if seq, line, err := got.place(i); err != nil || seq != uint64(7+i) || line != 0 {
				t.Fatalf("record %d of %d: sequence %d, line %d: %v", i, records, seq, line, err)
			}
		}
	}
}

func must(t testing.TB) func(any, error) any {
	return func(v any, err error) any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestPlace: a record is found in its commit, however many each has.
func TestPlace(t *testing.T) {
	b := newBuilder()
	n := uint64(0)
	type at struct {
		seq  uint64
		line int
	}
	var want []at
	for seq, size := range []int{3, 1, 1, 700, 2} {
		c := eventstore.Stored{Commit: eventstore.Commit{First: n}, Seq: uint64(seq + 1)}
		for line := range size {
			c.Lines = append(c.Lines, fmt.Appendf(nil, `{"n":%d,"at":"2026-11-23T10:00:00.000000Z","op":"kms:Decrypt","who":{},"outcome":"ok"}`, n))
			want = append(want, at{c.Seq, line})
			n++
		}
		if err := b.add(&c); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []*block{b.block(), read(b.summary, stored(b.block()))} {
		for i, w := range want {
			if seq, line, err := b.place(i); err != nil || seq != w.seq || line != w.line {
				t.Fatalf("record %d: sequence %d, line %d, want %d, %d: %v", i, seq, line, w.seq, w.line, err)
			}
		}
	}
}

// TestFilter: what is in it is found, and little else.
func TestFilter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	terms := make([]uint64, 5000)
	for i := range terms {
		terms[i] = random.Uint64()
	}
	f := newFilter(terms)
	for _, term := range terms {
		if !f.has(term) {
			t.Fatalf("%x is not found", term)
		}
	}
	wrong := 0
	for range 20_000 {
		if f.has(random.Uint64()) {
			wrong++
		}
	}
	if wrong > 300 {
		t.Errorf("%d of 20,000 others are found", wrong)
	}
}

// TestTermsStay: terms are stored, so the same text has the same term for ever.
func TestTermsStay(t *testing.T) {
	if got := term(3, "kms.amazonaws.com"); got != wantTerm {
		t.Errorf("term %#x, want %#x: a change needs a new schemaVersion", got, uint64(wantTerm))
	}
}

// TestEventIDs: an id leads back to its record in its installation alone.
func TestEventIDs(t *testing.T) {
	one, two := [16]byte{1}, [16]byte{2}
	seen := map[string]uint64{}
	for _, n := range []uint64{0, 1, 2, 4095, 1 << 20, 1<<48 - 1} {
		id := eventID(one, n)
		if got, ok := recordOf(one, id); !ok || got != n {
			t.Errorf("%s leads to %d, want %d", id, got, n)
		}
		if got, ok := recordOf(two, id); ok {
			t.Errorf("%s of another installation leads to %d", id, got)
		}
		if was, ok := seen[id]; ok {
			t.Errorf("%d and %d are both %s", was, n, id)
		}
		seen[id] = n
		var raw [16]byte
		if !parseUUID([]byte(id), &raw) || raw[6]>>4 != 8 || raw[8]>>6 != 2 {
			t.Errorf("%s is no UUID of version 8", id)
		}
	}
	for _, id := range []string{"", "x", "00000000-0000-8000-8000-000000000000", eventID(one, 5)[:35] + "g", eventID(one, 1<<50)} {
		if n, ok := recordOf(one, id); ok {
			t.Errorf("%q leads to %d", id, n)
		}
	}
}

// FuzzUUID: text that is read as a UUID is written as the same text.
func FuzzUUID(f *testing.F) {
	f.Add("0b8f6f1a-3c1e-4a52-8d2e-61f0a9c4b7aa")
	f.Add(`"0b8f6f1a-3c1e-4a52-8d2e-61f0a9c4b7aa"`)
	f.Add("0B8F6F1A-3C1E-4A52-8D2E-61F0A9C4B7AA")
	f.Fuzz(func(t *testing.T, text string) {
		var id [16]byte
		if !parseUUID([]byte(text), &id) {
			return
		}
		if got := formatUUID(id[:]); got != text && `"`+got+`"` != text {
			t.Errorf("%q is read as %s", text, got)
		}
	})
}

// FuzzDecodePart: bytes that pass the checksum and are no part of the block are
// refused, and nothing that reads a block steps out of it.
func FuzzDecodePart(f *testing.F) {
	const records = 300
	b := sample(f, records).block()
	good := stored(b)
	for p, raw := range good {
		f.Add(uint8(p), raw[:len(raw)-4])
	}
	f.Add(uint8(0), []byte{})
	f.Add(uint8(colWho), []byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		raw := good
		p := part(which) % parts
		raw[p] = sealed(rowOf(b.first, p), bytes.Clone(body))
		if _, err := b.decode(p, raw[p]); err != nil {
			if !errors.Is(err, errDamaged) {
				t.Fatal(err)
			}
			return
		}
		got := read(b.summary, raw)
		if _, err := newSearch(&vaultQuery).in(got).find(); err != nil {
			t.Fatal(err)
		}
		for i := range records {
			for c := range columns {
				must(t)(got.value(c, i))
			}
			must(t)(got.at(i))
			must(t)(got.requestID(i))
			if _, line, err := got.place(i); err != nil || line < 0 || line > i {
				t.Fatalf("record %d: line %d: %v", i, line, err)
			}
		}
		must(t)(got.part(partFilter))
		got.terms()
	})
}

// TestDecodeDamage: no byte of a part can change unnoticed, nor can its place.
func TestDecodeDamage(t *testing.T) {
	b := sample(t, 40).block()
	for p, raw := range stored(b) {
		for i := range raw {
			changed := bytes.Clone(raw)
			changed[i] ^= 1
			if _, err := b.decode(part(p), changed); !errors.Is(err, errDamaged) {
				t.Fatalf("part %d, byte %d changed: %v", p, i, err)
			}
			if _, err := b.decode(part(p), raw[:i]); !errors.Is(err, errDamaged) {
				t.Fatalf("part %d, cut at %d: %v", p, i, err)
			}
		}
		if _, err := b.decode((part(p)+1)%parts, raw); !errors.Is(err, errDamaged) {
			t.Fatalf("part %d in the place of the next: %v", p, err)
		}
		other := b.summary
		other.first++
		if _, err := other.decode(part(p), raw); !errors.Is(err, errDamaged) {
			t.Fatalf("part %d in another block: %v", p, err)
		}
	}
}

// TestPart: the range of a block is what the bounds of n leave of it.
func TestPart(t *testing.T) {
	b := &block{summary: summary{first: 100, records: 10}}
	for _, tt := range []struct {
		from, to   uint64
		first, end int32
	}{
		{0, math.MaxInt64, 0, 10}, {100, 109, 0, 10}, {101, 108, 1, 9}, {105, 105, 5, 6}, {109, 200, 9, 10}, {0, 100, 0, 1},
		{110, 200, 10, 10}, {0, 99, 0, 0}, {0, 0, 0, 0},
	} {
		var want []int32
		for i := tt.first; i < tt.end; i++ {
			want = append(want, i)
		}
		x := &selection{search: &search{from: tt.from, to: tt.to}, b: b}
		if got := x.part(); !slices.Equal(got, want) {
			t.Errorf("%d to %d: %v, want %v", tt.from, tt.to, got, want)
		}
	}
}

// TestRecentBytes: what is kept of parts stays within its bound, the one that was
// asked for last stays, and another database has none of them.
func TestRecentBytes(t *testing.T) {
	var r recent
	one, other := new(sql.DB), new(sql.DB)
	for row := range int64(200) {
		r.keep(one, row, &content{size: recentBytes / 50})
		r.find(one, 0)
		if r.bytes > recentBytes || len(r.parts) > 50 || r.order.Len() != len(r.parts) {
			t.Fatalf("%d bytes of %d parts", r.bytes, len(r.parts))
		}
	}
	if r.find(one, 0) == nil || r.find(one, 199) == nil || r.find(one, 100) != nil {
		t.Error("the wrong parts are kept")
	}
	if r.find(other, 0) != nil {
		t.Error("a part of another database")
	}
	r.keep(other, 7, &content{size: 1})
	if r.find(one, 0) != nil || r.find(other, 7) == nil || r.bytes != 1 {
		t.Error("parts of two databases")
	}
}
