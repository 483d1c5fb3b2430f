package vault_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// whoCan asks, and gives for each principal that can whether it can in any case.
func whoCan(asker *vaulttest.Caller, in m) map[string]bool {
	found := map[string]bool{}
	for {
		out := asker.Call("keytrail:WhoCan", in).OK()
		for _, p := range out["Principals"].([]any) {
			_, conditional := p.(m)["If"]
			found[p.(m)["Principal"].(string)] = !conditional
		}
		token, more := out["NextToken"].(string)
		if !more {
			return found
		}
		in["NextToken"] = token
	}
}

// pick draws what a random world is made of.
type pick struct{ *rand.Rand }

func (p pick) of(list ...string) string { return list[p.IntN(len(list))] }

func (p pick) condition(secret string) string {
	return p.of("", "", "",
		`,"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`, `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`,
		`,"Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.us-east-1.amazonaws.com"}}`,
		`,"Condition":{"StringEquals":{"kms:CallerAccount":"`+vaulttest.Account+`"}}`,
		`,"Condition":{"StringEquals":{"kms:EncryptionContext:SecretARN":"`+secret+`"}}`,
		`,"Condition":{"StringEquals":{"kms:EncryptionContext:a":"b"}}`,
		`,"Condition":{"StringEqualsIfExists":{"secretsmanager:VersionStage":"AWSPENDING"}}`,
		`,"Condition":{"Bool":{"aws:SecureTransport":"false"}}`, `,"Condition":{"StringLike":{"aws:PrincipalArn":"*u1"}}`,
		`,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`, `,"Condition":{"Null":{"aws:MultiFactorAuthPresent":"true"}}`)
}

func (p pick) statement(principal, secret string) string {
	effect := p.of("Allow", "Allow", "Allow", "Deny")
	action := p.of("kms:Decrypt", "kms:*", "*", "secretsmanager:GetSecretValue", "secretsmanager:*", "kms:GenerateDataKey*", "kms:Encrypt")
	if principal != "" {
		principal = `"Principal":{"AWS":"` + principal + `"},`
	}
	return fmt.Sprintf(`{"Effect":%q,%s"Action":%q,"Resource":"*"%s}`, effect, principal, action, p.condition(secret))
}

// TestWhoCanAgreesWithTheEngine holds the answers to what becomes of the calls
// themselves, in random worlds: who is not listed is refused, who is listed
// without an If is not, and who is allowed is listed. So for the past.
func TestWhoCanAgreesWithTheEngine(t *testing.T) {
	type asked struct {
		in  m
		got map[string]bool
	}
	decided := map[string]int{}
	for seed := range uint64(24) {
		p := pick{rand.New(rand.NewPCG(seed, 7))}
		v := vaulttest.New(t)
		admin := v.User("admin", vaulttest.Administrator)
		users := []*vaulttest.Caller{v.User("u1"), v.User("u2"), v.Role("r1"), v.UserOf(vaulttest.Other, "u3")}
		names := []string{users[0].ARN, users[1].ARN, vaulttest.RoleARN("r1"), users[3].ARN, vaulttest.Account, vaulttest.Other, "*", users[2].ARN}
		k := admin.Call("kms:CreateKey", nil).OK()["KeyMetadata"].(m)["Arn"].(string)
		secret := admin.Call("secretsmanager:CreateSecret", m{"Name": "s", "KmsKeyId": k, "SecretString": "x"}).OK()["ARN"].(string)
		blob := admin.Call("kms:Encrypt", m{"KeyId": k, "Plaintext": "YQ==", "EncryptionContext": m{"a": "b"}}).OK()["CiphertextBlob"]
		var history []asked
		for range 3 {
			for _, u := range users {
				if p.IntN(2) == 0 {
					u.Allow(`{"Version":"2012-10-17","Statement":[` + p.statement("", secret) + `,` + p.statement("", secret) + `]}`)
				}
			}
			keep := fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":["kms:PutKeyPolicy","kms:CreateGrant","kms:DescribeKey"],"Resource":"*"}`, admin.ARN)
			admin.Call("kms:PutKeyPolicy", m{"KeyId": k, "Policy": `{"Version":"2012-10-17","Statement":[` + keep + `,` +
				p.statement(p.of(names...), secret) + `,` + p.statement(p.of(names...), secret) + `]}`})
			admin.Call("secretsmanager:PutResourcePolicy", m{"SecretId": secret, "ResourcePolicy": `{"Version":"2012-10-17","Statement":[` +
				p.statement(p.of(names[:6]...), secret) + `]}`})
			if p.IntN(2) == 0 {
				admin.Call("kms:CreateGrant", m{"KeyId": k, "GranteePrincipal": p.of(users[0].ARN, users[3].ARN, vaulttest.RoleARN("r1")),
					"Operations": []string{p.of("Decrypt", "Encrypt", "GenerateDataKey")}, "Constraints": m{"EncryptionContextSubset": m{"SecretARN": secret}}})
			}
			for _, q := range []struct {
				action, on string
				in         m
			}{
				{"kms:Decrypt", k, m{"CiphertextBlob": blob, "EncryptionContext": m{"a": "b"}}},
				{"kms:Encrypt", k, m{"KeyId": k, "Plaintext": "YQ=="}},
				{"secretsmanager:GetSecretValue", secret, m{"SecretId": secret}},
				{"secretsmanager:PutSecretValue", secret, m{"SecretId": secret, "SecretString": "y"}},
				{"secretsmanager:UpdateSecret", secret, m{"SecretId": secret, "SecretString": "z"}},
			} {
				in := m{"Action": q.action, "Resource": q.on, "MaxResults": 1 + p.IntN(4)}
				found := whoCan(admin, in)
				in["AtRecord"] = len(v.Lines) - 1
				history = append(history, asked{in, found})
				for i, u := range users {
					fell := u.Call(q.action, q.in).Reply.Fault
					name := names[i]
					always, listed := found[name]
					if i == 3 { // of another account: by name, as everybody of it, or of any
						for _, n := range []string{"arn:aws:iam::" + vaulttest.Other + ":root", "*"} {
							if _, whole := found[n]; whole && !listed {
								listed = true
							}
						}
					}
					for n, a := range found { // a session may be listed by itself
						if n == u.ARN && i == 2 {
							listed, always = true, always || a
						}
					}
					switch {
					case fell == nil && !listed, fell != nil && always:
						t.Fatalf("seed %d: %s by %s: %v, listed %v, always %v\nof %v", seed, q.action, u.ARN, fell, listed, always, found)
					case fell == nil:
						decided["allowed"]++
					case listed:
						decided["conditional"]++
					default:
						decided["refused"]++
					}
				}
			}
		}
		for _, a := range history {
			delete(a.in, "NextToken")
			if again := whoCan(admin, a.in); fmt.Sprint(again) != fmt.Sprint(a.got) {
				t.Fatalf("seed %d: at %v: %v, then it was %v", seed, a.in, again, a.got)
			}
		}
	}
	for _, outcome := range []string{"allowed", "conditional", "refused"} {
		if decided[outcome] < 20 {
			t.Errorf("%d calls were %s: the worlds are too much alike", decided[outcome], outcome)
		}
	}
}

