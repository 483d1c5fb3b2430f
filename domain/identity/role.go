package identity

import (
	"fmt"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/iam"
)

// Bounds of how long a role's sessions may be made to last, in seconds.
const (
	MinMaxSession = 3600
	MaxMaxSession = 43200
)

// Role is an IAM role.
type Role struct {
	ID          string // AROA…
	ARN         string
	Account     string
	Name        string
	Path        string
	Description string
	MaxSession  int         // seconds
	Trust       *iam.Policy // compiled and bound
	Created     time.Time
	Tags        []event.Tag // sorted by key
	Permissions

	trust *document
}

func (r *Role) name() string { return r.Name }

// TrustPrincipals is what the trust policy was bound to: ARN to unique id.
func (r *Role) TrustPrincipals() map[string]string { return r.trust.principals }

func (s *Store) roleCreated(e *event.RoleCreated) error {
	a, err := s.ownerOf(e.Account, e.Role)
	if err != nil {
		return err
	}
	r := &Role{ID: e.Role, Description: e.Description, MaxSession: e.MaxSession, Created: e.At, Tags: tagged(nil, e.Tags, PrincipalTags)}
	r.ARN, r.Account, r.Path, r.Name = named(arn.Role(e.Account, e.Path, e.Name), e.Name)
	if err := s.setTrust(r, e.Trust, e.Principals); err != nil {
		return fmt.Errorf("role %s: %w", e.Role, err)
	}
	if err := a.Roles.add(r); err != nil {
		return fmt.Errorf("role %s: %w", e.Role, err)
	}
	s.roles[r.ID] = r
	return nil
}

func (s *Store) setTrust(r *Role, text string, principals map[string]string) error {
	doc, err := s.documents.acquire(iam.TrustPolicy, text, principals)
	if err != nil {
		return fmt.Errorf("trust policy: %w", err)
	}
	if r.trust != nil {
		s.documents.release(r.trust)
	}
	r.trust, r.Trust = doc, doc.policy
	return nil
}

func (s *Store) roleSettingsChanged(e *event.RoleSettingsChanged) error {
	r, err := known(s.roles, "role", e.Role)
	if err != nil {
		return err
	}
	r.Description, r.MaxSession = e.Description, e.MaxSession
	return nil
}

func (s *Store) roleTrustReplaced(e *event.RoleTrustReplaced) error {
	r, err := known(s.roles, "role", e.Role)
	if err != nil {
		return err
	}
	if err := s.setTrust(r, e.Trust, e.Principals); err != nil {
		return fmt.Errorf("role %s: %w", e.Role, err)
	}
	return nil
}

func (s *Store) roleDeleted(e *event.RoleDeleted) error {
	r, err := known(s.roles, "role", e.Role)
	if err != nil {
		return err
	}
	if !r.Permissions.empty() {
		return fmt.Errorf("role %s still has policies", r.ID)
	}
	a := s.accounts[r.Account]
	s.release(a, &r.Permissions)
	s.documents.release(r.trust)
	a.Roles.remove(r)
	delete(s.roles, r.ID)
	return nil
}
