package vault_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func TestDataKeyPairs(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, nil)
	context := m{"app": "demo"}
	for _, spec := range []string{"RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_NIST_EDWARDS25519"} {
		for _, plaintext := range []bool{true, false} {
			operation := "kms:GenerateDataKeyPair"
			if !plaintext {
				operation += "WithoutPlaintext"
			}
			t.Run(operation+"/"+spec, func(t *testing.T) {
				o := admin.Call(operation, m{"KeyId": id, "KeyPairSpec": spec, "EncryptionContext": context})
				out := o.OK()
				blob := out["PrivateKeyCiphertextBlob"].(string)
				opened := admin.Call("kms:Decrypt", m{"CiphertextBlob": blob, "EncryptionContext": context}).OK()["Plaintext"].(string)
				if given, has := out["PrivateKeyPlaintext"]; has != plaintext || has && given != opened {
					t.Errorf("the plaintext %v is not what the blob opens to", given)
				}
				private, err := x509.ParsePKCS8PrivateKey(decode(t, opened))
				if err != nil {
					t.Fatal(err)
				}
				public, err := x509.ParsePKIXPublicKey(decode(t, out["PublicKey"]))
				if err != nil {
					t.Fatal(err)
				}
				if !private.(crypto.Signer).Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(public) {
					t.Error("the two halves are not one pair")
				}
				if out["KeyId"] != arn || out["KeyPairSpec"] != spec || len(out["KeyMaterialId"].(string)) != 64 {
					t.Errorf("%v", out)
				}
				for _, secret := range []string{opened, blob} {
					if strings.Contains(o.Line(), secret) {
						t.Errorf("the record holds %q", secret)
					}
				}
				want := event.DataKeyPairGenerated{Key: arn, Material: out["KeyMaterialId"].(string), Spec: spec}
				if e, ok := o.Record().Events[0].(*event.DataKeyPairGenerated); !ok || *e != want {
					t.Errorf("events %+v", o.Record().Events)
				}
				admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).Fails(fault.InvalidCiphertextException, "")
			})
		}
	}
	v.Rebuild()
}

func TestDataKeyPairRefuses(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, nil)
	signer, _ := newKey(admin, m{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})
	for _, operation := range []string{"kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext"} {
		for _, tc := range []struct {
			name string
			in   m
			code fault.Code
			text string
		}{
			{"no spec", m{"KeyId": id}, fault.ValidationException, "keyPairSpec"},
			{"an unknown spec", m{"KeyId": id, "KeyPairSpec": "DSA_1024"}, fault.ValidationException, "keyPairSpec"},
			{"a curve that is not in the standard library", m{"KeyId": id, "KeyPairSpec": "ECC_SECG_P256K1"}, fault.UnsupportedOperationException, "ECC_SECG_P256K1"},
			{"a spec of China Regions", m{"KeyId": id, "KeyPairSpec": "SM2"}, fault.UnsupportedOperationException, "SM2"},
			{"an asymmetric key", m{"KeyId": signer, "KeyPairSpec": "ECC_NIST_P256"}, fault.InvalidKeyUsageException, "SIGN_VERIFY"},
			{"a dry run", m{"KeyId": id, "KeyPairSpec": "ECC_NIST_P256", "DryRun": true}, fault.DryRunOperationException, ""},
			{"a dry run of what is not supported", m{"KeyId": id, "KeyPairSpec": "SM2", "DryRun": true}, fault.UnsupportedOperationException, ""},
			{"an enclave's recipient", m{"KeyId": id, "KeyPairSpec": "ECC_NIST_P256", "Recipient": m{}}, fault.UnsupportedOperationException, "Recipient"},
			{"a made-up grant token", m{"KeyId": id, "KeyPairSpec": "ECC_NIST_P256", "GrantTokens": []string{"AAAA"}}, fault.InvalidGrantTokenException, ""},
		} {
			t.Run(operation+"/"+tc.name, func(t *testing.T) { admin.Call(operation, tc.in).Fails(tc.code, tc.text) })
		}
	}
	only := v.User("only", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringLike":{"kms:DataKeyPairSpec":"ECC_NIST_P*"}}}}`)
	only.Call("kms:GenerateDataKeyPair", m{"KeyId": id, "KeyPairSpec": "ECC_NIST_P256"}).OK()
	only.Call("kms:GenerateDataKeyPair", m{"KeyId": id, "KeyPairSpec": "ECC_NIST_EDWARDS25519"}).Fails(fault.AccessDeniedException, "kms:GenerateDataKeyPair")

	granted := v.User("granted")
	in := m{"KeyId": arn, "KeyPairSpec": "ECC_NIST_P256", "EncryptionContext": m{"tenant": "blue"}}
	granted.Call("kms:GenerateDataKeyPair", in).Fails(fault.AccessDeniedException, "")
	admin.Call("kms:CreateGrant", m{"KeyId": id, "GranteePrincipal": granted.ARN, "Operations": []string{"GenerateDataKeyPair"},
		"Constraints": m{"EncryptionContextEquals": m{"tenant": "blue"}}}).OK()
	granted.Call("kms:GenerateDataKeyPair", in).OK()
	granted.Call("kms:GenerateDataKeyPairWithoutPlaintext", in).Fails(fault.AccessDeniedException, "")
	in["EncryptionContext"] = m{"tenant": "red"}
	granted.Call("kms:GenerateDataKeyPair", in).Fails(fault.AccessDeniedException, "")
}

