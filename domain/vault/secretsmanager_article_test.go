package vault_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// sm makes a call of Secrets Manager.
func sm(c *vaulttest.Caller, operation string, in m) *vaulttest.Outcome {
	return c.Call("secretsmanager:"+operation, in)
}

// newSecret makes a secret of one value and gives its ARN and version.
func newSecret(c *vaulttest.Caller, name, value, key string) (arn, version string) {
	in := m{"Name": name, "SecretString": value}
	if key != "" {
		in["KmsKeyId"] = key
	}
	out := sm(c, "CreateSecret", in).OK()
	return out["ARN"].(string), out["VersionId"].(string)
}

// story is the operations of an outcome's records with what came of each.
func story(o *vaulttest.Outcome) []string {
	var lines []string
	for _, r := range o.Records {
		lines = append(lines, r.Op+" "+r.Outcome)
	}
	return lines
}

func tells(t *testing.T, o *vaulttest.Outcome, want ...string) {
	t.Helper()
	if got := story(o); !slices.Equal(got, want) {
		t.Errorf("the records tell %q\nwant %q", got, want)
	}
}

func policyOn(action, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"%s","Resource":"%s"}]}`, action, resource)
}

const (
	kmsDenied = "Access to KMS is not allowed"
	readOK    = "secretsmanager:GetSecretValue ok"
	readNo    = "secretsmanager:GetSecretValue AccessDenied"
	decryptOK = "kms:Decrypt ok"
	decryptNo = "kms:Decrypt AccessDenied"
)

// demo is the stage of the article: an administrator, a secret under the managed key,
// and a role whose only permission is to read it.
type demo struct {
	v             *vaulttest.Vault
	admin, reader *vaulttest.Caller
	arn           string
}

func newDemo(t *testing.T) *demo {
	d := &demo{v: vaulttest.New(t)}
	d.admin = d.v.User("admin", vaulttest.Administrator)
	d.arn, _ = newSecret(d.admin, "app-demo", `{"user":"app","password":"CANARY-1"}`, "")
	d.reader = d.v.Role("SecretReader", policyOn("secretsmanager:getSecretValue", d.arn))
	return d
}

func (d *demo) read() *vaulttest.Outcome {
	return sm(d.reader, "GetSecretValue", m{"SecretId": d.arn})
}

func TestFirstCaseTheManagedKey(t *testing.T) {
	d := newDemo(t)
	o := d.read()
	if got := o.OK()["SecretString"]; got != `{"user":"app","password":"CANARY-1"}` {
		t.Errorf("read %v", got)
	}
	tells(t, o, decryptOK, readOK)
	decrypt := o.Records[0]
	version := o.OK()["VersionId"].(string)
	if want := fmt.Sprintf(`{"encryptionContext":{"SecretARN":"%s","SecretVersionId":"%s"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, d.arn, version); string(decrypt.Params) != want {
		t.Errorf("params of the forwarded call\n%s\nwant\n%s", decrypt.Params, want)
	}
	if decrypt.Via != "secretsmanager" || decrypt.Source != "secretsmanager.amazonaws.com" || decrypt.Request != o.Record().Request || decrypt.Who != o.Record().Who {
		t.Errorf("forwarded as %+v", decrypt)
	}
	if got := string(o.Record().Params); got != fmt.Sprintf(`{"secretId":"%s"}`, d.arn) || o.Record().Response != nil {
		t.Errorf("recorded params %s, response %s", got, o.Record().Response)
	}

	// Neither the role nor an administrator nor the root can use the key directly.
	blob := encryptedElsewhere(d)
	for _, c := range []*vaulttest.Caller{d.reader, d.admin, d.v.Root(vaulttest.Account)} {
		for operation, in := range map[string]m{
			"kms:GenerateDataKey": {"KeyId": "alias/aws/secretsmanager", "KeySpec": "AES_256"},
			"kms:Encrypt":         {"KeyId": "alias/aws/secretsmanager", "Plaintext": "eA=="},
			"kms:Decrypt":         {"KeyId": "alias/aws/secretsmanager", "CiphertextBlob": blob, "EncryptionContext": m{"SecretARN": d.arn}},
			"kms:CreateGrant":     {"KeyId": managedKeyID(d.v), "GranteePrincipal": d.reader.ARN, "Operations": []string{"Decrypt"}},
		} {
			if o := c.Call(operation, in); o.Reply.Fault == nil {
				t.Errorf("%s by %s succeeded", operation, c.ARN)
			}
		}
	}
}

