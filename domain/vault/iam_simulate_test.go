package vault_test

import (
	"fmt"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func simulated(o *vaulttest.Outcome) string {
	list := ""
	for _, r := range o.OK()["EvaluationResults"].([]any) {
		list += r.(m)["EvalDecision"].(string) + " "
	}
	return list
}

// TestSimulationAgreesWithProduction: what the simulation says of a call is what
// becomes of the call, through key policies, grants and boundaries.
func TestSimulationAgreesWithProduction(t *testing.T) {
	v, admin := iamVault(t)
	alice := v.User("alice", vaulttest.Allow("kms:DescribeKey", "iam:ListUsers"))
	guarded := admin.Call("kms:CreateKey", m{"Policy": fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":%q},"Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":%q},"Action":"kms:GetKeyPolicy","Resource":"*"}]}`, admin.ARN, alice.ARN)}).OK()["KeyMetadata"].(m)["Arn"].(string)
	delegated := admin.Call("kms:CreateKey", nil).OK()["KeyMetadata"].(m)["Arn"].(string)
	admin.Call("kms:CreateGrant", m{"KeyId": guarded, "GranteePrincipal": alice.ARN, "Operations": []string{"Encrypt"}}).OK()
	blob := m{"Plaintext": "YQ=="}
	for _, tc := range []struct {
		op, resource string
		in           m
		want         string
	}{
		{"kms:DescribeKey", delegated, m{}, "allowed "},
		{"kms:DescribeKey", guarded, m{}, "implicitDeny "},
		{"kms:GetKeyPolicy", guarded, m{}, "allowed "},
		{"kms:GetKeyPolicy", delegated, m{}, "implicitDeny "},
		{"kms:Encrypt", guarded, blob, "allowed "},
		{"kms:Encrypt", delegated, blob, "implicitDeny "},
		{"iam:ListUsers", "*", nil, "allowed "},
		{"iam:ListRoles", "*", nil, "implicitDeny "},
	} {
		t.Run(tc.op+" on "+tc.resource, func(t *testing.T) {
			got := simulated(admin.Call("iam:SimulatePrincipalPolicy", m{"PolicySourceArn": alice.ARN, "ActionNames": []string{tc.op}, "ResourceArns": []string{tc.resource}}))
			in := m{}
			for k, v := range tc.in {
				in[k] = v
			}
			if tc.resource != "*" {
				in["KeyId"] = tc.resource
			}
			fell := alice.Call(tc.op, in).Reply.Fault
			if got != tc.want || (fell == nil) != (tc.want == "allowed ") {
				t.Errorf("simulated %s, the call itself: %v", got, fell)
			}
		})
	}
	alice.Call("iam:SimulatePrincipalPolicy", m{"PolicySourceArn": alice.ARN, "ActionNames": []string{"kms:Encrypt"}}).Fails(fault.AccessDenied, "iam:SimulatePrincipalPolicy")
	admin.Call("iam:SimulatePrincipalPolicy", m{"PolicySourceArn": alice.ARN + "x", "ActionNames": []string{"kms:Encrypt"}}).Fails(fault.NoSuchEntity, "alicex")
}

func TestSimulateCustomPolicy(t *testing.T) {
	_, admin := iamVault(t)
	policy := `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"secretsmanager:*","Resource":"arn:aws:secretsmanager:*:*:secret:app-*","Condition":{"StringEquals":{"aws:RequestTag/team":"${aws:PrincipalTag/team}"}}},
		{"Effect":"Deny","Action":"secretsmanager:DeleteSecret","Resource":"*"}]}`
	const app, other = "arn:aws:secretsmanager:us-east-1:111122223333:secret:app-1", "arn:aws:secretsmanager:us-east-1:111122223333:secret:db-1"
	in := m{"PolicyInputList": []string{policy}, "ActionNames": []string{"secretsmanager:TagResource", "secretsmanager:DeleteSecret"}, "ResourceArns": []string{app, other}}
	if got := simulated(admin.Call("iam:SimulateCustomPolicy", in)); got != "implicitDeny implicitDeny explicitDeny explicitDeny " {
		t.Errorf("without context: %s", got)
	}
	result := admin.Call("iam:SimulateCustomPolicy", in).OK()["EvaluationResults"].([]any)[0].(m)
	if got := fmt.Sprint(result["MissingContextValues"]); got != "[aws:PrincipalTag/team aws:RequestTag/team]" {
		t.Errorf("missing %s", got)
	}
	in["ContextEntries"] = []m{
		{"ContextKeyName": "aws:RequestTag/team", "ContextKeyValues": []string{"red"}, "ContextKeyType": "string"},
		{"ContextKeyName": "aws:PrincipalTag/team", "ContextKeyValues": []string{"red"}, "ContextKeyType": "string"},
	}
	if got := simulated(admin.Call("iam:SimulateCustomPolicy", in)); got != "allowed implicitDeny explicitDeny explicitDeny " {
		t.Errorf("with context: %s", got)
	}
	in["PermissionsBoundaryPolicyInputList"] = []string{vaulttest.Allow("kms:*")}
	bounded := admin.Call("iam:SimulateCustomPolicy", in).OK()["EvaluationResults"].([]any)[0].(m)
	if bounded["EvalDecision"] != "implicitDeny" || bounded["PermissionsBoundaryDecisionDetail"].(m)["AllowedByPermissionsBoundary"] != false {
		t.Errorf("bounded %v", bounded)
	}
	delete(in, "PermissionsBoundaryPolicyInputList")
	in["MaxItems"] = 3
	first := admin.Call("iam:SimulateCustomPolicy", in).OK()
	in["Marker"] = first["Marker"]
	rest := admin.Call("iam:SimulateCustomPolicy", in).OK()
	if len(first["EvaluationResults"].([]any)) != 3 || len(rest["EvaluationResults"].([]any)) != 1 || rest["IsTruncated"] != false {
		t.Errorf("pages %v, %v", first, rest)
	}
	admin.Call("iam:SimulateCustomPolicy", m{"PolicyInputList": []string{"{}"}, "ActionNames": []string{"kms:Encrypt"}}).Fails(fault.InvalidInput, "Syntax errors")
	keys := admin.Call("iam:GetContextKeysForCustomPolicy", m{"PolicyInputList": []string{policy}}).OK()["ContextKeyNames"]
	if fmt.Sprint(keys) != "[aws:PrincipalTag/team aws:RequestTag/team]" {
		t.Errorf("keys %v", keys)
	}
}

func TestSimulateForGroupAndRole(t *testing.T) {
	v, admin := iamVault(t)
	v.Role("r", vaulttest.Allow("kms:ListKeys"))
	admin.Call("iam:CreateGroup", m{"GroupName": "g"}).OK()
	admin.Call("iam:PutGroupPolicy", m{"GroupName": "g", "PolicyName": "p", "PolicyDocument": vaulttest.Allow("kms:ListAliases")}).OK()
	actions := []string{"kms:ListKeys", "kms:ListAliases"}
	for arn, want := range map[string]string{
		vaulttest.RoleARN("r"):                  "allowed implicitDeny ",
		"arn:aws:iam::111122223333:group/g":     "implicitDeny allowed ",
		"arn:aws:iam::111122223333:user/nobody": "",
	} {
		o := admin.Call("iam:SimulatePrincipalPolicy", m{"PolicySourceArn": arn, "ActionNames": actions})
		if want == "" {
			o.Fails(fault.NoSuchEntity, "nobody")
		} else if got := simulated(o); got != want {
			t.Errorf("%s: %s, want %s", arn, got, want)
		}
	}
}

func TestSimulateWithResourcePolicyAndCaller(t *testing.T) {
	v, admin := iamVault(t)
	alice := v.User("alice")
	const secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:s-1"
	in := m{
		"PolicyInputList": []string{vaulttest.Allow("kms:*")}, "ActionNames": []string{"secretsmanager:GetSecretValue"}, "ResourceArns": []string{secret},
		"ResourcePolicy": fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":%q},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}`, alice.ARN),
	}
	if got := simulated(admin.Call("iam:SimulateCustomPolicy", in)); got != "implicitDeny " {
		t.Errorf("without a caller: %s", got)
	}
	in["CallerArn"] = alice.ARN
	out := admin.Call("iam:SimulateCustomPolicy", in).OK()["EvaluationResults"].([]any)[0].(m)
	if out["EvalDecision"] != "allowed" || fmt.Sprint(out["MatchedStatements"]) != "[map[SourcePolicyId:ResourcePolicy SourcePolicyType:resource]]" {
		t.Errorf("as the one it names: %v", out)
	}
	in["ResourceOwner"] = "arn:aws:iam::444455556666:root"
	if got := simulated(admin.Call("iam:SimulateCustomPolicy", in)); got != "implicitDeny " {
		t.Errorf("across accounts, without an identity policy: %s", got)
	}
	in["CallerArn"] = alice.ARN + "x"
	admin.Call("iam:SimulateCustomPolicy", in).Fails(fault.InvalidInput, "Invalid caller ARN")
	keys := admin.Call("iam:GetContextKeysForPrincipalPolicy", m{"PolicySourceArn": alice.ARN, "PolicyInputList": []string{
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}`}}).OK()["ContextKeyNames"]
	if fmt.Sprint(keys) != "[aws:SecureTransport]" {
		t.Errorf("keys %v", keys)
	}
	role := createRole(admin, "R", trust(alice.ARN))
	if got := simulated(admin.Call("iam:SimulatePrincipalPolicy", m{"PolicySourceArn": alice.ARN, "ActionNames": []string{"sts:AssumeRole"}, "ResourceArns": []string{role}})); got != "allowed " {
		t.Errorf("assuming a role that trusts: %s", got)
	}
}

// TestSimulationStaysInItsAccount: naming another account's user as the caller
// would read out what that account's keys allow.
func TestSimulationStaysInItsAccount(t *testing.T) {
	v, admin := iamVault(t)
	theirs := v.UserOf(vaulttest.Other, "theirs", vaulttest.Administrator)
	key := theirs.Call("kms:CreateKey", nil).OK()["KeyMetadata"].(m)["Arn"].(string)
	admin.Call("iam:SimulatePrincipalPolicy", m{
		"PolicySourceArn": admin.ARN, "CallerArn": theirs.ARN, "ActionNames": []string{"kms:Decrypt"}, "ResourceArns": []string{key},
	}).Fails(fault.InvalidInput, "Invalid caller ARN "+theirs.ARN)
	if got := simulated(admin.Call("iam:SimulatePrincipalPolicy", m{"PolicySourceArn": admin.ARN, "CallerArn": admin.ARN, "ActionNames": []string{"iam:ListUsers"}})); got != "allowed " {
		t.Errorf("simulated %s", got)
	}
}
