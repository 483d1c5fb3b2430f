package vault_test

import (
	"bytes"
	"crypto"
	"crypto/mlkem"
	"encoding/asn1"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func TestEncapsulation(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	for spec, tc := range map[string]struct {
		oid, length int
		public      func([]byte) (crypto.Encapsulator, error)
	}{
		"ML_KEM_768":  {2, mlkem.CiphertextSize768, func(b []byte) (crypto.Encapsulator, error) { return mlkem.NewEncapsulationKey768(b) }},
		"ML_KEM_1024": {3, mlkem.CiphertextSize1024, func(b []byte) (crypto.Encapsulator, error) { return mlkem.NewEncapsulationKey1024(b) }},
	} {
		t.Run(spec, func(t *testing.T) {
			id, arn := newKey(admin, m{"KeySpec": spec, "KeyUsage": "ENCAPSULATE_DECAPSULATE"})
			v.Rebuild()
			md := admin.Call("kms:DescribeKey", m{"KeyId": id}).OK()["KeyMetadata"].(m)
			published := admin.Call("kms:GetPublicKey", m{"KeyId": id}).OK()
			for _, out := range []m{md, published} {
				if a, _ := out["EncapsulationAlgorithms"].([]any); !slices.Equal(a, []any{"ML_KEM"}) || out["SigningAlgorithms"] != nil {
					t.Errorf("%v", out)
				}
			}
			encapsulated := m{"KeyId": id, "EncapsulationAlgorithm": "ML_KEM"}

			// The vault encapsulates, the vault decapsulates.
			made := admin.Call("kms:Encapsulate", encapsulated)
			out := made.OK()
			blob := out["SharedSecretCiphertextBlob"].(string)
			if out["KeyId"] != arn || out["EncapsulationAlgorithm"] != "ML_KEM" || len(decode(t, blob)) != tc.length || len(decode(t, out["SharedSecret"])) != 32 {
				t.Errorf("%v", out)
			}
			encapsulated["SharedSecretCiphertextBlob"] = blob
			opened := admin.Call("kms:Decapsulate", encapsulated)
			if got := opened.OK(); got["SharedSecret"] != out["SharedSecret"] || got["KeyId"] != arn || got["EncapsulationAlgorithm"] != "ML_KEM" {
				t.Errorf("%v", got)
			}
			for _, o := range []*vaulttest.Outcome{made, opened} {
				if strings.Contains(o.Line(), out["SharedSecret"].(string)) || strings.Contains(o.Line(), blob) {
					t.Errorf("record %s", o.Line())
				}
			}

			// A client encapsulates with the published key.
			var info struct {
				Algorithm struct{ OID asn1.ObjectIdentifier }
				Key       asn1.BitString
			}
			if rest, err := asn1.Unmarshal(decode(t, published["PublicKey"]), &info); err != nil || len(rest) > 0 {
				t.Fatal(err)
			}
			if want := (asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, tc.oid}); !info.Algorithm.OID.Equal(want) {
				t.Errorf("algorithm %v, want %v", info.Algorithm.OID, want)
			}
			public, err := tc.public(info.Key.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			secret, ciphertext := public.Encapsulate()
			encapsulated["SharedSecretCiphertextBlob"] = ciphertext
			if got := decode(t, admin.Call("kms:Decapsulate", encapsulated).OK()["SharedSecret"]); !bytes.Equal(got, secret) {
				t.Error("the two sides have different secrets")
			}

			// Another ciphertext of the right length gives another secret, always the same.
			foreign := bytes.Clone(ciphertext)
			foreign[0] ^= 1
			encapsulated["SharedSecretCiphertextBlob"] = foreign
			first, second := admin.Call("kms:Decapsulate", encapsulated).OK()["SharedSecret"], admin.Call("kms:Decapsulate", encapsulated).OK()["SharedSecret"]
			if first != second || first == base64.StdEncoding.EncodeToString(secret) {
				t.Errorf("implicit rejection gives %v and %v", first, second)
			}
			for _, n := range []int{1, tc.length - 1, tc.length + 1} {
				encapsulated["SharedSecretCiphertextBlob"] = make([]byte, n)
				admin.Call("kms:Decapsulate", encapsulated).Fails(fault.InvalidCiphertextException, "")
			}
		})
	}
}

func TestEncapsulationRefuses(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, m{"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE"})
	signer, _ := newKey(admin, m{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})
	admin.Call("kms:CreateKey", m{"KeySpec": "ML_KEM_512", "KeyUsage": "ENCAPSULATE_DECAPSULATE"}).Fails(fault.UnsupportedOperationException, "ML_KEM_512")
	admin.Call("kms:CreateKey", m{"KeySpec": "ML_KEM_768", "KeyUsage": "SIGN_VERIFY"}).Fails(fault.ValidationException, "not compatible")
	admin.Call("kms:CreateKey", m{"KeySpec": "ML_KEM_768"}).Fails(fault.ValidationException, "KeyUsage")
	symmetric, _ := newKey(admin, nil)
	admin.Call("kms:GenerateDataKeyPair", m{"KeyId": symmetric, "KeyPairSpec": "ML_KEM_768"}).Fails(fault.ValidationException, "")
	admin.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}).Fails(fault.InvalidKeyUsageException, "ENCAPSULATE_DECAPSULATE which is not valid for Encrypt")

	for _, operation := range []string{"Encapsulate", "Decapsulate"} {
		call := "kms:" + operation
		with := func(more m) m {
			in := m{"KeyId": id, "EncapsulationAlgorithm": "ML_KEM"}
			if operation == "Decapsulate" {
				in["SharedSecretCiphertextBlob"] = make([]byte, mlkem.CiphertextSize768)
			}
			for k, x := range more {
				in[k] = x
			}
			return in
		}
		admin.Call(call, with(m{"KeyId": signer})).Fails(fault.InvalidKeyUsageException, "SIGN_VERIFY which is not valid for "+operation)
		admin.Call(call, with(m{"EncapsulationAlgorithm": "RSA_KEM"})).Fails(fault.ValidationException, "encapsulationAlgorithm")
		admin.Call(call, with(m{"EncapsulationAlgorithm": nil})).Fails(fault.ValidationException, "encapsulationAlgorithm")
		admin.Call(call, with(m{"DryRun": true})).Fails(fault.DryRunOperationException, "")
		admin.Call(call, with(m{"GrantTokens": []string{"AAAA"}})).Fails(fault.InvalidGrantTokenException, "")

		granted := v.User("granted" + operation)
		granted.Call(call, with(m{"KeyId": arn})).Fails(fault.AccessDeniedException, call)
		admin.Call("kms:CreateGrant", m{"KeyId": symmetric, "GranteePrincipal": granted.ARN, "Operations": []string{operation}}).Fails(fault.ValidationException, "")
		admin.Call("kms:CreateGrant", m{"KeyId": id, "GranteePrincipal": granted.ARN, "Operations": []string{operation}}).OK()
		granted.Call(call, with(m{"KeyId": arn})).OK()

		admin.Call("kms:DisableKey", m{"KeyId": id}).OK()
		admin.Call(call, with(nil)).Fails(fault.DisabledException, arn)
		admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id}).OK()
		admin.Call(call, with(nil)).Fails(fault.KMSInvalidStateException, arn)
		admin.Call("kms:CancelKeyDeletion", m{"KeyId": id}).OK()
		admin.Call("kms:EnableKey", m{"KeyId": id}).OK()
	}
}
