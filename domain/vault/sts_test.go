package vault_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// as makes the caller of a reply with temporary credentials, which must pass as
// a connection presents them.
func as(t *testing.T, v *vaulttest.Vault, from *vaulttest.Caller, reply m) *vaulttest.Caller {
	t.Helper()
	k := reply["Credentials"].(m)
	credential, actor, err := vault.Authenticate(v.State, &v.Env, k["AccessKeyId"].(string), k["SecretAccessKey"].(string), k["SessionToken"].(string))
	if err != nil {
		t.Fatal(err)
	}
	c := *from
	c.Credential, c.ARN = credential, actor.Principal.ARN
	return &c
}

func createRole(c *vaulttest.Caller, name, trustPolicy string, policies ...string) string {
	c.Call("iam:CreateRole", m{"RoleName": name, "AssumeRolePolicyDocument": trustPolicy, "MaxSessionDuration": 7200}).OK()
	for i, p := range policies {
		c.Call("iam:PutRolePolicy", m{"RoleName": name, "PolicyName": fmt.Sprint("p", i), "PolicyDocument": p}).OK()
	}
	return vaulttest.RoleARN(name)
}

func TestAssumeRole(t *testing.T) {
	v, admin := iamVault(t)
	role := createRole(admin, "R", trust(vaulttest.Account), vaulttest.Allow("iam:ListUsers", "iam:ListRoles"))
	o := admin.Call("sts:AssumeRole", m{"RoleArn": role, "RoleSessionName": "sess", "DurationSeconds": 900, "SourceIdentity": "jane",
		"Policy": vaulttest.Allow("iam:ListUsers"), "Tags": []m{{"Key": "team", "Value": "red"}}})
	out := o.OK()
	k := out["Credentials"].(m)
	if !strings.HasPrefix(k["AccessKeyId"].(string), "ASIA") || k["Expiration"] != 1795456800.123+900 {
		t.Errorf("credentials of %v until %v", k["AccessKeyId"], k["Expiration"])
	}
	user := out["AssumedRoleUser"].(m)
	if user["Arn"] != "arn:aws:sts::111122223333:assumed-role/R/sess" || !strings.HasSuffix(user["AssumedRoleId"].(string), ":sess") || out["SourceIdentity"] != "jane" {
		t.Errorf("reply %v", out)
	}
	for _, secret := range []string{k["SecretAccessKey"].(string), k["SessionToken"].(string)} {
		if strings.Contains(o.Line(), secret) {
			t.Errorf("%s is in the record %s", secret, o.Line())
		}
	}
	issued := o.Record().Events[0].(*event.SessionIssued)
	if issued.AccessKey != k["AccessKeyId"] || issued.Session != "sess" || issued.Tags["team"] != "red" || issued.SourceIdentity != "jane" || issued.Policy == "" {
		t.Errorf("event %+v", issued)
	}
	if o.Decision.Changed {
		t.Error("a session changes state")
	}
	session := as(t, v, admin, out)
	v.Rebuild() // sessions outlive a restart: there is nothing to rebuild
	list := session.Call("iam:ListUsers", nil)
	list.OK()
	who := list.Record().Who
	if who.Type != "AssumedRole" || who.ARN != user["Arn"] || who.IssuerARN != role || who.Source != "jane" || who.AccessKey != k["AccessKeyId"] || who.Issued != "2026-11-23T18:00:00Z" {
		t.Errorf("recorded as %+v", who)
	}
	session.Call("iam:ListRoles", nil).Fails(fault.AccessDenied, "because no session policy allows the iam:ListRoles action")
	id := session.Call("sts:GetCallerIdentity", nil).OK()
	if id["Arn"] != user["Arn"] || id["UserId"] != user["AssumedRoleId"] || id["Account"] != vaulttest.Account {
		t.Errorf("identity %v", id)
	}
	v.Wait(15*time.Minute - time.Second)
	session.Call("iam:ListUsers", nil).OK()
	v.Wait(time.Second)
	session.Call("iam:ListUsers", nil).Fails(fault.ExpiredToken, "expired")
	o.Decision.Forget()
	if strings.Trim(string(o.Reply.Body), "\x00") != "" {
		t.Error("the reply is not wiped")
	}
}

