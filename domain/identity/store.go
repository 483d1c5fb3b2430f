package identity

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
)

// Store is every account and every principal of the installation. Many may read
// it at a time; Apply needs it for itself.
type Store struct {
	accounts   map[string]*Account
	aliases    map[string]*Account // by alias
	management *Account
	users      map[string]*User // by unique id, as all below
	groups     map[string]*Group
	roles      map[string]*Role
	policies   map[string]*ManagedPolicy // by ARN, AWS's among them
	accessKeys map[string]*AccessKey
	documents  documents
	// revision grows with every event that can change what a principal is: what
	// was compiled at an older one is compiled anew.
	revision uint64
}

// NewStore returns a store that holds the managed policies of AWS alone.
func NewStore() *Store {
	s := &Store{
		accounts: map[string]*Account{}, aliases: map[string]*Account{}, users: map[string]*User{}, groups: map[string]*Group{}, roles: map[string]*Role{},
		policies: map[string]*ManagedPolicy{}, accessKeys: map[string]*AccessKey{}, documents: documents{}, revision: 1,
	}
	s.addAWSManaged()
	return s
}

// Account finds an account by its id; nil if it is unknown.
func (s *Store) Account(id string) *Account { return s.accounts[id] }

// Management is the account that was there first, and creates the others; nil
// in an empty store.
func (s *Store) Management() *Account { return s.management }

// AccountByAlias finds an account by its alias; nil if none has it.
func (s *Store) AccountByAlias(alias string) *Account { return s.aliases[alias] }

// Accounts yields the accounts in order of their ids.
func (s *Store) Accounts() iter.Seq[*Account] {
	return func(yield func(*Account) bool) {
		for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
			if !yield(s.accounts[id]) {
				return
			}
		}
	}
}

// User finds a user by its unique id; nil if there is none. So do Group and Role.
func (s *Store) User(id string) *User { return s.users[id] }

// Group finds a group by its unique id.
func (s *Store) Group(id string) *Group { return s.groups[id] }

// Role finds a role by its unique id.
func (s *Store) Role(id string) *Role { return s.roles[id] }

// Policy finds a managed policy by its ARN; nil if there is none.
func (s *Store) Policy(arn string) *ManagedPolicy { return s.policies[arn] }

// AccessKey finds a long-term access key; nil if there is none.
func (s *Store) AccessKey(id string) *AccessKey { return s.accessKeys[id] }

// Taken reports whether a unique id or access key id is in use.
func (s *Store) Taken(id string) bool {
	return s.users[id] != nil || s.groups[id] != nil || s.roles[id] != nil || s.accessKeys[id] != nil
}

// RingIDs yields the keyring id of every access key's secret.
func (s *Store) RingIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, k := range s.accessKeys {
			if !yield(k.Ring) {
				return
			}
		}
	}
}

// RoleByARN finds a role by its ARN, path included; nil if there is none.
func (s *Store) RoleByARN(name string) *Role {
	a, err := arn.Parse(name)
	if err != nil || a.Service != "iam" {
		return nil
	}
	if typ, path := a.Split(); typ == "role" {
		return s.roleAt(name, a.Account, path[strings.LastIndexByte(path, '/')+1:])
	}
	return nil
}

func (s *Store) roleAt(full, account, name string) *Role {
	if a := s.accounts[account]; a != nil {
		if r, ok := a.Roles.Find(name); ok && r.ARN == full {
			return r
		}
	}
	return nil
}

func (s *Store) userAt(full, account, name string) *User {
	if a := s.accounts[account]; a != nil {
		if u, ok := a.Users.Find(name); ok && u.ARN == full {
			return u
		}
	}
	return nil
}

// UniqueIDs looks up the principals that a policy names (iam.Policy.Principals)
// and gives what binds it: ARNs of users and roles to their unique ids, ARNs of
// role sessions to those of the roles. Accounts need no binding and may be
// anyone's. unknown lists, in the order given, the users and roles that do not
// exist.
func (s *Store) UniqueIDs(principals []string) (ids map[string]string, unknown []string) {
	for _, p := range principals {
		if arn.IsAccount(p) || s.users[p] != nil {
			continue
		}
		if role, _, _ := strings.Cut(p, ":"); s.roles[role] != nil {
			continue
		}
		id, needed := s.uniqueID(p)
		switch {
		case id != "":
			if ids == nil {
				ids = map[string]string{}
			}
			ids[p] = id
		case needed:
			unknown = append(unknown, p)
		}
	}
	return ids, unknown
}

