package vault_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

type m = vaulttest.M

// newKey makes a key as the caller does, and gives its id and ARN.
func newKey(c *vaulttest.Caller, in m) (id, arn string) {
	md := c.Call("kms:CreateKey", in).OK()["KeyMetadata"].(m)
	return md["KeyId"].(string), md["Arn"].(string)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func encrypt(c *vaulttest.Caller, id, text string, context m) string {
	in := m{"KeyId": id, "Plaintext": b64(text)}
	if context != nil {
		in["EncryptionContext"] = context
	}
	return c.Call("kms:Encrypt", in).OK()["CiphertextBlob"].(string)
}

func TestEncryptThenDecryptWithoutNamingTheKey(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, m{"Description": "s01"})

	o := admin.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": b64("CANARY hello vault"), "EncryptionContext": m{"app": "demo"}})
	blob := o.OK()["CiphertextBlob"].(string)
	if got := o.OK()["KeyId"]; got != arn {
		t.Errorf("Encrypt gives KeyId %v, want the ARN %s", got, arn)
	}
	o = admin.Call("kms:Decrypt", m{"CiphertextBlob": blob, "EncryptionContext": m{"app": "demo"}})
	out := o.OK()
	if out["Plaintext"] != b64("CANARY hello vault") || out["KeyId"] != arn || out["EncryptionAlgorithm"] != "SYMMETRIC_DEFAULT" {
		t.Fatalf("Decrypt gives %v", out)
	}
	material, _ := out["KeyMaterialId"].(string)
	if len(material) != 64 {
		t.Errorf("KeyMaterialId %q", material)
	}
	r := o.Record()
	if got := string(r.Params); got != `{"encryptionContext":{"app":"demo"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}` {
		t.Errorf("params %s", got)
	}
	bare := admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).Record()
	if got := string(bare.Params); got != `{"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}` {
		t.Errorf("params without a context %s", got)
	}
	if got := string(r.Extra); got != `{"keyMaterialId":"`+material+`"}` {
		t.Errorf("extra %s", got)
	}
	if len(r.Resources) != 1 || r.Resources[0] != arn {
		t.Errorf("resources %v", r.Resources)
	}
	if e, ok := r.Events[0].(*event.Decrypted); !ok || len(r.Events) != 1 || *e != (event.Decrypted{Key: arn, Material: material}) {
		t.Errorf("events %v", r.Events)
	}
	if r.Response != nil {
		t.Errorf("a read has a response in its record: %s", r.Response)
	}
	for _, line := range v.Lines {
		for _, secret := range []string{"CANARY", b64("CANARY hello vault"), blob} {
			if strings.Contains(string(line), secret) {
				t.Errorf("the record holds %q: %s", secret, line)
			}
		}
	}
}

