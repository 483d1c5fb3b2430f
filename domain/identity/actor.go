package identity

import (
	"slices"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
)

// Credential is what an edge has verified: the caller knows the secret of this
// access key. Session is set for temporary credentials, opened from their token.
type Credential struct {
	AccessKey string
	Session   *Session
}

// Actor is a caller with everything that decisions about its calls need. It is
// shared between calls and must not be changed.
type Actor struct {
	Principal  iam.Principal
	Who        event.Who
	Identity   []iam.Source
	Boundary   *iam.Source
	Session    []iam.Source
	HasSession bool              // session policies were passed, even if none is left
	Tags       map[string]string // aws:PrincipalTag: the principal's, overlaid with the session's
	UserName   string            // of a user
	Issued     time.Time         // of temporary credentials; zero for long-term ones
	// SourceIdentity of the session, kept through role chaining.
	SourceIdentity string
	MFA            bool
	// Transitive tags pass on to the sessions of roles that this one assumes.
	Transitive []event.Tag

	revision uint64 // of the store it was made at
}

// Resolve gives the actor for a credential as the store stands: it is made once
// and served until something changes that principals depend on. Errors are
// faults: UnrecognizedClientException for an access key that is unknown or
// inactive and for a user or role that no longer exists, also if another one has
// its name now; ExpiredTokenException for a session that has ended.
func (s *Store) Resolve(c Credential, now time.Time) (*Actor, error) {
	if c.Session != nil {
		return s.resolveSession(c.Session, c.AccessKey, now)
	}
	k := s.accessKeys[c.AccessKey]
	if k == nil || !k.Active {
		return nil, invalidToken()
	}
	if have := k.actor.Load(); have != nil && have.revision == s.revision {
		return have, nil
	}
	var a *Actor
	if k.User == nil {
		a = s.rootActor(k.Account)
	} else {
		a = s.userActor(k.User)
	}
	a.Who.AccessKey = k.ID
	k.actor.Store(a)
	return a, nil
}

func (s *Store) resolveSession(session *Session, accessKey string, now time.Time) (*Actor, error) {
	if session.AccessKey != accessKey {
		return nil, invalidToken()
	}
	if !now.Before(session.Expires) {
		return nil, fault.New(fault.ExpiredTokenException, "The security token included in the request is expired")
	}
	if have := session.actor.Load(); have != nil && have.revision == s.revision {
		return have, nil
	}
	var a *Actor
	switch {
	case s.roles[session.Principal] != nil:
		a = s.roleActor(s.roles[session.Principal], session)
	case s.users[session.Principal] != nil:
		u := s.users[session.Principal]
		a = s.userActor(u)
		if session.Name != "" {
			a.federate(session, u.ARN, overlay(u.Tags, session.Tags))
		}
	case s.accounts[session.Principal] != nil:
		a = s.rootActor(session.Principal)
		if session.Name != "" {
			a.federate(session, "", overlay(nil, session.Tags))
			a.Identity = []iam.Source{{ID: "root", Policy: s.policies[administratorARN].current.Policy()}}
		}
	}
	if a == nil || a.Principal.Account != session.Account {
		return nil, invalidToken()
	}
	a.Who.AccessKey, a.Who.Source = session.AccessKey, session.SourceIdentity
	a.Who.Issued = session.Issued.UTC().Format(time.RFC3339)
	a.Issued, a.SourceIdentity, a.MFA = session.Issued, session.SourceIdentity, session.MFA
	if err := s.addSessionPolicies(a, session); err != nil {
		return nil, err
	}
	session.actor.Store(a)
	return a, nil
}

// federate makes a user's or root's actor that of a federated user: what it may do
// is what both its user's policies and the session's allow, and so nothing where the
// session has none.
func (a *Actor) federate(session *Session, user string, tags map[string]string) {
	full := arn.FederatedUser(a.Principal.Account, session.Name).String()
	a.Who.Type, a.Who.IssuerARN, a.Who.ARN = "FederatedUser", a.Principal.ARN, full
	a.Principal.Type, a.Principal.ARN, a.Principal.UserARN = iam.FederatedUser, full, user
	a.Principal.UserID = a.Principal.Account + ":" + session.Name
	a.Who.ID = a.Principal.UserID
	a.UserName, a.Tags = "", tags
}

func invalidToken() error {
	return fault.New(fault.UnrecognizedClientException, "The security token included in the request is invalid.")
}

func (s *Store) rootActor(account string) *Actor {
	root := arn.Root(account).String()
	return &Actor{
		Principal: iam.Principal{Type: iam.Root, ARN: root, Account: account, UniqueID: account, UserID: account},
		Who:       event.Who{Type: "Root", ARN: root, ID: account, Account: account},
		revision:  s.revision,
	}
}