// uniqueID also tells whether the principal must exist to be named.
func (s *Store) uniqueID(principal string) (id string, needed bool) {
	a, err := arn.Parse(principal)
	if err != nil {
		return "", true
	}
	typ, path := a.Split()
	name := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case a.Service == "iam" && typ == "user":
		if u := s.userAt(principal, a.Account, name); u != nil {
			return u.ID, true
		}
	case a.Service == "iam" && typ == "role":
		if r := s.roleAt(principal, a.Account, name); r != nil {
			return r.ID, true
		}
	case a.Service == "sts" && typ == "assumed-role":
		roleName, _, _ := strings.Cut(path, "/")
		if account := s.accounts[a.Account]; account != nil {
			if r, ok := account.Roles.Find(roleName); ok && r.Name == roleName {
				return r.ID, true
			}
		}
	case a.Resource == "root", a.Service == "sts" && typ == "federated-user":
		return "", false
	}
	return "", true
}

// ARNOf is the ARN that the user or role with the unique id has now.
func (s *Store) ARNOf(uniqueID string) (string, bool) {
	if u := s.users[uniqueID]; u != nil {
		return u.ARN, true
	}
	if r := s.roles[uniqueID]; r != nil {
		return r.ARN, true
	}
	return "", false
}

// Apply carries an event into the store. It reports whether the event is one of
// accounts and principals. An error means that the event cannot follow on what
// the store holds, and leaves the store unfit for use.
func (s *Store) Apply(e event.Event) (handled bool, err error) {
	switch e := e.(type) {
	case *event.SessionIssued:
		return true, nil // stateless: nothing to compile anew either
	case *event.AccountCreated:
		err = s.accountCreated(e)
	case *event.AccountAliasSet:
		err = s.accountAliasSet(e)
	case *event.AccountAliasRemoved:
		err = s.accountAliasRemoved(e)
	case *event.UserCreated:
		err = s.userCreated(e)
	case *event.UserRenamed:
		err = s.userRenamed(e)
	case *event.UserDeleted:
		err = s.userDeleted(e)
	case *event.GroupCreated:
		err = s.groupCreated(e)
	case *event.GroupRenamed:
		err = s.groupRenamed(e)
	case *event.GroupDeleted:
		err = s.groupDeleted(e)
	case *event.UserAddedToGroup:
		err = s.userAddedToGroup(e)
	case *event.UserRemovedFromGroup:
		err = s.userRemovedFromGroup(e)
	case *event.RoleCreated:
		err = s.roleCreated(e)
	case *event.RoleSettingsChanged:
		err = s.roleSettingsChanged(e)
	case *event.RoleTrustReplaced:
		err = s.roleTrustReplaced(e)
	case *event.RoleDeleted:
		err = s.roleDeleted(e)
	case *event.PolicyCreated:
		err = s.policyCreated(e)
	case *event.PolicyVersionCreated:
		err = s.policyVersionCreated(e)
	case *event.PolicyDefaultVersionSet:
		err = s.policyDefaultVersionSet(e)
	case *event.PolicyVersionDeleted:
		err = s.policyVersionDeleted(e)
	case *event.PolicyDeleted:
		err = s.policyDeleted(e)
	case *event.PolicyAttached:
		err = s.policyAttached(e)
	case *event.PolicyDetached:
		err = s.policyDetached(e)
	case *event.InlinePolicyPut:
		err = s.inlinePolicyPut(e)
	case *event.InlinePolicyDeleted:
		err = s.inlinePolicyDeleted(e)
	case *event.BoundarySet:
		err = s.boundarySet(e)
	case *event.BoundaryRemoved:
		err = s.boundaryRemoved(e)
	case *event.PrincipalTagged:
		err = s.tagged(e)
	case *event.PrincipalUntagged:
		err = s.untagged(e)
	case *event.AccessKeyCreated:
		err = s.accessKeyCreated(e)
	case *event.AccessKeyActivated:
		err = s.accessKeySet(e.AccessKey, true)
	case *event.AccessKeyDeactivated:
		err = s.accessKeySet(e.AccessKey, false)
	case *event.AccessKeyDeleted:
		err = s.accessKeyDeleted(e)
	default:
		return false, nil
	}
	s.revision++
	return true, err
}

func known[E any](table map[string]*E, kind, id string) (*E, error) {
	if e := table[id]; e != nil {
		return e, nil
	}
	return nil, fmt.Errorf("%s %s is unknown", kind, id)
}

func (s *Store) ownerOf(account, id string) (*Account, error) {
	a, err := known(s.accounts, "account", account)
	if err != nil {
		return nil, err
	}
	if id == "" || s.Taken(id) {
		return nil, fmt.Errorf("unique id %q is empty or taken", id)
	}
	return a, nil
}
