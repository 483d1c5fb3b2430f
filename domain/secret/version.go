package secret

import (
	"fmt"
	"slices"
	"time"
	"unique"

	"github.com/keytrail/keytrail/domain/event"
)

// Version is one value of a secret: immutable but for its labels and for how its
// data key is wrapped.
type Version struct {
	ciphertext []byte
	names      string // the version id, then the keyring id of the newest wrapping
	created    int64  // microseconds since 1970
	key        unique.Handle[string]
	older      *[]Wrapping // wrappings kept by a change of key in aws mode; nil mostly
	idLength   uint8
	binary     bool
	regular    uint8 // bits of regularStages
}

// Wrapping is one wrapped copy of a version's data key.
type Wrapping struct {
	Key  string // key id it is wrapped under
	Ring string // keyring id of the wrapped bytes
}

// ID is the VersionId, 32 to 64 characters.
func (v *Version) ID() string { return v.names[:v.idLength] }

// Ciphertext is the sealed value; not to be changed.
func (v *Version) Ciphertext() []byte { return v.ciphertext }

// Binary reports whether the value is a SecretBinary rather than a SecretString.
func (v *Version) Binary() bool { return v.binary }

// Created is when the version was written.
func (v *Version) Created() time.Time { return fromMicros(v.created) }

// Wrapping is the newest wrapping of the data key.
func (v *Version) Wrapping() Wrapping {
	return Wrapping{Key: v.key.Value(), Ring: v.names[v.idLength:]}
}

// Older is the wrappings that earlier keys left, newest first; not to be changed.
// Any one of them opens the version.
func (v *Version) Older() []Wrapping {
	if v.older == nil {
		return nil
	}
	return *v.older
}

// Rings yields the keyring id of every wrapping.
func (v *Version) Rings(yield func(string) bool) bool {
	if !yield(v.names[v.idLength:]) {
		return false
	}
	for _, w := range v.Older() {
		if !yield(w.Ring) {
			return false
		}
	}
	return true
}

func newVersion(e *event.SecretVersionCreated) (Version, error) {
	switch {
	case e.Version == "" || len(e.Version) > maxVersionID:
		return Version{}, fmt.Errorf("version id %q has no length from 1 to %d", e.Version, maxVersionID)
	case len(e.Ciphertext) == 0:
		return Version{}, fmt.Errorf("version %s has no ciphertext", e.Version)
	}
	v := Version{
		ciphertext: slices.Clip(slices.Clone(e.Ciphertext)), names: e.Version, idLength: uint8(len(e.Version)),
		created: micros(e.Created), binary: e.Binary,
	}
	return v, v.wrap(e.Wrapping)
}

// wrap makes w the newest wrapping and forgets the one before it.
func (v *Version) wrap(w event.Wrapping) error {
	if w.Key == "" || w.Ring == "" || len(w.Ring) > maxRing {
		return fmt.Errorf("version %s: wrapping under key %q has the keyring id %q", v.ID(), w.Key, w.Ring)
	}
	v.names = v.ID() + w.Ring
	v.key = unique.Make(w.Key)
	return nil
}

// rewrap carries a change of key. A wrapping under the same key is replaced, never
// kept beside its successor.
func (v *Version) rewrap(w event.Wrapping, kept bool) error {
	if !kept {
		v.older = nil
		return v.wrap(w)
	}
	older := append([]Wrapping{v.Wrapping()}, v.Older()...)
	older = slices.DeleteFunc(older, func(o Wrapping) bool { return o.Key == w.Key })
	if err := v.wrap(w); err != nil {
		return err
	}
	v.older = nil
	if len(older) > 0 {
		older = slices.Clip(older)
		v.older = &older
	}
	return nil
}

// Replaced lists the keyring ids that a change of key to w makes needless: what
// the caller of the change has to erase.
func (v *Version) Replaced(key string, kept bool) []string {
	var rings []string
	for _, w := range append([]Wrapping{v.Wrapping()}, v.Older()...) {
		if !kept || w.Key == key {
			rings = append(rings, w.Ring)
		}
	}
	return rings
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
