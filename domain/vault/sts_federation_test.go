package vault_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

const federatedARN = "arn:aws:sts::111122223333:federated-user/bob"

// TestFederatedUser: it can do what its policies and its user's both allow.
func TestFederatedUser(t *testing.T) {
	v, admin := iamVault(t)
	alice := v.User("alice", vaulttest.Allow("kms:ListKeys", "kms:ListAliases", "secretsmanager:GetSecretValue", "sts:GetFederationToken", "sts:TagSession"))
	o := alice.Call("sts:GetFederationToken", m{"Name": "bob", "Policy": vaulttest.Allow("kms:ListKeys", "kms:CreateKey", "iam:*", "sts:*"), "Tags": []m{{"Key": "team", "Value": "red"}}, "DurationSeconds": 900})
	out := o.OK()
	if got := fmt.Sprint(out["FederatedUser"]); got != "map[Arn:"+federatedARN+" FederatedUserId:111122223333:bob]" || out["PackedPolicySize"].(float64) < 1 {
		t.Errorf("answered %v", out)
	}
	for _, secret := range []string{out["Credentials"].(m)["SecretAccessKey"].(string), out["Credentials"].(m)["SessionToken"].(string)} {
		if strings.Contains(o.Line(), secret) {
			t.Error("the record holds a secret")
		}
	}
	issued := o.Record().Events[0].(*event.SessionIssued)
	if issued.Session != "bob" || issued.Tags["team"] != "red" || o.Decision.Changed {
		t.Errorf("issued %+v", issued)
	}
	bob := as(t, v, alice, out)
	v.Rebuild()
	o = bob.Call("kms:ListKeys", nil)
	o.OK()
	if who := o.Record().Who; who.Type != "FederatedUser" || who.ARN != federatedARN || who.ID != "111122223333:bob" || who.IssuerARN != alice.ARN || who.Name != "alice" || who.Issued == "" {
		t.Errorf("recorded as %+v", who)
	}
	bob.Call("kms:ListAliases", nil).Fails(fault.AccessDeniedException, "because no session policy allows the kms:ListAliases action")
	bob.Call("kms:CreateKey", nil).Fails(fault.AccessDeniedException, "because no identity-based policy allows the kms:CreateKey action")
	bob.Call("iam:ListUsers", nil).Fails(fault.InvalidClientTokenID, "security token")
	if id := bob.Call("sts:GetCallerIdentity", nil).OK(); id["Arn"] != federatedARN || id["UserId"] != "111122223333:bob" {
		t.Errorf("identity %v", id)
	}
	role := createRole(admin, "R", trust(federatedARN))
	for _, op := range []string{"GetFederationToken", "GetSessionToken", "AssumeRole", "GetAccessKeyInfo", "DecodeAuthorizationMessage"} {
		bob.Call("sts:"+op, m{"Name": "eve", "RoleArn": role, "RoleSessionName": "s1", "AccessKeyId": "AKIAAAAAAAAAAAAAAAAA", "EncodedMessage": "x"}).
			Fails(fault.AccessDenied, "Cannot call "+op+" with session credentials")
	}
	v.Wait(15 * time.Minute)
	bob.Call("kms:ListKeys", nil).Fails(fault.ExpiredTokenException, "expired")
}

// TestFederatedUserAndResources: a policy of a resource names a federated user by
// its own ARN; what it gives to the user stays the user's, what it denies the user
// it denies both.
func TestFederatedUserAndResources(t *testing.T) {
	v, admin := iamVault(t)
	alice := v.User("alice", vaulttest.Allow("secretsmanager:*", "sts:GetFederationToken"))
	admin.Call("secretsmanager:CreateSecret", m{"Name": "s", "SecretString": "v"}).OK()
	bare := as(t, v, alice, alice.Call("sts:GetFederationToken", m{"Name": "bob"}).OK())
	wide := as(t, v, alice, alice.Call("sts:GetFederationToken", m{"Name": "bob", "Policy": vaulttest.Allow("secretsmanager:*")}).OK())
	describe := m{"SecretId": "s"}
	guard := func(effect, principal string) {
		admin.Call("secretsmanager:PutResourcePolicy", m{"SecretId": "s", "ResourcePolicy": fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":{"Effect":%q,"Principal":{"AWS":%q},"Action":"secretsmanager:DescribeSecret","Resource":"*"}}`, effect, principal)}).OK()
	}
	bare.Call("secretsmanager:DescribeSecret", describe).Fails(fault.AccessDeniedException, "no session policy")
	wide.Call("secretsmanager:DescribeSecret", describe).OK()
	guard("Allow", alice.ARN)
	bare.Call("secretsmanager:DescribeSecret", describe).Fails(fault.AccessDeniedException, "no session policy")
	guard("Allow", federatedARN)
	bare.Call("secretsmanager:DescribeSecret", describe).OK()
	for _, principal := range []string{federatedARN, alice.ARN, vaulttest.Account} {
		guard("Deny", principal)
		wide.Call("secretsmanager:DescribeSecret", describe).Fails(fault.AccessDeniedException, "with an explicit deny in a resource-based policy")
	}
}

func TestFederationTokenFaults(t *testing.T) {
	v, admin := iamVault(t)
	nobody := v.User("nobody")
	for _, tc := range []struct {
		name string
		as   *vaulttest.Caller
		in   m
		code fault.Code
		text string
	}{
		{"not allowed", nobody, m{"Name": "bob"}, fault.AccessDenied, "is not authorized to perform: sts:GetFederationToken on resource: " + federatedARN},
		{"too short a name", admin, m{"Name": "b"}, fault.ValidationError, "Value 'b' at 'name'"},
		{"too long a session", admin, m{"Name": "bob", "DurationSeconds": 129601}, fault.ValidationError, "129600"},
		{"a policy that is none", admin, m{"Name": "bob", "Policy": "{}"}, fault.MalformedPolicyDocument, "Syntax errors in policy."},
		{"a managed policy that is none", admin, m{"Name": "bob", "PolicyArns": []m{{"arn": policyARN("none")}}}, fault.ValidationError, "does not exist"},
		{"tags of one key", admin, m{"Name": "bob", "Tags": []m{{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}}}, fault.InvalidParameterValue, "Duplicate tag keys"},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.as.Call("sts:GetFederationToken", tc.in).Fails(tc.code, tc.text) })
	}
	tagger := v.User("tagger", vaulttest.Allow("sts:GetFederationToken"))
	tagger.Call("sts:GetFederationToken", m{"Name": "bob", "Tags": []m{{"Key": "a", "Value": ""}}}).Fails(fault.AccessDenied, "sts:TagSession")

	root := v.Root(vaulttest.Account)
	out := root.Call("sts:GetFederationToken", m{"Name": "bob", "Policy": vaulttest.Allow("kms:ListKeys"), "DurationSeconds": 43200}).OK()
	if left := out["Credentials"].(m)["Expiration"].(float64) - float64(v.Env.Now.Unix()); left > 3601 {
		t.Errorf("the root's session lasts %v seconds", left)
	}
	bob := as(t, v, root, out)
	bob.Call("kms:ListKeys", nil).OK()
	bob.Call("kms:CreateKey", nil).Fails(fault.AccessDeniedException, "no session policy")
}
