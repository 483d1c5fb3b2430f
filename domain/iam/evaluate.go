package iam

// Model is which sides must allow, by the kind of operation.
type Model uint8

const (
	// ModelIdentity: identity policies alone, and only in the caller's own
	// account (kms:CreateKey, kms:ListKeys, secretsmanager:ListSecrets, iam:*,
	// aliases).
	ModelIdentity Model = iota
	// ModelResource: in the account either side is enough, across accounts both
	// are needed (secrets).
	ModelResource
	// ModelKey: the key policy or a grant is needed in any case, for the root
	// user and administrators too; a key policy statement for the account
	// hands the decision to identity policies.
	ModelKey
	// ModelTrust: sts:AssumeRole. As ModelKey, with the trust policy and without
	// grants.
	ModelTrust
)

// Source is a compiled policy and where it came from, for the reasons: such as
// "arn:aws:iam::111122223333:policy/p", "inline:role/R/p", "key-policy".
type Source struct {
	ID     string
	Policy *Policy
}

// Input is one request with everything that bears on it.
type Input struct {
	Principal Principal
	Action    string // such as "kms:Decrypt"; letter case does not count
	// Resource is the ARN that is acted upon, for keys always the key's and
	// never an alias's; "*" for operations without one.
	Resource        string
	ResourceAccount string // the account that owns Resource; empty means the caller's
	Context         Context
	Model           Model

	// Identity holds the inline and attached policies of the user and its
	// groups, or of the role. The root user needs none.
	Identity []Source
	Boundary *Source // permissions boundary, or nil
	// Session holds session policies, one of which must allow when HasSession
	// is set.
	Session    []Source
	HasSession bool

	ResourcePolicy    *Source           // key policy, secret policy or trust policy
	Grants            []Grant           // of the key; others than the caller's are passed over
	EncryptionContext map[string]string // what grant constraints look at
}

// evaluation is what the statements and grants said, before it is put together.
type evaluation struct {
	in       *Input
	request  request
	decision Decision

	denied                      bool   // some statement denies
	identity, boundary, session bool   // some statement there allows
	resource                    naming // the strongest naming above namedByAccount in an Allow
	delegated                   bool   // an Allow names the caller's account
	grant                       naming
}

// Evaluate decides one request. It never stops at the first answer: Matched has
// every statement and grant that speaks about the request, so that a Deny does
// not hide which Allow it overrode. It does not change in.
func Evaluate(in *Input) Decision {
	e := evaluation{in: in}
	e.request = request{action: in.Action, resource: in.Resource, principal: &in.Principal, context: in.Context}
	if e.request.context == nil {
		e.request.context = emptyContext{}
	}
	for i := range in.Identity {
		if e.weigh(&in.Identity[i], PartIdentity) {
			e.identity = true
		}
	}
	if in.Boundary != nil {
		e.boundary = e.weigh(in.Boundary, PartBoundary)
	}
	for i := range in.Session {
		if e.weigh(&in.Session[i], PartSession) {
			e.session = true
		}
	}
	if in.ResourcePolicy != nil {
		e.weigh(in.ResourcePolicy, PartResource)
	}
	if in.Model == ModelKey {
		for i := range in.Grants {
			e.weighGrant(&in.Grants[i])
		}
	}
	e.conclude()
	return e.decision
}

// weigh notes each statement of a policy that applies, and reports whether any
// of them allows.
func (e *evaluation) weigh(src *Source, part Part) (allows bool) {
	if src.Policy == nil {
		return false
	}
	for i := range src.Policy.statements {
		st := &src.Policy.statements[i]
		how, ok := st.applies(&e.request)
		if !ok {
			continue
		}
		m := Match{Source: src.ID, Statement: i, Sid: st.sid, Effect: st.effect, Part: part}
		switch {
		case st.effect == Deny:
			e.denied = true
		case part == PartResource && how == namedByAccount:
			allows, e.delegated = true, true
			m.Part = PartDelegation
		default:
			allows = true
			if part == PartResource {
				e.resource = max(e.resource, how)
			}
		}
		e.note(m)
	}
	return allows
}

func (e *evaluation) weighGrant(g *Grant) {
	how := g.naming(e.in)
	if how == notNamed {
		return
	}
	e.grant = max(e.grant, how)
	e.note(Match{Source: g.ID, Statement: -1, Effect: Allow, Part: PartGrant})
}

func (e *evaluation) note(m Match) {
	if e.decision.Matched == nil {
		e.decision.Matched = make([]Match, 0, 4)
	}
	e.decision.Matched = append(e.decision.Matched, m)
}