func TestDecryptRefusesWhatItDidNotMakeThatWay(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, nil)
	other, _ := newKey(admin, nil)
	blob := encrypt(admin, id, "x", m{"app": "demo"})
	raw, _ := base64.StdEncoding.DecodeString(blob)
	damaged := append([]byte(nil), raw...)
	damaged[len(damaged)-1] ^= 1
	foreign := append([]byte(nil), raw...)
	foreign[5] ^= 1 // installation id
	unknown := append([]byte(nil), raw...)
	unknown[20] ^= 1 // key id
	elsewhere := append([]byte(nil), unknown...)
	elsewhere[5] ^= 1
	material := append([]byte(nil), raw...)
	material[40] ^= 1
	enc := base64.StdEncoding.EncodeToString
	context := m{"app": "demo"}

	for _, tc := range []struct {
		name string
		in   m
		code fault.Code
		text string
	}{
		{"a context key that differs in case", m{"CiphertextBlob": blob, "EncryptionContext": m{"App": "demo"}}, fault.InvalidCiphertextException, ""},
		{"a missing context", m{"CiphertextBlob": blob}, fault.InvalidCiphertextException, ""},
		{"one more pair of context", m{"CiphertextBlob": blob, "EncryptionContext": m{"app": "demo", "b": "c"}}, fault.InvalidCiphertextException, ""},
		{"a damaged blob", m{"CiphertextBlob": enc(damaged), "EncryptionContext": context}, fault.InvalidCiphertextException, ""},
		{"a blob of another installation", m{"CiphertextBlob": enc(foreign), "EncryptionContext": context}, fault.InvalidCiphertextException, ""},
		{"a blob of another installation with a key of its own", m{"CiphertextBlob": enc(elsewhere), "EncryptionContext": context}, fault.InvalidCiphertextException, ""},
		{"a material the key never had", m{"CiphertextBlob": enc(material), "EncryptionContext": context}, fault.InvalidCiphertextException, ""},
		{"not a blob at all", m{"CiphertextBlob": b64("nonsense")}, fault.InvalidCiphertextException, ""},
		{"a key that does not exist", m{"CiphertextBlob": enc(unknown), "EncryptionContext": context}, fault.AccessDeniedException, "The ciphertext refers to a customer master key that does not exist"},
		{"the wrong key named", m{"CiphertextBlob": blob, "KeyId": other, "EncryptionContext": context}, fault.IncorrectKeyException, "does not identify a CMK that can perform this operation"},
		{"a key named that does not exist", m{"CiphertextBlob": blob, "KeyId": "00000000-0000-4000-8000-000000000000"}, fault.NotFoundException, "does not exist"},
		{"an asymmetric algorithm on it", m{"CiphertextBlob": blob, "KeyId": id, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}, fault.InvalidKeyUsageException, "incompatible with key spec SYMMETRIC_DEFAULT"},
		{"an enclave's recipient", m{"CiphertextBlob": blob, "EncryptionContext": context, "Recipient": m{"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}}, fault.UnsupportedOperationException, "Recipient"},
		{"a dry run", m{"CiphertextBlob": blob, "EncryptionContext": context, "DryRun": true}, fault.DryRunOperationException, "would have succeeded"},
		{"a made-up grant token", m{"CiphertextBlob": blob, "GrantTokens": []string{"AAAA"}}, fault.InvalidGrantTokenException, ""},
	} {
		t.Run(tc.name, func(t *testing.T) { admin.Call("kms:Decrypt", tc.in).Fails(tc.code, tc.text) })
	}
	for _, name := range []string{id, arn} {
		admin.Call("kms:Decrypt", m{"CiphertextBlob": blob, "KeyId": name, "EncryptionContext": context}).OK()
	}
}

func TestAuthorizationIsOnTheKeyInsideTheBlob(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	mine, mineARN := newKey(admin, nil)
	theirs, theirsARN := newKey(admin, nil)
	bob := v.User("bob", fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"%s"}}`, mineARN))
	blob := encrypt(admin, theirs, "x", nil)

	o := bob.Call("kms:Decrypt", m{"CiphertextBlob": blob})
	o.Fails(fault.AccessDeniedException, "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	check := o.Record().Decision.Checks[0]
	if check.Allowed || check.Resource != theirsARN || len(check.Missing) == 0 {
		t.Errorf("the record does not tell the reason: %+v", check)
	}
	bob.Call("kms:Decrypt", m{"CiphertextBlob": blob, "KeyId": mine}).Fails(fault.IncorrectKeyException, "")
	bob.Call("kms:Decrypt", m{"CiphertextBlob": blob, "KeyId": theirsARN}).Fails(fault.AccessDeniedException,
		"User: "+bob.ARN+" is not authorized to perform: kms:Decrypt on resource: "+theirsARN+" because no identity-based policy allows the kms:Decrypt action")
	bob.Call("kms:Decrypt", m{"CiphertextBlob": encrypt(bob, mine, "y", nil)}).OK()
}

func TestDataKeys(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, nil)
	for _, tc := range []struct {
		in   m
		size int
	}{
		{m{"KeySpec": "AES_256"}, 32}, {m{"KeySpec": "AES_128"}, 16}, {m{"NumberOfBytes": 1}, 1}, {m{"NumberOfBytes": 1024}, 1024},
	} {
		tc.in["KeyId"], tc.in["EncryptionContext"] = id, m{"a": "b"}
		o := admin.Call("kms:GenerateDataKey", tc.in)
		out := o.OK()
		plain, _ := base64.StdEncoding.DecodeString(out["Plaintext"].(string))
		if len(plain) != tc.size || out["KeyId"] != arn {
			t.Errorf("%v: %d bytes of %v", tc.in, len(plain), out["KeyId"])
		}
		back := admin.Call("kms:Decrypt", m{"CiphertextBlob": out["CiphertextBlob"], "EncryptionContext": m{"a": "b"}}).OK()
		if back["Plaintext"] != out["Plaintext"] || back["KeyMaterialId"] != out["KeyMaterialId"] {
			t.Errorf("%v: the wrapped copy is another key", tc.in)
		}
		if strings.Contains(o.Line(), out["Plaintext"].(string)) && tc.size > 1 {
			t.Errorf("the record holds the data key: %s", o.Line())
		}
	}
	out := admin.Call("kms:GenerateDataKeyWithoutPlaintext", m{"KeyId": id, "KeySpec": "AES_256"}).OK()
	if _, has := out["Plaintext"]; has {
		t.Error("GenerateDataKeyWithoutPlaintext gives a plaintext")
	}
	admin.Call("kms:Decrypt", m{"CiphertextBlob": out["CiphertextBlob"]}).OK()

	for _, in := range []m{{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}, {"NumberOfBytes": 1025}, {"KeySpec": "AES_192"}, {"NumberOfBytes": -1}} {
		in["KeyId"] = id
		admin.Call("kms:GenerateDataKey", in).Fails(fault.ValidationException, "")
	}
}

func TestGenerateRandom(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	o := admin.Call("kms:GenerateRandom", m{"NumberOfBytes": 32})
	random := o.OK()["Plaintext"].(string)
	if len(random) != base64.StdEncoding.EncodedLen(32) || strings.Contains(o.Line(), random) {
		t.Errorf("%q in %s", random, o.Line())
	}
	admin.Call("kms:GenerateRandom", m{"NumberOfBytes": 0}).Fails(fault.ValidationException, "")
	admin.Call("kms:GenerateRandom", m{"NumberOfBytes": 1025}).Fails(fault.ValidationException, "")
	v.User("bob").Call("kms:GenerateRandom", m{"NumberOfBytes": 1}).Fails(fault.AccessDeniedException, "kms:GenerateRandom on resource: *")
}

func TestReEncryptNeedsBothSides(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	src, srcARN := newKey(admin, nil)
	dst, dstARN := newKey(admin, nil)
	blob := encrypt(admin, src, "moved", m{"a": "1"})
	in := m{"CiphertextBlob": blob, "SourceEncryptionContext": m{"a": "1"}, "DestinationKeyId": dst, "DestinationEncryptionContext": m{"b": "2"}}

	o := admin.Call("kms:ReEncrypt", in)
	out := o.OK()
	if out["SourceKeyId"] != srcARN || out["KeyId"] != dstARN {
		t.Errorf("%v", out)
	}
	if o.Record().Decision.Checks[0].Action != "kms:ReEncryptFrom" || o.Record().Decision.Checks[1].Action != "kms:ReEncryptTo" {
		t.Errorf("judged %v", o.Record().Decision.Checks)
	}
	if got := admin.Call("kms:Decrypt", m{"CiphertextBlob": out["CiphertextBlob"], "EncryptionContext": m{"b": "2"}}).OK(); got["Plaintext"] != b64("moved") || got["KeyId"] != dstARN {
		t.Errorf("%v", got)
	}

	statement := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:%s","Resource":"*"}}`
	v.User("from", fmt.Sprintf(statement, "ReEncryptFrom")).Call("kms:ReEncrypt", in).Fails(fault.AccessDeniedException, "kms:ReEncryptTo on resource: "+dstARN)
	v.User("to", fmt.Sprintf(statement, "ReEncryptTo")).Call("kms:ReEncrypt", in).Fails(fault.AccessDeniedException, "The ciphertext refers to")
	v.User("both", fmt.Sprintf(statement, "ReEncrypt*")).Call("kms:ReEncrypt", in).OK()
	v.User("own", fmt.Sprintf(statement, "ReEncrypt")).Call("kms:ReEncrypt", in).Fails(fault.AccessDeniedException, "")
	in["SourceKeyId"] = dst
	admin.Call("kms:ReEncrypt", in).Fails(fault.IncorrectKeyException, "")
}

func TestConditionKeysOfCryptography(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := newKey(admin, nil)
	other, _ := newKey(admin, nil)
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/app", "TargetKeyId": id}).OK()
	blob := encrypt(admin, id, "x", m{"Tenant": "blue"})
	decrypt := m{"CiphertextBlob": blob, "EncryptionContext": m{"Tenant": "blue"}}
	with := func(in m, more m) m {
		all := m{}
		for k, v := range in {
			all[k] = v
		}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	for i, tc := range []struct {
		condition string
		op        string
		in        m
		allowed   bool
	}{
		{`"StringEquals":{"kms:EncryptionContext:Tenant":"blue"}`, "kms:Decrypt", decrypt, true},
		{`"StringEquals":{"kms:EncryptionContext:Tenant":"red"}`, "kms:Decrypt", decrypt, false},
		{`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["Tenant"]}`, "kms:Decrypt", decrypt, true},
		{`"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":["Stage"]}`, "kms:Decrypt", decrypt, false},
		{`"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, "kms:Decrypt", decrypt, true},
		{`"StringEquals":{"kms:RequestAlias":"alias/app"}`, "kms:Decrypt", decrypt, false},
		{`"StringEquals":{"kms:RequestAlias":"alias/app"}`, "kms:Decrypt", with(decrypt, m{"KeyId": "alias/app"}), true},
		{`"StringEquals":{"kms:RequestAlias":"alias/app"}`, "kms:Encrypt", m{"KeyId": "alias/app", "Plaintext": "eA=="}, true},
		{`"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/app"}`, "kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}, true},
		{`"StringEquals":{"kms:CallerAccount":"111122223333","kms:KeySpec":"SYMMETRIC_DEFAULT","kms:KeyUsage":"ENCRYPT_DECRYPT","kms:KeyOrigin":"AWS_KMS"}`, "kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}, true},
		{`"Bool":{"kms:ReEncryptOnSameKey":"true"}`, "kms:ReEncrypt", m{"CiphertextBlob": blob, "SourceEncryptionContext": m{"Tenant": "blue"}, "DestinationKeyId": id}, true},
		{`"Bool":{"kms:ReEncryptOnSameKey":"true"}`, "kms:ReEncrypt", m{"CiphertextBlob": blob, "SourceEncryptionContext": m{"Tenant": "blue"}, "DestinationKeyId": other}, false},
		{`"StringEquals":{"kms:ViaService":"secretsmanager.us-east-1.amazonaws.com"}`, "kms:Decrypt", decrypt, false},
	} {
		user := v.User(fmt.Sprintf("u%d", i), fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{%s}}}`, tc.condition))
		o := user.Call(tc.op, tc.in)
		if tc.allowed {
			o.OK()
		} else {
			o.Fails(fault.AccessDeniedException, "")
		}
	}
}
