package secret

import (
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"
	"unique"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
)

// Store is every secret of the installation. Many may read it at a time; Apply
// needs it for itself.
type Store struct {
	accounts  map[string]*account
	documents documents
	timers    timers
	serial    uint64 // of the newest secret
	count     int
}

type account struct {
	names   map[string]*Secret
	secrets []*Secret // in order of creation
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{accounts: map[string]*account{}, documents: documents{}}
}

// Len is the number of secrets, those scheduled for deletion included.
func (s *Store) Len() int { return s.count }

// After is the account's secrets made after the one with the serial, in order of
// creation; not to be changed. Serials of pages come from Secret.Serial and start
// at 0.
func (s *Store) After(accountID string, serial uint64) []*Secret {
	a := s.accounts[accountID]
	if a == nil {
		return nil
	}
	i := sort.Search(len(a.secrets), func(i int) bool { return a.secrets[i].serial > serial })
	return a.secrets[i:]
}

// Before is the account's secrets made before the one with the serial, in order
// of creation; not to be changed.
func (s *Store) Before(accountID string, serial uint64) []*Secret {
	a := s.accounts[accountID]
	if a == nil {
		return nil
	}
	return a.secrets[:sort.Search(len(a.secrets), func(i int) bool { return a.secrets[i].serial >= serial })]
}

// RingIDs yields the keyring id of every wrapping of every version.
func (s *Store) RingIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, a := range s.accounts {
			for _, secret := range a.secrets {
				for i := range secret.versions {
					if !secret.versions[i].Rings(yield) {
						return
					}
				}
			}
		}
	}
}

// Apply carries an event into the store. It reports whether the event is one of
// secrets. An error means that the event cannot follow on what the store holds,
// and leaves the store unfit for use.
func (s *Store) Apply(e event.Event) (handled bool, err error) {
	switch e := e.(type) {
	case *event.SecretCreated:
		err = s.created(e)
	case *event.SecretVersionCreated:
		err = s.change(e.Secret, e.Created, func(x *Secret) error { return x.addVersion(e) })
	case *event.SecretVersionRewrapped:
		err = s.change(e.Secret, time.Time{}, func(x *Secret) error { return x.rewrap(e) })
	case *event.SecretStageMoved:
		err = s.change(e.Secret, e.At, func(x *Secret) error { return x.moveStage(e) })
	case *event.SecretVersionPurged:
		err = s.change(e.Secret, time.Time{}, func(x *Secret) error { return x.purge(e.Version) })
	case *event.SecretDescriptionChanged:
		err = s.change(e.Secret, e.At, func(x *Secret) error {
			x.makeRare().description = e.Description
			x.dropRare()
			return nil
		})
	case *event.SecretKeyChanged:
		err = s.change(e.Secret, e.At, func(x *Secret) error {
			x.key, x.given = unique.Make(e.Key), unique.Make(e.KmsKeyID)
			return nil
		})
	case *event.SecretTypeChanged:
		err = s.change(e.Secret, e.At, func(x *Secret) error { x.Type = e.Type; return nil })
	case *event.SecretTagged:
		err = s.change(e.Secret, e.At, func(x *Secret) error { x.tag(e.Tags); return nil })
	case *event.SecretUntagged:
		err = s.change(e.Secret, e.At, func(x *Secret) error { x.untag(e.Keys); return nil })
	case *event.SecretPolicyReplaced:
		err = s.change(e.Secret, e.At, func(x *Secret) error { return s.setPolicy(x, e.Policy, e.Principals) })
	case *event.SecretPolicyRemoved:
		err = s.change(e.Secret, e.At, s.removePolicy)
	case *event.SecretDeletionScheduled:
		err = s.change(e.Secret, e.Deleted, func(x *Secret) error { return s.schedule(x, e) })
	case *event.SecretRestored:
		err = s.change(e.Secret, e.At, s.restore)
	case *event.SecretDeleted:
		err = s.deleted(e)
	default:
		return false, nil
	}
	return true, err
}

// change applies f to a secret that was changed at the time, or, if that is zero,
// in a way that its owner does not see as a change.
func (s *Store) change(secretARN string, at time.Time, f func(*Secret) error) error {
	x := s.byARN(secretARN)
	if x == nil {
		return fmt.Errorf("secret %s is unknown", secretARN)
	}
	if err := f(x); err != nil {
		return fmt.Errorf("secret %s: %w", secretARN, err)
	}
	if !at.IsZero() {
		x.changed = micros(at)
	}
	return nil
}

func (s *Store) created(e *event.SecretCreated) error {
	x := &Secret{
		ARN: strings.Clone(e.Secret), Type: e.Type, created: micros(e.Created), changed: micros(e.Created),
		key: unique.Make(e.Key), given: unique.Make(e.KmsKeyID),
	}
	if err := x.cutARN(); err != nil {
		return err
	}
	switch {
	case x.Account != e.Account || x.Name != e.Name || !arn.IsAccount(e.Account):
		return fmt.Errorf("secret %s is not %q of account %q", e.Secret, e.Name, e.Account)
	case e.Key == "":
		return fmt.Errorf("secret %s has no key", e.Secret)
	}
	a := s.accounts[e.Account]
	if a == nil {
		a = &account{names: map[string]*Secret{}}
		s.accounts[strings.Clone(e.Account)] = a
	}
	if a.names[x.Name] != nil {
		return fmt.Errorf("secret %q of account %s exists", e.Name, e.Account)
	}
	if e.Description != "" {
		x.makeRare().description = e.Description
	}
	x.tag(e.Tags)
	s.serial++
	x.serial = s.serial
	a.names[x.Name] = x
	a.secrets = append(a.secrets, x)
	s.count++
	return nil
}

func (s *Store) deleted(e *event.SecretDeleted) error {
	x := s.byARN(e.Secret)
	if x == nil {
		return fmt.Errorf("secret %s is unknown", e.Secret)
	}
	s.timers.drop(x)
	if x.rare != nil && x.rare.document != nil {
		s.documents.release(x.rare.document)
	}
	a := s.accounts[x.Account]
	delete(a.names, x.Name)
	i := sort.Search(len(a.secrets), func(i int) bool { return a.secrets[i].serial >= x.serial })
	a.secrets = slices.Delete(a.secrets, i, i+1)
	s.count--
	return nil
}

func (s *Secret) rewrap(e *event.SecretVersionRewrapped) error {
	v := s.Version(e.Version)
	if v == nil {
		return fmt.Errorf("version %q is unknown", e.Version)
	}
	return v.rewrap(e.Wrapping, e.Kept)
}
