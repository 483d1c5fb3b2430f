package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func iamVault(t *testing.T) (*vaulttest.Vault, *vaulttest.Caller) {
	v := vaulttest.New(t)
	return v, v.User("admin", vaulttest.Administrator)
}

func policyARN(name string) string { return "arn:aws:iam::" + vaulttest.Account + ":policy/" + name }

// events is the types of the events of the call's record.
func events(o *vaulttest.Outcome) string {
	var types []string
	for _, e := range o.Record().Events {
		types = append(types, e.EventType())
	}
	return strings.Join(types, " ")
}

func TestUserLifecycle(t *testing.T) {
	v, admin := iamVault(t)
	admin.Call("iam:CreatePolicy", m{"PolicyName": "edge", "PolicyDocument": vaulttest.Allow("kms:*")}).OK()
	o := admin.Call("iam:CreateUser", m{"UserName": "Alice", "Path": "/ops/", "Tags": []m{{"Key": "dept", "Value": "x"}}, "PermissionsBoundary": policyARN("edge")})
	user := o.OK()["User"].(m)
	if events(o) != "UserCreated BoundarySet" {
		t.Errorf("events %s", events(o))
	}
	if user["Arn"] != "arn:aws:iam::111122223333:user/ops/Alice" || user["Path"] != "/ops/" || !strings.HasPrefix(user["UserId"].(string), "AIDA") ||
		user["CreateDate"] != 1795456800.123 {
		t.Errorf("user %v", user)
	}
	if r := string(o.Record().Response); !strings.Contains(r, `"createDate":"Nov 23, 2026, 6:00:00 PM"`) || !strings.Contains(r, `"userName":"Alice"`) {
		t.Errorf("response element %s", r)
	}
	v.Rebuild()
	again := admin.Call("iam:GetUser", m{"UserName": "aLICE"}).OK()["User"].(m)
	if fmt.Sprint(again) != fmt.Sprint(user) {
		t.Errorf("created %v\nafter a rebuild %v", user, again)
	}
	admin.Call("iam:UpdateUser", m{"UserName": "Alice", "NewUserName": "alice2", "NewPath": "/"}).OK()
	renamed := admin.Call("iam:GetUser", m{"UserName": "alice2"}).OK()["User"].(m)
	if renamed["Arn"] != "arn:aws:iam::111122223333:user/alice2" || renamed["UserId"] != user["UserId"] {
		t.Errorf("renamed %v", renamed)
	}
	admin.Call("iam:GetUser", m{"UserName": "Alice"}).Fails(fault.NoSuchEntity, "The user with name Alice cannot be found.")
	if got := events(admin.Call("iam:DeleteUser", m{"UserName": "alice2"})); got != "UserDeleted" {
		t.Errorf("events %s", got)
	}
	admin.Call("iam:DeletePolicy", m{"PolicyArn": policyARN("edge")}).OK()
}

