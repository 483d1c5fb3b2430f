package envelope

import (
	"fmt"
	"io"
	"slices"
)

const (
	blobVersion = 1
	headerSize  = 1 + 16 + 16 + 32

	// BlobOverhead is how much longer a blob is than its plaintext: 105 bytes.
	BlobOverhead = headerSize + xaesNonceSize + tagSize

	// MaxPlaintext is the bound of KMS Encrypt, in bytes.
	MaxPlaintext = 4096

	// MaxBlob is the bound of KMS on a CiphertextBlob, in bytes. Blobs of
	// version 1 end earlier, at MaxPlaintext + BlobOverhead.
	MaxBlob = 6144
)

// Header is what a blob says of itself in the clear, and authenticates.
type Header struct {
	Installation [16]byte // the Keytrail that made it
	KeyID        [16]byte // the KMS key, as the bytes of its UUID
	MaterialID   [32]byte // the Material, one of those the key had
}

// ParseBlob reads the header of a ciphertext blob, whose shape is
//
//	version (1) || installation (16) || key id (16) || material id (32) ||
//	nonce (24) || ciphertext (1..4096) || tag (16)
//
// The only error is ErrMalformedBlob. What it returns is not authenticated
// until Decrypt succeeds.
func ParseBlob(blob []byte) (Header, error) {
	if len(blob) <= BlobOverhead || len(blob) > BlobOverhead+MaxPlaintext || blob[0] != blobVersion {
		return Header{}, ErrMalformedBlob
	}
	return Header{
		Installation: [16]byte(blob[1:]),
		KeyID:        [16]byte(blob[17:]),
		MaterialID:   [32]byte(blob[33:]),
	}, nil
}

func (h *Header) append(dst []byte) []byte {
	dst = append(dst, blobVersion)
	dst = append(dst, h.Installation[:]...)
	dst = append(dst, h.KeyID[:]...)
	return append(dst, h.MaterialID[:]...)
}

// Encrypt appends to dst the blob of plaintext (1 to MaxPlaintext bytes) under
// m, bound to the header and the encryption context. h.MaterialID is not read:
// a blob always names the material that made it. plaintext must not overlap
// the free capacity of dst. Errors are ErrPlaintextSize, ErrDestroyed and that
// of entropy.
func (m *Material) Encrypt(dst []byte, entropy io.Reader, h Header, context map[string]string, plaintext []byte) ([]byte, error) {
	if len(plaintext) == 0 || len(plaintext) > MaxPlaintext {
		return nil, fmt.Errorf("encrypt: %w, not %d", ErrPlaintextSize, len(plaintext))
	}
	x := m.cipher.Load()
	if x == nil {
		return nil, fmt.Errorf("encrypt: %w", ErrDestroyed)
	}
	h.MaterialID = m.id
	s := getScratch()
	defer s.release()
	s.aad = CanonicalContext(h.append(s.aad), context)
	out, err := x.seal(h.append(slices.Grow(dst, BlobOverhead+len(plaintext))), s, entropy, plaintext)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return out, nil
}

// Decrypt appends to dst the plaintext of blob. Whatever is wrong with the
// blob, and a context other than the one it was made with, is
// ErrInvalidCiphertext (ErrMalformedBlob among them); the other errors are
// ErrDestroyed. blob must not overlap the free capacity of dst. The caller
// wipes the plaintext.
func (m *Material) Decrypt(dst []byte, blob []byte, context map[string]string) ([]byte, error) {
	h, err := ParseBlob(blob)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	if h.MaterialID != m.id {
		return nil, fmt.Errorf("decrypt: %w: other key material", ErrInvalidCiphertext)
	}
	x := m.cipher.Load()
	if x == nil {
		return nil, fmt.Errorf("decrypt: %w", ErrDestroyed)
	}
	s := getScratch()
	defer s.release()
	s.aad = CanonicalContext(append(s.aad, blob[:headerSize]...), context)
	out, ok, err := x.open(dst, s, blob[headerSize:])
	switch {
	case err != nil:
		return nil, fmt.Errorf("decrypt: %w", err)
	case !ok:
		return nil, fmt.Errorf("decrypt: %w", ErrInvalidCiphertext)
	}
	return out, nil
}
