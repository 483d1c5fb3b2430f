// Package envelope is the ladder of keys and the formats of what they seal:
//
//	root key  --Seal-->     key material of a KMS key, secret access keys
//	material  --Encrypt-->  data keys and everything else a caller of KMS encrypts
//	data key  --SealValue-> one value of one secret
//
// A root key and a KMS key see messages without number, so both seal with
// XAES-256-GCM, whose 192-bit nonce may be drawn at random for 2^80 messages;
// AES-256-GCM alone ends at 2^32. A data key sees one message, and AES-256-GCM
// is enough for it.
//
// GCM does not commit to its key. The formats do: a sealed string names its
// root key, a blob its key material, by a hash of the key itself, and opening
// checks that name first. No string opens under two keys.
//
// RootKey.Seal takes any bytes, so the private half of an asymmetric KMS key
// will be sealed by it as a PKCS #8 document under a purpose of its own,
// beside Material and not inside it.
//
// The room is for keys and ciphertext formats over the primitives of the
// standard library. Whose key it is, who may use it and when are decided
// above; nothing here reads a clock, and entropy is always an argument.
package envelope

import "errors"

var (
	// ErrWrongRootKey: the bytes were sealed under another root key.
	ErrWrongRootKey = errors.New("envelope: sealed under another root key")

	// ErrDamagedSeal: the bytes name this root key and do not open under it:
	// damaged, or sealed for another purpose or with other additional data.
	ErrDamagedSeal = errors.New("envelope: sealed bytes are damaged or belong elsewhere")

	// ErrInvalidCiphertext: a blob or sealed value does not open: damaged, or
	// made with another encryption context or another key.
	ErrInvalidCiphertext = errors.New("envelope: invalid ciphertext")

	// ErrMalformedBlob: not the shape of a blob at all. It is also an
	// ErrInvalidCiphertext, as callers of KMS are told no difference.
	ErrMalformedBlob error = malformedBlob{}

	// ErrPlaintextSize: Encrypt takes 1 to MaxPlaintext bytes.
	ErrPlaintextSize = errors.New("envelope: plaintext must have 1 to 4096 bytes")

	// ErrDestroyed: the key was used after its Destroy.
	ErrDestroyed = errors.New("envelope: key is destroyed")

	// ErrKeySize: a key has 32 bytes.
	ErrKeySize = errors.New("envelope: a key has 32 bytes")
)

type malformedBlob struct{}

func (malformedBlob) Error() string        { return "envelope: malformed ciphertext blob" }
func (malformedBlob) Is(target error) bool { return target == ErrInvalidCiphertext }

// keySize is the size of every key of this package: AES-256.
const keySize = 32
