package iam

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Remedy is what one road lacks, as documents that open it together.
type Remedy struct {
	Road  Road
	Steps []Step
}

// Step meets one need: with a policy statement, or with the parameters of
// CreateGrant.
type Step struct {
	Need     Need
	Document json.RawMessage
}

// Remedies gives for each road that the decision found closed the least that would
// open it for this request, the road that lacks least first. Each has been tried
// out: with it, Evaluate allows the request. An explicit deny has none, it must be
// lifted; nor has a road that nothing can open.
func Remedies(in *Input, d *Decision) []Remedy {
	var list []Remedy
	for _, m := range d.Missing {
		i := slices.IndexFunc(list, func(r Remedy) bool { return r.Road == m.Road })
		if i < 0 {
			i = len(list)
			list = append(list, Remedy{Road: m.Road})
		}
		list[i].Steps = append(list[i].Steps, Step{m.Need, json.RawMessage(m.Remedy(in))})
	}
	return slices.DeleteFunc(list, func(r Remedy) bool { return !r.helps(in) })
}

// Remedy is the least that would meet the need for this request, as JSON: a
// policy statement for most, the parameters of CreateGrant for a grant, "" where
// nothing can help. A statement for a key is bound to the service that made the
// call, and to the secret that it was made for.
func (m Missing) Remedy(in *Input) string {
	st := remedyStatement{Effect: "Allow", Action: in.Action, Resource: in.Resource, Condition: leastCondition(in)}
	switch m.Need {
	case NeedIdentityPolicy, NeedBoundary, NeedSessionPolicy:
	case NeedKeyPolicy, NeedResourcePolicy:
		st.Principal, st.Resource = &remedyPrincipal{in.Principal.policyARN()}, "*"
	case NeedTrustPolicy:
		st.Principal, st.Resource = &remedyPrincipal{in.Principal.policyARN()}, ""
	case NeedDelegation:
		st.Principal, st.Resource = &remedyPrincipal{"arn:aws:iam::" + in.Principal.Account + ":root"}, "*"
		if in.Model == ModelTrust {
			st.Resource = ""
		}
	case NeedGrant:
		return asText(grantRemedy(in))
	default:
		return ""
	}
	return asText(st)
}

type remedyPrincipal struct{ AWS string }

type remedyStatement struct {
	Effect    string
	Principal *remedyPrincipal `json:",omitempty"`
	Action    string
	Resource  string         `json:",omitempty"`
	Condition map[string]any `json:",omitempty"`
}

func asText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// leastCondition binds the use of a key by a service for a caller.
func leastCondition(in *Input) map[string]any {
	if in.Context == nil || !hasPrefixFold(in.Action, "kms:") {
		return nil
	}
	via, _, ok := in.Context.Lookup("kms:viaservice", "")
	if !ok || len(via) != 1 {
		return nil
	}
	equals := map[string]string{"kms:ViaService": via[0]}
	if secret := in.EncryptionContext[secretPair]; secret != "" && !strings.ContainsAny(secret, "$") {
		equals["kms:EncryptionContext:"+secretPair] = secret
	}
	return map[string]any{"StringEquals": equals}
}

// secretPair is the pair of the encryption context by which Secrets Manager names
// the secret.
const secretPair = "SecretARN"

// mostPairs is how many pairs a grant constraint can have.
const mostPairs = 8

type remedyGrant struct {
	KeyId, GranteePrincipal string
	Operations              []string
	Constraints             *remedyConstraints `json:",omitempty"`
}

type remedyConstraints struct{ EncryptionContextSubset map[string]string }

func grantRemedy(in *Input) remedyGrant {
	operation, _ := grantOperation(in.Action)
	g := remedyGrant{KeyId: in.Resource, GranteePrincipal: in.Principal.policyARN(), Operations: []string{operation}}
	if len(in.EncryptionContext) == 0 || !takesEncryptionContext(operation) {
		return g
	}
	subset := map[string]string{}
	if secret, ok := in.EncryptionContext[secretPair]; ok {
		subset[secretPair] = secret
	} else {
		for _, key := range slices.Sorted(maps.Keys(in.EncryptionContext))[:min(len(in.EncryptionContext), mostPairs)] {
			subset[key] = in.EncryptionContext[key]
		}
	}
	g.Constraints = &remedyConstraints{subset}
	return g
}

// helps tries the remedy out on the request.
func (r *Remedy) helps(in *Input) bool {
	with := *in
	for _, step := range r.Steps {
		if !with.take(step) {
			return false
		}
	}
	return Evaluate(&with).Allowed
}

// take applies a step to the input, and reports whether there is one.
func (in *Input) take(s Step) bool {
	if len(s.Document) == 0 {
		return false
	}
	added := func(to *Source, kind Kind) *Source {
		p, err := Parse(kind, s.Policy(nil))
		if err != nil {
			return nil
		}
		if to != nil && to.Policy != nil {
			more := *to.Policy
			more.statements = slices.Concat(to.Policy.statements, p.statements)
			p = &more
		}
		return &Source{ID: "remedy", Policy: p}
	}
	switch s.Need {
	case NeedIdentityPolicy:
		x := added(nil, IdentityPolicy)
		if x == nil {
			return false
		}
		in.Identity = append(slices.Clone(in.Identity), *x)
	case NeedSessionPolicy:
		x := added(nil, SessionPolicy)
		if x == nil {
			return false
		}
		in.Session = append(slices.Clone(in.Session), *x)
	case NeedBoundary:
		in.Boundary = added(in.Boundary, BoundaryPolicy)
		return in.Boundary != nil
	case NeedKeyPolicy, NeedResourcePolicy, NeedTrustPolicy, NeedDelegation:
		in.ResourcePolicy = added(in.ResourcePolicy, in.Model.policyKind())
		return in.ResourcePolicy != nil
	case NeedGrant:
		var g remedyGrant
		if json.Unmarshal(s.Document, &g) != nil {
			return false
		}
		made := Grant{ID: "remedy", Grantee: g.GranteePrincipal, Operations: g.Operations}
		if g.Constraints != nil {
			made.ContextSubset = g.Constraints.EncryptionContextSubset
		}
		in.Grants = append(slices.Clone(in.Grants), made)
	default:
		return false
	}
	return true
}

// policyKind is the kind of the resource's own policy.
func (m Model) policyKind() Kind {
	switch m {
	case ModelKey:
		return KeyPolicy
	case ModelTrust:
		return TrustPolicy
	}
	return ResourcePolicy
}

// Policy is a whole document: that of to, if any, with the step's statement at its
// end. nil where the step is no statement or to is no document.
func (s Step) Policy(to *Policy) []byte {
	if s.Need == NeedGrant || len(s.Document) == 0 {
		return nil
	}
	document := struct {
		Version   string
		Id        string `json:",omitempty"`
		Statement []json.RawMessage
	}{Version: "2012-10-17"}
	if to != nil {
		var head struct{ Version, Id string }
		if json.Unmarshal([]byte(to.document), &head) != nil {
			return nil
		}
		document.Version, document.Id = head.Version, head.Id
		if document.Version == "" {
			document.Version = "2008-10-17" // what a document without one means
		}
		document.Statement = to.statementTexts()
	}
	document.Statement = append(document.Statement, s.Document)
	text, err := json.Marshal(document)
	if err != nil {
		return nil
	}
	return text
}

// policyARN is how a policy would name the principal: a session by its role.
func (p *Principal) policyARN() string {
	if p.Type == RoleSession {
		return p.RoleARN
	}
	return p.ARN
}
