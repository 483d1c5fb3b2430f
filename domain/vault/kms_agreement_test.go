package vault_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// peer is the other side of an agreement, outside of the vault.
func peer(t *testing.T, curve ecdh.Curve) (*ecdh.PrivateKey, string) {
	t.Helper()
	private, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return private, base64.StdEncoding.EncodeToString(der)
}

func TestKeyAgreement(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	for spec, curve := range map[string]ecdh.Curve{"ECC_NIST_P256": ecdh.P256(), "ECC_NIST_P384": ecdh.P384(), "ECC_NIST_P521": ecdh.P521()} {
		t.Run(spec, func(t *testing.T) {
			id, arn := newKey(admin, m{"KeySpec": spec, "KeyUsage": "KEY_AGREEMENT"})
			md := admin.Call("kms:DescribeKey", m{"KeyId": id}).OK()["KeyMetadata"].(m)
			if a := md["KeyAgreementAlgorithms"]; !slices.Equal(a.([]any), []any{"ECDH"}) || md["SigningAlgorithms"] != nil {
				t.Errorf("%v", md)
			}
			public := admin.Call("kms:GetPublicKey", m{"KeyId": id}).OK()
			if a := public["KeyAgreementAlgorithms"]; !slices.Equal(a.([]any), []any{"ECDH"}) || public["SigningAlgorithms"] != nil {
				t.Errorf("%v", public)
			}
			parsed, err := x509.ParsePKIXPublicKey(decode(t, public["PublicKey"]))
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := parsed.(*ecdsa.PublicKey).ECDH()
			if err != nil {
				t.Fatal(err)
			}
			v.Rebuild()
			mine, der := peer(t, curve)
			want, err := mine.ECDH(theirs)
			if err != nil {
				t.Fatal(err)
			}
			o := admin.Call("kms:DeriveSharedSecret", m{"KeyId": id, "KeyAgreementAlgorithm": "ECDH", "PublicKey": der})
			out := o.OK()
			if !bytes.Equal(decode(t, out["SharedSecret"]), want) {
				t.Error("the two sides have different secrets")
			}
			if out["KeyId"] != arn || out["KeyAgreementAlgorithm"] != "ECDH" || out["KeyOrigin"] != "AWS_KMS" {
				t.Errorf("%v", out)
			}
			if strings.Contains(o.Line(), out["SharedSecret"].(string)) || !strings.Contains(o.Line(), der) {
				t.Errorf("record %s", o.Line())
			}
		})
	}
}

func TestKeyAgreementRefuses(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, m{"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"})
	signer, _ := newKey(admin, m{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})
	_, der := peer(t, ecdh.P256())
	_, other := peer(t, ecdh.P384())
	_, montgomery := peer(t, ecdh.X25519())
	off := decode(t, der)
	off[len(off)-1] ^= 1
	with := func(more m) m {
		in := m{"KeyId": id, "KeyAgreementAlgorithm": "ECDH", "PublicKey": der}
		for k, x := range more {
			in[k] = x
		}
		return in
	}
	for _, tc := range []struct {
		name string
		in   m
		code fault.Code
		text string
	}{
		{"another curve", with(m{"PublicKey": other}), fault.ValidationException, "curve of key spec ECC_NIST_P256"},
		{"a Montgomery curve", with(m{"PublicKey": montgomery}), fault.ValidationException, "curve"},
		{"a point off the curve", with(m{"PublicKey": base64.StdEncoding.EncodeToString(off)}), fault.ValidationException, "curve"},
		{"not a public key", with(m{"PublicKey": "AAAA"}), fault.ValidationException, "DER"},
		{"a public key too long", with(m{"PublicKey": b64(strings.Repeat("x", 8193))}), fault.ValidationException, ""},
		{"a key that signs", with(m{"KeyId": signer}), fault.InvalidKeyUsageException, "SIGN_VERIFY which is not valid for DeriveSharedSecret"},
		{"an algorithm of China Regions", with(m{"KeyAgreementAlgorithm": "SM2DH"}), fault.InvalidKeyUsageException, "incompatible"},
		{"no algorithm", with(m{"KeyAgreementAlgorithm": nil}), fault.ValidationException, "keyAgreementAlgorithm"},
		{"a dry run", with(m{"DryRun": true}), fault.DryRunOperationException, ""},
		{"a dry run of what would fail", with(m{"DryRun": true, "PublicKey": other}), fault.ValidationException, ""},
		{"an enclave's recipient", with(m{"Recipient": m{}}), fault.UnsupportedOperationException, "Recipient"},
		{"a made-up grant token", with(m{"GrantTokens": []string{"AAAA"}}), fault.InvalidGrantTokenException, ""},
	} {
		t.Run(tc.name, func(t *testing.T) { admin.Call("kms:DeriveSharedSecret", tc.in).Fails(tc.code, tc.text) })
	}
	admin.Call("kms:Sign", m{"KeyId": id, "Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"}).Fails(fault.InvalidKeyUsageException, "KEY_AGREEMENT which is not valid for Sign")
	admin.Call("kms:CreateKey", m{"KeySpec": "ECC_NIST_EDWARDS25519", "KeyUsage": "KEY_AGREEMENT"}).Fails(fault.ValidationException, "not compatible")
	admin.Call("kms:CreateKey", m{"KeySpec": "RSA_2048", "KeyUsage": "KEY_AGREEMENT"}).Fails(fault.ValidationException, "not compatible")

	only := v.User("only", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:KeyAgreementAlgorithm":"SM2DH"}}}}`)
	only.Call("kms:DeriveSharedSecret", with(nil)).Fails(fault.AccessDeniedException, "")
	only.Allow(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:KeyAgreementAlgorithm":"ECDH"}}}}`)
	only.Call("kms:DeriveSharedSecret", with(nil)).OK()

	granted := v.User("granted")
	granted.Call("kms:DeriveSharedSecret", with(m{"KeyId": arn})).Fails(fault.AccessDeniedException, "")
	admin.Call("kms:CreateGrant", m{"KeyId": signer, "GranteePrincipal": granted.ARN, "Operations": []string{"DeriveSharedSecret"}}).Fails(fault.ValidationException, "")
	admin.Call("kms:CreateGrant", m{"KeyId": id, "GranteePrincipal": granted.ARN, "Operations": []string{"DeriveSharedSecret"}}).OK()
	granted.Call("kms:DeriveSharedSecret", with(m{"KeyId": arn})).OK()

	admin.Call("kms:DisableKey", m{"KeyId": id}).OK()
	admin.Call("kms:DeriveSharedSecret", with(nil)).Fails(fault.DisabledException, arn)
	admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id}).OK()
	admin.Call("kms:DeriveSharedSecret", with(nil)).Fails(fault.KMSInvalidStateException, arn)
}
