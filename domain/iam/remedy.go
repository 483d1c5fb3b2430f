package iam

import "encoding/json"

// Remedy is the least that would meet the need for this request, as JSON: a
// policy statement for most, the parameters of CreateGrant for a grant, "" where
// nothing can help. It carries no conditions and is a proposal to be judged,
// not to be applied blindly.
func (m Missing) Remedy(in *Input) string {
	type principal struct {
		AWS string
	}
	type statement struct {
		Effect    string
		Principal *principal `json:",omitempty"`
		Action    string
		Resource  string `json:",omitempty"`
	}
	st := statement{Effect: "Allow", Action: in.Action, Resource: in.Resource}
	switch m.Need {
	case NeedIdentityPolicy, NeedBoundary, NeedSessionPolicy:
	case NeedKeyPolicy, NeedResourcePolicy:
		st.Principal, st.Resource = &principal{in.Principal.policyARN()}, "*"
	case NeedTrustPolicy:
		st.Principal, st.Resource = &principal{in.Principal.policyARN()}, ""
	case NeedDelegation:
		st.Principal, st.Resource = &principal{"arn:aws:iam::" + in.Principal.Account + ":root"}, "*"
		switch {
		case in.Model == ModelTrust:
			st.Resource = ""
		case hasPrefixFold(in.Action, "kms:"):
			st.Action = "kms:*"
		}
	case NeedGrant:
		return grantRemedy(in)
	default:
		return ""
	}
	text, err := json.Marshal(st)
	if err != nil {
		return ""
	}
	return string(text)
}

func grantRemedy(in *Input) string {
	operation, _ := grantOperation(in.Action)
	text, err := json.Marshal(struct {
		KeyId, GranteePrincipal string
		Operations              []string
	}{in.Resource, in.Principal.policyARN(), []string{operation}})
	if err != nil {
		return ""
	}
	return string(text)
}

// policyARN is how a policy would name the principal: a session by its role.
func (p *Principal) policyARN() string {
	if p.Type == RoleSession {
		return p.RoleARN
	}
	return p.ARN
}
