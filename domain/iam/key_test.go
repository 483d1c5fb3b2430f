package iam_test

import (
	"testing"

	"github.com/keytrail/keytrail/domain/iam"
)

const (
	noIdentity = "because no identity-based policy allows the kms:Decrypt action"
	noResource = "because no resource-based policy allows the kms:Decrypt action"
	noBoundary = "because no permissions boundary allows the kms:Decrypt action"
	noSession  = "because no session policy allows the kms:Decrypt action"
)

var (
	decryptKey    = doc(allow("kms:Decrypt", key))
	administrator = doc(allow("*", "*"))
	defaultPolicy = doc(delegation)
	nothing       = doc(allow("sqs:SendMessage", "*"))
)

// keys makes rows of ModelKey.
func keys(calls ...call) []call {
	for i := range calls {
		calls[i].model = iam.ModelKey
	}
	return calls
}

func TestKeyPolicy(t *testing.T) {
	decide(t, keys(
		call{rule: "delegation and an identity allow", who: alice, policy: defaultPolicy, identity: []string{decryptKey}, road: iam.RoadKeyPolicyDelegation},
		call{rule: "delegation for a role session", who: reader, policy: defaultPolicy, identity: []string{decryptKey}, road: iam.RoadKeyPolicyDelegation},
		call{rule: "delegation alone is not enough", who: alice, policy: defaultPolicy, road: iam.DeniedImplicit, reason: noIdentity},
		call{rule: "delegation written as an account id", who: alice, policy: doc(allow("kms:*", "*", to(account))), identity: []string{decryptKey}, road: iam.RoadKeyPolicyDelegation},
		call{rule: "delegation covers only its actions", who: alice, policy: doc(allow("kms:Describe*", "*", to(rootARN))), identity: []string{administrator}, road: iam.DeniedImplicit, reason: noResource},
		call{rule: "delegation counts only where its condition holds", who: alice, policy: doc(allow("kms:*", "*", to(rootARN), when(`'StringEquals':{'kms:ViaService':'x'}`))), identity: []string{decryptKey}, road: iam.DeniedImplicit, reason: noResource},
		call{rule: "without delegation an administrator has nothing", who: alice, policy: doc(allow("kms:*", "*", to(readerARN))), identity: []string{administrator}, road: iam.DeniedImplicit, reason: noResource},
		call{rule: "without delegation the root user has nothing", who: root, policy: doc(allow("kms:*", "*", to(readerARN))), road: iam.DeniedImplicit, reason: noResource},
		call{rule: "without any key policy nobody has anything", who: root, road: iam.DeniedImplicit, reason: noResource},
		call{rule: "the root statement names the root user itself", who: root, policy: defaultPolicy, road: iam.RoadKeyPolicy},
		call{rule: "the statement of another account is no delegation", who: alice, policy: doc(allow("kms:*", "*", to(stranger))), identity: []string{administrator}, road: iam.DeniedImplicit},

		call{rule: "user named", who: alice, policy: doc(allow("kms:Decrypt", "*", to(aliceARN))), road: iam.RoadKeyPolicy},
		call{rule: "user named without its path is another user", who: alice, policy: doc(allow("kms:Decrypt", "*", to("arn:aws:iam::111122223333:user/alice"))), road: iam.DeniedImplicit, reason: noResource},
		call{rule: "principals are case-sensitive", who: alice, policy: doc(allow("kms:Decrypt", "*", to("arn:aws:iam::111122223333:user/eng/Alice"))), road: iam.DeniedImplicit},
		call{rule: "role named", who: reader, policy: doc(allow("kms:Decrypt", "*", to(readerARN))), road: iam.RoadKeyPolicy},
		call{rule: "session named", who: reader, policy: doc(allow("kms:Decrypt", "*", to(sessionARN))), road: iam.RoadKeyPolicy},
		call{rule: "another session named", who: reader, policy: doc(allow("kms:Decrypt", "*", to("arn:aws:sts::111122223333:assumed-role/Reader/build-8"))), road: iam.DeniedImplicit},
		call{rule: "unique id named", who: alice, policy: doc(allow("kms:Decrypt", "*", to(alice.UniqueID))), road: iam.RoadKeyPolicy},
		call{rule: "a key policy does not outweigh the list of actions", who: alice, policy: doc(allow("kms:Encrypt", "*", to(aliceARN))), road: iam.DeniedImplicit},
		call{rule: "everybody named", who: reader, policy: doc(allow("kms:Decrypt", "*", `'Principal':'*'`)), road: iam.RoadKeyPolicy},
		call{rule: "everybody named, with a condition that holds", who: alice, context: iam.ContextMap{"kms:CallerAccount": {account}},
			policy: doc(allow("kms:Decrypt", "*", to("*"), when(`'StringEquals':{'kms:CallerAccount':'111122223333'}`))), road: iam.RoadKeyPolicy},
		call{rule: "everybody named, with a condition that fails", who: alice, context: iam.ContextMap{"kms:CallerAccount": {account}},
			policy: doc(allow("kms:Decrypt", "*", to("*"), when(`'StringEquals':{'kms:CallerAccount':'999988887777'}`))), road: iam.DeniedImplicit},
		call{rule: "a service principal is nobody who calls", who: alice, policy: doc(allow("kms:*", "*", `'Principal':{'Service':'secretsmanager.amazonaws.com'}`)), road: iam.DeniedImplicit},
		call{rule: "a statement without Resource has no effect", who: alice, policy: doc(`{'Effect':'Allow','Action':'kms:*',` + to(aliceARN) + `}`), road: iam.DeniedImplicit},
		call{rule: "a statement without Action has no effect", who: alice, policy: doc(`{'Effect':'Allow','Resource':'*',` + to(aliceARN) + `}`), road: iam.DeniedImplicit},
		call{rule: "an empty NotAction has no effect", who: alice, policy: doc(`{'Effect':'Allow','NotAction':[],'Resource':'*',` + to(aliceARN) + `}`), road: iam.DeniedImplicit},
		call{rule: "an empty NotResource has no effect", who: alice, policy: doc(`{'Effect':'Allow','Action':'*','NotResource':[],` + to(aliceARN) + `}`), road: iam.DeniedImplicit},
		call{rule: "a Deny without Resource has no effect either", who: alice, policy: doc(delegation, `{'Effect':'Deny','Action':'kms:*',`+to(aliceARN)+`}`), identity: []string{decryptKey}, road: iam.RoadKeyPolicyDelegation},

		call{rule: "an alias ARN in Resource never helps", who: alice, policy: defaultPolicy, identity: []string{doc(allow("kms:Decrypt", alias))}, road: iam.DeniedImplicit, reason: noIdentity},
		call{rule: "kms:RequestAlias does", who: alice, policy: defaultPolicy, context: iam.ContextMap{"kms:RequestAlias": {"alias/app"}},
			identity: []string{doc(allow("kms:Decrypt", "*", when(`'StringEquals':{'kms:RequestAlias':'alias/app'}`)))}, road: iam.RoadKeyPolicyDelegation},
		call{rule: "kms:ResourceAliases is a set", who: alice, policy: defaultPolicy, context: iam.ContextMap{"kms:ResourceAliases": {"alias/other", "alias/app"}},
			identity: []string{doc(allow("kms:Decrypt", "*", when(`'ForAnyValue:StringEquals':{'kms:ResourceAliases':'alias/app'}`)))}, road: iam.RoadKeyPolicyDelegation},
		call{rule: "a misspelt vendor is accepted and grants nothing", who: alice, policy: defaultPolicy, identity: []string{doc(allow("kns:Decrypt", key))}, road: iam.DeniedImplicit, reason: noIdentity},
	))
}

