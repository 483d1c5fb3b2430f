package key

import (
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
)

// Store is every key, alias and grant of the installation. Many may read it at a
// time; Apply needs it for itself.
type Store struct {
	region    string
	keys      map[string]*Key
	accounts  map[string]*account
	aliases   map[aliasName]*Alias
	grants    map[string]*Grant
	retirable map[string][]*Grant // by unique id or ARN of the retiring principal
	documents documents
	timers    timers
	serial    uint64 // of the newest key or grant
}

type account struct {
	id       string
	keys     []*Key   // in order of creation
	aliases  []*Alias // sorted by name
	customer int      // customer managed keys
}

// NewStore returns an empty store. SetRegion is due before the first key.
func NewStore() *Store {
	return &Store{
		keys: map[string]*Key{}, accounts: map[string]*account{}, aliases: map[aliasName]*Alias{},
		grants: map[string]*Grant{}, retirable: map[string][]*Grant{}, documents: documents{},
	}
}

// SetRegion names the Region that is part of every ARN.
func (s *Store) SetRegion(region string) { s.region = region }

// Region is the Region of every key here.
func (s *Store) Region() string { return s.region }

// Get finds a key by its id; nil if it is unknown or deleted. A key whose
// deletion window has ended is still here until the deletion is in the log: see
// Key.Gone.
func (s *Store) Get(id string) *Key { return s.keys[id] }

// GetRaw finds a key by the UUID in a blob's header; nil as from Get.
func (s *Store) GetRaw(id [16]byte) *Key {
	var text [36]byte
	formatID(&text, id)
	if k := s.keys[string(text[:])]; k != nil {
		return k
	}
	return s.keys[FormatMultiRegionID(id)]
}

// KeysAfter is the account's keys made after the one with the serial, in order
// of creation; not to be changed. Serials of pages come from Key.Serial and
// start at 0.
func (s *Store) KeysAfter(accountID string, serial uint64) []*Key {
	a := s.accounts[accountID]
	if a == nil {
		return nil
	}
	i := sort.Search(len(a.keys), func(i int) bool { return a.keys[i].serial > serial })
	return a.keys[i:]
}

// CustomerKeys is how many customer managed keys the account has, in any state.
func (s *Store) CustomerKeys(accountID string) int {
	if a := s.accounts[accountID]; a != nil {
		return a.customer
	}
	return 0
}

// Serial orders keys by their creation; 1 or more, and stable over replays.
func (k *Key) Serial() uint64 { return k.serial }

// RingIDs yields the keyring id of every material of every key.
func (s *Store) RingIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, k := range s.keys {
			for i := range k.materials {
				if !yield(k.materials[i].Ring) {
					return
				}
			}
		}
	}
}

// Apply carries an event into the store. It reports whether the event is one of
// keys, aliases or grants. An error means that the event cannot follow on what
// the store holds, and leaves the store unfit for use.
func (s *Store) Apply(e event.Event) (handled bool, err error) {
	switch e := e.(type) {
	case *event.KeyCreated:
		err = s.keyCreated(e)
	case *event.KeyEnabled:
		err = s.move(e.Key, Enabled, Disabled, Enabled)
	case *event.KeyDisabled:
		err = s.move(e.Key, Disabled, Disabled, Enabled)
	case *event.KeyDescriptionChanged:
		err = s.change(e.Key, func(k *Key) error { k.Description = e.Description; return nil })
	case *event.KeyPolicyReplaced:
		err = s.change(e.Key, func(k *Key) error { return s.setPolicy(k, e.Policy, e.Principals) })
	case *event.KeyTagged:
		err = s.change(e.Key, func(k *Key) error { k.tag(e.Tags); return nil })
	case *event.KeyUntagged:
		err = s.change(e.Key, func(k *Key) error { k.untag(e.Keys); return nil })
	case *event.KeyDeletionScheduled:
		err = s.deletionScheduled(e)
	case *event.KeyDeletionCancelled:
		err = s.deletionCancelled(e)
	case *event.KeyDeleted:
		err = s.keyDeleted(e)
	case *event.KeyRotationEnabled:
		err = s.rotationEnabled(e)
	case *event.KeyRotationDisabled:
		err = s.change(e.Key, func(k *Key) error { k.period = 0; return nil })
	case *event.KeyRotated:
		err = s.keyRotated(e)
	case *event.KeyMaterialImported:
		err = s.materialImported(e)
	case *event.KeyMaterialDeleted:
		err = s.materialGone(e.Key, e.Material)
	case *event.KeyMaterialExpired:
		err = s.materialGone(e.Key, e.Material)
	case *event.AliasCreated:
		err = s.aliasCreated(e)
	case *event.AliasMoved:
		err = s.aliasMoved(e)
	case *event.AliasDeleted:
		err = s.aliasDeleted(e)
	case *event.GrantCreated:
		err = s.grantCreated(e)
	case *event.GrantRetired:
		err = s.grantGone(e.Key, e.Grant)
	case *event.GrantRevoked:
		err = s.grantGone(e.Key, e.Grant)
	default:
		return false, nil
	}
	return true, err
}

func (s *Store) known(id string) (*Key, error) {
	k := s.keys[id]
	if k == nil {
		return nil, fmt.Errorf("key %s is unknown", id)
	}
	return k, nil
}

// change applies f to a key and brings its timer in line.
func (s *Store) change(id string, f func(*Key) error) error {
	k, err := s.known(id)
	if err != nil {
		return err
	}
	if err := f(k); err != nil {
		return fmt.Errorf("key %s: %w", id, err)
	}
	s.timers.set(k)
	return nil
}