// managedKeyID is the id of aws/secretsmanager.
func managedKeyID(v *vaulttest.Vault) string {
	a, ok := v.State.Keys.Alias(vaulttest.Account, "alias/aws/secretsmanager")
	if !ok {
		return ""
	}
	return a.Key.ID
}

func encryptedElsewhere(d *demo) string {
	id, _ := newKey(d.admin, nil)
	return encrypt(d.admin, id, "x", nil)
}

func TestManagedKey(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	first := sm(admin, "CreateSecret", m{"Name": "a", "SecretString": "x"})
	tells(t, first, "kms:CreateKey ok", "kms:GenerateDataKey ok", "secretsmanager:CreateSecret ok")
	second := sm(admin, "CreateSecret", m{"Name": "b", "SecretString": "x", "KmsKeyId": "alias/aws/secretsmanager"})
	tells(t, second, "kms:GenerateDataKey ok", "secretsmanager:CreateSecret ok")
	md := admin.Call("kms:DescribeKey", m{"KeyId": "alias/aws/secretsmanager"}).OK()["KeyMetadata"].(m)
	if md["KeyManager"] != "AWS" || md["Description"] != "Default key that protects my Secrets Manager data when no other key is defined" {
		t.Errorf("described as %v", md)
	}
	for _, name := range []string{"a", "b"} {
		if got := sm(admin, "DescribeSecret", m{"SecretId": name}).OK(); got["KmsKeyId"] != nil {
			t.Errorf("%s shows the key %v", name, got["KmsKeyId"])
		}
		versions := sm(admin, "ListSecretVersionIds", m{"SecretId": name}).OK()["Versions"].([]any)
		if got := fmt.Sprint(versions[0].(m)["KmsKeyIds"]); got != "[DefaultEncryptionKey]" {
			t.Errorf("%s has versions under %s", name, got)
		}
	}
	policy := admin.Call("kms:GetKeyPolicy", m{"KeyId": managedKeyID(v), "PolicyName": "default"}).OK()["Policy"].(string)
	for _, part := range []string{`"auto-secretsmanager-2"`, `"kms:CallerAccount" : "111122223333"`, `"secretsmanager.us-east-1.amazonaws.com"`, `"secretsmanager.*.amazonaws.com"`, `"arn:aws:iam::111122223333:root"`} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy has no %s", part)
		}
	}
	// An explicit denial of kms:Decrypt counts, though no permission is needed.
	barred := v.User("barred", vaulttest.Allow("secretsmanager:GetSecretValue"),
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}}`)
	o := sm(barred, "GetSecretValue", m{"SecretId": "a"})
	o.Fails(fault.AccessDeniedException, kmsDenied)
	tells(t, o, decryptNo, readNo)
}

// A denial at the first secret of all leaves the managed key behind, made and
// recorded, and no secret.
func TestManagedKeyOutlivesARefusedFirstSecret(t *testing.T) {
	v := vaulttest.New(t)
	barred := v.User("barred", vaulttest.Allow("secretsmanager:*"),
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:GenerateDataKey","Resource":"*"}}`)
	o := sm(barred, "CreateSecret", m{"Name": "a", "SecretString": "x"})
	if o.Reply.Fault == nil || o.Reply.Fault.Message != kmsDenied || len(o.Record().Events) != 0 {
		t.Fatalf("%v, events %v", o.Reply.Fault, o.Record().Events)
	}
	tells(t, o, "kms:CreateKey ok", "kms:GenerateDataKey AccessDenied", "secretsmanager:CreateSecret AccessDenied")
	if managedKeyID(v) == "" || v.State.Secrets.Len() != 0 {
		t.Errorf("managed key %q, %d secrets", managedKeyID(v), v.State.Secrets.Len())
	}
	v.Rebuild()
	if managedKeyID(v) == "" {
		t.Error("the managed key is gone after a restart")
	}
}

