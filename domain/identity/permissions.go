package identity

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/iam"
)

// Permissions is what a user, a group or a role was given by policies of its own.
type Permissions struct {
	inline   []Inline         // sorted by name
	attached []*ManagedPolicy // sorted by ARN
	boundary *ManagedPolicy   // of users and roles
	compiled atomic.Pointer[compiled]
}

// Inline is a policy that belongs to one user, group or role.
type Inline struct {
	Name     string
	document *document
}

// Policy is the compiled policy; its Document is the text as it was put.
func (i Inline) Policy() *iam.Policy { return i.document.policy }

// Inline is the inline policies in order of their names; not to be changed.
func (p *Permissions) Inline() []Inline { return p.inline }

// Attached is the attached managed policies in order of their ARNs; not to be
// changed.
func (p *Permissions) Attached() []*ManagedPolicy { return p.attached }

// Boundary is the permissions boundary, or nil.
func (p *Permissions) Boundary() *ManagedPolicy { return p.boundary }

// InlinePolicy finds an inline policy by its exact name.
func (p *Permissions) InlinePolicy(name string) (Inline, bool) {
	i, found := p.findInline(name)
	if !found {
		return Inline{}, false
	}
	return p.inline[i], true
}

// HasAttached reports whether the managed policy is attached.
func (p *Permissions) HasAttached(m *ManagedPolicy) bool {
	_, found := p.findAttached(m)
	return found
}

func (p *Permissions) findInline(name string) (int, bool) {
	return slices.BinarySearchFunc(p.inline, name, func(i Inline, name string) int { return strings.Compare(i.Name, name) })
}

func (p *Permissions) findAttached(m *ManagedPolicy) (int, bool) {
	return slices.BinarySearchFunc(p.attached, m.ARN, func(have *ManagedPolicy, arn string) int { return strings.Compare(have.ARN, arn) })
}

// empty tells whether the owner may be deleted: a boundary does not hold it back.
func (p *Permissions) empty() bool { return len(p.inline) == 0 && len(p.attached) == 0 }

// release gives up what an owner that is deleted still uses.
func (s *Store) release(a *Account, p *Permissions) {
	if p.boundary != nil {
		a.use(p.boundary, 0, -1)
	}
}

// permissions finds the owner of policies by its unique id.
func (s *Store) permissions(id string) (*Permissions, *Account, error) {
	if u := s.users[id]; u != nil {
		return &u.Permissions, s.accounts[u.Account], nil
	}
	if r := s.roles[id]; r != nil {
		return &r.Permissions, s.accounts[r.Account], nil
	}
	if g := s.groups[id]; g != nil {
		return &g.Permissions, s.accounts[g.Account], nil
	}
	return nil, nil, fmt.Errorf("user, group or role %s is unknown", id)
}

// usable finds a managed policy that principals of the account may use.
func (s *Store) usable(a *Account, arn string) (*ManagedPolicy, error) {
	m, err := known(s.policies, "policy", arn)
	if err != nil {
		return nil, err
	}
	if m.Account != a.ID && !m.AWS() {
		return nil, fmt.Errorf("policy %s is of another account than %s", arn, a.ID)
	}
	return m, nil
}

func (s *Store) policyAttached(e *event.PolicyAttached) error {
	p, a, err := s.permissions(e.Principal)
	if err != nil {
		return err
	}
	m, err := s.usable(a, e.Policy)
	if err != nil {
		return err
	}
	i, found := p.findAttached(m)
	if found {
		return fmt.Errorf("policy %s is attached to %s already", e.Policy, e.Principal)
	}
	p.attached = slices.Insert(p.attached, i, m)
	a.use(m, 1, 0)
	return nil
}

func (s *Store) policyDetached(e *event.PolicyDetached) error {
	p, a, err := s.permissions(e.Principal)
	if err != nil {
		return err
	}
	m, err := s.usable(a, e.Policy)
	if err != nil {
		return err
	}
	i, found := p.findAttached(m)
	if !found {
		return fmt.Errorf("policy %s is not attached to %s", e.Policy, e.Principal)
	}
	p.attached = slices.Delete(p.attached, i, i+1)
	a.use(m, -1, 0)
	return nil
}

func (s *Store) inlinePolicyPut(e *event.InlinePolicyPut) error {
	p, _, err := s.permissions(e.Principal)
	if err != nil {
		return err
	}
	doc, err := s.documents.acquire(iam.IdentityPolicy, e.Document, nil)
	if err != nil {
		return fmt.Errorf("inline policy %s of %s: %w", e.Name, e.Principal, err)
	}
	i, found := p.findInline(e.Name)
	if found {
		s.documents.release(p.inline[i].document)
		p.inline[i].document = doc
		return nil
	}
	p.inline = slices.Insert(p.inline, i, Inline{Name: e.Name, document: doc})
	return nil
}

func (s *Store) inlinePolicyDeleted(e *event.InlinePolicyDeleted) error {
	p, _, err := s.permissions(e.Principal)
	if err != nil {
		return err
	}
	i, found := p.findInline(e.Name)
	if !found {
		return fmt.Errorf("%s has no inline policy %s", e.Principal, e.Name)
	}
	s.documents.release(p.inline[i].document)
	p.inline = slices.Delete(p.inline, i, i+1)
	return nil
}

func (s *Store) boundarySet(e *event.BoundarySet) error {
	p, a, err := s.permissions(e.Principal)
	if err != nil {
		return err
	}
	if s.groups[e.Principal] != nil {
		return fmt.Errorf("group %s cannot have a permissions boundary", e.Principal)
	}
	m, err := s.usable(a, e.Policy)
	if err != nil {
		return err
	}
	s.release(a, p)
	p.boundary = m
	a.use(m, 0, 1)
	return nil
}

func (s *Store) boundaryRemoved(e *event.BoundaryRemoved) error {
	p, a, err := s.permissions(e.Principal)
	if err != nil {
		return err
	}
	if p.boundary == nil {
		return fmt.Errorf("%s has no permissions boundary", e.Principal)
	}
	s.release(a, p)
	p.boundary = nil
	return nil
}
