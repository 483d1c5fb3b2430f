package iam

import (
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
)

// PrincipalType is the kind of caller.
type PrincipalType uint8

const (
	User          PrincipalType = iota // an IAM user, also through GetSessionToken
	RoleSession                        // a role, assumed
	Root                               // the account's root user
	Federated                          // a caller of AssumeRoleWithWebIdentity: ARN is its identity provider's
	Service                            // a service principal: ARN is its name, such as lambda.amazonaws.com
	FederatedUser                      // a session of sts:GetFederationToken (arn:aws:sts::A:federated-user/N)
)

// Principal is the caller as policies and grants see it.
type Principal struct {
	Type    PrincipalType
	ARN     string // user, root, federated user, or role session (arn:aws:sts::A:assumed-role/R/S)
	Account string
	RoleARN string // of a role session: its role, with path; aws:PrincipalArn
	UserARN string // of a federated user: the user whose permissions it shares
	// UniqueID is AIDA… of a user or of a federated user's user, AROA… of a role
	// (without the session name), the account id of the root: what bound policies and
	// grants match.
	UniqueID string
	// UserID is aws:userid: as UniqueID, a role session's with ":" and the session
	// name, a federated user's its account, ":" and its name.
	UserID string
}

// naming says how a statement's Principal, or a grant's grantee, fits a caller.
// Stronger namings are greater.
type naming uint8

const (
	notNamed       naming = iota
	namedByAccount        // the caller's account: delegates to its identity policies
	namedByRole           // the role of the session: boundary and session policies still limit it
	namedDirectly         // the user, the session, the root user, or everybody
)

// principals is a compiled Principal or NotPrincipal element.
type principals struct {
	not      bool
	everyone bool     // "*" or {"AWS":"*"}
	accounts []string // account ids, from ids and root ARNs
	named    []named
	other    []named // Service, Federated, CanonicalUser
}

type named struct {
	form form
	text string // as written: ARN, unique id, service or provider name
	id   string // unique id it is bound to, or ""
}

type form uint8

const (
	userForm form = iota
	roleForm
	sessionForm
	federatedUserForm
	idForm
	serviceForm
	providerForm
	canonicalForm
)

// naming applies Principal and NotPrincipal. A NotPrincipal takes the safe side
// in both effects: an Allow excludes everybody it names in any way, the account
// included; a Deny spares only whom it names by user, role or session, so that
// listing the account beside its user, as AWS requires, does not spare all
// others in it.
func (ps *principals) naming(p *Principal, effect Effect) naming {
	how := ps.find(p)
	if p.Type == FederatedUser && effect == Deny && !ps.not && how != namedDirectly {
		// What a user is denied, nobody is granted in its name; what it is allowed by its
		// ARN stays its own.
		how = max(how, ps.find(&Principal{Type: User, ARN: p.UserARN, Account: p.Account, UniqueID: p.UniqueID}))
	}
	if !ps.not {
		return how
	}
	if how == notNamed || effect == Deny && how == namedByAccount {
		return namedDirectly
	}
	return notNamed
}

func (ps *principals) find(p *Principal) naming {
	if ps.everyone {
		return namedDirectly
	}
	best := notNamed
	switch p.Type {
	case Federated, Service:
		for i := range ps.other {
			if n := &ps.other[i]; n.text == p.ARN && (n.form == providerForm) == (p.Type == Federated) {
				return namedDirectly
			}
		}
		return notNamed
	}
	for _, account := range ps.accounts {
		if account == p.Account {
			if p.Type == Root {
				return namedDirectly
			}
			best = namedByAccount
		}
	}
	for i := range ps.named {
		if how := ps.named[i].naming(p); how > best {
			best = how
		}
	}
	return best
}

// naming compares one entry. A bound entry is the unique id and no longer the
// text: a user or role created anew under the old name is someone else.
func (n *named) naming(p *Principal) naming {
	switch p.Type {
	case User:
		switch {
		case n.form == idForm && n.text == p.UniqueID,
			n.form == userForm && n.fits(p.ARN, p.UniqueID):
			return namedDirectly
		}
	case FederatedUser:
		if n.form == federatedUserForm && n.text == p.ARN {
			return namedDirectly
		}
	case RoleSession:
		switch {
		case n.form == idForm && n.text == p.UserID:
			return namedDirectly
		case n.form == idForm && n.text == p.UniqueID, n.form == roleForm && n.fits(p.RoleARN, p.UniqueID):
			return namedByRole
		case n.form == sessionForm && n.text == p.ARN && (n.id == "" || n.id == p.UniqueID):
			return namedDirectly
		}
	}
	return notNamed
}

func (n *named) fits(arn, id string) bool {
	if n.id != "" {
		return n.id == id
	}
	return n.text == arn
}