func TestKeyDenials(t *testing.T) {
	decide(t, keys(
		call{rule: "Deny in the identity policy wins over the key policy", who: alice, policy: doc(allow("kms:*", "*", to(aliceARN))),
			identity: []string{doc(deny("kms:Decrypt", "*"))}, road: iam.DeniedExplicit, reason: "with an explicit deny in an identity-based policy"},
		call{rule: "Deny in the identity policy counts without delegation", who: reader, policy: doc(allow("kms:*", "*", to(readerARN))),
			identity: []string{doc(deny("kms:*", key))}, road: iam.DeniedExplicit},
		call{rule: "Deny in the key policy wins over delegation", who: alice, policy: doc(delegation, deny("kms:Decrypt", "*", to(aliceARN))), identity: []string{administrator},
			road: iam.DeniedExplicit, reason: "with an explicit deny in a resource-based policy"},
		call{rule: "Deny naming the account denies everybody in it", who: alice, policy: doc(allow("kms:*", "*", to(aliceARN)), deny("kms:Decrypt", "*", to(rootARN))), road: iam.DeniedExplicit},
		call{rule: "Deny naming the role denies its sessions", who: reader, policy: doc(allow("kms:*", "*", to(sessionARN)), deny("kms:Decrypt", "*", to(readerARN))), road: iam.DeniedExplicit},
		call{rule: "Deny naming somebody else does not count", who: alice, policy: doc(allow("kms:*", "*", to(aliceARN)), deny("kms:Decrypt", "*", to(readerARN))), road: iam.RoadKeyPolicy},
		call{rule: "Deny in the boundary", who: alice, policy: doc(allow("kms:*", "*", to(aliceARN))), boundary: doc(deny("kms:*", "*")),
			road: iam.DeniedExplicit, reason: "with an explicit deny in a permissions boundary"},
		call{rule: "Deny in a session policy", who: reader, policy: doc(allow("kms:*", "*", to(sessionARN))), session: []string{doc(deny("kms:*", "*"))},
			road: iam.DeniedExplicit, reason: "with an explicit deny in a session policy"},
		call{rule: "Deny wins over a grant", who: alice, policy: defaultPolicy, grants: []iam.Grant{{ID: "g", Grantee: aliceARN, Operations: []string{"Decrypt"}}},
			identity: []string{doc(deny("kms:Decrypt", "*"))}, road: iam.DeniedExplicit},
		call{rule: "Deny whose condition fails does not count", who: alice, policy: doc(allow("kms:*", "*", to(aliceARN))),
			identity: []string{doc(deny("kms:*", "*", when(`'Bool':{'aws:SecureTransport':'false'}`)))}, context: iam.ContextMap{"aws:SecureTransport": {"true"}}, road: iam.RoadKeyPolicy},
		call{rule: "Deny for the root user in the key policy", who: root, policy: doc(delegation, deny("kms:Decrypt", "*", to(rootARN))), road: iam.DeniedExplicit},
	))
}

