package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func TestManagedPolicyVersions(t *testing.T) {
	v, admin := iamVault(t)
	alice := v.User("alice")
	name := policyARN("p")
	created := admin.Call("iam:CreatePolicy", m{"PolicyName": "p", "Description": "d", "PolicyDocument": vaulttest.Allow("iam:ListUsers")}).OK()["Policy"].(m)
	if created["Arn"] != name || created["DefaultVersionId"] != "v1" || created["AttachmentCount"] != 0.0 || !strings.HasPrefix(created["PolicyId"].(string), "ANPA") {
		t.Errorf("policy %v", created)
	}
	admin.Call("iam:CreatePolicy", m{"PolicyName": "P", "PolicyDocument": vaulttest.Administrator}).Fails(fault.EntityAlreadyExists, "A policy called P already exists.")
	admin.Call("iam:AttachUserPolicy", m{"UserName": "alice", "PolicyArn": name}).OK()
	if o := admin.Call("iam:AttachUserPolicy", m{"UserName": "alice", "PolicyArn": name}); events(o) != "" {
		t.Errorf("attaching twice left %s", events(o))
	}
	alice.Call("iam:ListUsers", nil).OK()

	admin.Call("iam:CreatePolicyVersion", m{"PolicyArn": name, "PolicyDocument": vaulttest.Allow("iam:ListRoles")}).OK()
	alice.Call("iam:ListRoles", nil).Fails(fault.AccessDenied, "")
	admin.Call("iam:SetDefaultPolicyVersion", m{"PolicyArn": name, "VersionId": "v2"}).OK()
	alice.Call("iam:ListRoles", nil).OK()
	alice.Call("iam:ListUsers", nil).Fails(fault.AccessDenied, "")

	admin.Call("iam:DeletePolicyVersion", m{"PolicyArn": name, "VersionId": "v2"}).Fails(fault.DeleteConflict, "Cannot delete the default version of a policy.")
	admin.Call("iam:DeletePolicyVersion", m{"PolicyArn": name, "VersionId": "v1"}).OK()
	for range 4 {
		admin.Call("iam:CreatePolicyVersion", m{"PolicyArn": name, "PolicyDocument": vaulttest.Administrator}).OK()
	}
	admin.Call("iam:CreatePolicyVersion", m{"PolicyArn": name, "PolicyDocument": vaulttest.Administrator}).Fails(fault.LimitExceeded, "up to 5 versions")
	v.Rebuild()
	got := admin.Call("iam:GetPolicyVersion", m{"PolicyArn": name, "VersionId": "v2"}).OK()["PolicyVersion"].(m)
	if got["Document"] != vaulttest.Allow("iam:ListRoles") || got["IsDefaultVersion"] != true {
		t.Errorf("v2 %v", got)
	}
	admin.Call("iam:GetPolicyVersion", m{"PolicyArn": name, "VersionId": "v1"}).Fails(fault.NoSuchEntity, "version v1 does not exist")
	if got := iamNames(t, admin, "iam:ListPolicyVersions", m{"PolicyArn": name}, "Versions", "VersionId"); got != "v6 v5 v4 v3 v2" {
		t.Errorf("versions %s", got)
	}
	admin.Call("iam:DeletePolicy", m{"PolicyArn": name}).Fails(fault.DeleteConflict, "Cannot delete a policy attached to entities.")
	admin.Call("iam:DetachUserPolicy", m{"UserName": "alice", "PolicyArn": name}).OK()
	admin.Call("iam:DetachUserPolicy", m{"UserName": "alice", "PolicyArn": name}).Fails(fault.NoSuchEntity, "was not found")
	admin.Call("iam:DeletePolicy", m{"PolicyArn": name}).Fails(fault.DeleteConflict, "more than one version")
	for _, version := range []string{"v3", "v4", "v5", "v6"} {
		admin.Call("iam:DeletePolicyVersion", m{"PolicyArn": name, "VersionId": version}).OK()
	}
	admin.Call("iam:DeletePolicy", m{"PolicyArn": name}).OK()
	admin.Call("iam:GetPolicy", m{"PolicyArn": name}).Fails(fault.NoSuchEntity, "Policy "+name+" was not found.")
}

