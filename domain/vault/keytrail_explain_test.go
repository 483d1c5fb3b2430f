package vault_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func explain(asker *vaulttest.Caller, o *vaulttest.Outcome) m {
	return asker.Call("keytrail:ExplainRequest", m{"RequestId": o.Reply.RequestID}).OK()
}

// checksOf are the checks of all records of an explained request.
func checksOf(told m) (list []m) {
	for _, r := range told["Records"].([]any) {
		checks, _ := r.(m)["Checks"].([]any)
		for _, c := range checks {
			list = append(list, c.(m))
		}
	}
	return list
}

func remediesOf(told m) map[string][]m {
	roads := map[string][]m{}
	list, _ := told["Remedies"].([]any)
	for _, r := range list {
		road := r.(m)["Road"].(string)
		roads[road] = append(roads[road], r.(m))
	}
	return roads
}

// deniedWorld is a role that may read secrets and not use the key of this one.
func deniedWorld(t *testing.T) (v *vaulttest.Vault, admin, reader *vaulttest.Caller, read func() *vaulttest.Outcome) {
	v = vaulttest.New(t)
	admin, reader = v.User("admin", vaulttest.Administrator), v.Role("reader", vaulttest.Allow("secretsmanager:GetSecretValue"))
	k := admin.Call("kms:CreateKey", nil).OK()["KeyMetadata"].(m)["Arn"].(string)
	admin.Call("secretsmanager:CreateSecret", m{"Name": "s", "KmsKeyId": k, "SecretString": "x"}).OK()
	return v, admin, reader, func() *vaulttest.Outcome { return reader.Call("secretsmanager:GetSecretValue", m{"SecretId": "s"}) }
}

// TestEveryRemedyHelps applies what each road is said to lack, by the very calls
// that are given, and makes the same request again.
func TestEveryRemedyHelps(t *testing.T) {
	for _, road := range []string{"key-policy-delegation", "key-policy", "grant"} {
		t.Run(road, func(t *testing.T) {
			_, admin, _, read := deniedWorld(t)
			o := read()
			if o.Reply.Fault == nil {
				t.Fatal("it is allowed already")
			}
			steps := remediesOf(explain(admin, o))[road]
			if len(steps) == 0 {
				t.Fatalf("no remedy by %s: %v", road, explain(admin, o))
			}
			for _, step := range steps {
				apply := step["Apply"].(m)
				admin.Call(apply["Service"].(string)+":"+apply["Operation"].(string), apply["Input"]).OK()
			}
			read().OK()
		})
	}
}

