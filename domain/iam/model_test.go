package iam_test

import (
	"testing"

	"github.com/keytrail/keytrail/domain/iam"
)

const getSecret = "secretsmanager:GetSecretValue"

func TestSecretPolicy(t *testing.T) {
	read := doc(allow(getSecret, secret))
	rows := []call{
		{rule: "identity policy alone, same account", who: alice, identity: []string{read}, road: iam.RoadIdentity},
		{rule: "action names are case-insensitive", who: alice, identity: []string{doc(allow("SECRETSMANAGER:getSecretValue", secret))}, road: iam.RoadIdentity},
		{rule: "ARNs are case-sensitive", who: alice, identity: []string{doc(allow(getSecret, secret+"X"), allow(getSecret, "arn:aws:secretsmanager:us-east-1:111122223333:secret:App/db-AbCdEf"))}, road: iam.DeniedImplicit},
		{rule: "secret policy alone, naming the user", who: alice, policy: doc(allow(getSecret, "*", to(aliceARN))), road: iam.RoadResourcePolicy},
		{rule: "secret policy alone, naming the role", who: reader, policy: doc(allow(getSecret, "*", to(readerARN))), road: iam.RoadResourcePolicy},
		{rule: "secret policy naming the account only delegates", who: alice, policy: doc(allow(getSecret, "*", to(rootARN))), road: iam.DeniedImplicit,
			reason: "because no identity-based policy allows the secretsmanager:GetSecretValue action"},
		{rule: "neither", who: alice, policy: doc(allow(getSecret, "*", to(readerARN))), road: iam.DeniedImplicit},
		{rule: "the root user needs no policy", who: root, road: iam.RoadRoot},
		{rule: "a boundary does not limit the root user", who: root, boundary: nothing, road: iam.RoadRoot},
		{rule: "a Deny in the secret policy binds the root user", who: root, policy: doc(deny(getSecret, "*", to("*"))), road: iam.DeniedExplicit},
		{rule: "secret policy denies what the identity policy allows", who: alice, identity: []string{read}, policy: doc(deny(getSecret, "*", to(aliceARN))), road: iam.DeniedExplicit},
		{rule: "boundary limits identity policies", who: alice, identity: []string{read}, boundary: nothing, road: iam.DeniedImplicit},
		{rule: "boundary does not limit a policy naming the user", who: alice, boundary: nothing, policy: doc(allow(getSecret, "*", to(aliceARN))), road: iam.RoadResourcePolicy},
		{rule: "session policy limits a policy naming the role", who: reader, session: []string{nothing}, policy: doc(allow(getSecret, "*", to(readerARN))), road: iam.DeniedImplicit,
			reason: "because no session policy allows the secretsmanager:GetSecretValue action"},
		{rule: "cross-account: both sides", who: mallory, identity: []string{read}, policy: doc(allow(getSecret, "*", to(stranger))), road: iam.RoadResourcePolicy},
		{rule: "cross-account: identity alone", who: mallory, identity: []string{read}, road: iam.DeniedImplicit, reason: "because no resource-based policy allows the secretsmanager:GetSecretValue action"},
		{rule: "cross-account: secret policy alone", who: mallory, policy: doc(allow(getSecret, "*", to(malloryARN))), road: iam.DeniedImplicit, reason: "because no identity-based policy allows the secretsmanager:GetSecretValue action"},
	}
	for i := range rows {
		rows[i].model, rows[i].action, rows[i].resource = iam.ModelResource, getSecret, secret
	}
	decide(t, rows)
}