func TestPolicyFaults(t *testing.T) {
	_, admin := iamVault(t)
	// 1,100 actions of seven characters are more than any quota, and none is white space.
	long := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:*"%s],"Resource":"*"}}`, strings.Repeat(`,"kms:*"`, 1100))
	// White space does not count.
	wide := strings.Replace(vaulttest.Administrator, ":", ":"+strings.Repeat(" ", 6200), 1)
	aws := "arn:aws:iam::aws:policy/AdministratorAccess"
	for _, tc := range []struct {
		name, op string
		in       m
		code     fault.Code
		text     string
	}{
		{"no JSON", "iam:CreatePolicy", m{"PolicyName": "x", "PolicyDocument": "{"}, fault.MalformedPolicyDocument, "Syntax errors in policy."},
		{"a principal", "iam:PutUserPolicy", m{"UserName": "admin", "PolicyName": "x", "PolicyDocument": trust("*")}, fault.MalformedPolicyDocument, "should not specify a principal"},
		{"too long, managed", "iam:CreatePolicy", m{"PolicyName": "x", "PolicyDocument": long}, fault.LimitExceeded, "Cannot exceed quota for PolicySize: 6144"},
		{"too long, inline", "iam:PutUserPolicy", m{"UserName": "admin", "PolicyName": "x", "PolicyDocument": long}, fault.LimitExceeded, "Maximum policy size of 2048 bytes exceeded for user admin"},
		{"no such inline policy", "iam:GetUserPolicy", m{"UserName": "admin", "PolicyName": "x"}, fault.NoSuchEntity, "The user policy with name x cannot be found."},
		{"no such user", "iam:PutUserPolicy", m{"UserName": "x", "PolicyName": "x", "PolicyDocument": vaulttest.Administrator}, fault.NoSuchEntity, "The user with name x"},
		{"no such policy", "iam:AttachUserPolicy", m{"UserName": "admin", "PolicyArn": policyARN("x")}, fault.NoSuchEntity, "Policy " + policyARN("x") + " does not exist or is not attachable."},
		{"no ARN", "iam:GetPolicy", m{"PolicyArn": "01234567890123456789"}, fault.ValidationError, "ARN 01234567890123456789 is not valid."},
		{"an ARN of something else", "iam:AttachUserPolicy", m{"UserName": "admin", "PolicyArn": "arn:aws:iam::111122223333:user/x"}, fault.InvalidInput, "ARN arn:aws:iam::111122223333:user/x is not valid."},
		{"no such policy, asked for a version", "iam:GetPolicyVersion", m{"PolicyArn": policyARN("x"), "VersionId": "v1"}, fault.NoSuchEntity, "Policy " + policyARN("x") + " version v1 does not exist or is not attachable."},
		{"no such policy, set to a version", "iam:SetDefaultPolicyVersion", m{"PolicyArn": policyARN("x"), "VersionId": "v1"}, fault.NoSuchEntity, "version v1 does not exist"},
		{"characters that policies cannot have", "iam:CreatePolicy", m{"PolicyName": "x", "PolicyDocument": "日本"}, fault.ValidationError,
			"The specified value for policyDocument is invalid. It must contain only printable ASCII characters."},
		{"tags of one key", "iam:CreatePolicy", m{"PolicyName": "x", "PolicyDocument": vaulttest.Administrator, "Tags": []m{{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}}},
			fault.InvalidInput, "Duplicate tag keys found."},
		{"AWS's policy changed", "iam:CreatePolicyVersion", m{"PolicyArn": aws, "PolicyDocument": vaulttest.Administrator}, fault.AccessDenied, "cannot be changed"},
		{"AWS's policy deleted", "iam:DeletePolicy", m{"PolicyArn": aws}, fault.AccessDenied, "cannot be changed"},
	} {
		t.Run(tc.name, func(t *testing.T) { admin.Call(tc.op, tc.in).Fails(tc.code, tc.text) })
	}
	admin.Call("iam:CreatePolicy", m{"PolicyName": "wide", "PolicyDocument": wide}).OK()
}