// move leads a key from one of the states into another.
func (s *Store) move(id string, to State, from ...State) error {
	return s.change(id, func(k *Key) error {
		if !slices.Contains(from, k.State) {
			return fmt.Errorf("cannot become %s from %s", to, k.State)
		}
		k.State = to
		k.deletion, k.window = time.Time{}, 0
		return nil
	})
}

func (s *Store) keyCreated(e *event.KeyCreated) error {
	if s.keys[e.Key] != nil {
		return fmt.Errorf("key %s exists", e.Key)
	}
	raw, ok := ParseID(e.Key)
	if !ok {
		return fmt.Errorf("key id %q is neither a UUID nor mrk- and 32 hex digits", e.Key)
	}
	if !arn.IsAccount(e.Account) {
		return fmt.Errorf("key %s: account %q does not have twelve digits", e.Key, e.Account)
	}
	if !Fits(e.Spec, e.Usage) {
		return fmt.Errorf("key %s: no key of spec %s has usage %s", e.Key, e.Spec, e.Usage)
	}
	a := s.accounts[e.Account]
	if a == nil {
		a = &account{id: strings.Clone(e.Account)}
		s.accounts[a.id] = a
	}
	name := arn.Key(s.region, e.Account, e.Key).String()
	k := &Key{
		ID: name[len(name)-len(e.Key):], RawID: raw, Account: a.id, ARN: name,
		Description: e.Description, Manager: intern(e.Manager), Spec: intern(e.Spec), Usage: intern(e.Usage), Origin: intern(e.Origin),
		State: Enabled, MultiRegion: e.MultiRegion, Created: e.Created, PublicKey: e.PublicKey, timer: -1,
	}
	if e.Material != nil {
		if err := k.addMaterial(*e.Material); err != nil {
			return fmt.Errorf("key %s: %w", e.Key, err)
		}
	} else {
		k.State = PendingImport
	}
	if err := s.setPolicy(k, e.Policy, e.Principals); err != nil {
		return fmt.Errorf("key %s: %w", e.Key, err)
	}
	k.tag(e.Tags)
	if k.Manager == ManagerCustomer {
		a.customer++
	}
	s.serial++
	k.serial = s.serial
	s.keys[k.ID] = k
	a.keys = append(a.keys, k)
	return nil
}

func (s *Store) deletionScheduled(e *event.KeyDeletionScheduled) error {
	return s.change(e.Key, func(k *Key) error {
		if k.State == PendingDeletion {
			return fmt.Errorf("is pending deletion already")
		}
		if e.At.IsZero() || e.Window < 1 || e.Window > 365 {
			return fmt.Errorf("deletion window of %d days ends at %s", e.Window, e.At)
		}
		k.State, k.deletion, k.window = PendingDeletion, e.At, uint16(e.Window)
		return nil
	})
}

// deletionCancelled leads to Disabled, or to PendingImport without material.
func (s *Store) deletionCancelled(e *event.KeyDeletionCancelled) error {
	to := Disabled
	if k := s.keys[e.Key]; k != nil && len(k.materials) == 0 {
		to = PendingImport
	}
	return s.move(e.Key, to, PendingDeletion)
}

func (s *Store) keyDeleted(e *event.KeyDeleted) error {
	k, err := s.known(e.Key)
	if err != nil {
		return err
	}
	if k.State != PendingDeletion {
		return fmt.Errorf("key %s cannot be deleted from %s", k.ID, k.State)
	}
	for _, a := range k.aliases {
		s.dropAlias(a)
	}
	s.dropGrants(k)
	s.timers.drop(k)
	s.documents.release(k.document)
	a := s.accounts[k.Account]
	i := sort.Search(len(a.keys), func(i int) bool { return a.keys[i].serial >= k.serial })
	a.keys = slices.Delete(a.keys, i, i+1)
	if k.Manager == ManagerCustomer {
		a.customer--
	}
	delete(s.keys, k.ID)
	return nil
}

func (s *Store) rotationEnabled(e *event.KeyRotationEnabled) error {
	return s.change(e.Key, func(k *Key) error {
		if !k.rotates() || e.Period < 1 || e.Period > MaxRotationPeriod {
			return fmt.Errorf("cannot rotate every %d days", e.Period)
		}
		k.period, k.from = uint16(e.Period), e.From
		return nil
	})
}

func (s *Store) keyRotated(e *event.KeyRotated) error {
	return s.change(e.Key, func(k *Key) error {
		if !k.rotates() {
			return fmt.Errorf("is of a kind that does not rotate")
		}
		if err := k.addMaterial(e.Material); err != nil {
			return err
		}
		k.rotations = append(slices.Grow(k.rotations, 1), Rotation{Material: e.Material.ID, At: e.At, Type: intern(e.Type)})
		if e.Type == RotationAutomatic {
			k.from = e.At
		}
		return nil
	})
}

// intern gives the constant for the words that every key repeats, so that a key
// does not hold on to the record it came from.
func intern(word string) string {
	switch word {
	case ManagerCustomer:
		return ManagerCustomer
	case ManagerAWS:
		return ManagerAWS
	case OriginKMS:
		return OriginKMS
	case OriginExternal:
		return OriginExternal
	case SymmetricDefault:
		return SymmetricDefault
	case EncryptDecrypt:
		return EncryptDecrypt
	case RotationAutomatic:
		return RotationAutomatic
	case RotationOnDemand:
		return RotationOnDemand
	}
	return word
}