func TestAssumeRoleFaults(t *testing.T) {
	v, admin := iamVault(t)
	createRole(admin, "open", trust(vaulttest.Account))
	createRole(admin, "external", trust(vaulttest.Account, `,"Condition":{"StringEquals":{"sts:ExternalId":"42"}}`))
	createRole(admin, "tagged", trust(vaulttest.Account, `,"Condition":{"StringEquals":{"aws:RequestTag/team":"red"},"ForAllValues:StringEquals":{"sts:TransitiveTagKeys":"team"}}`))
	createRole(admin, "plain", strings.Replace(trust(vaulttest.Account), `,"sts:TagSession","sts:SetSourceIdentity"`, "", 1))
	createRole(admin, "other", trust(vaulttest.Other))
	nobody := v.User("nobody")
	stranger := v.UserOf(vaulttest.Other, "stranger", vaulttest.Administrator)
	stranger.Call("iam:CreatePolicy", m{"PolicyName": "theirs", "PolicyDocument": vaulttest.Administrator}).OK()
	red := []m{{"Key": "team", "Value": "red"}}
	long := []m{}
	for i := range 30 {
		long = append(long, m{"Key": fmt.Sprint("k", i), "Value": strings.Repeat("v", 200)})
	}
	for _, tc := range []struct {
		name string
		as   *vaulttest.Caller
		role string
		more m
		code fault.Code // "" = allowed
		text string
	}{
		{"delegated", admin, "open", nil, "", ""},
		{"delegated, without an identity policy", nobody, "open", nil, fault.AccessDenied,
			"User: arn:aws:iam::111122223333:user/nobody is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/open"},
		{"unknown role", nobody, "none", nil, fault.AccessDenied, "sts:AssumeRole on resource: arn:aws:iam::111122223333:role/none"},
		{"unknown role, administrator", admin, "none", nil, fault.AccessDenied, "sts:AssumeRole on resource: arn:aws:iam::111122223333:role/none"},
		{"not trusted", admin, "other", nil, fault.AccessDenied, "is not authorized to perform: sts:AssumeRole on resource: "},
		{"from the other account", stranger, "other", nil, "", ""},
		{"from an account that is not trusted", stranger, "open", nil, fault.AccessDenied, "sts:AssumeRole"},
		{"the root", v.Root(vaulttest.Account), "open", nil, fault.AccessDenied, "Roles may not be assumed by root accounts."},
		{"without the external id", admin, "external", nil, fault.AccessDenied, "sts:AssumeRole"},
		{"with another external id", admin, "external", m{"ExternalId": "43"}, fault.AccessDenied, "sts:AssumeRole"},
		{"with the external id", admin, "external", m{"ExternalId": "42"}, "", ""},
		{"with the tag", admin, "tagged", m{"Tags": red}, "", ""},
		{"with the tag, transitive", admin, "tagged", m{"Tags": red, "TransitiveTagKeys": []string{"team"}}, "", ""},
		{"without the tag", admin, "tagged", nil, fault.AccessDenied, "sts:AssumeRole"},
		{"tags where they are not allowed", admin, "plain", m{"Tags": red}, fault.AccessDenied, "sts:TagSession"},
		{"a source identity where it is not allowed", admin, "plain", m{"SourceIdentity": "jane"}, fault.AccessDenied, "sts:SetSourceIdentity"},
		{"transitive keys without tags", admin, "open", m{"TransitiveTagKeys": []string{"team"}}, fault.InvalidParameterValue, "transitive tag key"},
		{"too short", admin, "open", m{"DurationSeconds": 899}, fault.ValidationError, "900"},
		{"longer than the role allows", admin, "open", m{"DurationSeconds": 7201}, fault.ValidationError, "MaxSessionDuration set for this role"},
		{"as long as the role allows", admin, "open", m{"DurationSeconds": 7200}, "", ""},
		{"a malformed session policy", admin, "open", m{"Policy": "{}"}, fault.MalformedPolicyDocument, "Syntax errors"},
		{"a session policy that does not exist", admin, "open", m{"PolicyArns": []m{{"arn": policyARN("none")}}}, fault.ValidationError, "does not exist"},
		{"a session policy of another account", admin, "open", m{"PolicyArns": []m{{"arn": "arn:aws:iam::444455556666:policy/theirs"}}}, fault.ValidationError, "does not exist"},
		{"too long a session policy", admin, "open", m{"Policy": strings.Repeat(" ", 2049)}, fault.ValidationError, "2048"},
		{"tags that differ in case", admin, "open", m{"Tags": []m{{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}}}, fault.InvalidParameterValue, "Duplicate tag keys"},
		{"too much", admin, "open", m{"Tags": long}, fault.PackedPolicyTooLarge, "%"},
		{"a device", admin, "open", m{"SerialNumber": "arn:aws:iam::111122223333:mfa/admin", "TokenCode": "123456"}, fault.AccessDenied, "invalid MFA one time pass code"},
		{"a device without its code", admin, "open", m{"SerialNumber": "arn:aws:iam::111122223333:mfa/admin"}, fault.AccessDenied, "must provide both MFA serial number and one time pass code"},
		{"a bad name", admin, "open", m{"RoleSessionName": "a b"}, fault.ValidationError, "roleSessionName"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := m{"RoleArn": vaulttest.RoleARN(tc.role), "RoleSessionName": "sess"}
			for k, v := range tc.more {
				in[k] = v
			}
			o := tc.as.Call("sts:AssumeRole", in)
			if tc.code == "" {
				o.OK()
			} else {
				o.Fails(tc.code, tc.text)
			}
		})
	}
	admin.Call("sts:AssumeRole", m{"RoleArn": policyARN("none"), "RoleSessionName": "sess"}).Fails(fault.ValidationError, "is invalid")
}

