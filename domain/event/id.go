package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// ID is the event id of the record n of an installation, a UUID of version 8: the
// low 48 bits of n under a mask, and bits of a hash over both. Every view derives
// the same, and it leads back to n without an index.
func ID(installation [16]byte, n uint64) string {
	mask := sha256.Sum256(append([]byte("keytrail event mask\x00"), installation[:]...))
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(append([]byte("keytrail event id\x00"), installation[:]...), n))
	var id [16]byte
	var low [8]byte
	binary.BigEndian.PutUint64(low[:], n)
	for i := range 6 {
		id[i] = low[2+i] ^ mask[i]
	}
	copy(id[6:], sum[:])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return FormatUUID(id)
}

// NumberOf is the n that ID made the id of.
func NumberOf(installation [16]byte, id string) (n uint64, ok bool) {
	b, ok := ParseUUID([]byte(id))
	if !ok {
		return 0, false
	}
	mask := sha256.Sum256(append([]byte("keytrail event mask\x00"), installation[:]...))
	for i := range 6 {
		n = n<<8 | uint64(b[i]^mask[i])
	}
	return n, ID(installation, n) == id
}

// ParseUUID reads a UUID as request ids have it: lower case, with hyphens.
// Anything else is not one.
func ParseUUID(text []byte) (id [16]byte, ok bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return id, false
	}
	var wrong byte
	for i, at := range uuidDigits {
		high, low := hexValues[text[at]], hexValues[text[at+1]]
		id[i] = high<<4 | low
		wrong |= high | low
	}
	if wrong > 15 {
		return [16]byte{}, false
	}
	return id, true
}

// uuidDigits is where the two digits of each byte stand in a UUID.
var uuidDigits = [16]uint8{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

// hexValues of the digits, in lower case; 0xff = not one.
var hexValues = func() (values [256]byte) {
	for c := range values {
		values[c] = 0xff
	}
	for i, c := range []byte(hexDigits) {
		values[c] = byte(i)
	}
	return values
}()

// FormatUUID writes a UUID as request ids have it.
func FormatUUID(id [16]byte) string {
	var s [36]byte
	hex.Encode(s[0:8], id[0:4])
	hex.Encode(s[9:13], id[4:6])
	hex.Encode(s[14:18], id[6:8])
	hex.Encode(s[19:23], id[8:10])
	hex.Encode(s[24:36], id[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