func TestUserFaults(t *testing.T) {
	v, admin := iamVault(t)
	v.User("bob")
	nobody := v.User("nobody")
	for _, tc := range []struct {
		name, op string
		as       *vaulttest.Caller
		in       m
		code     fault.Code
		text     string
	}{
		{"taken in other letters", "iam:CreateUser", admin, m{"UserName": "BOB"}, fault.EntityAlreadyExists, "User with name BOB already exists."},
		{"a bad name", "iam:CreateUser", admin, m{"UserName": "a b"}, fault.ValidationError,
			"The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"},
		{"a long name", "iam:CreateUser", admin, m{"UserName": strings.Repeat("a", 65)}, fault.ValidationError,
			"1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"no name", "iam:CreateUser", admin, m{}, fault.ValidationError, "1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must not be null"},
		{"a bad name and a long path", "iam:CreateUser", admin, m{"UserName": "a b", "Path": "/" + strings.Repeat("a", 511) + "/"}, fault.ValidationError,
			"1 validation error detected: Value at 'path' failed to satisfy constraint: Member must have length less than or equal to 512"},
		{"a tag without a value", "iam:CreateUser", admin, m{"UserName": "c", "Tags": []m{{"Key": "a"}}}, fault.ValidationError, "Value at 'tags.1.member.value' failed to satisfy constraint: Member must not be null"},
		{"a tag key with a character too many", "iam:CreateUser", admin, m{"UserName": "c", "Tags": []m{{"Key": "a*", "Value": ""}}}, fault.ValidationError,
			`1 validation error detected: Value at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`},
		{"a tag key to remove that is too long", "iam:UntagUser", admin, m{"UserName": "bob", "TagKeys": []string{strings.Repeat("k", 129)}}, fault.ValidationError,
			`1 validation error detected: Value at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+, Member must not be null]`},
		{"neither user nor group", "iam:RemoveUserFromGroup", admin, m{"UserName": "carol", "GroupName": "none"}, fault.NoSuchEntity, "The user with name carol cannot be found."},
		{"no group", "iam:AddUserToGroup", admin, m{"UserName": "bob", "GroupName": "none"}, fault.NoSuchEntity, "The group with name none cannot be found."},
		{"a bad path", "iam:CreateUser", admin, m{"UserName": "c", "Path": "ops"}, fault.ValidationError,
			"The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters."},
		{"tags that differ in case", "iam:CreateUser", admin, m{"UserName": "c", "Tags": []m{{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}}},
			fault.InvalidInput, "Duplicate tag keys found."},
		{"a boundary that does not exist", "iam:CreateUser", admin, m{"UserName": "c", "PermissionsBoundary": policyARN("none")}, fault.NoSuchEntity, "Scope ARN: " + policyARN("none")},
		{"unknown", "iam:DeleteUser", admin, m{"UserName": "carol"}, fault.NoSuchEntity, "The user with name carol cannot be found."},
		{"with keys", "iam:DeleteUser", admin, m{"UserName": "bob"}, fault.DeleteConflict, "must delete access keys first"},
		{"with policies", "iam:DeleteUser", admin, m{"UserName": "admin"}, fault.DeleteConflict, "must delete policies first"},
		{"rename onto another", "iam:UpdateUser", admin, m{"UserName": "bob", "NewUserName": "Admin"}, fault.EntityAlreadyExists, "User with name Admin already exists."},
		{"no permission", "iam:CreateUser", nobody, m{"UserName": "c"}, fault.AccessDenied,
			"User: arn:aws:iam::111122223333:user/nobody is not authorized to perform: iam:CreateUser on resource: arn:aws:iam::111122223333:user/c because no identity-based policy allows the iam:CreateUser action"},
		{"no permission does not tell who exists", "iam:GetUser", nobody, m{"UserName": "carol"}, fault.AccessDenied, "user/carol"},
		{"listing names the path", "iam:ListUsers", nobody, m{"PathPrefix": "/ops/"}, fault.AccessDenied, "arn:aws:iam::111122223333:user/ops/"},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.as.Call(tc.op, tc.in).Fails(tc.code, tc.text) })
	}
}