func TestLimits(t *testing.T) {
	named := doc(allow("kms:*", "*", to(aliceARN)))
	decide(t, keys(
		call{rule: "boundary intersects with delegation", who: alice, policy: defaultPolicy, identity: []string{administrator}, boundary: nothing, road: iam.DeniedImplicit, reason: noBoundary},
		call{rule: "boundary that allows", who: alice, policy: defaultPolicy, identity: []string{administrator}, boundary: decryptKey, road: iam.RoadKeyPolicyDelegation},
		call{rule: "boundary gives nothing by itself", who: alice, policy: defaultPolicy, boundary: administrator, road: iam.DeniedImplicit, reason: noIdentity},
		call{rule: "boundary does not limit a policy naming the user", who: alice, policy: named, boundary: nothing, road: iam.RoadKeyPolicy},
		call{rule: "boundary does not limit a policy naming everybody", who: alice, policy: doc(allow("kms:*", "*", to("*"))), boundary: nothing, road: iam.RoadKeyPolicy},
		call{rule: "boundary limits a policy naming the role", who: reader, policy: doc(allow("kms:*", "*", to(readerARN))), boundary: nothing, road: iam.DeniedImplicit, reason: noBoundary},
		call{rule: "boundary does not limit a policy naming the session", who: reader, policy: doc(allow("kms:*", "*", to(sessionARN))), boundary: nothing, road: iam.RoadKeyPolicy},
		call{rule: "boundary limits a grant", who: alice, policy: defaultPolicy, boundary: nothing, grants: []iam.Grant{{ID: "g", Grantee: aliceARN, Operations: []string{"Decrypt"}}}, road: iam.DeniedImplicit, reason: noBoundary},
		call{rule: "boundary does not limit the root user", who: root, policy: defaultPolicy, boundary: nothing, road: iam.RoadKeyPolicy},

		call{rule: "session policy intersects with delegation", who: reader, policy: defaultPolicy, identity: []string{administrator}, session: []string{nothing}, road: iam.DeniedImplicit, reason: noSession},
		call{rule: "session policy that allows", who: reader, policy: defaultPolicy, identity: []string{administrator}, session: []string{nothing, decryptKey}, road: iam.RoadKeyPolicyDelegation},
		call{rule: "session policy gives nothing by itself", who: reader, policy: defaultPolicy, session: []string{administrator}, road: iam.DeniedImplicit, reason: noIdentity},
		call{rule: "session policy limits a policy naming the role", who: reader, policy: doc(allow("kms:*", "*", to(readerARN))), session: []string{nothing}, road: iam.DeniedImplicit, reason: noSession},
		call{rule: "session policy does not limit a policy naming the session", who: reader, policy: doc(allow("kms:*", "*", to(sessionARN))), session: []string{nothing}, road: iam.RoadKeyPolicy},
		call{rule: "session policy does not limit everybody with aws:PrincipalArn", who: reader, context: iam.ContextMap{"aws:PrincipalArn": {readerARN}}, session: []string{nothing},
			policy: doc(allow("kms:*", "*", to("*"), when(`'ArnEquals':{'aws:PrincipalArn':'`+readerARN+`'}`))), road: iam.RoadKeyPolicy},
		call{rule: "session policy limits a grant", who: reader, session: []string{nothing}, grants: []iam.Grant{{ID: "g", Grantee: readerARN, Operations: []string{"Decrypt"}}}, road: iam.DeniedImplicit, reason: noSession},
		call{rule: "session policies in force but empty allow nothing", who: reader, policy: defaultPolicy, identity: []string{administrator}, session: []string{}, road: iam.DeniedImplicit, reason: noSession},
	))
}

