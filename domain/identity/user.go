package identity

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
)

// User is an IAM user. The exported fields of User, Group and Role are for
// reading; Store.Apply alone writes them.
type User struct {
	ID      string // AIDA…
	ARN     string
	Account string
	Name    string
	Path    string // "/", or begins and ends with a slash
	Created time.Time
	Tags    []event.Tag // sorted by key
	Permissions

	groups []*Group // sorted by folded name
	keys   []*AccessKey
}

func (u *User) name() string { return u.Name }

// Groups is the groups of the user in order of their names; not to be changed.
func (u *User) Groups() []*Group { return u.groups }

// AccessKeys is the user's access keys, oldest first; not to be changed.
func (u *User) AccessKeys() []*AccessKey { return u.keys }

// named splits what an entity's ARN already holds: its account, path and name
// share the ARN's bytes, for there may be very many principals.
func named(a arn.ARN, name string) (full, account, path, shared string) {
	full = a.String()
	prefix := len("arn:aws:iam::")
	account = full[prefix : prefix+len(a.Account)]
	resource := full[prefix+len(a.Account)+1:]
	path = resource[strings.IndexByte(resource, '/') : len(resource)-len(name)]
	return full, account, path, full[len(full)-len(name):]
}

func (s *Store) userCreated(e *event.UserCreated) error {
	a, err := s.ownerOf(e.Account, e.User)
	if err != nil {
		return err
	}
	u := &User{ID: e.User, Created: e.At, Tags: tagged(nil, e.Tags, PrincipalTags)}
	u.ARN, u.Account, u.Path, u.Name = named(arn.User(e.Account, e.Path, e.Name), e.Name)
	if err := a.Users.add(u); err != nil {
		return fmt.Errorf("user %s: %w", e.User, err)
	}
	s.users[u.ID] = u
	return nil
}

func (s *Store) userRenamed(e *event.UserRenamed) error {
	u, err := known(s.users, "user", e.User)
	if err != nil {
		return err
	}
	a := s.accounts[u.Account]
	for _, g := range u.groups {
		g.drop(u)
	}
	a.Users.remove(u)
	u.ARN, u.Account, u.Path, u.Name = named(arn.User(u.Account, e.Path, e.Name), e.Name)
	for _, g := range u.groups {
		g.admit(u)
	}
	if err := a.Users.add(u); err != nil {
		return fmt.Errorf("user %s: %w", e.User, err)
	}
	return nil
}

func (s *Store) userDeleted(e *event.UserDeleted) error {
	u, err := known(s.users, "user", e.User)
	if err != nil {
		return err
	}
	if len(u.keys) > 0 || len(u.groups) > 0 || !u.Permissions.empty() {
		return fmt.Errorf("user %s still has keys, groups or policies", u.ID)
	}
	a := s.accounts[u.Account]
	s.release(a, &u.Permissions)
	a.Users.remove(u)
	delete(s.users, u.ID)
	return nil
}

// byName orders members of lists that are kept sorted, without regard to case.
func byName[E entity](e E, name string) int { return strings.Compare(fold(e.name()), fold(name)) }

func insert[E entity](sorted []E, e E) ([]E, bool) {
	i, found := slices.BinarySearchFunc(sorted, e.name(), byName[E])
	if found {
		return sorted, false
	}
	return slices.Insert(sorted, i, e), true
}

func remove[E entity](sorted []E, e E) ([]E, bool) {
	i, found := slices.BinarySearchFunc(sorted, e.name(), byName[E])
	if !found {
		return sorted, false
	}
	if len(sorted) == 1 {
		return nil, true
	}
	return slices.Delete(sorted, i, i+1), true
}
