package key

import (
	"fmt"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/event"
)

// imported is what a key of origin EXTERNAL remembers of its imports. The first
// one fixes the material for the key's life: ciphertext that was made under it
// must open again after it was deleted and imported anew.
type imported struct {
	material string    // 64 hex digits
	validTo  time.Time // zero without material, or if it does not expire
}

// FixedMaterial is the id of the only material that can be imported into the key;
// "" before the first import and for keys that take none.
func (k *Key) FixedMaterial() string {
	if k.imported == nil {
		return ""
	}
	return k.imported.material
}

// ValidTo is when the key's imported material expires; zero if it does not, or is
// not there.
func (k *Key) ValidTo() time.Time {
	if k.imported == nil {
		return time.Time{}
	}
	return k.imported.validTo
}

// Expired reports whether the key holds imported material that has expired at now
// and is not taken from it yet. It must not be used any more.
func (k *Key) Expired(now time.Time) bool {
	to := k.ValidTo()
	return !to.IsZero() && !now.Before(to)
}

// StateAt is the key's state as callers meet it at now: one whose material has
// expired waits for an import, even before the expiry itself is in the log.
func (k *Key) StateAt(now time.Time) State {
	if k.Expired(now) && k.State != PendingDeletion {
		return PendingImport
	}
	return k.State
}

func (s *Store) materialImported(e *event.KeyMaterialImported) error {
	return s.change(e.Key, func(k *Key) error {
		switch {
		case k.Origin != OriginExternal:
			return fmt.Errorf("has origin %s and imports no material", k.Origin)
		case k.State == PendingDeletion:
			return fmt.Errorf("is pending deletion")
		case k.imported != nil && k.imported.material != e.Material.ID:
			return fmt.Errorf("has imported material %s and cannot take %s", k.imported.material, e.Material.ID)
		}
		k.materials = nil
		if err := k.addMaterial(e.Material); err != nil {
			return err
		}
		if k.imported == nil {
			k.imported = &imported{material: strings.Clone(e.Material.ID)}
		}
		k.imported.validTo = e.ValidTo
		if len(e.PublicKey) > 0 {
			k.PublicKey = e.PublicKey
		}
		if k.State == PendingImport {
			k.State = Enabled
		}
		return nil
	})
}

// materialGone applies a deletion or an expiry of imported material.
func (s *Store) materialGone(id, material string) error {
	return s.change(id, func(k *Key) error {
		if k.Origin != OriginExternal || len(k.materials) == 0 || k.Current().ID != material {
			return fmt.Errorf("does not hold imported material %s", material)
		}
		k.materials = nil
		k.imported.validTo = time.Time{}
		if k.State != PendingDeletion {
			k.State = PendingImport
		}
		return nil
	})
}
