// Package iam is the room for the policy language of AWS and for the decision
// it leads to: documents are compiled by Parse, and Evaluate says whether one
// request is allowed, by which statements and grants, or what it lacks.
//
// Everything here is a pure function of its arguments. The package knows no
// user, key or secret, stores nothing, and does not ask where a policy was
// attached; whoever calls Evaluate brings the policies and the request. It
// imports package arn and the standard library alone.
package iam

import "unique"

// Kind says where a document is attached, and so which grammar it has.
type Kind uint8

const (
	IdentityPolicy Kind = iota // of a user, group or role; inline or managed
	KeyPolicy                  // of a KMS key
	ResourcePolicy             // of a secret
	TrustPolicy                // of a role: who may assume it
	SessionPolicy              // passed to AssumeRole
	BoundaryPolicy             // a managed policy set as permissions boundary
)

// namesPrincipals reports whether the statements of this kind have a Principal.
func (k Kind) namesPrincipals() bool {
	return k == KeyPolicy || k == ResourcePolicy || k == TrustPolicy
}

// MaxDocument is the longest document Parse looks at, in bytes: the bound of
// the PolicyType shape of KMS, the widest of all. The quotas of each kind are
// narrower and are the caller's to enforce.
const MaxDocument = 131072

// MalformedError is a document that AWS would refuse. Text is the message AWS
// sends, for MalformedPolicyDocument or MalformedPolicyDocumentException.
type MalformedError struct{ Text string }

func (e *MalformedError) Error() string { return "iam: malformed policy: " + e.Text }

// Policy is a compiled document. It never changes after Parse or Bind, and any
// number of goroutines may evaluate it.
type Policy struct {
	kind       Kind
	document   string
	id         string
	variables  bool // the version has policy variables
	statements []statement
}

// Kind is the kind the document was parsed as.
func (p *Policy) Kind() Kind { return p.kind }

// Document is the text given to Parse, byte for byte.
func (p *Policy) Document() string { return p.document }

// ID is the document's Id element, or "".
func (p *Policy) ID() string { return p.id }

// Statements is the number of statements.
func (p *Policy) Statements() int { return len(p.statements) }

// Effect is what a statement does when it applies. The zero value allows nothing.
type Effect uint8

const (
	Deny Effect = iota
	Allow
)

// statement is one compiled statement.
type statement struct {
	sid        string
	effect     Effect
	inert      bool // a key policy statement without Action or Resource: accepted, never applies
	everywhere bool // no Resource element and none needed: a trust policy
	// notAction and notResource invert the lists beside them.
	notAction, notResource bool
	actions                []pattern
	resources              []arnPattern
	principals             *principals // nil where the kind names none
	conditions             []condition
}

// request is what one call looks like to a statement.
type request struct {
	action, resource string
	principal        *Principal
	context          Context
}

// applies reports whether the statement speaks about the request, and how the
// caller was named by it.
func (st *statement) applies(r *request) (naming, bool) {
	if st.inert || !st.coversAction(r.action) || !st.coversResource(r) {
		return notNamed, false
	}
	how := namedDirectly
	if st.principals != nil {
		if how = st.principals.naming(r.principal, st.effect); how == notNamed {
			return notNamed, false
		}
	}
	for i := range st.conditions {
		if !st.conditions[i].holds(r.context) {
			return notNamed, false
		}
	}
	return how, true
}

func (st *statement) coversAction(action string) bool {
	for i := range st.actions {
		if st.actions[i].matchFold(action) {
			return !st.notAction
		}
	}
	return st.notAction
}

// coversResource takes the safe side when a NotResource holds a variable
// without a value: such a Deny applies and such an Allow does not.
func (st *statement) coversResource(r *request) bool {
	if st.everywhere {
		return true
	}
	for i := range st.resources {
		p := &st.resources[i]
		if p.match(r.resource, r.context) {
			return !st.notResource
		}
		if st.notResource && st.effect == Allow && !p.resolvable(r.context) {
			return false
		}
	}
	return st.notResource
}

// intern makes equal texts of all compiled policies share their bytes: the same
// few actions, keys and account prefixes fill them.
func intern(s string) string { return unique.Make(s).Value() }