// TestMovingNeedsBothNames: nobody moves a user, or a group, out of the path that
// policies let him rule.
func TestMovingNeedsBothNames(t *testing.T) {
	v, admin := iamVault(t)
	admin.Call("iam:CreateUser", m{"UserName": "u", "Path": "/ops/"}).OK()
	admin.Call("iam:CreateGroup", m{"GroupName": "g", "Path": "/ops/"}).OK()
	ops := v.User("ops", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":["arn:aws:iam::*:user/ops/*","arn:aws:iam::*:group/ops/*"]}}`)
	ops.Call("iam:UpdateUser", m{"UserName": "u", "NewPath": "/"}).Fails(fault.AccessDenied, "iam:UpdateUser on resource: arn:aws:iam::111122223333:user/u ")
	ops.Call("iam:UpdateUser", m{"UserName": "u", "NewPath": "/ops/more/"}).OK()
	ops.Call("iam:UpdateUser", m{"UserName": "admin", "NewPath": "/ops/"}).Fails(fault.AccessDenied, "user/admin")
	ops.Call("iam:UpdateGroup", m{"GroupName": "g", "NewPath": "/"}).Fails(fault.AccessDenied, "iam:UpdateGroup on resource: arn:aws:iam::111122223333:group/g ")
	ops.Call("iam:UpdateGroup", m{"GroupName": "g", "NewGroupName": "h"}).OK()
}

func TestGetUserWithoutName(t *testing.T) {
	v := vaulttest.New(t)
	alice := v.User("alice", vaulttest.Allow("iam:GetUser"))
	if got := alice.Call("iam:GetUser", nil).OK()["User"].(m)["UserName"]; got != "alice" {
		t.Errorf("a user is told to be %v", got)
	}
	if got := v.Root(vaulttest.Account).Call("iam:GetUser", nil).OK()["User"].(m); got["Arn"] != "arn:aws:iam::111122223333:root" || got["UserId"] != vaulttest.Account {
		t.Errorf("the root is told to be %v", got)
	}
	v.Role("r", vaulttest.Allow("iam:GetUser")).Call("iam:GetUser", nil).Fails(fault.ValidationError, "Must specify userName")
}

func TestAnotherAccountsUsersDoNotExist(t *testing.T) {
	v, admin := iamVault(t)
	stranger := v.UserOf(vaulttest.Other, "stranger", vaulttest.Administrator)
	stranger.Call("iam:GetUser", m{"UserName": "admin"}).Fails(fault.NoSuchEntity, "admin")
	admin.Call("iam:CreatePolicy", m{"PolicyName": "mine", "PolicyDocument": vaulttest.Administrator}).OK()
	stranger.Call("iam:GetPolicy", m{"PolicyArn": policyARN("mine")}).Fails(fault.NoSuchEntity, "was not found")
	stranger.Call("iam:AttachUserPolicy", m{"UserName": "stranger", "PolicyArn": policyARN("mine")}).Fails(fault.NoSuchEntity, "not attachable")
}

// iamNames gathers one member of every entry over all pages.
func iamNames(t *testing.T, c *vaulttest.Caller, op string, in m, list, member string) string {
	t.Helper()
	var all []string
	for range 100 {
		out := c.Call(op, in).OK()
		for _, e := range out[list].([]any) {
			if s, ok := e.(string); ok {
				all = append(all, s)
			} else {
				all = append(all, e.(m)[member].(string))
			}
		}
		if out["IsTruncated"] != true {
			if out["Marker"] != nil {
				t.Errorf("%s: a marker behind the end", op)
			}
			return strings.Join(all, " ")
		}
		in["Marker"] = out["Marker"]
	}
	t.Fatalf("%s has no end", op)
	return ""
}

func TestListingsArePagedAndSorted(t *testing.T) {
	v, admin := iamVault(t)
	for _, name := range []string{"delta", "Bravo", "alpha", "Charlie"} {
		admin.Call("iam:CreateUser", m{"UserName": name, "Path": "/p/"}).OK()
		admin.Call("iam:CreateGroup", m{"GroupName": name}).OK()
		admin.Call("iam:CreateRole", m{"RoleName": name, "AssumeRolePolicyDocument": trust(vaulttest.Account)}).OK()
		admin.Call("iam:CreatePolicy", m{"PolicyName": name, "PolicyDocument": vaulttest.Administrator}).OK()
		admin.Call("iam:AddUserToGroup", m{"GroupName": name, "UserName": "alpha"})
		admin.Call("iam:PutUserPolicy", m{"UserName": "admin", "PolicyName": name, "PolicyDocument": vaulttest.Allow("kms:" + name)}).OK()
		admin.Call("iam:TagUser", m{"UserName": "admin", "Tags": []m{{"Key": name, "Value": "v"}}}).OK()
		admin.Call("iam:AttachUserPolicy", m{"UserName": "admin", "PolicyArn": policyARN(name)}).OK()
	}
	for _, u := range []string{"delta", "Charlie", "alpha"} {
		admin.Call("iam:AddUserToGroup", m{"GroupName": "delta", "UserName": u}).OK()
	}
	admin.Call("iam:CreatePolicyVersion", m{"PolicyArn": policyARN("alpha"), "PolicyDocument": vaulttest.Allow("kms:*")}).OK()
	admin.Call("iam:CreatePolicyVersion", m{"PolicyArn": policyARN("alpha"), "PolicyDocument": vaulttest.Allow("iam:*"), "SetAsDefault": true}).OK()
	v.Rebuild()
	const sorted = "alpha Bravo Charlie delta"
	for _, tc := range []struct {
		op           string
		in           m
		list, member string
		want         string
	}{
		{"iam:ListUsers", m{"PathPrefix": "/p/"}, "Users", "UserName", sorted},
		{"iam:ListUsers", m{}, "Users", "UserName", "admin " + sorted},
		{"iam:ListUsers", m{"PathPrefix": "/q"}, "Users", "UserName", ""},
		{"iam:ListGroups", m{}, "Groups", "GroupName", sorted},
		{"iam:ListRoles", m{}, "Roles", "RoleName", sorted},
		{"iam:ListPolicies", m{"Scope": "Local"}, "Policies", "PolicyName", sorted},
		{"iam:ListPolicies", m{"Scope": "AWS", "OnlyAttached": true}, "Policies", "PolicyName", ""},
		{"iam:ListPolicies", m{"OnlyAttached": true}, "Policies", "PolicyName", sorted},
		{"iam:ListPolicies", m{}, "Policies", "PolicyName", sorted +
			" AdministratorAccess AWSCloudTrail_FullAccess AWSCloudTrail_ReadOnlyAccess AWSKeyManagementServicePowerUser" +
			" AWSSecretsManagerClientReadOnlyAccess IAMFullAccess IAMReadOnlyAccess IAMUserChangePassword PowerUserAccess ReadOnlyAccess" +
			" SecretsManagerReadWrite SecurityAudit ViewOnlyAccess"},
		{"iam:ListGroupsForUser", m{"UserName": "alpha"}, "Groups", "GroupName", "alpha Charlie delta"},
		{"iam:GetGroup", m{"GroupName": "delta"}, "Users", "UserName", "alpha Charlie delta"},
		{"iam:ListAttachedUserPolicies", m{"UserName": "admin"}, "AttachedPolicies", "PolicyName", "Bravo Charlie alpha delta"},
		{"iam:ListUserTags", m{"UserName": "admin"}, "Tags", "Key", sorted},
		{"iam:ListPolicyVersions", m{"PolicyArn": policyARN("alpha")}, "Versions", "VersionId", "v3 v2 v1"},
	} {
		for _, size := range []int{0, 1, 2, 4} {
			in := m{}
			for k, v := range tc.in {
				in[k] = v
			}
			if size > 0 {
				in["MaxItems"] = size
			}
			if got := iamNames(t, admin, tc.op, in, tc.list, tc.member); got != tc.want {
				t.Errorf("%s %v by %d: %s, want %s", tc.op, tc.in, size, got, tc.want)
			}
		}
	}
	admin.Call("iam:ListUsers", m{"Marker": "!"}).Fails(fault.ValidationError, "Marker")
}

func TestIAMTags(t *testing.T) {
	v, admin := iamVault(t)
	v.User("u")
	admin.Call("iam:TagUser", m{"UserName": "u", "Tags": []m{{"Key": "Team", "Value": "red"}}}).OK()
	admin.Call("iam:TagUser", m{"UserName": "u", "Tags": []m{{"Key": "team", "Value": "blue"}, {"Key": "b", "Value": ""}}}).OK()
	if got := fmt.Sprint(admin.Call("iam:ListUserTags", m{"UserName": "u"}).OK()["Tags"]); got != "[map[Key:b Value:] map[Key:team Value:blue]]" {
		t.Errorf("tags %s", got)
	}
	if o := admin.Call("iam:UntagUser", m{"UserName": "u", "TagKeys": []string{"TEAM", "none"}}); events(o) != "PrincipalUntagged" {
		t.Errorf("events %s", events(o))
	}
	if o := admin.Call("iam:UntagUser", m{"UserName": "u", "TagKeys": []string{"none"}}); events(o) != "" {
		t.Errorf("removing nothing left %s", events(o))
	}
	var many []m
	for i := range 50 {
		many = append(many, m{"Key": fmt.Sprint(i), "Value": ""})
	}
	admin.Call("iam:TagUser", m{"UserName": "u", "Tags": many}).Fails(fault.LimitExceeded, "maximum limit")
	admin.Call("iam:TagUser", m{"UserName": "u", "Tags": []m{{"Key": "aws:x", "Value": ""}}}).Fails(fault.InvalidInput, "reserved")
	admin.Call("iam:TagPolicy", m{"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess", "Tags": []m{{"Key": "a", "Value": ""}}}).Fails(fault.AccessDenied, "AWS managed")
	v.Rebuild()
	if n := len(v.State.Identities.Account(vaulttest.Account).ID); n != 12 {
		t.Fatal(n)
	}
}

// TestTagConditions: aws:RequestTag, aws:TagKeys and the resource's tags decide.
func TestIAMTagConditions(t *testing.T) {
	v, admin := iamVault(t)
	v.User("red")
	v.User("blue")
	for _, name := range []string{"red", "blue"} {
		admin.Call("iam:TagUser", m{"UserName": name, "Tags": []m{{"Key": "team", "Value": name}}}).OK()
	}
	lead := v.User("lead", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iam:GetUser","Resource":"*","Condition":{"StringEquals":{"iam:ResourceTag/team":"red"}}},
		{"Effect":"Allow","Action":"iam:CreateUser","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"red"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}}]}`)
	lead.Call("iam:GetUser", m{"UserName": "red"}).OK()
	lead.Call("iam:GetUser", m{"UserName": "blue"}).Fails(fault.AccessDenied, "iam:GetUser")
	lead.Call("iam:CreateUser", m{"UserName": "x", "Tags": []m{{"Key": "team", "Value": "red"}}}).OK()
	lead.Call("iam:CreateUser", m{"UserName": "y", "Tags": []m{{"Key": "team", "Value": "blue"}}}).Fails(fault.AccessDenied, "iam:CreateUser")
	lead.Call("iam:CreateUser", m{"UserName": "y", "Tags": []m{{"Key": "team", "Value": "red"}, {"Key": "z", "Value": ""}}}).Fails(fault.AccessDenied, "iam:CreateUser")
}

func TestGroups(t *testing.T) {
	v, admin := iamVault(t)
	alice := v.User("alice")
	admin.Call("iam:CreateGroup", m{"GroupName": "readers"}).OK()
	admin.Call("iam:CreateGroup", m{"GroupName": "READERS"}).Fails(fault.EntityAlreadyExists, "Group with name READERS already exists.")
	admin.Call("iam:PutGroupPolicy", m{"GroupName": "readers", "PolicyName": "p", "PolicyDocument": vaulttest.Allow("iam:ListUsers")}).OK()
	alice.Call("iam:ListUsers", nil).Fails(fault.AccessDenied, "")
	if o := admin.Call("iam:AddUserToGroup", m{"GroupName": "readers", "UserName": "alice"}); events(o) != "UserAddedToGroup" {
		t.Errorf("events %s", events(o))
	}
	if o := admin.Call("iam:AddUserToGroup", m{"GroupName": "readers", "UserName": "alice"}); events(o) != "" {
		t.Errorf("adding twice left %s", events(o))
	}
	o := alice.Call("iam:ListUsers", nil)
	o.OK()
	if by := o.Record().Decision.Checks[0].By; len(by) != 1 || by[0] != "group/readers/inline/p#0" {
		t.Errorf("allowed by %v", by)
	}
	admin.Call("iam:DeleteGroup", m{"GroupName": "readers"}).Fails(fault.DeleteConflict, "must delete policies first")
	admin.Call("iam:DeleteGroupPolicy", m{"GroupName": "readers", "PolicyName": "p"}).OK()
	alice.Call("iam:ListUsers", nil).Fails(fault.AccessDenied, "")
	admin.Call("iam:DeleteGroup", m{"GroupName": "readers"}).Fails(fault.DeleteConflict, "must remove users from group first")
	admin.Call("iam:UpdateGroup", m{"GroupName": "readers", "NewGroupName": "old"}).OK()
	admin.Call("iam:RemoveUserFromGroup", m{"GroupName": "old", "UserName": "alice"}).OK()
	admin.Call("iam:DeleteGroup", m{"GroupName": "old"}).OK()
	admin.Call("iam:AddUserToGroup", m{"GroupName": "old", "UserName": "alice"}).Fails(fault.NoSuchEntity, "The group with name old cannot be found.")
	for i := range 11 {
		name := fmt.Sprint("g", i)
		admin.Call("iam:CreateGroup", m{"GroupName": name}).OK()
		o := admin.Call("iam:AddUserToGroup", m{"GroupName": name, "UserName": "alice"})
		if i < 10 {
			o.OK()
		} else {
			o.Fails(fault.LimitExceeded, "Cannot exceed quota for GroupsPerUser: 10")
		}
	}
	v.Rebuild()
	if _, ok := v.State.Identities.Account(vaulttest.Account).Groups.Find("G3"); !ok {
		t.Error("group g3 is lost")
	}
}

func TestAccessKeys(t *testing.T) {
	v, admin := iamVault(t)
	admin.Call("iam:CreateUser", m{"UserName": "app"}).OK()
	o := admin.Call("iam:CreateAccessKey", m{"UserName": "app"})
	key := o.OK()["AccessKey"].(m)
	id, secret := key["AccessKeyId"].(string), key["SecretAccessKey"].(string)
	if !strings.HasPrefix(id, "AKIA") || len(id) != 20 || len(secret) != 40 || key["Status"] != "Active" || key["UserName"] != "app" {
		t.Errorf("key %v", key)
	}
	for _, line := range v.Lines {
		if strings.Contains(string(line), secret) {
			t.Errorf("the secret is in the log: %s", line)
		}
	}
	made := o.Record().Events[0].(*event.AccessKeyCreated)
	if !v.Ring.Has(made.Ring) {
		t.Error("the secret is not in the keyring")
	}
	o.Decision.Forget()
	if got := admin.Call("iam:CreateAccessKey", m{"UserName": "app"}).OK()["AccessKey"].(m); got["AccessKeyId"] == id || got["SecretAccessKey"] == secret {
		t.Error("the same key twice")
	}
	admin.Call("iam:CreateAccessKey", m{"UserName": "app"}).Fails(fault.LimitExceeded, "Cannot exceed quota for AccessKeysPerUser: 2")
	admin.Call("iam:UpdateAccessKey", m{"UserName": "app", "AccessKeyId": id, "Status": "Inactive"}).OK()
	if got := admin.Call("iam:ListAccessKeys", m{"UserName": "app"}).OK()["AccessKeyMetadata"].([]any); len(got) != 2 || strings.Contains(fmt.Sprint(got), "Secret") {
		t.Errorf("listed %v", got)
	}
	admin.Call("iam:UpdateAccessKey", m{"AccessKeyId": id, "Status": "Active"}).Fails(fault.NoSuchEntity, "The Access Key with id "+id+" cannot be found.")
	admin.Call("iam:DeleteAccessKey", m{"UserName": "app", "AccessKeyId": id}).OK()
	if v.Ring.Has(made.Ring) {
		t.Error("the secret outlives its access key")
	}
}
