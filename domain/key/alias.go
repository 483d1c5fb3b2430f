package key

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/event"
)

// Alias is a name of a key, unique in its account.
type Alias struct {
	Name    string // with the alias/ prefix
	Account string
	Key     *Key
	Created time.Time
	Updated time.Time
}

type aliasName struct{ account, name string }

// Alias finds an alias by its name with the alias/ prefix.
func (s *Store) Alias(account, name string) (*Alias, bool) {
	a, ok := s.aliases[aliasName{account, name}]
	return a, ok
}

// AliasNames is the names of the key's aliases, sorted: the condition key
// kms:ResourceAliases.
func (s *Store) AliasNames(k *Key) []string {
	if len(k.aliases) == 0 {
		return nil
	}
	names := make([]string, len(k.aliases))
	for i, a := range k.aliases {
		names[i] = a.Name
	}
	return names
}

// AliasesAfter is the account's aliases whose names sort after name, in order;
// not to be changed.
func (s *Store) AliasesAfter(account, name string) []*Alias {
	a := s.accounts[account]
	if a == nil {
		return nil
	}
	return aliasesAfter(a.aliases, name)
}

// AliasesAfter is the key's aliases whose names sort after name, in order; not to
// be changed.
func (k *Key) AliasesAfter(name string) []*Alias { return aliasesAfter(k.aliases, name) }

func aliasesAfter(sorted []*Alias, name string) []*Alias {
	i, found := findAlias(sorted, name)
	if found {
		i++
	}
	return sorted[i:]
}

func findAlias(sorted []*Alias, name string) (int, bool) {
	return slices.BinarySearchFunc(sorted, name, func(a *Alias, name string) int { return strings.Compare(a.Name, name) })
}

func insertAlias(sorted []*Alias, a *Alias) []*Alias {
	i, _ := findAlias(sorted, a.Name)
	return slices.Insert(sorted, i, a)
}

func removeAlias(sorted []*Alias, a *Alias) []*Alias {
	if i, found := findAlias(sorted, a.Name); found {
		sorted = slices.Delete(sorted, i, i+1)
	}
	if len(sorted) == 0 {
		return nil
	}
	return sorted
}

func (s *Store) aliasCreated(e *event.AliasCreated) error {
	k, err := s.known(e.Key)
	if err != nil {
		return err
	}
	name := aliasName{e.Account, e.Alias}
	if _, taken := s.aliases[name]; taken {
		return fmt.Errorf("alias %s of account %s exists", e.Alias, e.Account)
	}
	if k.Account != e.Account {
		return fmt.Errorf("alias %s of account %s names a key of account %s", e.Alias, e.Account, k.Account)
	}
	a := &Alias{Name: e.Alias, Account: e.Account, Key: k, Created: e.At, Updated: e.At}
	s.aliases[name] = a
	k.aliases = insertAlias(k.aliases, a)
	account := s.accounts[e.Account]
	account.aliases = insertAlias(account.aliases, a)
	return nil
}

func (s *Store) aliasMoved(e *event.AliasMoved) error {
	k, err := s.known(e.Key)
	if err != nil {
		return err
	}
	a, ok := s.Alias(e.Account, e.Alias)
	if !ok {
		return fmt.Errorf("alias %s of account %s is unknown", e.Alias, e.Account)
	}
	a.Key.aliases = removeAlias(a.Key.aliases, a)
	a.Key, a.Updated = k, e.At
	k.aliases = insertAlias(k.aliases, a)
	return nil
}

func (s *Store) aliasDeleted(e *event.AliasDeleted) error {
	a, ok := s.Alias(e.Account, e.Alias)
	if !ok {
		return fmt.Errorf("alias %s of account %s is unknown", e.Alias, e.Account)
	}
	a.Key.aliases = removeAlias(a.Key.aliases, a)
	s.dropAlias(a)
	return nil
}

// dropAlias takes the alias out of the store, not out of its key.
func (s *Store) dropAlias(a *Alias) {
	delete(s.aliases, aliasName{a.Account, a.Name})
	account := s.accounts[a.Account]
	account.aliases = removeAlias(account.aliases, a)
}
