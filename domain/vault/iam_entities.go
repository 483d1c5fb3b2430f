package vault

import (
	"iter"
	"strings"

	"github.com/keytrail/keytrail/domain/identity"
)

// entityOf is one group, user, role or managed policy of an account, for the
// listings that run through all of them.
type entityOf struct {
	group  *identity.Group
	user   *identity.User
	role   *identity.Role
	policy *identity.ManagedPolicy
}

// kind is the entity's type as EntityFilter and Filter name it.
func (e entityOf) kind() string {
	switch {
	case e.group != nil:
		return "Group"
	case e.user != nil:
		return "User"
	case e.role != nil:
		return "Role"
	case e.policy.AWS():
		return "AWSManagedPolicy"
	}
	return "LocalManagedPolicy"
}

func (e entityOf) permissions() *identity.Permissions {
	switch {
	case e.group != nil:
		return &e.group.Permissions
	case e.user != nil:
		return &e.user.Permissions
	case e.role != nil:
		return &e.role.Permissions
	}
	return &identity.Permissions{}
}

func (e entityOf) path() string {
	switch {
	case e.group != nil:
		return e.group.Path
	case e.user != nil:
		return e.user.Path
	case e.role != nil:
		return e.role.Path
	}
	return e.policy.Path
}

// key orders entities by kind, then by name; see entitiesAfter.
func (e entityOf) key() string {
	switch {
	case e.group != nil:
		return "group:" + e.group.Name
	case e.user != nil:
		return "user:" + e.user.Name
	case e.role != nil:
		return "role:" + e.role.Name
	}
	return "policy:" + policyListKey(e.policy)
}

// entitiesAfter yields groups, users, roles and policies behind a key, in this
// order.
func (c *call) entitiesAfter(key string) iter.Seq[entityOf] {
	kind, name, _ := strings.Cut(key, ":")
	a := c.home()
	kinds := []struct {
		kind string
		from func(after string) iter.Seq[entityOf]
	}{
		{"group", as(a.Groups.After, func(g *identity.Group) entityOf { return entityOf{group: g} })},
		{"user", as(a.Users.After, func(u *identity.User) entityOf { return entityOf{user: u} })},
		{"role", as(a.Roles.After, func(r *identity.Role) entityOf { return entityOf{role: r} })},
		{"policy", as(c.policiesAfter, func(m *identity.ManagedPolicy) entityOf { return entityOf{policy: m} })},
	}
	return func(yield func(entityOf) bool) {
		passed := key == ""
		for _, k := range kinds {
			after := ""
			switch {
			case k.kind == kind:
				passed, after = true, name
			case !passed:
				continue
			}
			for e := range k.from(after) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

func as[E, F any](from func(after string) iter.Seq[E], view func(E) F) func(after string) iter.Seq[F] {
	return func(after string) iter.Seq[F] {
		return func(yield func(F) bool) {
			for e := range from(after) {
				if !yield(view(e)) {
					return
				}
			}
		}
	}
}
