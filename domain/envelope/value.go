package envelope

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	valueVersion   = 1
	valueNonceSize = 12

	// ValueOverhead is how much longer a sealed value is than the value: 29
	// bytes.
	ValueOverhead = 1 + valueNonceSize + tagSize
)

var errNoDataKey = errors.New("envelope: no data key")

// SealValue appends to dst version (1) || nonce (12) || ciphertext || tag (16)
// of plaintext, under a data key made for this one value: AES-256-GCM with a
// random nonce. aad says which value it is and is authenticated. plaintext
// must not overlap the free capacity of dst.
func SealValue(dst []byte, entropy io.Reader, dataKey *[32]byte, aad, plaintext []byte) ([]byte, error) {
	if dataKey == nil {
		return nil, fmt.Errorf("seal value: %w", errNoDataKey)
	}
	aead, err := newGCM(dataKey)
	if err != nil {
		return nil, fmt.Errorf("seal value: %w", err)
	}
	s := getScratch()
	defer s.release()
	s.aad = append(append(s.aad, valueVersion), aad...)
	dst = append(slices.Grow(dst, ValueOverhead+len(plaintext)), valueVersion)
	dst, nonce, err := appendNonce(dst, entropy, valueNonceSize)
	if err != nil {
		return nil, fmt.Errorf("seal value: %w", err)
	}
	return aead.Seal(dst, nonce, plaintext, s.aad), nil
}

// OpenValue appends to dst the value that SealValue sealed. Anything but the
// same data key, aad and bytes is ErrInvalidCiphertext. sealed must not
// overlap the free capacity of dst. The caller wipes the value.
func OpenValue(dst []byte, dataKey *[32]byte, aad, sealed []byte) ([]byte, error) {
	if dataKey == nil {
		return nil, fmt.Errorf("open value: %w", errNoDataKey)
	}
	if len(sealed) < ValueOverhead || sealed[0] != valueVersion {
		return nil, fmt.Errorf("open value: %w", ErrInvalidCiphertext)
	}
	aead, err := newGCM(dataKey)
	if err != nil {
		return nil, fmt.Errorf("open value: %w", err)
	}
	s := getScratch()
	defer s.release()
	s.aad = append(append(s.aad, valueVersion), aad...)
	out, err := aead.Open(dst, sealed[1:1+valueNonceSize], sealed[1+valueNonceSize:], s.aad)
	if err != nil {
		return nil, fmt.Errorf("open value: %w", ErrInvalidCiphertext)
	}
	return out, nil
}
