package identity

import (
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/secretbytes"
)

// Prefixes of ids, as AWS has them.
const (
	UserPrefix      = "AIDA"
	GroupPrefix     = "AGPA"
	RolePrefix      = "AROA"
	PolicyPrefix    = "ANPA"
	AccessKeyPrefix = "AKIA" // long-term
	SessionPrefix   = "ASIA" // temporary
)

var idEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewID draws a unique id: the prefix and 17 characters. Access key ids have 16.
// Both carry at least 80 random bits, so that an id is never met twice.
func NewID(prefix string, entropy io.Reader) (string, error) {
	var b [11]byte
	if _, err := io.ReadFull(entropy, b[:]); err != nil {
		return "", fmt.Errorf("identity: draw an id: %w", err)
	}
	n := 17
	if prefix == AccessKeyPrefix || prefix == SessionPrefix {
		n = 16
	}
	return prefix + idEncoding.EncodeToString(b[:])[:n], nil
}

// AccessKey is a long-term access key. Its secret rests sealed in the keyring.
type AccessKey struct {
	ID      string // AKIA…
	Account string
	User    *User // nil: a key of the account's root
	Active  bool
	Created time.Time
	Ring    string // keyring id of the sealed secret

	actor atomic.Pointer[Actor]
}

func (s *Store) accessKeyCreated(e *event.AccessKeyCreated) error {
	a, err := s.ownerOf(e.Account, e.AccessKey)
	if err != nil {
		return err
	}
	k := &AccessKey{ID: e.AccessKey, Account: a.ID, Active: true, Created: e.At, Ring: e.Ring}
	if e.User == "" {
		a.rootKeys = append(a.rootKeys, k)
	} else {
		if k.User, err = known(s.users, "user", e.User); err != nil {
			return err
		}
		if k.User.Account != a.ID {
			return fmt.Errorf("access key %s: user %s is of another account", k.ID, e.User)
		}
		k.User.keys = append(slices.Clip(k.User.keys), k)
	}
	s.accessKeys[k.ID] = k
	return nil
}

func (s *Store) accessKeySet(id string, active bool) error {
	k, err := known(s.accessKeys, "access key", id)
	if err != nil {
		return err
	}
	k.Active = active
	return nil
}

func (s *Store) accessKeyDeleted(e *event.AccessKeyDeleted) error {
	k, err := known(s.accessKeys, "access key", e.AccessKey)
	if err != nil {
		return err
	}
	isIt := func(have *AccessKey) bool { return have == k }
	if k.User != nil {
		k.User.keys = slices.DeleteFunc(k.User.keys, isIt)
	} else {
		a := s.accounts[k.Account]
		a.rootKeys = slices.DeleteFunc(a.rootKeys, isIt)
	}
	delete(s.accessKeys, k.ID)
	return nil
}

// SecretSize is the length of a secret access key in characters.
const SecretSize = 40

// SecretKey is a secret access key. It cannot be printed; Expose gives its 40
// characters, and whoever holds it wipes it with Zero.
type SecretKey struct{ secretbytes.Bytes }

// NewSecretKey makes a secret access key of 240 bits of entropy.
func NewSecretKey(entropy io.Reader) (SecretKey, error) {
	var raw [SecretSize * 3 / 4]byte
	defer clear(raw[:])
	if _, err := io.ReadFull(entropy, raw[:]); err != nil {
		return SecretKey{}, fmt.Errorf("identity: draw a secret access key: %w", err)
	}
	text := make([]byte, SecretSize)
	base64.StdEncoding.Encode(text, raw[:])
	return SecretKey{secretbytes.Own(text)}, nil
}

// Is compares with what a caller presented, in constant time.
func (k SecretKey) Is(presented []byte) bool {
	return k.Len() == SecretSize && subtle.ConstantTimeCompare(k.Expose(), presented) == 1
}

const purposeSecretKey = "secret access key v1"

// SealSecretKey seals the secret of an access key for rest; it opens for the
// same access key id only.
func SealSecretKey(root *envelope.RootKey, entropy io.Reader, accessKey string, secret SecretKey) ([]byte, error) {
	sealed, err := root.Seal(entropy, purposeSecretKey, []byte(accessKey), secret.Expose())
	if err != nil {
		return nil, fmt.Errorf("identity: seal the secret of %s: %w", accessKey, err)
	}
	return sealed, nil
}

// OpenSecretKey opens what SealSecretKey made. Its errors are those of
// envelope.RootKey.Open.
func OpenSecretKey(root *envelope.RootKey, accessKey string, sealed []byte) (SecretKey, error) {
	b, err := root.Open(purposeSecretKey, []byte(accessKey), sealed)
	if err != nil {
		return SecretKey{}, fmt.Errorf("identity: open the secret of %s: %w", accessKey, err)
	}
	if len(b) != SecretSize {
		clear(b)
		return SecretKey{}, fmt.Errorf("identity: open the secret of %s: %w", accessKey, envelope.ErrDamagedSeal)
	}
	return SecretKey{secretbytes.Own(b)}, nil
}