func TestSecondCaseStrict(t *testing.T) {
	d := newDemo(t)
	_, key := newKey(d.admin, m{"Description": "kms-demo"})
	o := sm(d.admin, "UpdateSecret", m{"SecretId": d.arn, "KmsKeyId": key})
	if out := o.OK(); out["VersionId"] != nil {
		t.Errorf("a change of key made the version %v", out["VersionId"])
	}
	tells(t, o, "kms:GenerateDataKey ok", decryptOK, decryptOK, "kms:Encrypt ok", "secretsmanager:UpdateSecret ok")
	if got := sm(d.admin, "DescribeSecret", m{"SecretId": d.arn}).OK()["KmsKeyId"]; got != key {
		t.Errorf("KmsKeyId %v, want %s", got, key)
	}
	if !strings.Contains(string(o.Records[0].Params), "RequestToValidateKeyAccess") || !strings.Contains(string(o.Records[1].Params), "RequestToValidateKeyAccess") {
		t.Errorf("the key was tried out with %s and %s", o.Records[0].Params, o.Records[1].Params)
	}
	// The old wrapping is gone from the keyring.
	if got := len(o.Decision.Erase); got != 1 || d.v.Ring.Has(o.Decision.Erase[0]) {
		t.Errorf("erased %v", o.Decision.Erase)
	}
	denied := d.read()
	denied.Fails(fault.AccessDeniedException, kmsDenied)
	if denied.Reply.Fault.Message != kmsDenied {
		t.Errorf("message %q", denied.Reply.Fault.Message)
	}
	tells(t, denied, decryptNo, readNo)
	if got := denied.Records[0].Decision; got.Allowed || got.Checks[0].Resource != key || len(got.Checks[0].Missing) == 0 {
		t.Errorf("the refusal of KMS is recorded as %+v", got)
	}
	sm(d.admin, "PutSecretValue", m{"SecretId": d.arn, "SecretString": "CANARY-3"}).OK()
	d.read().Fails(fault.AccessDeniedException, kmsDenied)
	d.v.Rebuild()
	d.read().Fails(fault.AccessDeniedException, kmsDenied)
	if got := sm(d.admin, "GetSecretValue", m{"SecretId": d.arn, "VersionStage": "AWSPREVIOUS"}).OK()["SecretString"]; got != `{"user":"app","password":"CANARY-1"}` {
		t.Errorf("the administrator reads %v", got)
	}
}

func TestSecondCaseAWS(t *testing.T) {
	d := newDemo(t)
	d.v.Env.RekeyMode = vault.RekeyAWS
	_, key := newKey(d.admin, nil)
	o := sm(d.admin, "UpdateSecret", m{"SecretId": d.arn, "KmsKeyId": key})
	o.OK()
	if len(o.Decision.Erase) != 0 {
		t.Errorf("erased %v", o.Decision.Erase)
	}
	// Either key opens what was written before the change.
	read := d.read()
	read.OK()
	tells(t, read, decryptNo, decryptOK, readOK)
	tells(t, sm(d.admin, "GetSecretValue", m{"SecretId": d.arn}), decryptOK, readOK)
	d.v.Rebuild()
	d.read().OK()
	// What is written afterwards needs the new key.
	sm(d.admin, "PutSecretValue", m{"SecretId": d.arn, "SecretString": "CANARY-3"}).OK()
	d.read().Fails(fault.AccessDeniedException, kmsDenied)
}