func (s *Store) userActor(u *User) *Actor {
	p := s.compile(&u.Permissions, u.groups)
	return &Actor{
		Principal: iam.Principal{Type: iam.User, ARN: u.ARN, Account: u.Account, UniqueID: u.ID, UserID: u.ID},
		Who:       event.Who{Type: "IAMUser", ARN: u.ARN, ID: u.ID, Account: u.Account, Name: u.Name},
		Identity:  p.sources, Boundary: p.boundary, Tags: overlay(u.Tags, nil), UserName: u.Name,
		revision: s.revision,
	}
}

func (s *Store) roleActor(r *Role, session *Session) *Actor {
	p := s.compile(&r.Permissions, nil)
	full := arn.AssumedRole(r.Account, r.Name, session.Name).String()
	userID := r.ID + ":" + session.Name
	a := &Actor{
		Principal: iam.Principal{
			Type: iam.RoleSession, ARN: full, Account: r.Account, RoleARN: r.ARN, UniqueID: r.ID, UserID: userID,
		},
		Who:      event.Who{Type: "AssumedRole", ARN: full, ID: userID, Account: r.Account, Name: r.Name, IssuerARN: r.ARN},
		Identity: p.sources, Boundary: p.boundary, Tags: overlay(r.Tags, session.Tags),
		revision: s.revision,
	}
	for _, t := range session.Tags {
		if slices.ContainsFunc(session.Transitive, func(key string) bool { return strings.EqualFold(key, t.Key) }) {
			a.Transitive = append(a.Transitive, t)
		}
	}
	return a
}

// addSessionPolicies: a managed policy that has been deleted since gives
// nothing, and the session is still limited to what is left.
func (s *Store) addSessionPolicies(a *Actor, session *Session) error {
	a.HasSession = session.Policy != "" || len(session.PolicyARNs) > 0 || a.Principal.Type == iam.FederatedUser
	if session.Policy != "" {
		policy, err := iam.Restore(iam.SessionPolicy, []byte(session.Policy))
		if err != nil {
			return fault.Of(invalidToken()).Because(err)
		}
		a.Session = append(a.Session, iam.Source{ID: "session-policy", Policy: policy})
	}
	for _, name := range session.PolicyARNs {
		if m := s.policies[name]; m != nil {
			a.Session = append(a.Session, iam.Source{ID: "session-" + sourceID(m), Policy: m.current.Policy()})
		}
	}
	return nil
}

func overlay(base, over []event.Tag) map[string]string {
	if len(base)+len(over) == 0 {
		return nil
	}
	all := tagged(base, over, PrincipalTags)
	tags := make(map[string]string, len(all))
	for _, t := range all {
		tags[t.Key] = t.Value
	}
	return tags
}

// compiled is what a user or role may do by its own policies and its groups',
// as sources that iam can evaluate.
type compiled struct {
	revision uint64
	sources  []iam.Source
	boundary *iam.Source
}

// compile is kept with the owner, for all its keys and sessions, until the
// store's revision moves. A revision for the whole store, and not one for each
// owner, means that nothing can be forgotten: gathering the sources anew takes
// under a microsecond, for their policies are compiled already.
func (s *Store) compile(p *Permissions, groups []*Group) *compiled {
	if have := p.compiled.Load(); have != nil && have.revision == s.revision {
		return have
	}
	made := &compiled{revision: s.revision, sources: p.sources("")}
	for _, g := range groups {
		made.sources = append(made.sources, g.Sources()...)
	}
	if p.boundary != nil {
		made.boundary = &iam.Source{ID: "boundary-" + sourceID(p.boundary), Policy: p.boundary.current.Policy()}
	}
	p.compiled.Store(made)
	return made
}

func (p *Permissions) sources(prefix string) []iam.Source {
	list := make([]iam.Source, 0, len(p.inline)+len(p.attached))
	for _, i := range p.inline {
		list = append(list, iam.Source{ID: prefix + "inline/" + i.Name, Policy: i.Policy()})
	}
	for _, m := range p.attached {
		list = append(list, iam.Source{ID: prefix + sourceID(m), Policy: m.current.Policy()})
	}
	return list
}

// sourceID is a managed policy in the reasons of decisions: "policy" with path
// and name, or "aws-policy/…" for one of AWS.
func sourceID(m *ManagedPolicy) string {
	id := "policy" + m.Path + m.Name
	if m.AWS() {
		return "aws-" + id
	}
	return id
}
