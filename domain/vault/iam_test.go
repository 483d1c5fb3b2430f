package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// everything is an input that every IAM operation can read: each takes the
// members that it knows.
func everything(name string) m {
	return m{
		"UserName": name, "GroupName": name, "RoleName": name, "PolicyName": name, "PolicyArn": policyARN(name), "VersionId": "v1",
		"PolicyDocument": vaulttest.Administrator, "AssumeRolePolicyDocument": trust("*"), "PermissionsBoundary": policyARN(name),
		"Tags": []m{{"Key": "k", "Value": "v"}}, "TagKeys": []string{"k"}, "AccessKeyId": "AKIAAAAAAAAAAAAAAAAA", "Status": "Inactive",
		"PolicySourceArn": "arn:aws:iam::" + vaulttest.Account + ":user/" + name, "PolicyInputList": []string{vaulttest.Administrator},
		"ActionNames": []string{"kms:Encrypt"}, "NewUserName": name + "2", "NewGroupName": name + "2",
		"InstanceProfileName": name, "Description": "d", "AccountAlias": "alias-" + name,
	}
}

func iamOperations(t *testing.T) []string {
	var ops []string
	for _, op := range vault.Operations() {
		if strings.HasPrefix(op, "iam:") {
			ops = append(ops, op)
		}
	}
	if len(ops) < 70 {
		t.Fatalf("%d operations", len(ops))
	}
	return ops
}

// TestEveryIAMOperationIsJudged: each operation asks for the action of its name
// before it tells or does anything, so that what exists and what does not look
// alike to whoever may not ask.
func TestEveryIAMOperationIsJudged(t *testing.T) {
	v := vaulttest.New(t)
	v.User("there")
	v.Role("there")
	nobody := v.User("nobody")
	for _, op := range iamOperations(t) {
		var texts []string
		for _, name := range []string{"there", "gone"} {
			o := nobody.Call(op, everything(name))
			o.Fails(fault.AccessDenied, "is not authorized to perform: "+op+" on resource: ")
			checks := o.Record().Decision.Checks
			if len(checks) != 1 || checks[0].Action != op || checks[0].Allowed {
				t.Errorf("%s: judged %+v", op, checks)
			}
			texts = append(texts, strings.ReplaceAll(o.Reply.Fault.Message, name, "NAME"))
		}
		if texts[0] != texts[1] {
			t.Errorf("%s tells what exists:\n%s\n%s", op, texts[0], texts[1])
		}
	}
}

// TestEveryIAMOperationOnNothing: names that stand for nothing are refused as
// AWS does or create something; none is a defect.
func TestEveryIAMOperationOnNothing(t *testing.T) {
	for _, op := range iamOperations(t) {
		if op == "iam:GetAccessKeyLastUsed" { // AWS does not say that there is no such key
			continue
		}
		_, admin := iamVault(t)
		o := admin.Call(op, everything("gone"))
		switch f := o.Reply.Fault; {
		case f == nil && strings.HasPrefix(op, "iam:Delete"), f != nil && f.Code != fault.NoSuchEntity:
			t.Errorf("%s: %v", op, f)
		}
	}
}

// TestRoleAndPolicyTags: the case of a key counts for the tags of policies alone.
func TestRoleAndPolicyTags(t *testing.T) {
	v, admin := iamVault(t)
	v.Role("r")
	admin.Call("iam:CreatePolicy", m{"PolicyName": "p", "PolicyDocument": vaulttest.Administrator}).OK()
	for _, k := range []struct{ kind, member, name, untagged, retagged string }{
		{"Role", "RoleName", "r", "[map[Key:b Value:2]]", "[map[Key:B Value:3]]"},
		{"Policy", "PolicyArn", policyARN("p"), "[map[Key:a Value:1] map[Key:b Value:2]]", "[map[Key:B Value:3] map[Key:a Value:1] map[Key:b Value:2]]"},
	} {
		listed := func() string {
			v.Rebuild()
			return fmt.Sprint(admin.Call("iam:List"+k.kind+"Tags", m{k.member: k.name}).OK()["Tags"])
		}
		admin.Call("iam:Tag"+k.kind, m{k.member: k.name, "Tags": []m{{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}}}).OK()
		admin.Call("iam:Untag"+k.kind, m{k.member: k.name, "TagKeys": []string{"A"}}).OK()
		if got := listed(); got != k.untagged {
			t.Errorf("%s, untagged: %s", k.kind, got)
		}
		admin.Call("iam:Tag"+k.kind, m{k.member: k.name, "Tags": []m{{"Key": "B", "Value": "3"}}}).OK()
		if got := listed(); got != k.retagged {
			t.Errorf("%s, tagged again: %s", k.kind, got)
		}
	}
}

// TestRootHasKeysOfItsOwn: without a UserName the root speaks of itself.
func TestRootHasKeysOfItsOwn(t *testing.T) {
	v := vaulttest.New(t)
	root := v.Root(vaulttest.Account)
	made := root.Call("iam:CreateAccessKey", nil).OK()["AccessKey"].(m)["AccessKeyId"].(string)
	if got := root.Call("iam:ListAccessKeys", nil).OK()["AccessKeyMetadata"].([]any); len(got) != 2 {
		t.Errorf("keys %v", got)
	}
	root.Call("iam:CreateAccessKey", nil).Fails(fault.LimitExceeded, "AccessKeysPerUser")
	root.Call("iam:DeleteAccessKey", m{"AccessKeyId": made}).OK()
	v.Rebuild()
	if got := root.Call("iam:GetAccountSummary", nil).OK()["SummaryMap"].(m)["AccountAccessKeysPresent"]; got != 1.0 {
		t.Errorf("summary has %v", got)
	}
}

func TestTrustPolicyIsReplaced(t *testing.T) {
	v, admin := iamVault(t)
	alice := v.User("alice")
	role := createRole(admin, "R", trust(admin.ARN))
	in := m{"RoleArn": role, "RoleSessionName": "s1"}
	alice.Call("sts:AssumeRole", in).Fails(fault.AccessDenied, "sts:AssumeRole")
	admin.Call("iam:UpdateAssumeRolePolicy", m{"RoleName": "R", "PolicyDocument": trust(alice.ARN)}).OK()
	v.Rebuild()
	alice.Call("sts:AssumeRole", in).OK()
	admin.Call("sts:AssumeRole", in).Fails(fault.AccessDenied, "sts:AssumeRole")
}
