package envelope

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/keytrail/keytrail/domain/secretbytes"
)

const (
	sealVersion = 1
	rootIDSize  = 16
	sealPrefix  = 1 + rootIDSize

	// SealOverhead is how much longer a sealed string is than its plaintext:
	// 57 bytes.
	SealOverhead = sealPrefix + xaesNonceSize + tagSize
)

// RootKey is the top of the ladder: 32 bytes that the operator keeps and that
// seal everything at rest. It is safe for concurrent use, refuses to be
// printed, and holds its bytes in locked memory where the system permits (see
// lockedMemory).
type RootKey struct {
	secretbytes.Unprintable
	id      [rootIDSize]byte
	sealing atomic.Pointer[xaes] // nil once destroyed

	mu      sync.RWMutex
	raw     lockedKey
	cleanup runtime.Cleanup
}

// NewRootKey copies b, which must have 32 bytes. Wiping b is left to the
// caller.
func NewRootKey(b []byte) (*RootKey, error) {
	if len(b) != keySize {
		return nil, fmt.Errorf("root key: %w, not %d", ErrKeySize, len(b))
	}
	r := &RootKey{}
	cell := lockedKeys.take()
	copy(cell[:], b)
	r.raw.Store(cell)
	r.cleanup = runtime.AddCleanup(r, lockedKeys.give, cell)
	digest := commitment("keytrail root key id v1", cell)
	copy(r.id[:], digest[:])

	key, err := r.Derive("seal v1")
	if err != nil {
		return nil, err
	}
	defer key.Zero()
	sealing, err := newXAES(key.Expose())
	if err != nil {
		return nil, err
	}
	r.sealing.Store(sealing)
	return r, nil
}

// ID is the public name of the root key: 32 hexadecimal digits, a hash that
// tells nothing of the key. It remains after Destroy.
func (r *RootKey) ID() string { return hex.EncodeToString(r.id[:]) }

// Seal encrypts plaintext for one purpose and one place. The result is
// SealOverhead bytes longer: version (1) || root key id (16) || nonce (24) ||
// ciphertext || tag (16). purpose and aad are authenticated and must be given
// again to Open; purpose is a constant of the caller's package, and aad says
// which thing of that kind it is.
func (r *RootKey) Seal(entropy io.Reader, purpose string, aad, plaintext []byte) ([]byte, error) {
	sealing := r.sealing.Load()
	if sealing == nil {
		return nil, fmt.Errorf("root key: seal: %w", ErrDestroyed)
	}
	s := getScratch()
	defer s.release()
	out := make([]byte, 0, SealOverhead+len(plaintext))
	out = append(out, sealVersion)
	out = append(out, r.id[:]...)
	s.aad = sealAAD(s.aad, out, purpose, aad)
	out, err := sealing.seal(out, s, entropy, plaintext)
	if err != nil {
		return nil, fmt.Errorf("root key: seal: %w", err)
	}
	return out, nil
}

// Open is the inverse of Seal. Its errors are ErrWrongRootKey, ErrDamagedSeal
// and ErrDestroyed. The caller wipes the plaintext.
func (r *RootKey) Open(purpose string, aad, sealed []byte) ([]byte, error) {
	sealing := r.sealing.Load()
	if sealing == nil {
		return nil, fmt.Errorf("root key: open: %w", ErrDestroyed)
	}
	if len(sealed) < SealOverhead || sealed[0] != sealVersion {
		return nil, fmt.Errorf("root key: open: %w", ErrDamagedSeal)
	}
	if [rootIDSize]byte(sealed[1:]) != r.id {
		return nil, fmt.Errorf("root key: open: %w (%x, not %x)", ErrWrongRootKey, sealed[1:sealPrefix], r.id)
	}
	s := getScratch()
	defer s.release()
	s.aad = sealAAD(s.aad, sealed[:sealPrefix], purpose, aad)
	plaintext, ok, err := sealing.open(nil, s, sealed[sealPrefix:])
	switch {
	case err != nil:
		return nil, fmt.Errorf("root key: open: %w", err)
	case !ok:
		return nil, fmt.Errorf("root key: open: %w", ErrDamagedSeal)
	}
	return plaintext, nil
}

// SealedUnder reports whether sealed names r as its root key, by its header
// alone: what tells a rotation of the root key which entries are left.
func (r *RootKey) SealedUnder(sealed []byte) bool {
	return len(sealed) >= SealOverhead && sealed[0] == sealVersion && [rootIDSize]byte(sealed[1:]) == r.id
}

// Derive gives the key of one purpose (HKDF-SHA-256). Keys of different
// purposes tell nothing of each other or of the root key. The caller wipes it.
func (r *RootKey) Derive(purpose string) (secretbytes.Key32, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	raw := r.raw.Load()
	if raw == nil {
		return secretbytes.Key32{}, fmt.Errorf("root key: derive: %w", ErrDestroyed)
	}
	b, err := hkdf.Key(sha256.New, raw[:], nil, "keytrail derived key: "+purpose, keySize)
	if err != nil {
		return secretbytes.Key32{}, fmt.Errorf("root key: derive: %w", err)
	}
	defer clear(b)
	return secretbytes.NewKey32(b)
}

// Destroy wipes the key. Calls that are under way may finish; later ones
// return ErrDestroyed. It may be called again.
func (r *RootKey) Destroy() {
	r.sealing.Store(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	if raw := r.raw.Swap(nil); raw != nil {
		r.cleanup.Stop()
		lockedKeys.give(raw)
	}
}

// sealAAD: purpose is length-prefixed, so no aad can imitate another purpose.
func sealAAD(dst, prefix []byte, purpose string, aad []byte) []byte {
	dst = append(dst, prefix...)
	dst = appendLengthPrefixed(dst, purpose)
	return append(dst, aad...)
}

// commitment is a hash of a key that names it in public. The key has 256 bits
// of entropy, so its hash under a label used for nothing else reveals nothing.
func commitment(label string, key *[keySize]byte) [sha256.Size]byte {
	buf := make([]byte, 0, 64)
	buf = appendLengthPrefixed(buf, label)
	buf = append(buf, key[:]...)
	defer clear(buf)
	return sha256.Sum256(buf)
}
