package engine

import (
	"sync"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore/keyring"
)

// keys reads the keyring for the domain. It keeps key material open once it has
// been used; data keys are never kept. What is staged is visible before it is on
// disk: calls of the same cycle build on each other, and fail together.
type keys struct {
	root *envelope.RootKey

	mu     sync.RWMutex
	ring   keyring.Ring
	open   map[string]*envelope.Material
	stages map[string][]byte
}

func newKeys(root *envelope.RootKey) *keys {
	return &keys{root: root, open: map[string]*envelope.Material{}, stages: map[string][]byte{}}
}

// ringNow is the keyring of this epoch.
func (k *keys) ringNow() keyring.Ring {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ring
}

// Material implements vault.Keys.
func (k *keys) Material(ring string, key [16]byte) (*envelope.Material, error) {
	k.mu.RLock()
	m := k.open[ring]
	k.mu.RUnlock()
	if m != nil {
		return m, nil
	}
	sealed, err := k.Sealed(ring)
	if err != nil {
		return nil, err
	}
	m, err = envelope.OpenMaterial(k.root, key, sealed)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if first := k.open[ring]; first != nil {
		m.Destroy()
		return first, nil
	}
	k.open[ring] = m
	return m, nil
}

// Sealed implements vault.Keys.
func (k *keys) Sealed(ring string) ([]byte, error) {
	k.mu.RLock()
	sealed, staged := k.stages[ring]
	kept := k.ring
	k.mu.RUnlock()
	if staged {
		return sealed, nil
	}
	if kept == nil {
		return nil, keyring.ErrClosed
	}
	return kept.Get(ring)
}

// stage shows entries that Prepare will write.
func (k *keys) stage(seals []vault.Seal) {
	if len(seals) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range seals {
		k.stages[s.Ring] = s.Sealed
	}
}

// staged tells that every staged entry is in the keyring now.
func (k *keys) staged() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.stages)
}

// forget drops and zeroes opened material. The caller holds the engine's write
// lock, so that no use is being decided with it.
func (k *keys) forget(rings []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, ring := range rings {
		if m := k.open[ring]; m != nil {
			m.Destroy()
			delete(k.open, ring)
		}
	}
}

// reset drops everything, for a new epoch with its view of the keyring or, with
// nil, for the end. The caller holds the engine's write lock, as for forget.
func (k *keys) reset(ring keyring.Ring) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.open {
		m.Destroy()
	}
	clear(k.open)
	clear(k.stages)
	before := k.ring
	if k.ring = ring; before != nil {
		return before.Close()
	}
	return nil
}