// A caller that may use the new key but not the old one, or the other way round,
// changes nothing in strict mode. In aws mode versions stay behind, silently.
func TestRekeyWithoutPermission(t *testing.T) {
	for _, tt := range []struct {
		name   string
		denied string // action
		old    bool   // on the old key rather than on the new one
		aws    bool   // succeeds in aws mode
	}{
		{"decrypt with the old key", "kms:Decrypt", true, true},
		{"encrypt under the new key", "kms:Encrypt", false, true},
		{"generate with the new key", "kms:GenerateDataKey", false, false},
		{"decrypt with the new key", "kms:Decrypt", false, false},
	} {
		for _, mode := range []vault.RekeyMode{vault.RekeyStrict, vault.RekeyAWS} {
			v := vaulttest.New(t)
			admin := v.User("admin", vaulttest.Administrator)
			_, from := newKey(admin, nil)
			_, to := newKey(admin, nil)
			arn, _ := newSecret(admin, "s", "x", from)
			on := to
			if tt.old {
				on = from
			}
			limited := v.User("limited", vaulttest.Administrator,
				fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"%s","Resource":"%s"}}`, tt.denied, on))
			v.Env.RekeyMode = mode
			o := sm(limited, "UpdateSecret", m{"SecretId": arn, "KmsKeyId": to, "Description": "new"})
			if o.Reply.Fault != nil && len(o.Decision.Seals) > 0 {
				t.Errorf("%s: a refused call left %d keyring entries", tt.name, len(o.Decision.Seals))
			}
			want := from
			if mode == vault.RekeyAWS && tt.aws {
				o.OK()
				want = to
			} else {
				o.Fails(fault.AccessDeniedException, kmsDenied)
			}
			got := sm(admin, "DescribeSecret", m{"SecretId": arn}).OK()
			if got["KmsKeyId"] != want || (got["Description"] == nil) != (want == from) {
				t.Errorf("%s: described as %v", tt.name, got)
			}
			versions := sm(admin, "ListSecretVersionIds", m{"SecretId": arn}).OK()["Versions"].([]any)
			if keys := versions[0].(m)["KmsKeyIds"]; fmt.Sprint(keys) != "["+from+"]" {
				t.Errorf("%s: the version lies under %v, not under the old key alone", tt.name, keys)
			}
			sm(admin, "GetSecretValue", m{"SecretId": arn}).OK()
		}
	}
}

// In strict mode versions without a label move as well, but one whose key no longer
// works holds nothing back.
func TestStrictRekeyOfDeprecatedVersions(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	_, k1 := newKey(admin, nil)
	_, k2 := newKey(admin, nil)
	arn, first := newSecret(admin, "s", "one", k1)
	for _, value := range []string{"two", "three"} {
		sm(admin, "PutSecretValue", m{"SecretId": arn, "SecretString": value}).OK()
	}
	sm(admin, "UpdateSecret", m{"SecretId": arn, "KmsKeyId": k2}).OK()
	admin.Call("kms:DisableKey", m{"KeyId": k1}).OK()
	if got := sm(admin, "GetSecretValue", m{"SecretId": arn, "VersionId": first}).OK()["SecretString"]; got != "one" {
		t.Errorf("the deprecated version reads %v", got)
	}
	// Now the versions lie under k2: with it disabled, the labelled ones cannot move.
	admin.Call("kms:EnableKey", m{"KeyId": k1}).OK()
	admin.Call("kms:DisableKey", m{"KeyId": k2}).OK()
	sm(admin, "UpdateSecret", m{"SecretId": arn, "KmsKeyId": k1}).Fails(fault.DecryptionFailure, "")
	admin.Call("kms:EnableKey", m{"KeyId": k2}).OK()
	// A version that alone is stuck under a dead key stays behind.
	v.Env.RekeyMode = vault.RekeyAWS
	sm(admin, "UpdateSecret", m{"SecretId": arn, "KmsKeyId": k1}).OK() // moves the labelled ones
	v.Env.RekeyMode = vault.RekeyStrict
	for _, value := range []string{"four", "five"} {
		sm(admin, "PutSecretValue", m{"SecretId": arn, "SecretString": value}).OK()
	}
	admin.Call("kms:DisableKey", m{"KeyId": k2}).OK()
	sm(admin, "UpdateSecret", m{"SecretId": arn, "KmsKeyId": ""}).OK()
	for label, want := range map[string]string{"AWSCURRENT": "five", "AWSPREVIOUS": "four"} {
		if got := sm(admin, "GetSecretValue", m{"SecretId": arn, "VersionStage": label}).OK()["SecretString"]; got != want {
			t.Errorf("%s reads %v, want %s", label, got, want)
		}
	}
	sm(admin, "GetSecretValue", m{"SecretId": arn, "VersionId": first}).Fails(fault.DecryptionFailure, "")
	admin.Call("kms:EnableKey", m{"KeyId": k2}).OK()
	sm(admin, "GetSecretValue", m{"SecretId": arn, "VersionId": first}).OK()
}

// The three ways to give the reader kms:Decrypt.
func TestThreeRoads(t *testing.T) {
	setUp := func(t *testing.T) (*demo, string) {
		d := newDemo(t)
		_, key := newKey(d.admin, m{"Description": "kms-demo"})
		sm(d.admin, "UpdateSecret", m{"SecretId": d.arn, "KmsKeyId": key}).OK()
		d.read().Fails(fault.AccessDeniedException, kmsDenied)
		return d, key
	}
	statement := func(principal, action, more string) string {
		return fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"%s","Resource":"*"%s}`, principal, action, more)
	}
	put := func(d *demo, key string, statements ...string) *vaulttest.Outcome {
		return d.admin.Call("kms:PutKeyPolicy", m{"KeyId": key, "Policy": `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`})
	}
	root := statement("arn:aws:iam::111122223333:root", "kms:*", "")
	road := func(o *vaulttest.Outcome) string { return o.Records[0].Decision.Checks[0].Road }

	t.Run("identity policy", func(t *testing.T) {
		d, key := setUp(t)
		d.admin.Call("kms:CreateAlias", m{"AliasName": "alias/kms-demo", "TargetKeyId": key}).OK()
		d.reader.Allow(policyOn("kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:alias/kms-demo"))
		d.read().Fails(fault.AccessDeniedException, kmsDenied)
		d.reader.Allow(policyOn("kms:Decrypt", key))
		o := d.read()
		o.OK()
		if got := road(o); got != "key-policy-delegation" {
			t.Errorf("allowed by %s", got)
		}
		// Only as far as the key policy hands the key to identity policies.
		put(d, key, statement(d.admin.ARN, "kms:*", "")).OK()
		d.read().Fails(fault.AccessDeniedException, kmsDenied)
		// The permission on the key alone reads no secret, and asks KMS nothing.
		other := d.v.User("other", policyOn("kms:Decrypt", key))
		denied := sm(other, "GetSecretValue", m{"SecretId": d.arn})
		denied.Fails(fault.AccessDeniedException, "because no identity-based policy allows the secretsmanager:GetSecretValue action")
		tells(t, denied, readNo)
	})
	t.Run("key policy", func(t *testing.T) {
		d, key := setUp(t)
		put(d, key, root, statement(vaulttest.RoleARN("SecretReader"), "kms:Decrypt", `,"Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.us-east-1.amazonaws.com"}}`)).OK()
		o := d.read()
		o.OK()
		if got := road(o); got != "key-policy" {
			t.Errorf("allowed by %s", got)
		}
	})
	t.Run("grant", func(t *testing.T) {
		d, key := setUp(t)
		other, _ := newSecret(d.admin, "other", "x", key)
		d.reader.Allow(policyOn("secretsmanager:GetSecretValue", other))
		grant := d.admin.Call("kms:CreateGrant", m{
			"KeyId": key, "GranteePrincipal": vaulttest.RoleARN("SecretReader"), "RetiringPrincipal": d.admin.ARN, "Operations": []string{"Decrypt"},
			"Constraints": m{"EncryptionContextSubset": m{"SecretARN": d.arn}}, "Name": "reader-grant",
		}).OK()["GrantId"]
		o := d.read()
		o.OK()
		if got := road(o); got != "grant" {
			t.Errorf("allowed by %s", got)
		}
		sm(d.reader, "GetSecretValue", m{"SecretId": other}).Fails(fault.AccessDeniedException, kmsDenied)
		d.admin.Call("kms:RetireGrant", m{"KeyId": key, "GrantId": grant}).OK()
		d.read().Fails(fault.AccessDeniedException, kmsDenied)
	})
}