func TestKeyAcrossAccounts(t *testing.T) {
	open := doc(delegation, allow("kms:Decrypt", "*", to(stranger)))
	grant := []iam.Grant{{ID: "g", Grantee: malloryARN, Operations: []string{"Decrypt"}}}
	decide(t, keys(
		call{rule: "both sides", who: mallory, policy: open, identity: []string{decryptKey}, road: iam.RoadKeyPolicy},
		call{rule: "key policy alone", who: mallory, policy: open, road: iam.DeniedImplicit, reason: noIdentity},
		call{rule: "key policy naming the user alone", who: mallory, policy: doc(allow("kms:Decrypt", "*", to(malloryARN))), road: iam.DeniedImplicit, reason: noIdentity},
		call{rule: "key policy naming the user, and identity policy", who: mallory, policy: doc(allow("kms:Decrypt", "*", to(malloryARN))), identity: []string{decryptKey}, road: iam.RoadKeyPolicy},
		call{rule: "identity policy alone", who: mallory, policy: defaultPolicy, identity: []string{administrator}, road: iam.DeniedImplicit, reason: noResource},
		call{rule: "everybody named still needs the identity policy there", who: mallory, policy: doc(allow("kms:*", "*", to("*"))), road: iam.DeniedImplicit, reason: noIdentity},
		call{rule: "the boundary there limits even a policy naming the user", who: mallory, policy: doc(allow("kms:*", "*", to(malloryARN))), identity: []string{administrator}, boundary: nothing, road: iam.DeniedImplicit, reason: noBoundary},
		call{rule: "grant and identity policy", who: mallory, policy: defaultPolicy, grants: grant, identity: []string{decryptKey}, road: iam.RoadGrant},
		call{rule: "grant alone", who: mallory, policy: defaultPolicy, grants: grant, road: iam.DeniedImplicit, reason: noIdentity},
	))
}

