package identity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/iam"
)

// awsOwner is the account part of the ARNs of AWS's own policies.
const awsOwner = "aws"

// ManagedPolicy is a policy with a name and versions of its own.
type ManagedPolicy struct {
	ARN         string
	ID          string // ANPA…
	Account     string // "aws" for a policy of AWS
	Name        string
	Path        string
	Description string
	Created     time.Time
	Updated     time.Time
	Tags        []event.Tag // sorted by key

	versions []*PolicyVersion // oldest first
	current  *PolicyVersion
	newest   int // number of the newest version there ever was
}

// PolicyVersion is one text of a managed policy.
type PolicyVersion struct {
	ID       string // v1, v2, …
	Number   int    // of ID
	Created  time.Time
	document *document
}

// Policy is the compiled policy; its Document is the text as it was put.
func (v *PolicyVersion) Policy() *iam.Policy { return v.document.policy }

func (m *ManagedPolicy) name() string { return m.Name }

// AWS reports whether it is one of AWS's policies, which every account may use
// and nobody can change.
func (m *ManagedPolicy) AWS() bool { return m.Account == awsOwner }

// Default is the version in force.
func (m *ManagedPolicy) Default() *PolicyVersion { return m.current }

// Versions is the versions, oldest first; not to be changed.
func (m *ManagedPolicy) Versions() []*PolicyVersion { return m.versions }

// Version finds a version by its id; nil if there is none.
func (m *ManagedPolicy) Version(id string) *PolicyVersion {
	for _, v := range m.versions {
		if v.ID == id {
			return v
		}
	}
	return nil
}

// NextVersion is the id that the next version gets. Ids are not used twice.
func (m *ManagedPolicy) NextVersion() string { return "v" + strconv.Itoa(m.newest+1) }

func (s *Store) policyCreated(e *event.PolicyCreated) error {
	a, err := known(s.accounts, "account", e.Account)
	if err != nil {
		return err
	}
	m := &ManagedPolicy{ID: e.ID, Description: e.Description, Created: e.At, Updated: e.At, Tags: tagged(nil, e.Tags, PolicyTags)}
	m.ARN, m.Account, m.Path, m.Name = named(arn.Policy(e.Account, e.Path, e.Name), e.Name)
	if m.ARN != e.Policy {
		return fmt.Errorf("policy %s has the name of %s", e.Policy, m.ARN)
	}
	if err := s.addVersion(m, e.Document, e.At, true); err != nil {
		return fmt.Errorf("policy %s: %w", e.Policy, err)
	}
	if err := a.Policies.add(m); err != nil {
		return fmt.Errorf("policy %s: %w", e.Policy, err)
	}
	s.policies[m.ARN] = m
	return nil
}

func (s *Store) addVersion(m *ManagedPolicy, text string, at time.Time, current bool) error {
	doc, err := s.documents.acquire(iam.IdentityPolicy, text, nil)
	if err != nil {
		return err
	}
	v := &PolicyVersion{ID: m.NextVersion(), Number: m.newest + 1, Created: at, document: doc}
	m.newest++
	m.versions = append(slices.Clip(m.versions), v)
	if current {
		m.current = v
	}
	return nil
}

// changeable finds a policy of an account, and one of its versions unless none
// is named.
func (s *Store) changeable(policy, version string) (*ManagedPolicy, *PolicyVersion, error) {
	m, err := known(s.policies, "policy", policy)
	if err != nil {
		return nil, nil, err
	}
	if m.AWS() {
		return nil, nil, fmt.Errorf("policy %s is AWS's", policy)
	}
	v := m.Version(version)
	if v == nil && version != "" {
		return nil, nil, fmt.Errorf("policy %s has no version %s", policy, version)
	}
	return m, v, nil
}

func (s *Store) policyVersionCreated(e *event.PolicyVersionCreated) error {
	m, _, err := s.changeable(e.Policy, "")
	if err != nil {
		return err
	}
	if e.Version != m.NextVersion() {
		return fmt.Errorf("policy %s: version %s does not follow v%d", e.Policy, e.Version, m.newest)
	}
	if err := s.addVersion(m, e.Document, e.At, e.Default); err != nil {
		return fmt.Errorf("policy %s: %w", e.Policy, err)
	}
	m.Updated = e.At
	return nil
}

func (s *Store) policyDefaultVersionSet(e *event.PolicyDefaultVersionSet) error {
	m, v, err := s.changeable(e.Policy, e.Version)
	if err != nil {
		return err
	}
	if v == nil {
		return fmt.Errorf("policy %s: no version named", e.Policy)
	}
	m.current, m.Updated = v, e.At
	return nil
}

func (s *Store) policyVersionDeleted(e *event.PolicyVersionDeleted) error {
	m, v, err := s.changeable(e.Policy, e.Version)
	if err != nil {
		return err
	}
	if v == nil || v == m.current {
		return fmt.Errorf("policy %s: version %q is the default or none", e.Policy, e.Version)
	}
	s.documents.release(v.document)
	m.versions = slices.DeleteFunc(m.versions, func(have *PolicyVersion) bool { return have == v })
	return nil
}

func (s *Store) policyDeleted(e *event.PolicyDeleted) error {
	m, _, err := s.changeable(e.Policy, "")
	if err != nil {
		return err
	}
	a := s.accounts[m.Account]
	if a.Usage(m) != (Usage{}) {
		return fmt.Errorf("policy %s is still in use", e.Policy)
	}
	for _, v := range m.versions {
		s.documents.release(v.document)
	}
	a.Policies.remove(m)
	delete(s.policies, m.ARN)
	return nil
}

// AWSPolicies is the managed policies of AWS in order of their names.
func (s *Store) AWSPolicies() []*ManagedPolicy {
	list := make([]*ManagedPolicy, 0, len(awsManaged))
	for i := range awsManaged {
		list = append(list, s.policies[awsManaged[i].arn()])
	}
	slices.SortFunc(list, func(a, b *ManagedPolicy) int { return strings.Compare(fold(a.Name), fold(b.Name)) })
	return list
}
