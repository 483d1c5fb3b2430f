package identity

import (
	"fmt"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/iam"
)

// Group gives its policies to the users in it. It is not a principal.
type Group struct {
	ID      string // AGPA…
	ARN     string
	Account string
	Name    string
	Path    string
	Created time.Time
	Permissions

	members []*User // sorted by folded name
}

func (g *Group) name() string { return g.Name }

// Members is the users in the group in order of their names; not to be changed.
func (g *Group) Members() []*User { return g.members }

// Sources is what the group gives to its members.
func (g *Group) Sources() []iam.Source { return g.sources("group/" + g.Name + "/") }

func (g *Group) admit(u *User) (ok bool) { g.members, ok = insert(g.members, u); return ok }
func (g *Group) drop(u *User) (ok bool)  { g.members, ok = remove(g.members, u); return ok }

func (s *Store) groupCreated(e *event.GroupCreated) error {
	a, err := s.ownerOf(e.Account, e.Group)
	if err != nil {
		return err
	}
	g := &Group{ID: e.Group, Created: e.At}
	g.ARN, g.Account, g.Path, g.Name = named(arn.Group(e.Account, e.Path, e.Name), e.Name)
	if err := a.Groups.add(g); err != nil {
		return fmt.Errorf("group %s: %w", e.Group, err)
	}
	s.groups[g.ID] = g
	return nil
}

func (s *Store) groupRenamed(e *event.GroupRenamed) error {
	g, err := known(s.groups, "group", e.Group)
	if err != nil {
		return err
	}
	a := s.accounts[g.Account]
	for _, u := range g.members {
		u.groups, _ = remove(u.groups, g)
	}
	a.Groups.remove(g)
	g.ARN, g.Account, g.Path, g.Name = named(arn.Group(g.Account, e.Path, e.Name), e.Name)
	for _, u := range g.members {
		u.groups, _ = insert(u.groups, g)
	}
	if err := a.Groups.add(g); err != nil {
		return fmt.Errorf("group %s: %w", e.Group, err)
	}
	return nil
}

func (s *Store) groupDeleted(e *event.GroupDeleted) error {
	g, err := known(s.groups, "group", e.Group)
	if err != nil {
		return err
	}
	if len(g.members) > 0 || !g.Permissions.empty() {
		return fmt.Errorf("group %s still has members or policies", g.ID)
	}
	s.accounts[g.Account].Groups.remove(g)
	delete(s.groups, g.ID)
	return nil
}

func (s *Store) membership(user, group string) (*User, *Group, error) {
	u, err := known(s.users, "user", user)
	if err != nil {
		return nil, nil, err
	}
	g, err := known(s.groups, "group", group)
	if err != nil {
		return nil, nil, err
	}
	if u.Account != g.Account {
		return nil, nil, fmt.Errorf("user %s and group %s are of two accounts", u.ID, g.ID)
	}
	return u, g, nil
}

func (s *Store) userAddedToGroup(e *event.UserAddedToGroup) error {
	u, g, err := s.membership(e.User, e.Group)
	if err != nil {
		return err
	}
	if !g.admit(u) {
		return fmt.Errorf("user %s is in group %s already", u.ID, g.ID)
	}
	u.groups, _ = insert(u.groups, g)
	return nil
}

func (s *Store) userRemovedFromGroup(e *event.UserRemovedFromGroup) error {
	u, g, err := s.membership(e.User, e.Group)
	if err != nil {
		return err
	}
	if !g.drop(u) {
		return fmt.Errorf("user %s is not in group %s", u.ID, g.ID)
	}
	u.groups, _ = remove(u.groups, g)
	return nil
}
