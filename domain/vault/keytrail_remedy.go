package vault

import (
	"encoding/json"
	"strings"

	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
)

// explainedRemedy is one thing that a road lacked: those of one road stand
// together, each road alone is enough.
type explainedRemedy struct {
	Action   string          `json:"Action"`
	Road     string          `json:"Road"`
	Where    string          `json:"Where"`
	Document json.RawMessage `json:"Document"` // a policy statement, or the input of CreateGrant
	// Apply is the call that does it, made of what is there now; absent where the
	// account that asks cannot make it.
	Apply *remedyCall `json:"Apply,omitempty"`
}

type remedyCall struct {
	Service   string         `json:"Service"`
	Operation string         `json:"Operation"`
	Input     map[string]any `json:"Input"`
}

func (j *judgement) remedies(in *iam.Input, d *iam.Decision, on target) []explainedRemedy {
	var list []explainedRemedy
	for _, remedy := range iam.Remedies(in, d) {
		for _, step := range remedy.Steps {
			told := explainedRemedy{Action: j.check.Action, Road: remedy.Road.String(), Document: step.Document}
			told.Where, told.Apply = j.apply(step, in, on)
			list = append(list, told)
		}
	}
	return list
}

// apply says where a step goes, and gives the call that takes it. Documents are
// put together with those that are in force now, so that nothing newer is undone.
func (j *judgement) apply(step iam.Step, in *iam.Input, on target) (where string, call *remedyCall) {
	principal := in.Principal.ARN
	if in.Principal.RoleARN != "" {
		principal = in.Principal.RoleARN
	}
	ownResource := in.ResourceAccount == j.c.account
	now := j.c.pretend(j.c.actor, j.c.service, "")
	live := now.judgedOn(j.check.Action, on.arn, false)
	policy := func() string { return string(step.Policy(live.policy.Policy)) }
	switch step.Need {
	case iam.NeedIdentityPolicy:
		return "identity policy of " + principal, j.identityCall(step, in)
	case iam.NeedSessionPolicy:
		return "session policy of " + in.Principal.ARN + ", passed to AssumeRole", nil
	case iam.NeedBoundary:
		return "permissions boundary of " + principal, j.boundaryCall(step, in)
	case iam.NeedKeyPolicy, iam.NeedResourcePolicy, iam.NeedTrustPolicy, iam.NeedDelegation:
		switch {
		case !ownResource:
			return "policy of " + on.arn + ", which is another account's", nil
		case live.key != nil:
			return "key policy of " + on.arn, &remedyCall{"kms", "PutKeyPolicy", map[string]any{"KeyId": live.key.ID, "PolicyName": "default", "Policy": policy()}}
		case live.secret != nil:
			return "resource policy of " + on.arn, &remedyCall{"secretsmanager", "PutResourcePolicy", map[string]any{"SecretId": on.arn, "ResourcePolicy": policy()}}
		case live.role != nil:
			return "trust policy of " + on.arn, &remedyCall{"iam", "UpdateAssumeRolePolicy", map[string]any{"RoleName": live.role.Name, "PolicyDocument": policy()}}
		}
		return "policy of " + on.arn, nil
	case iam.NeedGrant:
		where = "kms CreateGrant"
		input := map[string]any{}
		if ownResource && live.key != nil && json.Unmarshal(step.Document, &input) == nil {
			return where, &remedyCall{"kms", "CreateGrant", input}
		}
		return where, nil
	}
	return step.Need.String(), nil
}

// identityCall puts an inline policy of its own on the user or role.
func (j *judgement) identityCall(step iam.Step, in *iam.Input) *remedyCall {
	if in.Principal.Account != j.c.account {
		return nil
	}
	_, action, _ := strings.Cut(j.check.Action, ":")
	input := map[string]any{"PolicyName": "Allow" + action + "-" + j.record.Request[:min(8, len(j.record.Request))], "PolicyDocument": string(step.Policy(nil))}
	if u := j.c.st.Identities.User(in.Principal.UniqueID); u != nil {
		input["UserName"] = u.Name
		return &remedyCall{"iam", "PutUserPolicy", input}
	}
	if r := j.c.st.Identities.Role(in.Principal.UniqueID); r != nil {
		input["RoleName"] = r.Name
		return &remedyCall{"iam", "PutRolePolicy", input}
	}
	return nil
}

// boundaryCall makes the boundary's policy wider, if it is the account's own.
func (j *judgement) boundaryCall(step iam.Step, in *iam.Input) *remedyCall {
	if in.Principal.Account != j.c.account {
		return nil
	}
	var b *identity.ManagedPolicy
	if u := j.c.st.Identities.User(in.Principal.UniqueID); u != nil {
		b = u.Boundary()
	} else if r := j.c.st.Identities.Role(in.Principal.UniqueID); r != nil {
		b = r.Boundary()
	}
	if b == nil || b.AWS() {
		return nil
	}
	return &remedyCall{"iam", "CreatePolicyVersion", map[string]any{"PolicyArn": b.ARN, "SetAsDefault": true,
		"PolicyDocument": string(step.Policy(b.Default().Policy()))}}
}