func TestGrants(t *testing.T) {
	to := func(grantee string, operations ...string) []iam.Grant {
		return []iam.Grant{{ID: "g", Grantee: grantee, Operations: operations}}
	}
	equals := []iam.Grant{{ID: "g", Grantee: aliceARN, Operations: []string{"Decrypt", "DescribeKey"}, ContextEquals: map[string]string{"SecretARN": "x"}}}
	subset := []iam.Grant{{ID: "g", Grantee: aliceARN, Operations: []string{"Decrypt"}, ContextSubset: map[string]string{"SecretARN": "x"}}}
	decide(t, keys(
		call{rule: "grant without any policy", who: alice, grants: to(aliceARN, "Decrypt"), road: iam.RoadGrant},
		call{rule: "grant to the role", who: reader, grants: to(readerARN, "Encrypt", "Decrypt"), road: iam.RoadGrant},
		call{rule: "grant to the session", who: reader, grants: to(sessionARN, "Decrypt"), road: iam.RoadGrant},
		call{rule: "grant to another session", who: reader, grants: to(sessionARN+"x", "Decrypt"), road: iam.DeniedImplicit},
		call{rule: "grant of another operation", who: alice, grants: to(aliceARN, "Encrypt", "DecryptX"), road: iam.DeniedImplicit, reason: noResource},
		call{rule: "grant to somebody else", who: alice, grants: to(readerARN, "Decrypt"), road: iam.DeniedImplicit},
		call{rule: "grant to the root, used by the root", who: root, grants: to(rootARN, "Decrypt"), road: iam.RoadGrant},
		call{rule: "grant to the root is for the account's identity policies", who: alice, grants: to(rootARN, "Decrypt"), identity: []string{decryptKey}, road: iam.RoadGrant},
		call{rule: "grant to the root gives users nothing by itself", who: alice, grants: to(rootARN, "Decrypt"), road: iam.DeniedImplicit, reason: noIdentity},
		call{rule: "bound grant, same user", who: alice, grants: []iam.Grant{{Grantee: aliceARN, GranteeID: alice.UniqueID, Operations: []string{"Decrypt"}}}, road: iam.RoadGrant},
		call{rule: "bound grant, user created anew", who: alice, grants: []iam.Grant{{Grantee: aliceARN, GranteeID: "AIDAOLD0000000000001", Operations: []string{"Decrypt"}}}, road: iam.DeniedImplicit},
		call{rule: "grant shown by unique id", who: alice, grants: to(alice.UniqueID, "Decrypt"), road: iam.RoadGrant},
		call{rule: "a grant says nothing about other services", who: alice, action: "sts:Decrypt", grants: to(aliceARN, "Decrypt"), road: iam.DeniedImplicit},

		call{rule: "equals: the same pairs", who: alice, grants: equals, pairs: map[string]string{"SecretARN": "x"}, road: iam.RoadGrant},
		call{rule: "equals: constraint keys compare without case", who: alice, grants: equals, pairs: map[string]string{"secretarn": "x"}, road: iam.RoadGrant},
		call{rule: "equals: values compare with case", who: alice, grants: equals, pairs: map[string]string{"SecretARN": "X"}, road: iam.DeniedImplicit},
		call{rule: "equals: one pair more", who: alice, grants: equals, pairs: map[string]string{"SecretARN": "x", "a": "b"}, road: iam.DeniedImplicit},
		call{rule: "equals: no context", who: alice, grants: equals, road: iam.DeniedImplicit},
		call{rule: "equals: keys that differ by case hide no other value", who: alice, pairs: map[string]string{"a": "1", "A": "2"},
			grants: []iam.Grant{{Grantee: aliceARN, Operations: []string{"Decrypt"}, ContextEquals: map[string]string{"a": "1", "A": "1"}}}, road: iam.DeniedImplicit},
		call{rule: "equals: keys that differ by case hide no other pair", who: alice, pairs: map[string]string{"secretarn": "x", "SecretARN": "x"}, grants: equals, road: iam.DeniedImplicit},
		call{rule: "equals: constraints are for cryptographic operations", who: alice, action: "kms:DescribeKey", grants: equals, road: iam.RoadGrant},
		call{rule: "subset: the same pairs", who: alice, grants: subset, pairs: map[string]string{"SecretARN": "x"}, road: iam.RoadGrant},
		call{rule: "subset: one pair more", who: alice, grants: subset, pairs: map[string]string{"SecretARN": "x", "a": "b"}, road: iam.RoadGrant},
		call{rule: "subset: another value", who: alice, grants: subset, pairs: map[string]string{"SecretARN": "y", "a": "b"}, road: iam.DeniedImplicit},
		call{rule: "subset: an empty value is not an absent pair", who: alice, pairs: map[string]string{},
			grants: []iam.Grant{{Grantee: aliceARN, Operations: []string{"Decrypt"}, ContextSubset: map[string]string{"a": ""}}}, road: iam.DeniedImplicit},
	))
	elsewhere := call{rule: "grants count for keys alone", who: alice, model: iam.ModelResource, grants: to(aliceARN, "Decrypt"), road: iam.DeniedImplicit}
	decide(t, []call{elsewhere})
	if d := iam.Evaluate(elsewhere.input(t)); len(d.Matched) != 0 {
		t.Errorf("matched %v", d.Matched)
	}
}