func TestKeysAreMadeBeforehand(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := newKey(admin, nil)
	nobody, foreign := v.User("nobody", vaulttest.Allow("kms:Encrypt")), v.UserOf(vaulttest.Other, "foreign", vaulttest.Administrator)
	sometimes := v.User("sometimes", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/a":"b"}}}}`)
	for body, want := range map[string]string{
		`GenerateDataKeyPair {"KeyId":"k","KeyPairSpec":"RSA_2048"}`:                 "RSA_2048",
		`GenerateDataKeyPairWithoutPlaintext {"KeyId":"k","KeyPairSpec":"RSA_4096"}`: "RSA_4096",
		`GetParametersForImport {"KeyId":"k","WrappingKeySpec":"RSA_3072"}`:          "RSA_3072",
		`CreateKey {"KeySpec":"RSA_3072"}`:                                           "RSA_3072",
		`CreateKey {"KeySpec":null,"CustomerMasterKeySpec":"RSA_2048"}`:              "RSA_2048",
		`CreateKey {"KeySpec":"ECC_NIST_P256","CustomerMasterKeySpec":"RSA_2048"}`:   "",
		`CreateKey {"KeySpec":7}`:                                                    "",
		`CreateKey {`:                                                                "",
		`CreateKey `:                                                                 "",
		`GenerateDataKeyPair {"KeyPairSpec":"ECC_NIST_P256"}`:                        "",
		`GenerateDataKey {"KeyPairSpec":"RSA_2048"}`:                                 "",
	} {
		operation, text, _ := strings.Cut(strings.ReplaceAll(body, `"k"`, `"`+id+`"`), " ")
		needs := func(as *vaulttest.Caller) (string, bool) {
			return vault.NeedsKey(v.State, &vault.Request{Service: "kms", Operation: operation, Credential: as.Credential, Body: []byte(text)}, &v.Env)
		}
		if spec, ok := needs(admin); ok != (want != "") || ok && spec != want {
			t.Errorf("%s: %q, %v", body, spec, ok)
		}
		if spec, ok := needs(sometimes); ok != (want != "") || ok && spec != want {
			t.Errorf("%s by one who may with a tag: %q, %v", body, spec, ok)
		}
		for _, as := range []*vaulttest.Caller{nobody, foreign, {}} {
			if spec, ok := needs(as); ok && !(as == foreign && operation == "CreateKey") {
				t.Errorf("%s by one who may not: %q is made", body, spec)
			}
		}
	}

	prepared, err := vault.PrepareKey(v.Env.Entropy, "RSA_2048")
	if err != nil {
		t.Fatal(err)
	}
	var publics [][]byte
	decide := func(spec string) {
		d := vault.Handle(v.State, &vault.Request{Service: "kms", Operation: "GenerateDataKeyPair", Credential: admin.Credential,
			Body: fmt.Appendf(nil, `{"KeyId":%q,"KeyPairSpec":%q}`, id, spec), Prepared: prepared}, &v.Env)
		var out struct{ PublicKey []byte }
		reply := d.Release(vault.Receipt{})
		if reply.Fault != nil || json.Unmarshal(reply.Body, &out) != nil {
			t.Fatalf("%+v", reply)
		}
		publics = append(publics, out.PublicKey)
		d.Forget()
	}
	decide("RSA_2048")
	decide("RSA_2048") // the state had moved: the same call again
	if !bytes.Equal(publics[0], publics[1]) {
		t.Error("a call that is decided again has another key")
	}
	decide("ECC_NIST_P256")
	prepared.Wipe()
	prepared.Wipe()
	decide("RSA_2048")
	if bytes.Equal(publics[0], publics[3]) {
		t.Error("a wiped key is given away")
	}
}