func TestTrustPolicy(t *testing.T) {
	trust := func(principal string, rest ...string) string {
		s := `{'Effect':'Allow','Action':'sts:AssumeRole',` + principal
		for _, r := range rest {
			s += "," + r
		}
		return doc(s + "}")
	}
	assume := doc(allow("sts:AssumeRole", readerARN))
	rows := []call{
		{rule: "trust naming the user is enough", who: alice, policy: trust(to(aliceARN)), road: iam.RoadTrustPolicy},
		{rule: "trust naming the account is not", who: alice, policy: trust(to(rootARN)), road: iam.DeniedImplicit},
		{rule: "trust naming the account and an identity allow", who: alice, policy: trust(to(rootARN)), identity: []string{assume}, road: iam.RoadTrustPolicyDelegation},
		{rule: "an identity allow alone is nothing", who: alice, policy: trust(to(readerARN)), identity: []string{administrator}, road: iam.DeniedImplicit},
		{rule: "role chaining by role ARN", who: reader, policy: trust(to(readerARN)), road: iam.RoadTrustPolicy},
		{rule: "another account needs both", who: mallory, policy: trust(to(malloryARN)), road: iam.DeniedImplicit},
		{rule: "another account with both", who: mallory, policy: trust(to(stranger)), identity: []string{assume}, road: iam.RoadTrustPolicy},
		{rule: "external id that fits", who: mallory, policy: trust(to(stranger), when(`'StringEquals':{'sts:ExternalId':'42'}`)), identity: []string{assume}, context: iam.ContextMap{"sts:ExternalId": {"42"}}, road: iam.RoadTrustPolicy},
		{rule: "external id that is missing", who: mallory, policy: trust(to(stranger), when(`'StringEquals':{'sts:ExternalId':'42'}`)), identity: []string{assume}, road: iam.DeniedImplicit},
		{rule: "an identity Deny counts", who: alice, policy: trust(to(aliceARN)), identity: []string{doc(deny("sts:*", "*"))}, road: iam.DeniedExplicit},
	}
	for i := range rows {
		rows[i].model, rows[i].action, rows[i].resource = iam.ModelTrust, "sts:AssumeRole", readerARN
	}
	decide(t, rows)

	provider := iam.Principal{Type: iam.Federated, ARN: "arn:aws:iam::111122223333:oidc-provider/ci.example.org"}
	web := `'Action':'sts:AssumeRoleWithWebIdentity','Principal':{'Federated':'` + provider.ARN + `'}`
	decide(t, []call{
		{rule: "an identity provider named", who: provider, model: iam.ModelTrust, action: "sts:AssumeRoleWithWebIdentity", resource: readerARN,
			policy: doc(`{'Effect':'Allow',` + web + `}`), road: iam.RoadTrustPolicy},
		{rule: "an identity provider and its claims", who: provider, model: iam.ModelTrust, action: "sts:AssumeRoleWithWebIdentity", resource: readerARN,
			policy:  doc(`{'Effect':'Allow',` + web + `,` + when(`'StringEquals':{'ci.example.org:sub':'repo:main'}`) + `}`),
			context: iam.ContextMap{"ci.example.org:sub": {"repo:pull"}}, road: iam.DeniedImplicit},
	})
}

func TestIdentityModel(t *testing.T) {
	rows := []call{
		{rule: "identity policy", who: alice, identity: []string{doc(allow("kms:ListKeys", "*"))}, road: iam.RoadIdentity},
		{rule: "one of several policies", who: alice, identity: []string{nothing, doc(allow("kms:List*", "*"))}, road: iam.RoadIdentity},
		{rule: "none", who: alice, road: iam.DeniedImplicit, reason: "because no identity-based policy allows the kms:ListKeys action"},
		{rule: "an operation without a resource matches only the star", who: alice, identity: []string{doc(allow("kms:ListKeys", "arn:aws:kms:*:*:key/*"))}, road: iam.DeniedImplicit},
		{rule: "the root user", who: root, road: iam.RoadRoot},
		{rule: "another account's resource is out of reach", who: mallory, identity: []string{administrator}, road: iam.DeniedImplicit},
		{rule: "session policy limits", who: reader, identity: []string{administrator}, session: []string{nothing}, road: iam.DeniedImplicit},
	}
	for i := range rows {
		rows[i].action, rows[i].resource = "kms:ListKeys", "*"
	}
	decide(t, rows)
}