// TestRoleChaining: a session that assumes a role hands down its transitive tags
// and its source identity, for an hour at most.
func TestRoleChaining(t *testing.T) {
	v, admin := iamVault(t)
	first := createRole(admin, "first", trust(vaulttest.Account), vaulttest.Allow("sts:*"))
	second := createRole(admin, "second", trust(first), vaulttest.Allow("iam:ListUsers"))
	session := as(t, v, admin, admin.Call("sts:AssumeRole", m{"RoleArn": first, "RoleSessionName": "s1", "SourceIdentity": "jane",
		"Tags": []m{{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}}, "TransitiveTagKeys": []string{"a"}}).OK())
	chain := func(more m) *vaulttest.Outcome {
		more["RoleArn"], more["RoleSessionName"] = second, "s2"
		return session.Call("sts:AssumeRole", more)
	}
	chain(m{"DurationSeconds": 3601}).Fails(fault.ValidationError, "1 hour session limit for roles assumed by role chaining")
	chain(m{"SourceIdentity": "joe"}).Fails(fault.AccessDenied, "source identity")
	chain(m{"Tags": []m{{"Key": "A", "Value": "2"}}}).Fails(fault.InvalidParameterValue, "conflicts with a transitive tag key")
	o := chain(m{"Tags": []m{{"Key": "c", "Value": "3"}}})
	next := as(t, v, session, o.OK())
	if issued := o.Record().Events[0].(*event.SessionIssued); fmt.Sprint(issued.Tags) != "map[a:1 c:3]" || issued.SourceIdentity != "jane" {
		t.Errorf("handed down %v, %s", issued.Tags, issued.SourceIdentity)
	}
	next.Call("iam:ListUsers", nil).OK()
	checks := o.Record().Decision.Checks
	if len(checks) != 3 || checks[1].Action != "sts:TagSession" || checks[2].Action != "sts:SetSourceIdentity" {
		t.Errorf("judged %+v", checks)
	}
	admin.Call("iam:DeleteRolePolicy", m{"RoleName": "second", "PolicyName": "p0"}).OK()
	next.Call("iam:ListUsers", nil).Fails(fault.AccessDenied, "")
	admin.Call("iam:DeleteRole", m{"RoleName": "second"}).OK()
	createRole(admin, "second", trust(first), vaulttest.Allow("iam:ListUsers"))
	next.Call("iam:ListUsers", nil).Fails(fault.InvalidClientTokenID, "security token")
}

