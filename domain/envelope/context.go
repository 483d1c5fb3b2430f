package envelope

import (
	"encoding/binary"
	"slices"
)

// CanonicalContext appends the one byte string that stands for an encryption
// context in additional data: the number of pairs, then each pair in the byte
// order of its keys, every string after its length (all numbers 4 bytes, big
// endian). No two contexts have the same bytes; nil and empty are one context.
// It does not allocate for up to 16 pairs if dst has room.
func CanonicalContext(dst []byte, ctx map[string]string) []byte {
	var few [16]string
	keys := few[:0]
	for k := range ctx {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(keys)))
	for _, k := range keys {
		dst = appendLengthPrefixed(dst, k)
		dst = appendLengthPrefixed(dst, ctx[k])
	}
	return dst
}

func appendLengthPrefixed[T string | []byte](dst []byte, s T) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}