// TestNothingIsHidden: a Deny does not hide which Allow it overrode, and every
// open road is told.
func TestNothingIsHidden(t *testing.T) {
	in := call{who: alice, model: iam.ModelKey,
		policy:   doc(delegation, allow("kms:Decrypt", "*", to(aliceARN)), deny("kms:Decrypt", "*", to(aliceARN))),
		identity: []string{decryptKey}, grants: []iam.Grant{{ID: "grant/1", Grantee: aliceARN, Operations: []string{"Decrypt"}}}}.input(t)
	d := iam.Evaluate(in)
	var got []string
	for _, m := range d.Matched {
		got = append(got, m.String()+" "+m.Effect.String()+" "+m.Part.String())
	}
	want := []string{"identity#0 Allow identity", "policy#0 Allow delegation", "policy#1 Allow resource", "policy#2 Deny resource", "grant/1 Allow grant"}
	if len(got) != len(want) {
		t.Fatalf("matched %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("matched %q, want %q", got[i], want[i])
		}
	}
	if d.Allowed || !d.Open.Has(iam.RoadKeyPolicy) || !d.Open.Has(iam.RoadKeyPolicyDelegation) || !d.Open.Has(iam.RoadGrant) {
		t.Errorf("open roads %b, allowed %v", d.Open, d.Allowed)
	}
}

// TestMissing: a denial names what each road lacks, and each remedy works.
func TestMissing(t *testing.T) {
	for _, c := range []struct {
		rule string
		call call
		want []string
	}{
		{"the default key policy lacks the identity policy", call{who: reader, policy: defaultPolicy},
			[]string{"key-policy-delegation lacks identity-policy", "key-policy lacks key-policy", "grant lacks grant"}},
		{"no statement at all", call{who: reader, policy: doc(allow("kms:*", "*", to(aliceARN)))},
			[]string{"key-policy lacks key-policy", "grant lacks grant", "key-policy-delegation lacks identity-policy", "key-policy-delegation lacks delegation"}},
		{"no grant can give PutKeyPolicy", call{who: reader, policy: defaultPolicy, action: "kms:PutKeyPolicy"},
			[]string{"key-policy-delegation lacks identity-policy", "key-policy lacks key-policy"}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			c.call.model = iam.ModelKey
			in := c.call.input(t)
			d := iam.Evaluate(in)
			var got []string
			for _, m := range d.Missing {
				got = append(got, m.String())
			}
			if len(got) != len(c.want) {
				t.Fatalf("missing %q, want %q", got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Fatalf("missing %q, want %q", got, c.want)
				}
			}
			for _, m := range d.Missing[:2] {
				remedied := *in
				switch text := m.Remedy(in); m.Need {
				case iam.NeedIdentityPolicy:
					remedied.Identity = []iam.Source{{ID: "new", Policy: parse(t, iam.IdentityPolicy, `{"Version":"2012-10-17","Statement":`+text+`}`)}}
				case iam.NeedKeyPolicy:
					remedied.ResourcePolicy = &iam.Source{ID: "new", Policy: parse(t, iam.KeyPolicy, `{"Statement":`+text+`}`)}
				case iam.NeedGrant:
					if want := `{"KeyId":"` + key + `","GranteePrincipal":"` + readerARN + `","Operations":["Decrypt"]}`; text != want {
						t.Errorf("remedy %s, want %s", text, want)
					}
					continue
				}
				if d := iam.Evaluate(&remedied); !d.Allowed {
					t.Errorf("%v is not remedied by %s", m, m.Remedy(in))
				}
			}
		})
	}
}

func TestBind(t *testing.T) {
	p := parse(t, iam.KeyPolicy, doc(allow("kms:*", "*", to(aliceARN, readerARN, sessionARN, stranger, "AIDAOLD0000000000001"))))
	want := []string{stranger, aliceARN, readerARN, sessionARN, "AIDAOLD0000000000001"}
	for i, name := range p.Principals() {
		if name != want[i] {
			t.Fatalf("principals %q, want %q", p.Principals(), want)
		}
	}
	bound := p.Bind(map[string]string{aliceARN: alice.UniqueID, readerARN: reader.UniqueID, sessionARN: reader.UniqueID})
	anew := func(p iam.Principal, id string) iam.Principal { p.UniqueID, p.UserID = id, id; return p }
	for _, c := range []struct {
		rule   string
		policy *iam.Policy
		who    iam.Principal
		want   bool
	}{
		{"unbound, by text", p, alice, true},
		{"unbound, user created anew", p, anew(alice, "AIDANEW0000000000001"), true},
		{"bound, the same user", bound, alice, true},
		{"bound, user created anew", bound, anew(alice, "AIDANEW0000000000001"), false},
		{"bound, the same role", bound, reader, true},
		{"bound, role created anew", bound, anew(reader, "AROANEW0000000000001"), false},
		{"bound, user renamed", bound, iam.Principal{Type: iam.User, ARN: "arn:aws:iam::111122223333:user/al", Account: account, UniqueID: alice.UniqueID}, true},
	} {
		in := &iam.Input{Principal: c.who, Action: "kms:Decrypt", Resource: key, ResourceAccount: account, Model: iam.ModelKey,
			ResourcePolicy: &iam.Source{Policy: c.policy}}
		if got := iam.Evaluate(in).Allowed; got != c.want {
			t.Errorf("%s: allowed %v", c.rule, got)
		}
	}
	if bound.Document() != p.Document() {
		t.Error("binding changed the document")
	}
}

