package vault_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

const keyWrap = "RSA_AES_KEY_WRAP_SHA_256"

// importsWrapped gives the request of an import of material that RSA alone cannot
// wrap.
func importsWrapped(t testing.TB, c *vaulttest.Caller, id string, material []byte) m {
	t.Helper()
	p := c.Call("kms:GetParametersForImport", m{"KeyId": id, "WrappingAlgorithm": keyWrap, "WrappingKeySpec": "RSA_2048"}).OK()
	return m{"KeyId": id, "ImportToken": p["ImportToken"], "EncryptedKeyMaterial": wrap(t, keyWrap, p, material), "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
}

func pkcs8(t testing.TB, private any, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestImportEveryKind brings keys of every kind, uses them, loses them and brings
// them back.
func TestImportEveryKind(t *testing.T) {
	newRSA := func() []byte { k, err := rsa.GenerateKey(rand.Reader, 2048); return pkcs8(t, k, err) }
	newEC := func(curve elliptic.Curve) func() []byte {
		return func() []byte { k, err := ecdsa.GenerateKey(curve, rand.Reader); return pkcs8(t, k, err) }
	}
	newEd := func() []byte { _, k, err := ed25519.GenerateKey(rand.Reader); return pkcs8(t, k, err) }
	secret := 0
	newMAC := func() []byte { secret++; return bytes.Repeat([]byte{'C', byte(secret)}, 32) }
	x := b64("message")
	for name, tc := range map[string]struct {
		spec, usage string
		material    func() []byte
		wrong       []byte // a sound key of another spec
		use, check  string
		in          m
		result      string // of use, to be checked
	}{
		"RSA signs":    {"RSA_2048", "SIGN_VERIFY", newRSA, newEC(elliptic.P256())(), "Sign", "Verify", m{"Message": x, "SigningAlgorithm": "RSASSA_PSS_SHA_256"}, "Signature"},
		"RSA decrypts": {"RSA_2048", "ENCRYPT_DECRYPT", newRSA, newMAC(), "Encrypt", "Decrypt", m{"Plaintext": x, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}, "CiphertextBlob"},
		"EC signs":     {"ECC_NIST_P384", "SIGN_VERIFY", newEC(elliptic.P384()), newEC(elliptic.P256())(), "Sign", "Verify", m{"Message": x, "SigningAlgorithm": "ECDSA_SHA_384"}, "Signature"},
		"Ed25519":      {"ECC_NIST_EDWARDS25519", "SIGN_VERIFY", newEd, newRSA(), "Sign", "Verify", m{"Message": x, "SigningAlgorithm": "ED25519_SHA_512"}, "Signature"},
		"HMAC":         {"HMAC_512", "GENERATE_VERIFY_MAC", newMAC, bright, "GenerateMac", "VerifyMac", m{"Message": x, "MacAlgorithm": "HMAC_SHA_512"}, "Mac"},
	} {
		t.Run(name, func(t *testing.T) {
			v := vaulttest.New(t)
			admin := v.User("admin", vaulttest.Administrator)
			id, arn := newKey(admin, m{"KeySpec": tc.spec, "KeyUsage": tc.usage, "Origin": "EXTERNAL"})
			with := func(members ...m) m {
				in := m{"KeyId": id}
				for _, more := range members {
					for k, x := range more {
						in[k] = x
					}
				}
				return in
			}
			// Given a key without material, then nothing can be done with it.
			if md := describe(admin, id); md["KeyState"] != "PendingImport" || md["ExpirationModel"] != nil {
				t.Errorf("before the import %v", md)
			}
			admin.Call("kms:"+tc.use, with(tc.in)).Fails(fault.KMSInvalidStateException, arn+" is pending import.")
			if tc.usage != "GENERATE_VERIFY_MAC" {
				admin.Call("kms:GetPublicKey", with()).Fails(fault.KMSInvalidStateException, "is pending import")
			}

			// When material of another kind is brought, then it is refused.
			for _, wrong := range [][]byte{tc.wrong, []byte("no key"), bright[:31]} {
				o := admin.Call("kms:ImportKeyMaterial", importsWrapped(t, admin, id, wrong))
				o.Fails(fault.IncorrectKeyMaterialException, tc.spec)
				if len(o.Decision.Seals) > 0 {
					t.Error("a refused import stages a seal")
				}
			}

			// When the right kind is, then it is used like any other.
			material := tc.material()
			o := admin.Call("kms:ImportKeyMaterial", importsWrapped(t, admin, id, material))
			named := o.OK()["KeyMaterialId"].(string)
			for _, form := range []string{string(material), base64.StdEncoding.EncodeToString(material)} {
				if strings.Contains(o.Line(), form) {
					t.Error("the record holds the key")
				}
			}
			if md := describe(admin, id); md["KeyState"] != "Enabled" || md["ExpirationModel"] != "KEY_MATERIAL_DOES_NOT_EXPIRE" || md["CurrentKeyMaterialId"] != nil {
				t.Errorf("after the import %v", md)
			}
			made := admin.Call("kms:"+tc.use, with(tc.in)).OK()
			input := func() m {
				in := with(tc.in, m{tc.result: made[tc.result]})
				if tc.check == "Decrypt" {
					delete(in, "Plaintext")
				}
				return in
			}
			v.Rebuild()
			admin.Call("kms:"+tc.check, input()).OK()

			// When it is deleted, then it is gone; it alone comes back.
			admin.Call("kms:DeleteImportedKeyMaterial", with()).OK()
			admin.Call("kms:"+tc.check, input()).Fails(fault.KMSInvalidStateException, "is pending import")
			admin.Call("kms:ImportKeyMaterial", importsWrapped(t, admin, id, tc.material())).Fails(fault.IncorrectKeyMaterialException, "not the one that was imported")
			if again := admin.Call("kms:ImportKeyMaterial", importsWrapped(t, admin, id, material)).OK()["KeyMaterialId"]; again != named {
				t.Errorf("the same material is %v and was %v", again, named)
			}
			v.Rebuild()
			admin.Call("kms:"+tc.check, input()).OK()
			// Such keys do not rotate, and have no status of it.
			admin.Call("kms:EnableKeyRotation", with()).Fails(fault.UnsupportedOperationException, arn)
			admin.Call("kms:RotateKeyOnDemand", with()).Fails(fault.UnsupportedOperationException, arn)
		})
	}
	v := vaulttest.New(t)
	v.User("admin", vaulttest.Administrator).Call("kms:CreateKey", m{"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE", "Origin": "EXTERNAL"}).
		Fails(fault.UnsupportedOperationException, "EXTERNAL")
}