// TestRemediesInRandomWorlds: whatever is denied implicitly, each road's remedies
// open it. Boundaries and trust are among them.
func TestRemediesInRandomWorlds(t *testing.T) {
	helped := map[string]int{}
	for seed := range uint64(16) {
		p := pick{rand.New(rand.NewPCG(seed, 11))}
		for try := 0; ; try++ {
			v := vaulttest.New(t)
			admin := v.User("admin", vaulttest.Administrator)
			u := v.User("u1")
			if p := p.Clone(seed); p.IntN(2) == 0 {
				boundary := admin.Call("iam:CreatePolicy", m{"PolicyName": "b", "PolicyDocument": vaulttest.Allow("iam:*", "secretsmanager:*")}).OK()["Policy"].(m)["Arn"]
				admin.Call("iam:PutUserPermissionsBoundary", m{"UserName": "u1", "PermissionsBoundary": boundary}).OK()
			}
			policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"kms:*","Resource":"*"},%s]}`,
				p.Clone(seed).of(admin.ARN, "arn:aws:iam::"+vaulttest.Account+":root"), `{"Effect":"Allow","Principal":{"AWS":"`+admin.ARN+`"},"Action":"kms:*","Resource":"*"}`)
			k := admin.Call("kms:CreateKey", m{"Policy": policy}).OK()["KeyMetadata"].(m)["Arn"].(string)
			in := m{"KeyId": k, "Plaintext": "YQ==", "EncryptionContext": m{"a": "b"}}
			o := u.Call("kms:Encrypt", in)
			roads := remediesOf(explain(admin, o))
			names := []string{"key-policy-delegation", "key-policy", "grant"}
			if try == len(names) {
				break
			}
			steps := roads[names[try]]
			if len(steps) == 0 {
				t.Fatalf("seed %d: no remedy by %s", seed, names[try])
			}
			for _, step := range steps {
				apply := step["Apply"].(m)
				admin.Call(apply["Service"].(string)+":"+apply["Operation"].(string), apply["Input"]).OK()
				helped[apply["Operation"].(string)]++
			}
			u.Call("kms:Encrypt", in).OK()
		}
	}
	for _, operation := range []string{"PutUserPolicy", "PutKeyPolicy", "CreateGrant", "CreatePolicyVersion"} {
		if helped[operation] == 0 {
			t.Errorf("no remedy was applied by %s", operation)
		}
	}
}

// Clone draws the same again.
func (pick) Clone(seed uint64) pick { return pick{rand.New(rand.NewPCG(seed, 13))} }

func TestExplainLooksAtTheStateOfThen(t *testing.T) {
	_, admin, reader, read := deniedWorld(t)
	o := read()
	reader.Allow(vaulttest.Allow("kms:Decrypt"))
	read().OK()
	for _, c := range checksOf(explain(admin, o)) {
		if c["Note"] != nil {
			t.Errorf("%v: %v", c["Action"], c["Note"])
		}
		for _, st := range c["Statements"].([]any) {
			if text, _ := json.Marshal(st); strings.Contains(string(text), `"kms:Decrypt"]`) {
				t.Errorf("the policy of later is shown: %s", text)
			}
		}
	}
}

func TestExplainTellsConditionsWithValues(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	alice := v.User("alice", `{"Version":"2012-10-17","Statement":{"Sid":"Home","Effect":"Allow","Action":"kms:CreateKey","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}}`)
	o := alice.Call("kms:CreateKey", nil)
	st := checksOf(explain(admin, o))[0]["Statements"].([]any)[0].(m)
	k := st["Conditions"].([]any)[0].(m)
	if st["Applies"] != false || k["Key"] != "aws:sourceip" || k["Wanted"] != "10.0.0.0/8" || k["Holds"] != false || k["Got"].([]any)[0] != "192.0.2.44" {
		t.Errorf("told as %v", st)
	}
	bob := v.User("bob", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"No","Effect":"Deny","Action":"kms:*","Resource":"*"}]}`)
	told := explain(admin, bob.Call("kms:CreateKey", nil))
	if told["Remedies"] != nil || checksOf(told)[0]["Road"] != "denied-explicit" {
		t.Errorf("an explicit deny is told as %v", told)
	}
}

// TestExplainAgreesWithTheRecords: what is looked at again in the state of then
// decides as it did, in random worlds.
func TestExplainAgreesWithTheRecords(t *testing.T) {
	n := 0
	for seed := range uint64(16) {
		p := pick{rand.New(rand.NewPCG(seed, 17))}
		v := vaulttest.New(t)
		admin := v.User("admin", vaulttest.Administrator)
		users := []*vaulttest.Caller{v.User("u1"), v.User("u2"), v.Role("r1")}
		k := admin.Call("kms:CreateKey", nil).OK()["KeyMetadata"].(m)["Arn"].(string)
		secret := admin.Call("secretsmanager:CreateSecret", m{"Name": "s", "KmsKeyId": k, "SecretString": "x"}).OK()["ARN"].(string)
		blob := admin.Call("kms:Encrypt", m{"KeyId": k, "Plaintext": "YQ==", "EncryptionContext": m{"a": "b"}}).OK()["CiphertextBlob"]
		var outcomes []*vaulttest.Outcome
		for range 4 {
			u := users[p.IntN(len(users))]
			u.Allow(`{"Version":"2012-10-17","Statement":[` + p.statement("", secret) + `,` + p.statement("", secret) + `]}`)
			for _, u := range users {
				outcomes = append(outcomes,
					u.Call("kms:Decrypt", m{"CiphertextBlob": blob, "EncryptionContext": m{"a": "b"}}),
					u.Call("kms:Encrypt", m{"KeyId": k, "Plaintext": "YQ=="}),
					u.Call("secretsmanager:GetSecretValue", m{"SecretId": secret}),
					u.Call("secretsmanager:PutSecretValue", m{"SecretId": secret, "SecretString": "y"}),
					u.Call("secretsmanager:CreateSecret", m{"Name": fmt.Sprint("n", len(outcomes)), "SecretString": "y"}),
					u.Call("iam:GetUser", m{"UserName": "u1"}))
			}
		}
		for _, o := range outcomes {
			for _, c := range checksOf(explain(admin, o)) {
				n++
				if c["Note"] != nil && strings.Contains(c["Note"].(string), "neither the record") {
					t.Fatalf("seed %d: %s: %v", seed, o.Line(), c["Note"])
				}
			}
		}
	}
	if n < 400 {
		t.Errorf("%d checks only", n)
	}
}

// TestExplainSessionPolicy: what a session was limited by is found in the record of
// its AssumeRole, and the explanation says how.
func TestExplainSessionPolicy(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole"}}`, admin.ARN)
	admin.Call("iam:CreateRole", m{"RoleName": "wide", "AssumeRolePolicyDocument": trust}).OK()
	admin.Call("iam:PutRolePolicy", m{"RoleName": "wide", "PolicyName": "p", "PolicyDocument": vaulttest.Allow("kms:*")}).OK()
	assumed := admin.Call("sts:AssumeRole", m{"RoleArn": vaulttest.RoleARN("wide"), "RoleSessionName": "narrow", "Policy": vaulttest.Allow("kms:ListAliases")})
	session := as(t, v, admin, assumed.OK())
	told := explain(admin, session.Call("kms:ListKeys", nil))
	key := session.Credential.AccessKey
	if note := fmt.Sprint(checksOf(told)[0]["Note"]); !strings.Contains(note, "'"+key+"'") {
		t.Errorf("the note is %q", note)
	}
	line := string(v.Lines[assumed.Records[0].N])
	if !strings.Contains(line, `"credentials":{"accessKeyId":"`+key+`"`) || !strings.Contains(line, `kms:ListAliases`) {
		t.Errorf("the record is %s", line)
	}
}