// TestFederatedUser: nothing that names its user allows it anything, and everything
// that denies its user denies it.
func TestFederatedUser(t *testing.T) {
	const bobARN = "arn:aws:sts::111122223333:federated-user/bob"
	bob := iam.Principal{Type: iam.FederatedUser, ARN: bobARN, Account: account, UserARN: aliceARN, UniqueID: alice.UniqueID, UserID: account + ":bob"}
	read := doc(allow(getSecret, secret))
	granted := func(grantee, id string) []iam.Grant {
		return []iam.Grant{{ID: "g", Grantee: grantee, GranteeID: id, Operations: []string{"Decrypt"}}}
	}
	rows := []call{
		{rule: "its user's policy and its own", who: bob, identity: []string{read}, session: []string{read}, road: iam.RoadIdentity},
		{rule: "without policies of its own", who: bob, identity: []string{read}, session: []string{}, road: iam.DeniedImplicit},
		{rule: "a secret policy naming it", who: bob, session: []string{}, policy: doc(allow(getSecret, "*", to(bobARN))), road: iam.RoadResourcePolicy},
		{rule: "a secret policy naming another", who: bob, session: []string{read}, policy: doc(allow(getSecret, "*", to(bobARN+"2"))), road: iam.DeniedImplicit},
		{rule: "a secret policy naming its user", who: bob, session: []string{read}, policy: doc(allow(getSecret, "*", to(aliceARN))), road: iam.DeniedImplicit},
		{rule: "a secret policy naming its user's id", who: bob, session: []string{read}, policy: doc(allow(getSecret, "*", to(alice.UniqueID))), road: iam.DeniedImplicit},
		{rule: "a secret policy denying its user", who: bob, identity: []string{read}, session: []string{read}, policy: doc(deny(getSecret, "*", to(aliceARN))), road: iam.DeniedExplicit},
		{rule: "a secret policy denying its user's id", who: bob, identity: []string{read}, session: []string{read}, policy: doc(deny(getSecret, "*", to(alice.UniqueID))), road: iam.DeniedExplicit},
		{rule: "a secret policy denying all but its user", who: bob, identity: []string{read}, session: []string{read}, policy: doc(deny(getSecret, "*", notTo(aliceARN, account))), road: iam.DeniedExplicit},
		{rule: "a secret policy denying all but it", who: bob, identity: []string{read}, session: []string{read}, policy: doc(deny(getSecret, "*", notTo(bobARN, account))), road: iam.RoadIdentity},
		{rule: "its user is not it", who: alice, identity: []string{read}, policy: doc(deny(getSecret, "*", to(bobARN))), road: iam.RoadIdentity},
	}
	for i := range rows {
		rows[i].model, rows[i].action, rows[i].resource = iam.ModelResource, getSecret, secret
	}
	decide(t, append(rows, []call{
		{rule: "a grant to it", who: bob, session: []string{administrator}, model: iam.ModelKey, grants: granted(bobARN, ""), road: iam.RoadGrant},
		{rule: "a grant to its user", who: bob, session: []string{administrator}, model: iam.ModelKey, grants: granted(aliceARN, alice.UniqueID), road: iam.DeniedImplicit},
	}...))
}
