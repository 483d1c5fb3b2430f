package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestWhoCanTellsNothingOfAnotherAccountsPolicies: the policy of a key, secret or
// role, its grants and its state are its owner's. Who names one that is another
// account's learns no more than of one that is not there.
func TestWhoCanTellsNothingOfAnotherAccountsPolicies(t *testing.T) {
	v := vaulttest.New(t)
	owner := v.User("owner", vaulttest.Administrator)
	stranger := v.UserOf(vaulttest.Other, "stranger", vaulttest.Administrator)
	open := func(action, condition string) string {
		return `{"Version":"2012-10-17","Statement":[{"Sid":"Root","Effect":"Allow","Principal":{"AWS":"` + vaulttest.Account + `"},"Action":"` + action + `","Resource":"*"},
			{"Sid":"HiddenSid","Effect":"Allow","Principal":{"AWS":"` + vaulttest.Other + `"},"Action":"` + action + `","Resource":"*","Condition":` + condition + `}]}`
	}
	keyARN := owner.Call("kms:CreateKey", m{"Policy": open("kms:*", `{"StringEquals":{"kms:EncryptionContext:app":"hidden-value"}}`)}).OK()["KeyMetadata"].(m)["Arn"].(string)
	owner.Call("kms:CreateGrant", m{"KeyId": keyARN, "GranteePrincipal": stranger.ARN, "Operations": []string{"Decrypt"},
		"Constraints": m{"EncryptionContextEquals": m{"app": "hidden-grant"}}}).OK()
	secretARN := owner.Call("secretsmanager:CreateSecret", m{"Name": "s", "SecretString": "x", "KmsKeyId": keyARN}).OK()["ARN"].(string)
	owner.Call("secretsmanager:PutResourcePolicy", m{"SecretId": secretARN,
		"ResourcePolicy": open("secretsmanager:*", `{"StringEquals":{"secretsmanager:VersionStage":"hidden-value"}}`)}).OK()
	trust := strings.ReplaceAll(open("sts:AssumeRole", `{"StringEquals":{"sts:ExternalId":"hidden-value"}}`), `,"Resource":"*"`, "")
	roleARN := owner.Call("iam:CreateRole", m{"RoleName": "r", "AssumeRolePolicyDocument": trust}).OK()["Role"].(m)["Arn"].(string)
	before := len(v.Lines) - 1

	for _, q := range [][2]string{
		{"kms:Decrypt", keyARN}, {"kms:PutKeyPolicy", keyARN}, {"secretsmanager:GetSecretValue", secretARN},
		{"secretsmanager:PutSecretValue", secretARN}, {"sts:AssumeRole", roleARN}, {"iam:GetRole", roleARN},
	} {
		for _, in := range []m{{"Action": q[0], "Resource": q[1]}, {"Action": q[0], "Resource": q[1], "AtRecord": before}} {
			got := stranger.Call("keytrail:WhoCan", in)
			told := string(got.Reply.Body) + fmt.Sprint(got.Reply.Fault)
			if strings.Contains(strings.ToLower(told), "hidden") || got.Reply.Fault == nil {
				t.Errorf("%s on %s: %s", q[0], q[1], told)
			}
			if got.Record().Outcome == event.OutcomeOK != (got.Reply.Fault == nil) {
				t.Errorf("%s: recorded as %s", q[0], got.Record().Outcome)
			}
			if answer := owner.Call("keytrail:WhoCan", in); answer.Reply.Fault != nil {
				t.Errorf("%s: the owner is told %v", q[0], answer.Reply.Fault)
			}
		}
	}
}

// TestHiddenOperationsAreOnTheCallersRecord: who calls what only the vault itself
// calls is told that there is no such operation, in a record of its own account.
func TestHiddenOperationsAreOnTheCallersRecord(t *testing.T) {
	v := vaulttest.New(t)
	caller := v.User("caller", vaulttest.Administrator)
	for _, operation := range []string{"keytrail:RefuseConnections", "kms:DeleteKey", "kms:RotateKey", "kms:DeleteExpiredKeyMaterial", "secretsmanager:EndSecretVersionDelete"} {
		o := caller.Call(operation, m{"KeyId": "x", "Count": 1})
		if o.Reply.Fault == nil || o.Record().Outcome == event.OutcomeOK || o.Decision.Changed {
			t.Errorf("%s: %v", operation, o.Reply.Fault)
		}
		if r := o.Record(); r.Who.ARN != caller.ARN || r.Who.Account != vaulttest.Account || r.Params != nil {
			t.Errorf("%s is recorded of %+v with %s", operation, r.Who, r.Params)
		}
	}
}

// TestCallersSeeNoStatementsOfOthers: who uses a key of another account learns that its
// policy decided, and not which of its statements and what that is called. The owner
// does.
func TestCallersSeeNoStatementsOfOthers(t *testing.T) {
	v := vaulttest.New(t)
	owner := v.User("owner", vaulttest.Administrator)
	stranger := v.UserOf(vaulttest.Other, "stranger", vaulttest.Administrator)
	statement := func(sid, effect, principal string) string {
		return `{"Sid":"` + sid + `","Effect":"` + effect + `","Principal":{"AWS":"` + principal + `"},"Action":"kms:*","Resource":"*"}`
	}
	key := owner.Call("kms:CreateKey", m{"Policy": `{"Version":"2012-10-17","Statement":[` + statement("Root", "Allow", vaulttest.Account) + `,` +
		statement("HiddenAllow", "Allow", vaulttest.Other) + `]}`}).OK()["KeyMetadata"].(m)["Arn"].(string)
	allowed := stranger.Call("kms:Encrypt", m{"KeyId": key, "Plaintext": "YQ=="})
	allowed.OK()
	owner.Call("kms:PutKeyPolicy", m{"KeyId": key, "PolicyName": "default", "Policy": `{"Version":"2012-10-17","Statement":[` + statement("Root", "Allow", vaulttest.Account) + `,` +
		statement("HiddenAllow", "Allow", vaulttest.Other) + `,` + statement("HiddenDeny", "Deny", stranger.ARN) + `]}`}).OK()
	denied := stranger.Call("kms:Encrypt", m{"KeyId": key, "Plaintext": "YQ=="})
	for _, o := range []*vaulttest.Outcome{allowed, denied} {
		for _, operation := range []string{"GetRecord", "ExplainRequest"} {
			in := m{"RequestId": o.Record().Request}
			told := string(stranger.Call("keytrail:"+operation, in).Reply.Body)
			if !strings.Contains(told, `"key-policy"`) || strings.Contains(told, "Hidden") || strings.Contains(told, "key-policy#") || !strings.Contains(told, "inline/") {
				t.Errorf("the caller is told by %s: %s", operation, told)
			}
			if told := string(owner.Call("keytrail:"+operation, in).Reply.Body); !strings.Contains(told, "key-policy#1:HiddenAllow") || strings.Contains(told, "inline/") {
				t.Errorf("the owner is told by %s: %s", operation, told)
			}
		}
		if !strings.Contains(o.Line(), "HiddenAllow") {
			t.Errorf("the log itself has %s", o.Line())
		}
	}
}
