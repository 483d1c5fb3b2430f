package iam

import "strconv"

// Decision is the answer of Evaluate with its reasons.
type Decision struct {
	Allowed bool
	Road    Road  // by which road it is allowed, or DeniedExplicit or DeniedImplicit
	Open    Roads // all roads that lie open, apart from any explicit deny
	Matched []Match
	// Missing is, where no road lies open, what each of them lacks; the first is
	// the reason that AWS's message gives. A road is open when all its needs are
	// met; the needs of one road stand together.
	Missing []Missing
}

// Road is the way a request was allowed, or how it was denied.
type Road uint8

const (
	DeniedImplicit            Road = iota // nothing allows it
	DeniedExplicit                        // a statement denies it, whatever allows it
	RoadIdentity                          // identity policies
	RoadResourcePolicy                    // the secret's policy, across accounts with identity policies
	RoadKeyPolicy                         // a key policy statement naming the caller, across accounts with identity policies
	RoadKeyPolicyDelegation               // a key policy statement naming the account, and identity policies
	RoadGrant                             // a grant
	RoadRoot                              // the root user's full identity permission
	RoadTrustPolicy                       // a trust policy naming the caller, across accounts with identity policies
	RoadTrustPolicyDelegation             // a trust policy naming the account, and identity policies
)

var roadNames = [...]string{
	"denied-implicit", "denied-explicit", "identity-policy", "resource-policy", "key-policy",
	"key-policy-delegation", "grant", "root", "trust-policy", "trust-policy-delegation",
}

func (r Road) String() string { return name(roadNames[:], uint8(r)) }

// Roads is a set of roads.
type Roads uint16

// Has reports whether r is in the set.
func (s Roads) Has(r Road) bool { return s&(1<<r) != 0 }

// Match is one statement or grant that speaks about the request.
type Match struct {
	Source    string // of the Source or Grant
	Statement int    // counted from 0; -1 for a grant
	Sid       string
	Effect    Effect
	Part      Part
}

// String is a short name such as "key-policy#0", or the grant's id.
func (m Match) String() string {
	if m.Statement < 0 {
		return m.Source
	}
	return m.Source + "#" + strconv.Itoa(m.Statement)
}

// Part is what a statement or grant played in a decision.
type Part uint8

const (
	PartIdentity   Part = iota // identity policy
	PartBoundary               // permissions boundary
	PartSession                // session policy
	PartResource               // resource's policy: naming the caller, or denying
	PartDelegation             // resource's policy: handing over to the account's identity policies
	PartGrant
)

var partNames = [...]string{"identity", "boundary", "session", "resource", "delegation", "grant"}

func (p Part) String() string { return name(partNames[:], uint8(p)) }

func (e Effect) String() string {
	if e == Allow {
		return "Allow"
	}
	return "Deny"
}

// Need is something whose absence closes a road.
type Need uint8

const (
	NeedSameAccount    Need = iota // the operation is impossible from another account
	NeedIdentityPolicy             // an identity policy that allows
	NeedResourcePolicy             // a secret policy statement naming the caller
	NeedKeyPolicy                  // a key policy statement naming the caller
	NeedTrustPolicy                // a trust policy statement naming the caller
	NeedDelegation                 // a statement naming the account
	NeedGrant                      // a grant to the caller
	NeedBoundary                   // the permissions boundary allowing it
	NeedSessionPolicy              // a session policy allowing it
	needs
)

var needNames = [...]string{
	"same-account", "identity-policy", "resource-policy", "key-policy", "trust-policy",
	"delegation", "grant", "boundary", "session-policy",
}

func (n Need) String() string { return name(needNames[:], uint8(n)) }

// Missing is one thing that one road lacks.
type Missing struct {
	Road Road
	Need Need
}

// String is short enough to store: "key-policy-delegation lacks identity-policy".
func (m Missing) String() string { return m.Road.String() + " lacks " + m.Need.String() }

func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return "unknown"
}

// Reason is the end of AWS's message for a denial, after "User: … is not
// authorized to perform: … on resource: … ": "because no identity-based policy
// allows the kms:Decrypt action", or "with an explicit deny in a resource-based
// policy". Of several denials it names the first in the order identity,
// boundary, session, resource. For a request that is allowed it is empty.
func (d Decision) Reason(action string) string {
	if d.Allowed {
		return ""
	}
	if d.Road == DeniedExplicit {
		for i := range d.Matched {
			if d.Matched[i].Effect == Deny {
				return "with an explicit deny in " + denyPlaces[d.Matched[i].Part]
			}
		}
	}
	kind := "identity-based policy"
	if len(d.Missing) > 0 {
		switch d.Missing[0].Need {
		case NeedBoundary:
			kind = "permissions boundary"
		case NeedSessionPolicy:
			kind = "session policy"
		case NeedIdentityPolicy:
		default:
			kind = "resource-based policy"
		}
	}
	return "because no " + kind + " allows the " + action + " action"
}

var denyPlaces = [...]string{
	PartIdentity:   "an identity-based policy",
	PartBoundary:   "a permissions boundary",
	PartSession:    "a session policy",
	PartResource:   "a resource-based policy",
	PartDelegation: "a resource-based policy",
	PartGrant:      "a grant",
}
