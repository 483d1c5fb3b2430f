package envelope

import (
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/keytrail/keytrail/domain/secretbytes"
)

// purposeMaterial separates sealed key material from all else a root key seals.
const purposeMaterial = "key material v1"

// SealedMaterialSize is the length of what SealUnder returns, in bytes: 89.
const SealedMaterialSize = SealOverhead + keySize

// Material is the symmetric key material of one KMS key, or of one rotation of
// it. It is safe for concurrent use and refuses to be printed. Its bytes lie
// in locked memory where the system permits; the AES key schedule that is
// cached for speed lies in ordinary memory (see lockedMemory).
type Material struct {
	secretbytes.Unprintable
	id     [32]byte
	cipher atomic.Pointer[xaes] // nil once destroyed

	mu      sync.RWMutex
	raw     lockedKey
	cleanup runtime.Cleanup
}

// NewMaterial makes key material of 32 bytes of entropy.
func NewMaterial(entropy io.Reader) (*Material, error) {
	m := allocMaterial()
	if _, err := io.ReadFull(entropy, m.raw.Load()[:]); err != nil {
		m.Destroy()
		return nil, fmt.Errorf("new key material: %w", err)
	}
	return m.ready()
}

// OpenMaterial opens what SealUnder made for the same key id. Its errors are
// those of RootKey.Open. That the ID is the one expected is for the caller to
// check.
func OpenMaterial(root *RootKey, keyID [16]byte, sealed []byte) (*Material, error) {
	b, err := root.Open(purposeMaterial, keyID[:], sealed)
	if err != nil {
		return nil, fmt.Errorf("open key material: %w", err)
	}
	defer clear(b)
	if len(b) != keySize {
		return nil, fmt.Errorf("open key material: %w", ErrKeySize)
	}
	m := allocMaterial()
	copy(m.raw.Load()[:], b)
	return m.ready()
}

func allocMaterial() *Material {
	m := &Material{}
	cell := lockedKeys.take()
	m.raw.Store(cell)
	// A material that is dropped and not destroyed is wiped by the collector.
	m.cleanup = runtime.AddCleanup(m, lockedKeys.give, cell)
	return m
}

// ready computes what depends on the raw bytes.
func (m *Material) ready() (*Material, error) {
	x, err := newXAES(m.raw.Load())
	if err != nil {
		m.Destroy()
		return nil, err
	}
	m.id = commitment("keytrail key material id v1", m.raw.Load())
	m.cipher.Store(x)
	return m, nil
}

// ID names the material in public (KMS shows it as 64 hexadecimal digits) and
// commits to it: a hash that tells nothing of the key. It remains after
// Destroy.
func (m *Material) ID() [32]byte { return m.id }

// SealUnder seals the material for rest, SealedMaterialSize bytes; it opens
// for the same key id only.
func (m *Material) SealUnder(root *RootKey, entropy io.Reader, keyID [16]byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	raw := m.raw.Load()
	if raw == nil {
		return nil, fmt.Errorf("seal key material: %w", ErrDestroyed)
	}
	sealed, err := root.Seal(entropy, purposeMaterial, keyID[:], raw[:])
	if err != nil {
		return nil, fmt.Errorf("seal key material: %w", err)
	}
	return sealed, nil
}

// Destroy wipes the material. Calls that are under way may finish; later ones
// return ErrDestroyed. It may be called again.
func (m *Material) Destroy() {
	m.cipher.Store(nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	if raw := m.raw.Swap(nil); raw != nil {
		m.cleanup.Stop()
		lockedKeys.give(raw)
	}
}