// Another account needs the full ARN, both policies and a key of the customer.
func TestAnotherAccount(t *testing.T) {
	d := newDemo(t)
	foreign := d.v.UserOf(vaulttest.Other, "foreign", vaulttest.Administrator)
	resource := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}`, foreign.ARN)
	read := func(id string) *vaulttest.Outcome { return sm(foreign, "GetSecretValue", m{"SecretId": id}) }

	read(d.arn).Fails(fault.AccessDeniedException, "no resource-based policy allows")
	missing := read("arn:aws:secretsmanager:us-east-1:111122223333:secret:missing-AbCdEf")
	missing.Fails(fault.AccessDeniedException, "no resource-based policy allows")
	sm(d.admin, "PutResourcePolicy", m{"SecretId": d.arn, "ResourcePolicy": resource}).OK()
	const managed = "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key."
	o := read(d.arn)
	o.Fails(fault.InvalidRequestException, managed)
	tells(t, o, "secretsmanager:GetSecretValue InvalidRequestException")
	// Writing is refused likewise; what needs no key is not.
	sm(d.admin, "PutResourcePolicy", m{"SecretId": d.arn, "ResourcePolicy": strings.Replace(resource, "GetSecretValue", "*", 1)}).OK()
	sm(foreign, "PutSecretValue", m{"SecretId": d.arn, "SecretString": "y"}).Fails(fault.InvalidRequestException, managed)
	sm(foreign, "UpdateSecret", m{"SecretId": d.arn, "SecretString": "y"}).Fails(fault.InvalidRequestException, managed)
	sm(foreign, "UpdateSecret", m{"SecretId": d.arn, "Description": "from elsewhere"}).OK()
	if got := sm(foreign, "DescribeSecret", m{"SecretId": d.arn}).OK()["Description"]; got != "from elsewhere" {
		t.Errorf("described as %v", got)
	}
	sm(d.admin, "PutResourcePolicy", m{"SecretId": d.arn, "ResourcePolicy": resource}).OK()
	read("app-demo").Fails(fault.ResourceNotFoundException, "Secrets Manager can't find the specified secret.")

	id, key := newKey(d.admin, nil)
	sm(d.admin, "UpdateSecret", m{"SecretId": d.arn, "KmsKeyId": id}).OK()
	read(d.arn).Fails(fault.AccessDeniedException, kmsDenied)
	d.admin.Call("kms:CreateGrant", m{"KeyId": key, "GranteePrincipal": foreign.ARN, "Operations": []string{"Decrypt"}}).OK()
	read(d.arn).OK()
	// What the owner calls by a short name is the owner's for a writer from elsewhere.
	sm(d.admin, "PutResourcePolicy", m{"SecretId": d.arn, "ResourcePolicy": strings.Replace(resource, "GetSecretValue", "*", 1)}).OK()
	sm(foreign, "PutSecretValue", m{"SecretId": d.arn, "SecretString": "y"}).Fails(fault.AccessDeniedException, kmsDenied)
	d.admin.Call("kms:CreateGrant", m{"KeyId": key, "GranteePrincipal": foreign.ARN, "Operations": []string{"GenerateDataKey"}}).OK()
	sm(foreign, "PutSecretValue", m{"SecretId": d.arn, "SecretString": "y"}).OK()
	// The same with an alias that the other account has as well.
	d.admin.Call("kms:CreateAlias", m{"AliasName": "alias/app", "TargetKeyId": id}).OK()
	trap, _ := newKey(foreign, nil)
	foreign.Call("kms:CreateAlias", m{"AliasName": "alias/app", "TargetKeyId": trap}).OK()
	sm(d.admin, "UpdateSecret", m{"SecretId": d.arn, "KmsKeyId": "alias/app"}).OK()
	sm(foreign, "PutSecretValue", m{"SecretId": d.arn, "SecretString": "z"}).OK()
	for _, version := range sm(d.admin, "ListSecretVersionIds", m{"SecretId": d.arn}).OK()["Versions"].([]any) {
		if got := fmt.Sprint(version.(m)["KmsKeyIds"]); got != "["+key+"]" {
			t.Errorf("a version lies under %s", got)
		}
	}
}

func TestKeyInTrouble(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, key := newKey(admin, nil)
	newSecret(admin, "s", "x", key)
	read := func() *vaulttest.Outcome { return sm(admin, "GetSecretValue", m{"SecretId": "s"}) }
	put := func() *vaulttest.Outcome {
		return sm(admin, "PutSecretValue", m{"SecretId": "s", "SecretString": "y"})
	}
	admin.Call("kms:DisableKey", m{"KeyId": id}).OK()
	o := read()
	o.Fails(fault.DecryptionFailure, "Secrets Manager can't decrypt the secret value: "+key+" is disabled. (Service: AWSKMS; Status Code: 400; Error Code: DisabledException; Request ID: "+o.Record().Request+")")
	tells(t, o, "kms:Decrypt DisabledException", "secretsmanager:GetSecretValue DecryptionFailure")
	put().Fails(fault.EncryptionFailure, "Secrets Manager can't encrypt the secret value: "+key+" is disabled. (Service: AWSKMS;")
	admin.Call("kms:EnableKey", m{"KeyId": id}).OK()
	read().OK()
	admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id, "PendingWindowInDays": 7}).OK()
	read().Fails(fault.DecryptionFailure, "is pending deletion. (Service: AWSKMS; Status Code: 400; Error Code: KMSInvalidStateException;")
	v.Wait(8 * 24 * time.Hour)
	read().Fails(fault.DecryptionFailure, "does not exist (Service: AWSKMS; Status Code: 400; Error Code: NotFoundException;")
	put().Fails(fault.InvalidParameterException, "The operation failed because of an invalid KMS key: Key '"+key+"' does not exist")
}
