package identity

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
)

// Account owns principals, policies, keys and secrets.
type Account struct {
	ID      string // twelve digits
	Name    string
	Alias   string // unique among all accounts, "" for none
	Created time.Time
	Users   directory[*User]
	Groups  directory[*Group]
	Roles   directory[*Role]
	// Policies holds the account's own managed policies, not those of AWS.
	Policies directory[*ManagedPolicy]

	usage    map[*ManagedPolicy]Usage // own and AWS's policies that are in use
	rootKeys []*AccessKey
}

// Usage counts the principals of one account that use a managed policy.
type Usage struct {
	Attachments int // users, groups and roles it is attached to
	Boundaries  int // users and roles whose permissions boundary it is
}

// Usage tells how the account's principals use the policy.
func (a *Account) Usage(p *ManagedPolicy) Usage { return a.usage[p] }

// RootARN names the account itself.
func (a *Account) RootARN() string { return arn.Root(a.ID).String() }

// RootKeys is the access keys of the account's root, oldest first; not to be changed.
func (a *Account) RootKeys() []*AccessKey { return a.rootKeys }

func (a *Account) use(p *ManagedPolicy, attachments, boundaries int) {
	u := a.usage[p]
	u.Attachments += attachments
	u.Boundaries += boundaries
	if u == (Usage{}) {
		delete(a.usage, p)
		return
	}
	if a.usage == nil {
		a.usage = map[*ManagedPolicy]Usage{}
	}
	a.usage[p] = u
}

func (s *Store) accountCreated(e *event.AccountCreated) error {
	if !arn.IsAccount(e.Account) {
		return fmt.Errorf("account %q does not have twelve digits", e.Account)
	}
	if s.accounts[e.Account] != nil {
		return fmt.Errorf("account %s exists", e.Account)
	}
	a := &Account{ID: e.Account, Name: e.Name, Created: e.At}
	if s.management == nil {
		s.management = a
	}
	s.accounts[a.ID] = a
	return nil
}

func (s *Store) accountAliasSet(e *event.AccountAliasSet) error {
	a, err := known(s.accounts, "account", e.Account)
	if err != nil {
		return err
	}
	if s.aliases[e.Alias] != nil || e.Alias == "" {
		return fmt.Errorf("account alias %q is empty or taken", e.Alias)
	}
	delete(s.aliases, a.Alias)
	a.Alias = e.Alias
	s.aliases[a.Alias] = a
	return nil
}

func (s *Store) accountAliasRemoved(e *event.AccountAliasRemoved) error {
	a, err := known(s.accounts, "account", e.Account)
	if err != nil {
		return err
	}
	if a.Alias == "" {
		return fmt.Errorf("account %s has no alias", a.ID)
	}
	delete(s.aliases, a.Alias)
	a.Alias = ""
	return nil
}

// directory finds the entities of one kind in one account by name. Names are
// unique without regard to case, as IAM has it, whatever their paths.
type directory[E entity] struct {
	byName map[string]E        // by folded name
	sorted atomic.Pointer[[]E] // by folded name; nil after a change
}

type entity interface{ name() string }

func fold(name string) string { return strings.ToLower(name) }

// Find looks an entity up by its name, in any case.
func (d *directory[E]) Find(name string) (E, bool) {
	e, ok := d.byName[fold(name)]
	return e, ok
}

// Len is the number of entities.
func (d *directory[E]) Len() int { return len(d.byName) }

// After yields the entities whose names follow name, in order of their folded
// names; all of them after "".
func (d *directory[E]) After(name string) iter.Seq[E] {
	list := d.list()
	i, found := slices.BinarySearchFunc(list, fold(name), func(e E, key string) int { return strings.Compare(fold(e.name()), key) })
	if found {
		i++
	}
	return slices.Values(list[i:])
}

// list is sorted once after a change, by whichever reader comes first.
func (d *directory[E]) list() []E {
	if have := d.sorted.Load(); have != nil {
		return *have
	}
	list := slices.SortedFunc(maps.Values(d.byName), func(a, b E) int { return strings.Compare(fold(a.name()), fold(b.name())) })
	d.sorted.Store(&list)
	return list
}

func (d *directory[E]) add(e E) error {
	key := fold(e.name())
	if _, taken := d.byName[key]; taken {
		return fmt.Errorf("name %s is taken", e.name())
	}
	if d.byName == nil {
		d.byName = map[string]E{}
	}
	d.byName[key] = e
	d.sorted.Store(nil)
	return nil
}

func (d *directory[E]) remove(e E) {
	delete(d.byName, fold(e.name()))
	d.sorted.Store(nil)
}
