package key

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/iam"
)

// State is a key state by its AWS name.
type State string

// Key states. The vault itself leads keys through the first four; the others
// belong to custom key stores and replicas.
const (
	Enabled         State = "Enabled"
	Disabled        State = "Disabled"
	PendingDeletion State = "PendingDeletion"
	PendingImport   State = "PendingImport"
	Unavailable     State = "Unavailable"
	Creating        State = "Creating"
	Updating        State = "Updating"
)

// Who made a key and may change it.
const (
	ManagerCustomer = "CUSTOMER"
	ManagerAWS      = "AWS"
)

// Where a key's material comes from.
const (
	OriginKMS      = "AWS_KMS"
	OriginExternal = "EXTERNAL"
	OriginCloudHSM = "AWS_CLOUDHSM"
	OriginXKS      = "EXTERNAL_KEY_STORE"
)

// How material came to be rotated in.
const (
	RotationAutomatic = "AUTOMATIC"
	RotationOnDemand  = "ON_DEMAND"
)

// Key is one KMS key. Its exported fields are for reading; Store.Apply alone
// writes them.
type Key struct {
	ID          string // a UUID, or mrk-… for a multi-Region key
	Account     string
	ARN         string
	Description string
	Manager     string
	Spec        string
	Usage       string
	Origin      string
	State       State
	MultiRegion bool
	Created     time.Time
	Policy      *iam.Policy // compiled and bound, shared between keys with one policy
	PublicKey   []byte      // DER SubjectPublicKeyInfo, asymmetric keys only
	Tags        []event.Tag // sorted by tag key
	RawID       [16]byte    // the id's UUID, as ciphertext blobs carry it

	serial    uint64 // order of creation
	document  *document
	aliases   []*Alias
	materials []Material // oldest first; the last one encrypts
	rotations []Rotation // how materials[i+1] came
	grants    *grantSet  // nil without grants
	imported  *imported  // nil before the first import

	window   uint16    // days of the deletion window
	deletion time.Time // when the material is destroyed; zero unless pending
	period   uint16    // days between automatic rotations; 0 = off
	from     time.Time // what the next automatic rotation counts from
	timer    int       // index in Store.timers, -1 outside
}

// Material names key material that the keyring holds, sealed.
type Material struct {
	ID    string // 64 hex digits
	RawID [32]byte
	Ring  string // keyring id
}

// Rotation tells when and how a material replaced the one before it.
type Rotation struct {
	Material string // id of the material that came
	At       time.Time
	Type     string // RotationAutomatic or RotationOnDemand
}

// Current is the material that encrypts. Only a key that waits for imported
// material has none, and gives the zero value.
func (k *Key) Current() Material {
	if len(k.materials) == 0 {
		return Material{}
	}
	return k.materials[len(k.materials)-1]
}

// MaterialByID finds current or older material by its 64 hex digits.
func (k *Key) MaterialByID(id string) (Material, bool) {
	for i := len(k.materials) - 1; i >= 0; i-- {
		if k.materials[i].ID == id {
			return k.materials[i], true
		}
	}
	return Material{}, false
}

// MaterialByRawID finds current or older material by the id in a blob's header.
func (k *Key) MaterialByRawID(id [32]byte) (Material, bool) {
	for i := len(k.materials) - 1; i >= 0; i-- {
		if k.materials[i].RawID == id {
			return k.materials[i], true
		}
	}
	return Material{}, false
}

// Materials is every material of the key, oldest first; not to be changed.
func (k *Key) Materials() []Material { return k.materials }

// Rotations tells how each material after the first came, oldest first; not to
// be changed.
func (k *Key) Rotations() []Rotation { return k.rotations }

// PolicyText is the policy as it was put, with the ARNs it named then.
func (k *Key) PolicyText() string { return k.Policy.Document() }

// Principals maps each ARN that the policy named to the unique id it stood for;
// not to be changed.
func (k *Key) Principals() map[string]string { return k.document.principals }

// Aliases is sorted by name; not to be changed.
func (k *Key) Aliases() []*Alias { return k.aliases }

