package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// trust is a trust policy for one AWS principal; more goes into the statement.
func trust(principal string, more ...string) string {
	actions := `"sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"`
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":%q},"Action":[%s]%s}}`, principal, actions, strings.Join(more, ""))
}

func TestRoleLifecycle(t *testing.T) {
	v, admin := iamVault(t)
	o := admin.Call("iam:CreateRole", m{"RoleName": "R", "Path": "/app/", "Description": "d", "MaxSessionDuration": 7200, "AssumeRolePolicyDocument": trust(vaulttest.Account)})
	role := o.OK()["Role"].(m)
	if role["Arn"] != "arn:aws:iam::111122223333:role/app/R" || role["MaxSessionDuration"] != nil || role["Description"] != nil ||
		role["RoleLastUsed"] != nil || role["AssumeRolePolicyDocument"] != trust(vaulttest.Account) {
		t.Errorf("role %v", role)
	}
	v.Rebuild()
	role["Description"], role["MaxSessionDuration"], role["RoleLastUsed"] = "d", 7200.0, m{}
	if again := admin.Call("iam:GetRole", m{"RoleName": "r"}).OK()["Role"].(m); fmt.Sprint(again) != fmt.Sprint(role) {
		t.Errorf("created %v\nafter a rebuild %v", role, again)
	}
	if listed := admin.Call("iam:ListRoles", nil).OK()["Roles"].([]any)[0].(m); listed["MaxSessionDuration"] != 7200.0 || listed["RoleLastUsed"] != nil {
		t.Errorf("listed %v", listed)
	}
	if o := admin.Call("iam:UpdateRole", m{"RoleName": "R", "Description": ""}); events(o) != "RoleSettingsChanged" {
		t.Errorf("events %s", events(o))
	}
	if got := admin.Call("iam:GetRole", m{"RoleName": "R"}).OK()["Role"].(m); got["Description"] != nil || got["MaxSessionDuration"] != 7200.0 {
		t.Errorf("updated %v", got)
	}
	for _, tc := range []struct {
		name, op string
		in       m
		code     fault.Code
		text     string
	}{
		{"taken", "iam:CreateRole", m{"RoleName": "r", "AssumeRolePolicyDocument": trust("*")}, fault.EntityAlreadyExists, "Role with name r already exists."},
		{"a stranger in the trust policy", "iam:CreateRole", m{"RoleName": "s", "AssumeRolePolicyDocument": trust(admin.ARN + "x")}, fault.MalformedPolicyDocument,
			`Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/adminx"`},
		{"a resource in the trust policy", "iam:UpdateAssumeRolePolicy", m{"RoleName": "R", "PolicyDocument": trust("*", `,"Resource":"*"`)}, fault.MalformedPolicyDocument, "Has prohibited field Resource"},
		{"too long a trust policy", "iam:UpdateAssumeRolePolicy", m{"RoleName": "R", "PolicyDocument": trust("*", `,"Sid":"`, strings.Repeat("a", 4096), `"`)}, fault.LimitExceeded, "ACLSizePerRole"},
		{"too short a session", "iam:CreateRole", m{"RoleName": "s", "MaxSessionDuration": 3599, "AssumeRolePolicyDocument": trust("*")}, fault.ValidationError, "3600"},
		{"unknown", "iam:DeleteRole", m{"RoleName": "s"}, fault.NoSuchEntity, "The role with name s cannot be found."},
	} {
		t.Run(tc.name, func(t *testing.T) { admin.Call(tc.op, tc.in).Fails(tc.code, tc.text) })
	}
	admin.Call("iam:AttachRolePolicy", m{"RoleName": "R", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}).OK()
	admin.Call("iam:DeleteRole", m{"RoleName": "R"}).Fails(fault.DeleteConflict, "Cannot delete entity, must detach all policies first.")
	admin.Call("iam:DetachRolePolicy", m{"RoleName": "R", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}).OK()
	admin.Call("iam:DeleteRole", m{"RoleName": "R"}).OK()
}

// TestRecreatedPrincipalIsSomeoneElse: a user created anew under the old name has
// none of the access that policies gave the old one, and the policy shows the
// old one's id.
func TestRecreatedPrincipalIsSomeoneElse(t *testing.T) {
	v, admin := iamVault(t)
	old := admin.Call("iam:CreateUser", m{"UserName": "alice"}).OK()["User"].(m)
	o := admin.Call("iam:CreateRole", m{"RoleName": "R", "AssumeRolePolicyDocument": trust(old["Arn"].(string))})
	o.OK()
	if bound := o.Record().Events[0].(*event.RoleCreated).Principals; bound[old["Arn"].(string)] != old["UserId"] {
		t.Fatalf("bound to %v", bound)
	}
	key := event.AccessKeyCreated{AccessKey: "AKIA0000000000000001", Account: vaulttest.Account, User: old["UserId"].(string), Ring: "R1", Commitment: "00", At: v.Env.Now}
	v.Given(&key)
	alice := *admin
	alice.Credential.AccessKey = key.AccessKey
	assume := m{"RoleArn": "arn:aws:iam::111122223333:role/R", "RoleSessionName": "s1"}
	alice.Call("sts:AssumeRole", assume).OK()

	admin.Call("iam:UpdateUser", m{"UserName": "alice", "NewUserName": "alicia"}).OK()
	alice.Call("sts:AssumeRole", assume).OK()
	if got := admin.Call("iam:GetRole", m{"RoleName": "R"}).OK()["Role"].(m)["AssumeRolePolicyDocument"]; got != trust("arn:aws:iam::111122223333:user/alicia") {
		t.Errorf("a renamed user is shown as %v", got)
	}
	admin.Call("iam:DeleteAccessKey", m{"UserName": "alicia", "AccessKeyId": key.AccessKey}).OK()
	admin.Call("iam:DeleteUser", m{"UserName": "alicia"}).OK()
	alice.Call("sts:AssumeRole", assume).Fails(fault.InvalidClientTokenID, "security token")

	anew := admin.Call("iam:CreateUser", m{"UserName": "alice"}).OK()["User"].(m)
	key.User, key.Ring = anew["UserId"].(string), "R2"
	v.Given(&key)
	v.Rebuild()
	alice.Call("sts:AssumeRole", assume).Fails(fault.AccessDenied,
		"User: arn:aws:iam::111122223333:user/alice is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/R")
	if got := admin.Call("iam:GetRole", m{"RoleName": "R"}).OK()["Role"].(m)["AssumeRolePolicyDocument"]; got != trust(old["UserId"].(string)) {
		t.Errorf("a deleted user is shown as %v", got)
	}
}