func TestWhoCanTellsConditions(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	alice := v.User("alice", `{"Version":"2012-10-17","Statement":{"Sid":"Home","Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}}`)
	k := admin.Call("kms:CreateKey", nil).OK()["KeyMetadata"].(m)["Arn"].(string)
	ask := func(in m) map[string]bool { in["Action"], in["Resource"] = "kms:Decrypt", k; return whoCan(admin, in) }
	if always, can := ask(m{})[alice.ARN]; !can || always {
		t.Errorf("without an address: can %v, always %v", can, always)
	}
	from := func(ip string) m {
		return m{"ContextEntries": []m{{"ContextKeyName": "aws:SourceIp", "ContextKeyValues": []string{ip}}}}
	}
	if !ask(from("10.1.2.3"))[alice.ARN] {
		t.Error("she can from there")
	}
	if _, can := ask(from("192.0.2.1"))[alice.ARN]; can {
		t.Error("she cannot from elsewhere")
	}
	line, _ := json.Marshal(admin.Call("keytrail:WhoCan", m{"Action": "kms:Decrypt", "Resource": k}).OK())
	if want := `"Statement":"inline/`; !strings.Contains(string(line), want) || !strings.Contains(string(line), `#0:Home`) || !strings.Contains(string(line), `"10.0.0.0/8"`) {
		t.Errorf("the condition is not told: %s", line)
	}
	admin.Call("kms:DisableKey", m{"KeyId": k}).OK()
	if out := admin.Call("keytrail:WhoCan", m{"Action": "kms:Decrypt", "Resource": k}).OK(); out["Obstacle"] == nil {
		t.Error("nobody is told that the key is disabled")
	}
	alice.Call("keytrail:WhoCan", m{"Action": "kms:Decrypt", "Resource": k, "AtRecord": 3}).Fails(fault.AccessDeniedException, "keytrail:WhoCan")
	admin.Call("keytrail:WhoCan", m{"Action": "kms:Decrypt", "Resource": k, "AtRecord": 100000}).Fails(fault.ValidationException, "no such record")
}

// TestEveryRequestKeyIsFree: what an operation takes from the request as a
// condition must not count as known to a who-can.
func TestEveryRequestKeyIsFree(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	given := regexp.MustCompile(`(?:when|whenBool|condMulti)\("([a-z:]+)"`)
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range given.FindAllStringSubmatch(string(text), -1) {
			n++
			key := found[1]
			ofKey := []string{"kms:keyspec", "kms:keyusage", "kms:keyorigin", "kms:multiregion", "kms:customermasterkeyspec", "kms:customermasterkeyusage"}
			if key != "secretsmanager:secretid" && !slices.Contains(ofKey, key) && !vault.FreeKey(key) {
				t.Errorf("%s: %s is the request's, and who-can does not know", file, key)
			}
		}
	}
	if n < 40 {
		t.Errorf("found %d condition keys only", n)
	}
}
