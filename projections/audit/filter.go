package audit

import "github.com/keytrail/keytrail/domain/vault"

// filter is a Bloom filter of the terms of a block: what it says is not there is
// not there. One term costs 12 bits and is found wrongly about once in 200 times.
type filter []byte

const (
	bitsPerTerm = 12
	probes      = 6
)

func newFilter(terms []uint64) filter {
	f := make(filter, max(8, (len(terms)*bitsPerTerm+7)/8))
	for _, t := range terms {
		for p := range uint64(probes) {
			bit := f.bit(t, p)
			f[bit/8] |= 1 << (bit % 8)
		}
	}
	return f
}

// has reports whether the filter may have been made of the term too.
func (f filter) has(term uint64) bool {
	for p := range uint64(probes) {
		bit := f.bit(term, p)
		if f[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
	}
	return true
}

func (f filter) bit(term, probe uint64) uint64 {
	return (term + probe*(term>>32|term<<32|1)) % (8 * uint64(len(f)))
}

// termVisible is the field of the accounts that see a record. It is none that a
// query can name.
const termVisible vault.TrailField = 0

// term is a hash of a field's value: FNV-1a, mixed so that all of its bits depend
// on all of the value. It is stored, so it never changes.
func term(field vault.TrailField, value string) uint64 {
	h := uint64(14695981039346656037)
	h = (h ^ uint64(field)) * 1099511628211
	for i := range len(value) {
		h = (h ^ uint64(value[i])) * 1099511628211
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