// parsePrincipals compiles the element's value. refused is the first name that
// is not acceptable: a wildcard inside, a group, a text that is no ARN.
func parsePrincipals(value node, not bool) (ps *principals, refusedType, refused string, err error) {
	ps = &principals{not: not}
	if value.kind == stringNode {
		if value.text != "*" {
			return nil, "", "", errJSON
		}
		ps.everyone = true
		return ps, "", "", nil
	}
	if value.kind != objectNode || len(value.names) == 0 {
		return nil, "", "", errJSON
	}
	for i, typ := range value.names {
		texts, err := value.items[i].strings()
		if err != nil {
			return nil, "", "", err
		}
		for _, text := range texts {
			ok := false
			switch typ {
			case "AWS":
				ok = ps.addAWS(text)
			case "Service":
				ok = ps.addOther(serviceForm, text)
			case "Federated":
				ok = ps.addOther(providerForm, text)
			case "CanonicalUser":
				ok = ps.addOther(canonicalForm, text)
			default:
				return nil, "", "", errJSON
			}
			if !ok && refused == "" {
				refusedType, refused = typ, text
			}
		}
	}
	return ps, refusedType, refused, nil
}

func (ps *principals) addOther(f form, text string) bool {
	if text == "" || strings.ContainsAny(text, "*?") {
		return false
	}
	ps.other = append(ps.other, named{form: f, text: text})
	return true
}

func (ps *principals) addAWS(text string) bool {
	if text == "*" {
		ps.everyone = true
		return true
	}
	if account, ok := accountOf(text); ok {
		ps.accounts = append(ps.accounts, account)
		return true
	}
	f, ok := formOf(text)
	if !ok {
		return false
	}
	ps.named = append(ps.named, named{form: f, text: text})
	return true
}

// accountOf reads an account id or the ARN of its root.
func accountOf(text string) (string, bool) {
	if arn.IsAccount(text) {
		return text, true
	}
	a, err := arn.Parse(text)
	if err != nil || a.Service != "iam" || a.Region != "" || a.Resource != "root" || !arn.IsAccount(a.Account) {
		return "", false
	}
	return a.Account, true
}

// formOf tells what an AWS principal other than an account is.
func formOf(text string) (form, bool) {
	if isUniqueID(text) {
		return idForm, true
	}
	a, err := arn.Parse(text)
	if err != nil || a.Region != "" || !arn.IsAccount(a.Account) || strings.ContainsAny(text, "*?") {
		return 0, false
	}
	typ, name := a.Split()
	if name == "" || strings.HasSuffix(name, "/") {
		return 0, false
	}
	switch {
	case a.Service == "iam" && typ == "user":
		return userForm, true
	case a.Service == "iam" && typ == "role":
		return roleForm, true
	case a.Service == "sts" && typ == "assumed-role" && strings.Count(name, "/") == 1 && name[0] != '/':
		return sessionForm, true
	case a.Service == "sts" && typ == "federated-user":
		return federatedUserForm, true
	}
	return 0, false
}

// isUniqueID recognises the id of a user (AIDA…) or a role (AROA…, also with
// ":" and a session name): what a policy shows once its principal is deleted.
func isUniqueID(text string) bool {
	id, session, hasSession := strings.Cut(text, ":")
	if len(id) < 16 || len(id) > 128 || hasSession && (session == "" || !strings.HasPrefix(id, "AROA")) {
		return false
	}
	if !strings.HasPrefix(id, "AIDA") && !strings.HasPrefix(id, "AROA") {
		return false
	}
	return strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" && !strings.ContainsAny(session, "*?:")
}

// Principals lists whom the policy names, in Principal and NotPrincipal, each
// once and in order of appearance: ARNs of users, roles and sessions, account
// ids (a root ARN as its account id) and unique ids. "*", services and identity
// providers are left out. It is what a caller checks for existence and binds.
func (p *Policy) Principals() []string {
	var list []string
	seen := map[string]bool{}
	add := func(text string) {
		if !seen[text] {
			seen[text] = true
			list = append(list, text)
		}
	}
	for i := range p.statements {
		if ps := p.statements[i].principals; ps != nil {
			for _, account := range ps.accounts {
				add(account)
			}
			for j := range ps.named {
				add(ps.named[j].text)
			}
		}
	}
	return list
}

// Bind returns the policy with principal ARNs bound to unique ids, ARN to AIDA…
// or AROA… (a session ARN to its role's id). A bound ARN matches only a caller
// with that id; an ARN not in ids keeps what it had. The document is the same,
// and all else is shared with p, which it is itself when nothing is bound.
func (p *Policy) Bind(ids map[string]string) *Policy {
	names := func(st statement) bool {
		return st.principals != nil && slices.ContainsFunc(st.principals.named, func(n named) bool { return ids[n.text] != "" })
	}
	if !slices.ContainsFunc(p.statements, names) {
		return p
	}
	bound := *p
	bound.statements = make([]statement, len(p.statements))
	copy(bound.statements, p.statements)
	for i := range bound.statements {
		old := bound.statements[i].principals
		if old == nil {
			continue
		}
		ps := *old
		ps.named = make([]named, len(old.named))
		copy(ps.named, old.named)
		for j := range ps.named {
			if id := ids[ps.named[j].text]; id != "" {
				ps.named[j].id = intern(id)
			}
		}
		bound.statements[i].principals = &ps
	}
	return &bound
}

// NamesEverybody reports whether an Allow of the policy is for "*", or for all but
// some: for callers of any account, as far as its conditions let them.
func (p *Policy) NamesEverybody() bool {
	return slices.ContainsFunc(p.statements, func(st statement) bool {
		return st.effect == Allow && st.principals != nil && (st.principals.everyone || st.principals.not)
	})
}
