package vault

import (
	"encoding/hex"
	"fmt"
	"iter"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/secret"
)

// State is everything that decisions depend on, rebuilt from the state records
// of the log alone. Many readers may decide uses on it at a time; Apply, and
// Handle of an operation that changes state, need it for themselves.
type State struct {
	Installation [16]byte // in the header of every ciphertext blob
	Region       string
	RootKey      string // public id of the root key that seals the keyring
	Revision     uint64 // grows with every applied event

	Keys       *key.Store
	Secrets    *secret.Store
	Identities *identity.Store
}

// NewState returns the state before the first record.
func NewState() *State {
	return &State{Keys: key.NewStore(), Secrets: secret.NewStore(), Identities: identity.NewStore()}
}

// Initialized reports whether the log has had its first record.
func (s *State) Initialized() bool { return s.Region != "" }

// Apply carries the events of one record into the state. An event that the state
// does not know, or that cannot follow on what it holds, is an error, and the
// state must not be used further: a vault that cannot read its log stays closed.
func (s *State) Apply(events []event.Event) error {
	for _, e := range events {
		if err := s.applyOne(e); err != nil {
			return fmt.Errorf("apply %s: %w", e.EventType(), err)
		}
	}
	return nil
}

func (s *State) applyOne(e event.Event) error {
	s.Revision++
	switch e := e.(type) {
	case *event.VaultInitialized:
		return s.initialize(e)
	case *event.Encrypted, *event.Decrypted, *event.DataKeyGenerated, *event.DataKeyPairGenerated, *event.SecretValueRead:
		return nil
	case *event.Unknown:
		return fmt.Errorf("unknown event %q version %d: this log was written by a newer keytrail", e.Type, e.Version)
	}
	for _, apply := range [...]func(event.Event) (bool, error){s.Keys.Apply, s.Secrets.Apply, s.Identities.Apply} {
		if handled, err := apply(e); handled || err != nil {
			return err
		}
	}
	return fmt.Errorf("no aggregate knows the event")
}

func (s *State) initialize(e *event.VaultInitialized) error {
	if s.Initialized() {
		return fmt.Errorf("the vault is initialized already")
	}
	if n, err := hex.Decode(s.Installation[:], []byte(e.Installation)); err != nil || n != len(s.Installation) {
		return fmt.Errorf("installation id %q is not 32 hex digits", e.Installation)
	}
	s.Region, s.RootKey = e.Region, e.RootKey
	s.Keys.SetRegion(e.Region)
	return nil
}

// RingIDs yields every keyring id that the state refers to. What the keyring
// holds beyond them is an orphan of a crash or waits to be erased.
func (s *State) RingIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, ids := range [...]iter.Seq[string]{s.Keys.RingIDs(), s.Secrets.RingIDs(), s.Identities.RingIDs()} {
			for id := range ids {
				if !yield(id) {
					return
				}
			}
		}
	}
}