func TestManagedSessionPolicies(t *testing.T) {
	v, admin := iamVault(t)
	role := createRole(admin, "R", trust(vaulttest.Account), vaulttest.Administrator)
	admin.Call("iam:CreatePolicy", m{"PolicyName": "narrow", "PolicyDocument": vaulttest.Allow("iam:ListUsers")}).OK()
	session := as(t, v, admin, admin.Call("sts:AssumeRole", m{"RoleArn": role, "RoleSessionName": "s1", "PolicyArns": []m{{"arn": policyARN("narrow")}}}).OK())
	session.Call("iam:ListUsers", nil).OK()
	session.Call("iam:ListRoles", nil).Fails(fault.AccessDenied, "no session policy")
	admin.Call("iam:DeletePolicy", m{"PolicyArn": policyARN("narrow")}).OK()
	session.Call("iam:ListUsers", nil).Fails(fault.AccessDenied, "no session policy")
}

func TestGetSessionToken(t *testing.T) {
	v, admin := iamVault(t)
	alice := v.User("alice")
	o := alice.Call("sts:GetSessionToken", nil)
	session := as(t, v, alice, o.OK())
	if session.ARN != alice.ARN {
		t.Errorf("the session is %s", session.ARN)
	}
	role := createRole(admin, "R", trust(alice.ARN))
	session.Call("sts:GetCallerIdentity", nil).OK()
	session.Call("sts:AssumeRole", m{"RoleArn": role, "RoleSessionName": "s1", "DurationSeconds": 7200}).OK()
	session.Call("iam:GetUser", nil).Fails(fault.InvalidClientTokenID, "security token")
	session.Call("sts:GetSessionToken", nil).Fails(fault.AccessDenied, "Cannot call GetSessionToken with session credentials")
	session.Call("sts:GetAccessKeyInfo", m{"AccessKeyId": "AKIA0000000000000001"}).Fails(fault.AccessDenied, "")
	v.Role("other", vaulttest.Administrator).Call("sts:GetSessionToken", nil).Fails(fault.AccessDenied, "session credentials")
	alice.Allow(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`)
	alice.Call("sts:GetSessionToken", nil).Fails(fault.AccessDenied, "with an explicit deny")
	alice.Call("sts:GetCallerIdentity", nil).OK()
	root := v.Root(vaulttest.Account).Call("sts:GetSessionToken", m{"DurationSeconds": 7200}).OK()
	if got := root["Credentials"].(m)["Expiration"]; got != 1795456800.123+3600 {
		t.Errorf("the root's session ends at %v", got)
	}
}

func TestGetAccessKeyInfo(t *testing.T) {
	v, admin := iamVault(t)
	stranger := v.UserOf(vaulttest.Other, "stranger")
	if got := admin.Call("sts:GetAccessKeyInfo", m{"AccessKeyId": stranger.Credential.AccessKey}).OK()["Account"]; got != vaulttest.Other {
		t.Errorf("account %v", got)
	}
	admin.Call("sts:GetAccessKeyInfo", m{"AccessKeyId": "AKIAAAAAAAAAAAAAAAAA"}).Fails(fault.ValidationError, "not known")
}