func TestInlinePolicies(t *testing.T) {
	v, admin := iamVault(t)
	v.User("u")
	v.Role("r")
	admin.Call("iam:CreateGroup", m{"GroupName": "g"}).OK()
	for _, k := range []struct{ kind, name string }{{"User", "u"}, {"Group", "g"}, {"Role", "r"}} {
		in := func(more m) m {
			more[k.kind+"Name"] = k.name
			return more
		}
		for _, policy := range []string{"b", "a"} {
			o := admin.Call("iam:Put"+k.kind+"Policy", in(m{"PolicyName": policy, "PolicyDocument": vaulttest.Allow("kms:List" + policy)}))
			if o.OK(); events(o) != "InlinePolicyPut" {
				t.Errorf("%s: events %s", k.kind, events(o))
			}
		}
		admin.Call("iam:Put"+k.kind+"Policy", in(m{"PolicyName": "a", "PolicyDocument": vaulttest.Administrator})).OK()
		v.Rebuild()
		got := admin.Call("iam:Get"+k.kind+"Policy", in(m{"PolicyName": "a"})).OK()
		if got[k.kind+"Name"] != k.name || got["PolicyDocument"] != vaulttest.Administrator {
			t.Errorf("%s: %v", k.kind, got)
		}
		if got := iamNames(t, admin, "iam:List"+k.kind+"Policies", in(m{"MaxItems": 1}), "PolicyNames", ""); got != "a b" {
			t.Errorf("%s: %s", k.kind, got)
		}
		admin.Call("iam:Delete"+k.kind+"Policy", in(m{"PolicyName": "a"})).OK()
		admin.Call("iam:Delete"+k.kind+"Policy", in(m{"PolicyName": "a"})).Fails(fault.NoSuchEntity, "The "+strings.ToLower(k.kind)+" policy with name a cannot be found.")
	}
}

