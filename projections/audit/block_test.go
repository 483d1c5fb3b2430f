package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
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

// TestBlockAsBytes: what is read back is what was written.
func TestBlockAsBytes(t *testing.T) {
	for _, records := range []int{1, 2, 255, 256, 257, 5000} {
		b := sample(t, records)
		got, err := decodeBlock(b.encode())
		if err != nil {
			t.Fatal(err)
		}
		if got.first != 100 || got.records != records || got.firstSeq != 7 || got.lastSeq() != uint64(6+records) || got.earliest != b.earliest || got.latest != b.latest {
			t.Fatalf("%d records: %+v", records, got)
		}
		for i := range records {
			if got.at(i) != b.at(i) || got.requestID(i) != b.requestID(i) {
				t.Fatalf("record %d of %d: %d %s", i, records, got.at(i), got.requestID(i))
			}
			for c := range columns {
				if got.code(c, i) != b.code(c, i) || got.code(c, i) > 0 && got.value(c, got.code(c, i)) != b.value(c, b.code(c, i)) {
					t.Fatalf("record %d of %d: column %d", i, records, c)
				}
			}
			if seq, line := got.seq(i); seq != uint64(7+i) || line != 0 {
				t.Fatalf("record %d of %d: sequence %d, line %d", i, records, seq, line)
			}
		}
	}
}

// TestFilter: what is in it is found, and little else; a changed bit is noticed.
func TestFilter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	terms := make([]uint64, 5000)
	for i := range terms {
		terms[i] = random.Uint64()
	}
	raw := newFilter(terms).encode()
	f, err := decodeFilter(bytes.Clone(raw))
	if err != nil {
		t.Fatal(err)
	}
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
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 0x10
		if _, err := decodeFilter(changed); !errors.Is(err, errDamaged) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for n := range 5 {
		if _, err := decodeFilter(raw[:n]); !errors.Is(err, errDamaged) {
			t.Fatalf("%d bytes: %v", n, err)
		}
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

// FuzzDecodeBlock: bytes that pass the checksum and are no block are refused, and
// nothing that reads a block steps out of it.
func FuzzDecodeBlock(f *testing.F) {
	for _, records := range []int{1, 3, 300} {
		raw := sample(f, records).encode()
		f.Add(raw[:len(raw)-4])
	}
	f.Add([]byte{})
	f.Add([]byte{blockVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := decodeBlock(binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli)))
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Fatal(err)
			}
			return
		}
		s := newSearch(&vaultQuery)
		x := s.in(b)
		first, end := x.part()
		for i := first; i < end; i++ {
			x.has(i)
			b.requestID(i)
			b.seq(i)
		}
		b.terms()
	})
}

// TestDecodeBlockDamage: no byte can change unnoticed.
func TestDecodeBlockDamage(t *testing.T) {
	raw := sample(t, 40).encode()
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if _, err := decodeBlock(changed); !errors.Is(err, errDamaged) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, err := decodeBlock(raw[:i]); !errors.Is(err, errDamaged) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

// TestPart: the range of a block is what the bounds of n leave of it.
func TestPart(t *testing.T) {
	b := &block{first: 100, records: 10}
	for _, tt := range []struct {
		from, to   uint64
		first, end int
	}{
		{0, math.MaxInt64, 0, 10}, {100, 109, 0, 10}, {101, 108, 1, 9}, {105, 105, 5, 6}, {109, 200, 9, 10}, {0, 100, 0, 1},
		{110, 200, 10, 10}, {0, 99, 0, 0}, {0, 0, 0, 0},
	} {
		x := &selection{search: &search{from: tt.from, to: tt.to}, b: b}
		if first, end := x.part(); first < end && (first != tt.first || end != tt.end) || first >= end && tt.first < tt.end {
			t.Errorf("%d to %d: %d, %d, want %d, %d", tt.from, tt.to, first, end, tt.first, tt.end)
		}
	}
}