// DeletionAt is when the key's material is destroyed, and the window in days
// that led there; zero unless the key is pending deletion.
func (k *Key) DeletionAt() (time.Time, int) { return k.deletion, int(k.window) }

// Gone reports whether the key's deletion window has ended at now. Such a key
// is treated as deleted even before the deletion itself is in the log.
func (k *Key) Gone(now time.Time) bool {
	return k.State == PendingDeletion && !now.Before(k.deletion)
}

// RotationPeriod is the days between automatic rotations; 0 when they are off.
func (k *Key) RotationPeriod() int { return int(k.period) }

// NextRotation is when automatic rotation falls due, whatever the key's state;
// zero when it is off.
func (k *Key) NextRotation() time.Time {
	if k.period == 0 {
		return time.Time{}
	}
	return k.from.AddDate(0, 0, int(k.period))
}

// OnDemandRotations is how many rotations were asked for; AWS allows
// MaxOnDemandRotations in a key's life.
func (k *Key) OnDemandRotations() int {
	n := 0
	for i := range k.rotations {
		if k.rotations[i].Type == RotationOnDemand {
			n++
		}
	}
	return n
}

func (k *Key) addMaterial(m event.Material) error {
	material := Material{ID: m.ID, Ring: m.Ring}
	if len(m.ID) != 2*len(material.RawID) {
		return fmt.Errorf("material id has %d characters, not 64", len(m.ID))
	}
	if _, err := hex.Decode(material.RawID[:], []byte(m.ID)); err != nil {
		return fmt.Errorf("material id: %w", err)
	}
	if m.Ring == "" {
		return fmt.Errorf("material %s has no keyring id", m.ID)
	}
	if _, dup := k.MaterialByRawID(material.RawID); dup {
		return fmt.Errorf("material %s is already the key's", m.ID)
	}
	k.materials = append(slices.Grow(k.materials, 1), material)
	return nil
}

func (k *Key) tag(tags []event.Tag) {
	merged := slices.Clone(k.Tags)
	for _, t := range tags {
		i, found := slices.BinarySearchFunc(merged, t.Key, func(t event.Tag, key string) int { return strings.Compare(t.Key, key) })
		if found {
			merged[i].Value = t.Value
		} else {
			merged = slices.Insert(merged, i, t)
		}
	}
	k.Tags = slices.Clip(merged)
}

func (k *Key) untag(keys []string) {
	kept := make([]event.Tag, 0, len(k.Tags))
	for _, t := range k.Tags {
		if !slices.Contains(keys, t.Key) {
			kept = append(kept, t)
		}
	}
	k.Tags = slices.Clip(kept)
	if len(kept) == 0 {
		k.Tags = nil
	}
}

// ParseID gives the UUID inside a key id, lower-case hex with dashes, with or
// without the mrk- form of multi-Region keys.
func ParseID(id string) (raw [16]byte, ok bool) {
	if rest, multi := strings.CutPrefix(id, "mrk-"); multi {
		if len(rest) != 32 {
			return raw, false
		}
		return raw, decodeLower(raw[:], rest)
	}
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return raw, false
	}
	ok = decodeLower(raw[0:4], id[0:8]) && decodeLower(raw[4:6], id[9:13]) &&
		decodeLower(raw[6:8], id[14:18]) && decodeLower(raw[8:10], id[19:23]) &&
		decodeLower(raw[10:], id[24:])
	return raw, ok
}

// FormatID writes a UUID as a single-Region key id.
func FormatID(raw [16]byte) string {
	var b [36]byte
	formatID(&b, raw)
	return string(b[:])
}

// FormatMultiRegionID writes a UUID as the id of a multi-Region key.
func FormatMultiRegionID(raw [16]byte) string { return "mrk-" + hex.EncodeToString(raw[:]) }

func formatID(b *[36]byte, raw [16]byte) {
	hex.Encode(b[0:8], raw[0:4])
	hex.Encode(b[9:13], raw[4:6])
	hex.Encode(b[14:18], raw[6:8])
	hex.Encode(b[19:23], raw[8:10])
	hex.Encode(b[24:], raw[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
}

// decodeLower is hex.Decode that refuses upper case, so that one key has one id.
func decodeLower(dst []byte, s string) bool {
	for i := range dst {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
