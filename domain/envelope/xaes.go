package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"sync"
)

const (
	xaesNonceSize = 24
	tagSize       = 16
)

// xaes is XAES-256-GCM (https://c2sp.org/XAES-256-GCM) under one key: AES-256
// in GCM, with a key derived from the first half of the nonce by the counter
// KDF of SP 800-108 over CMAC, and the second half as the GCM nonce.
//
// What does not depend on the nonce is computed once: the key schedule, and
// the CMAC subkey K1. It is safe for concurrent use.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
}

func newXAES(key *[keySize]byte) (*xaes, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	x := &xaes{block: block}
	l := x.k1[:]
	block.Encrypt(l, l)
	// K1 is L doubled in GF(2^128), without a branch on its secret top bit.
	carry := l[0] >> 7
	for i := range len(l) - 1 {
		l[i] = l[i]<<1 | l[i+1]>>7
	}
	l[len(l)-1] = l[len(l)-1]<<1 ^ carry*0b10000111
	return x, nil
}

// scratch is what one message needs besides its output: pooled, for the
// cipher interfaces make the compiler move all of it to the heap.
type scratch struct {
	block [aes.BlockSize]byte
	key   [keySize]byte
	aad   []byte
}

var scratches = sync.Pool{New: func() any { return &scratch{aad: make([]byte, 0, 512)} }}

// maxPooledAAD keeps one large encryption context from staying in the pool.
const maxPooledAAD = 16 << 10

func getScratch() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) release() {
	clear(s.key[:])
	if cap(s.aad) > maxPooledAAD {
		s.aad = make([]byte, 0, 512)
	}
	s.aad = s.aad[:0]
	scratches.Put(s)
}

// message is the AES-256-GCM of the one message with this nonce.
func (x *xaes) message(s *scratch, nonce []byte) (cipher.AEAD, error) {
	for i := range byte(2) {
		// The counter i+1 in two bytes, the label "X", a zero, the context.
		s.block = [aes.BlockSize]byte{0, i + 1, 'X', 0}
		copy(s.block[4:], nonce[:12])
		for j := range s.block {
			s.block[j] ^= x.k1[j]
		}
		x.block.Encrypt(s.key[int(i)*aes.BlockSize:], s.block[:])
	}
	return newGCM(&s.key)
}

func newGCM(key *[keySize]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	return aead, nil
}

// seal appends nonce || ciphertext || tag to dst, the nonce fresh from
// entropy and the additional data in s.aad.
func (x *xaes) seal(dst []byte, s *scratch, entropy io.Reader, plaintext []byte) ([]byte, error) {
	dst, nonce, err := appendNonce(dst, entropy, xaesNonceSize)
	if err != nil {
		return nil, err
	}
	aead, err := x.message(s, nonce)
	if err != nil {
		return nil, err
	}
	return aead.Seal(dst, nonce[12:], plaintext, s.aad), nil
}

// open appends the plaintext of nonce || ciphertext || tag to dst. The second
// result is false if it does not authenticate with s.aad.
func (x *xaes) open(dst []byte, s *scratch, sealed []byte) ([]byte, bool, error) {
	if len(sealed) < xaesNonceSize+tagSize {
		return nil, false, nil
	}
	nonce, ciphertext := sealed[:xaesNonceSize], sealed[xaesNonceSize:]
	aead, err := x.message(s, nonce)
	if err != nil {
		return nil, false, err
	}
	out, err := aead.Open(dst, nonce[12:], ciphertext, s.aad)
	return out, err == nil, nil
}

// appendNonce reads the nonce straight into dst, where it is stored.
func appendNonce(dst []byte, entropy io.Reader, size int) (_, nonce []byte, err error) {
	at := len(dst)
	for range size {
		dst = append(dst, 0)
	}
	nonce = dst[at:]
	if _, err := io.ReadFull(entropy, nonce); err != nil {
		return nil, nil, fmt.Errorf("envelope: read nonce: %w", err)
	}
	return dst, nonce, nil
}
