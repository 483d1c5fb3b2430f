// Package secretbytes holds bytes that refuse to be printed.
//
// A value of this package can be passed around, compared and wiped, but every
// road by which Go turns a value into text ends in "[secret]" or in an error.
// The bytes themselves come out through Expose alone, so that one search for
// that word finds every place that sees a plaintext.
//
// The room is for the holders only. It has no cryptography, no encoding, no
// source of randomness, and it imports nothing of Keytrail.
package secretbytes

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
)

// KeySize is the length of a Key32 in bytes.
const KeySize = 32

// ErrKeySize reports bytes that are not KeySize long.
var ErrKeySize = errors.New("secretbytes: a key has 32 bytes")

// Key32 is a 256-bit secret. The zero value is empty and holds no key.
//
// Copies of a Key32 share one array: Zero on any of them wipes all. A Key32 is
// not safe for use concurrent with its Zero. It cannot be compared with ==.
type Key32 struct {
	Unprintable
	_ [0]func()
	p **[KeySize]byte // see hidden
}

// NewKey32 copies b, which must have 32 bytes. Wiping b is left to the caller.
func NewKey32(b []byte) (Key32, error) {
	if len(b) != KeySize {
		return Key32{}, fmt.Errorf("%w, not %d", ErrKeySize, len(b))
	}
	k := Key32{p: hide[[KeySize]byte]()}
	copy(k.Expose()[:], b)
	return k, nil
}

// ReadKey32 takes the next 32 bytes of entropy as a key.
func ReadKey32(entropy io.Reader) (Key32, error) {
	k := Key32{p: hide[[KeySize]byte]()}
	if _, err := io.ReadFull(entropy, k.Expose()[:]); err != nil {
		k.Zero()
		return Key32{}, fmt.Errorf("secretbytes: read key: %w", err)
	}
	return k, nil
}

// Expose gives the key itself, shared and not copied; nil if k is empty.
func (k Key32) Expose() *[KeySize]byte {
	if k.p == nil {
		return nil
	}
	return *k.p
}

// IsEmpty reports whether k is the zero value, which holds no key.
func (k Key32) IsEmpty() bool { return k.p == nil }

// Equal compares in constant time. Empty keys are equal to each other only.
func (k Key32) Equal(other Key32) bool {
	if k.p == nil || other.p == nil {
		return k.p == other.p
	}
	return subtle.ConstantTimeCompare((*k.p)[:], (*other.p)[:]) == 1
}

// Zero overwrites the key, and that of every copy of k, with zeros.
func (k Key32) Zero() {
	if k.p != nil {
		clear((*k.p)[:])
	}
}

// Bytes is a secret of any length. The zero value is empty.
//
// Copies of a Bytes share one buffer: Zero on any of them wipes all. A Bytes
// is not safe for use concurrent with its Zero. It cannot be compared with ==.
type Bytes struct {
	Unprintable
	_ [0]func()
	p **[]byte // see hidden
}

// NewBytes copies b. Wiping b is left to the caller.
func NewBytes(b []byte) Bytes { return Own(append([]byte(nil), b...)) }

// Own wraps b itself, without a copy; the caller must not use b any more.
func Own(b []byte) Bytes {
	s := Bytes{p: hide[[]byte]()}
	**s.p = b
	return s
}

// Expose gives the secret itself, shared and not copied; nil if b is empty or
// has been wiped.
func (b Bytes) Expose() []byte {
	if b.p == nil {
		return nil
	}
	return **b.p
}

// Len is the length of the secret in bytes.
func (b Bytes) Len() int { return len(b.Expose()) }

// Equal compares in constant time for secrets of the same length. The lengths
// are not secret.
func (b Bytes) Equal(other Bytes) bool {
	return subtle.ConstantTimeCompare(b.Expose(), other.Expose()) == 1
}

// Zero overwrites the secret, up to its capacity, and leaves b and every copy
// of it empty.
func (b Bytes) Zero() {
	if b.p == nil {
		return
	}
	held := *b.p
	clear((*held)[:cap(*held)])
	*held = nil
}