// TestBoundary: a boundary takes away what policies give, and conditions on it
// let someone make users who cannot have more.
func TestBoundary(t *testing.T) {
	v, admin := iamVault(t)
	admin.Call("iam:CreatePolicy", m{"PolicyName": "edge", "PolicyDocument": vaulttest.Allow("iam:ListUsers")}).OK()
	alice := v.User("alice", vaulttest.Administrator)
	admin.Call("iam:PutUserPermissionsBoundary", m{"UserName": "alice", "PermissionsBoundary": policyARN("edge")}).OK()
	alice.Call("iam:ListUsers", nil).OK()
	alice.Call("iam:ListRoles", nil).Fails(fault.AccessDenied, "because no permissions boundary allows the iam:ListRoles action")
	admin.Call("iam:DeletePolicy", m{"PolicyArn": policyARN("edge")}).Fails(fault.DeleteConflict, "attached")
	if got := admin.Call("iam:ListEntitiesForPolicy", m{"PolicyArn": policyARN("edge"), "PolicyUsageFilter": "PermissionsBoundary"}).OK()["PolicyUsers"].([]any); len(got) != 1 {
		t.Errorf("bounded: %v", got)
	}
	admin.Call("iam:DeleteUserPermissionsBoundary", m{"UserName": "alice"}).OK()
	alice.Call("iam:ListRoles", nil).OK()

	hr := v.User("hr", fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["iam:CreateUser","iam:AttachUserPolicy","iam:PutUserPermissionsBoundary"],"Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":%q}}},
		{"Effect":"Deny","Action":"iam:AttachUserPolicy","Resource":"*","Condition":{"ArnLike":{"iam:PolicyARN":"arn:aws:iam::aws:policy/IAM*"}}}]}`, policyARN("edge")))
	hr.Call("iam:CreateUser", m{"UserName": "new"}).Fails(fault.AccessDenied, "iam:CreateUser")
	hr.Call("iam:CreateUser", m{"UserName": "new", "PermissionsBoundary": policyARN("edge")}).OK()
	hr.Call("iam:AttachUserPolicy", m{"UserName": "new", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}).OK()
	hr.Call("iam:AttachUserPolicy", m{"UserName": "new", "PolicyArn": "arn:aws:iam::aws:policy/IAMFullAccess"}).Fails(fault.AccessDenied, "with an explicit deny in an identity-based policy")
	hr.Call("iam:AttachUserPolicy", m{"UserName": "hr", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}).Fails(fault.AccessDenied, "")
	hr.Call("iam:PutUserPermissionsBoundary", m{"UserName": "new", "PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}).Fails(fault.AccessDenied, "")
	hr.Call("iam:DeleteUserPermissionsBoundary", m{"UserName": "new"}).Fails(fault.AccessDenied, "")
}

func TestAuthorizationDetails(t *testing.T) {
	v, admin := iamVault(t)
	v.Role("r", vaulttest.Allow("kms:*"))
	admin.Call("iam:CreateGroup", m{"GroupName": "g"}).OK()
	admin.Call("iam:AddUserToGroup", m{"GroupName": "g", "UserName": "admin"}).OK()
	admin.Call("iam:CreatePolicy", m{"PolicyName": "p", "PolicyDocument": vaulttest.Allow("kms:*")}).OK()
	admin.Call("iam:AttachGroupPolicy", m{"GroupName": "g", "PolicyArn": policyARN("p")}).OK()
	admin.Call("iam:AttachRolePolicy", m{"RoleName": "r", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}).OK()
	all := admin.Call("iam:GetAccountAuthorizationDetails", nil).OK()
	counts := func(out m) (n [4]int) {
		for i, list := range []string{"UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"} {
			n[i] = len(out[list].([]any))
		}
		return n
	}
	if counts(all) != [4]int{1, 1, 1, 2} {
		t.Errorf("%v in %v", counts(all), all)
	}
	user := all["UserDetailList"].([]any)[0].(m)
	if fmt.Sprint(user["GroupList"]) != "[g]" || len(user["UserPolicyList"].([]any)) != 1 {
		t.Errorf("user %v", user)
	}
	var paged [4]int
	in := m{"MaxItems": 2}
	for {
		out := admin.Call("iam:GetAccountAuthorizationDetails", in).OK()
		for i, n := range counts(out) {
			paged[i] += n
		}
		if out["IsTruncated"] != true {
			break
		}
		in["Marker"] = out["Marker"]
	}
	if paged != counts(all) {
		t.Errorf("by pages %v, at once %v", paged, counts(all))
	}
	only := admin.Call("iam:GetAccountAuthorizationDetails", m{"Filter": []string{"Role", "LocalManagedPolicy"}}).OK()
	if counts(only) != [4]int{0, 0, 1, 1} {
		t.Errorf("filtered %v", counts(only))
	}
	if got := admin.Call("iam:GetAccountSummary", nil).OK()["SummaryMap"].(m); got["Users"] != 1.0 || got["Policies"] != 1.0 || got["AccessKeysPerUserQuota"] != 2.0 {
		t.Errorf("summary %v", got)
	}
	entities := admin.Call("iam:ListEntitiesForPolicy", m{"PolicyArn": policyARN("p")}).OK()
	if len(entities["PolicyGroups"].([]any)) != 1 || len(entities["PolicyUsers"].([]any)) != 0 {
		t.Errorf("entities %v", entities)
	}
}

// TestAWSPolicies: those that people attach are there under the names they know,
// and give what they are known for.
func TestAWSPolicies(t *testing.T) {
	v, admin := iamVault(t)
	power := v.User("power")
	admin.Call("iam:AttachUserPolicy", m{"UserName": "power", "PolicyArn": "arn:aws:iam::aws:policy/PowerUserAccess"}).OK()
	power.Call("kms:CreateKey", nil).OK()
	power.Call("iam:ListRoles", nil).OK()
	power.Call("iam:CreateUser", m{"UserName": "x"}).Fails(fault.AccessDenied, "iam:CreateUser")

	reader := v.User("reader")
	admin.Call("secretsmanager:CreateSecret", m{"Name": "s", "SecretString": "v"}).OK()
	admin.Call("iam:AttachUserPolicy", m{"UserName": "reader", "PolicyArn": "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"}).OK()
	reader.Call("secretsmanager:ListSecrets", nil).OK()
	reader.Call("secretsmanager:GetSecretValue", m{"SecretId": "s"}).Fails(fault.AccessDeniedException, "secretsmanager:GetSecretValue")
	admin.Call("iam:AttachUserPolicy", m{"UserName": "reader", "PolicyArn": "arn:aws:iam::aws:policy/AWSSecretsManagerClientReadOnlyAccess"}).OK()
	reader.Call("secretsmanager:GetSecretValue", m{"SecretId": "s"}).OK()

	ids := map[string]bool{}
	marker := any(nil)
	for more := true; more; {
		in := m{"Scope": "AWS", "MaxItems": 5}
		if marker != nil {
			in["Marker"] = marker
		}
		page := admin.Call("iam:ListPolicies", in).OK()
		for _, p := range page["Policies"].([]any) {
			id := p.(m)["PolicyId"].(string)
			if len(id) != 21 || !strings.HasPrefix(id, "ANPA") || ids[id] {
				t.Errorf("policy %v", p)
			}
			ids[id] = true
			admin.Call("iam:GetPolicyVersion", m{"PolicyArn": p.(m)["Arn"], "VersionId": p.(m)["DefaultVersionId"]}).OK()
		}
		more, marker = page["IsTruncated"].(bool), page["Marker"]
	}
	if len(ids) < 13 {
		t.Errorf("%d policies", len(ids))
	}
}