// secretsManagerKey is the policy of the managed key aws/secretsmanager.
const secretsManagerKey = `{"Version":"2012-10-17","Id":"auto-secretsmanager-2","Statement":[
 {"Sid":"Allow access through AWS Secrets Manager for all principals in the account that are authorized to use AWS Secrets Manager",
  "Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:CreateGrant","kms:DescribeKey"],"Resource":"*",
  "Condition":{"StringEquals":{"kms:CallerAccount":"111122223333","kms:ViaService":"secretsmanager.us-east-1.amazonaws.com"}}},
 {"Sid":"Allow access through AWS Secrets Manager for all principals in the account that are authorized to use AWS Secrets Manager",
  "Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:GenerateDataKey*","Resource":"*",
  "Condition":{"StringEquals":{"kms:CallerAccount":"111122223333"},"StringLike":{"kms:ViaService":"secretsmanager.*.amazonaws.com"}}},
 {"Sid":"Allow direct access to key metadata to the account","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},
  "Action":["kms:Describe*","kms:Get*","kms:List*","kms:RevokeGrant"],"Resource":"*"}]}`

func TestManagedKey(t *testing.T) {
	via := iam.ContextMap{"kms:CallerAccount": {account}, "kms:ViaService": {"secretsmanager.us-east-1.amazonaws.com"}}
	direct := iam.ContextMap{"kms:CallerAccount": {account}}
	foreign := iam.ContextMap{"kms:CallerAccount": {stranger}, "kms:ViaService": {"secretsmanager.us-east-1.amazonaws.com"}}
	var calls []call
	add := func(c call) { c.policy = secretsManagerKey; calls = append(calls, c) }
	for _, who := range []iam.Principal{alice, reader, root} {
		for _, action := range []string{"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:DescribeKey"} {
			add(call{rule: "(a) through Secrets Manager, no kms permission: " + action + " " + who.ARN, who: who, action: action, context: via, road: iam.RoadKeyPolicy})
		}
		for _, action := range []string{"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"} {
			add(call{rule: "(b) directly, with kms:*: " + action + " " + who.ARN, who: who, action: action, context: direct, identity: []string{administrator},
				road: iam.DeniedImplicit, reason: "because no resource-based policy allows the " + action + " action"})
		}
	}
	add(call{rule: "(a) a session policy without kms", who: reader, context: via, session: []string{doc(allow("secretsmanager:GetSecretValue", "*"))}, road: iam.RoadKeyPolicy})
	add(call{rule: "(b) metadata is delegated to identity policies", who: alice, action: "kms:GetKeyPolicy", context: direct, identity: []string{administrator}, road: iam.RoadKeyPolicyDelegation})
	add(call{rule: "(b) and needs them", who: alice, action: "kms:GetKeyPolicy", context: direct, road: iam.DeniedImplicit})
	add(call{rule: "(b) through another service", who: alice, context: iam.ContextMap{"kms:CallerAccount": {account}, "kms:ViaService": {"s3.us-east-1.amazonaws.com"}}, road: iam.DeniedImplicit})
	add(call{rule: "(c) an explicit Deny blocks reading", who: alice, context: via, identity: []string{doc(deny("kms:Decrypt", "*"))}, road: iam.DeniedExplicit})
	add(call{rule: "(d) another account, through Secrets Manager, with kms:*", who: mallory, context: foreign, identity: []string{administrator}, road: iam.DeniedImplicit, reason: noResource})
	decide(t, keys(calls...))
}

func TestNotPrincipal(t *testing.T) {
	decide(t, keys(
		call{rule: "Allow NotPrincipal allows the others", who: alice, policy: doc(allow("kms:*", "*", notTo(readerARN))), road: iam.RoadKeyPolicy},
		call{rule: "Allow NotPrincipal leaves out whom it names", who: reader, policy: doc(allow("kms:*", "*", notTo(readerARN))), road: iam.DeniedImplicit},
		call{rule: "Allow NotPrincipal with the account leaves out all of it", who: alice, policy: doc(allow("kms:*", "*", notTo(rootARN))), road: iam.DeniedImplicit},
		call{rule: "Deny NotPrincipal denies the others", who: alice, policy: doc(delegation, deny("kms:*", "*", notTo(rootARN, readerARN))), identity: []string{administrator}, road: iam.DeniedExplicit},
		call{rule: "Deny NotPrincipal spares whom it names", who: reader, policy: doc(delegation, deny("kms:*", "*", notTo(rootARN, readerARN))), identity: []string{administrator}, road: iam.RoadKeyPolicyDelegation},
		call{rule: "Deny NotPrincipal with the account spares its root user alone", who: root, policy: doc(delegation, deny("kms:*", "*", notTo(rootARN))), road: iam.RoadKeyPolicy},
	))
}
