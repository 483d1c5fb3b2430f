package vault_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func decode(t *testing.T, s any) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSignatures(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	message := b64("CANARY message")
	digest256 := sha256.Sum256([]byte("CANARY message"))
	digest512 := sha512.Sum512([]byte("CANARY message"))
	for _, tc := range []struct {
		spec, algorithm, messageType string
		verifies                     func(public any, signature []byte) bool // outside of the vault
	}{
		{"ECC_NIST_P256", "ECDSA_SHA_256", "RAW", func(p any, s []byte) bool { return ecdsa.VerifyASN1(p.(*ecdsa.PublicKey), digest256[:], s) }},
		{"ECC_NIST_P256", "ECDSA_SHA_256", "DIGEST", func(p any, s []byte) bool { return ecdsa.VerifyASN1(p.(*ecdsa.PublicKey), digest256[:], s) }},
		{"ECC_NIST_P384", "ECDSA_SHA_384", "RAW", nil},
		{"ECC_NIST_P521", "ECDSA_SHA_512", "RAW", func(p any, s []byte) bool { return ecdsa.VerifyASN1(p.(*ecdsa.PublicKey), digest512[:], s) }},
		{"ECC_NIST_EDWARDS25519", "ED25519_SHA_512", "RAW", func(p any, s []byte) bool {
			return ed25519.Verify(p.(ed25519.PublicKey), []byte("CANARY message"), s)
		}},
		{"ECC_NIST_EDWARDS25519", "ED25519_PH_SHA_512", "DIGEST", nil},
		{"RSA_2048", "RSASSA_PSS_SHA_256", "RAW", func(p any, s []byte) bool {
			return rsa.VerifyPSS(p.(*rsa.PublicKey), crypto.SHA256, digest256[:], s, nil) == nil
		}},
		{"RSA_2048", "RSASSA_PKCS1_V1_5_SHA_512", "RAW", func(p any, s []byte) bool {
			return rsa.VerifyPKCS1v15(p.(*rsa.PublicKey), crypto.SHA512, digest512[:], s) == nil
		}},
	} {
		t.Run(tc.algorithm+"/"+tc.messageType, func(t *testing.T) {
			id, arn := newKey(admin, m{"KeySpec": tc.spec, "KeyUsage": "SIGN_VERIFY"})
			in := m{"KeyId": id, "Message": message, "MessageType": tc.messageType, "SigningAlgorithm": tc.algorithm}
			if tc.messageType == "DIGEST" {
				in["Message"] = base64.StdEncoding.EncodeToString(digest256[:])
				if strings.HasSuffix(tc.algorithm, "512") {
					in["Message"] = base64.StdEncoding.EncodeToString(digest512[:])
				}
			}
			o := admin.Call("kms:Sign", in)
			signature := o.OK()["Signature"]
			if o.OK()["KeyId"] != arn || strings.Contains(o.Line(), signature.(string)) || strings.Contains(o.Line(), in["Message"].(string)) {
				t.Errorf("record %s", o.Line())
			}
			out := admin.Call("kms:GetPublicKey", m{"KeyId": id}).OK()
			public, err := x509.ParsePKIXPublicKey(decode(t, out["PublicKey"]))
			if err != nil {
				t.Fatal(err)
			}
			if tc.verifies != nil && !tc.verifies(public, decode(t, signature)) {
				t.Error("the signature does not verify outside of the vault")
			}
			in["Signature"] = signature
			v.Rebuild()
			if got := admin.Call("kms:Verify", in).OK(); got["SignatureValid"] != true {
				t.Errorf("%v", got)
			}
			in["Signature"] = b64("another signature")
			admin.Call("kms:Verify", in).Fails(fault.KMSInvalidSignatureException, "")
			admin.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": message}).Fails(fault.InvalidKeyUsageException, "SIGN_VERIFY which is not valid for Encrypt")
			admin.Call("kms:GenerateDataKey", m{"KeyId": id, "KeySpec": "AES_256"}).Fails(fault.InvalidKeyUsageException, "")
			admin.Call("kms:EnableKeyRotation", m{"KeyId": id}).Fails(fault.UnsupportedOperationException, "")
		})
	}
	p256, _ := newKey(admin, m{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})
	admin.Call("kms:Sign", m{"KeyId": p256, "Message": message, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}).Fails(fault.ValidationException, "Digest")
	admin.Call("kms:Sign", m{"KeyId": p256, "Message": message, "SigningAlgorithm": "ECDSA_SHA_384"}).Fails(fault.InvalidKeyUsageException, "incompatible")
	admin.Call("kms:Sign", m{"KeyId": p256, "Message": message, "SigningAlgorithm": "ECDSA_SHA_256", "DryRun": true}).Fails(fault.DryRunOperationException, "")
	only := v.User("only", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Sign","Resource":"*","Condition":{"StringEquals":{"kms:SigningAlgorithm":"ECDSA_SHA_256","kms:MessageType":"DIGEST"}}}}`)
	only.Call("kms:Sign", m{"KeyId": p256, "Message": message, "SigningAlgorithm": "ECDSA_SHA_256"}).Fails(fault.AccessDeniedException, "")
	only.Call("kms:Sign", m{"KeyId": p256, "Message": base64.StdEncoding.EncodeToString(digest256[:]), "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}).OK()
}

func TestRSAEncryption(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, m{"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"})
	for algorithm, longest := range map[string]int{"RSAES_OAEP_SHA_1": 214, "RSAES_OAEP_SHA_256": 190} {
		in := m{"KeyId": id, "Plaintext": b64(strings.Repeat("x", longest)), "EncryptionAlgorithm": algorithm}
		blob := admin.Call("kms:Encrypt", in).OK()["CiphertextBlob"]
		out := admin.Call("kms:Decrypt", m{"KeyId": arn, "CiphertextBlob": blob, "EncryptionAlgorithm": algorithm}).OK()
		if out["Plaintext"] != in["Plaintext"] || out["KeyMaterialId"] != nil {
			t.Errorf("%v", out)
		}
		admin.Call("kms:Decrypt", m{"CiphertextBlob": blob, "EncryptionAlgorithm": algorithm}).Fails(fault.ValidationException, "KeyId is required")
		admin.Call("kms:Decrypt", m{"KeyId": id, "CiphertextBlob": blob}).Fails(fault.InvalidKeyUsageException, "")
		admin.Call("kms:Decrypt", m{"KeyId": id, "CiphertextBlob": b64("x"), "EncryptionAlgorithm": algorithm}).Fails(fault.InvalidCiphertextException, "")
		in["Plaintext"] = b64(strings.Repeat("x", longest+1))
		admin.Call("kms:Encrypt", in).Fails(fault.ValidationException, "cannot encrypt data larger than")
		admin.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA==", "EncryptionAlgorithm": algorithm, "EncryptionContext": m{"a": "b"}}).Fails(fault.ValidationException, "EncryptionContext")
		symmetric, _ := newKey(admin, nil)
		moved := admin.Call("kms:ReEncrypt", m{"CiphertextBlob": blob, "SourceKeyId": id, "SourceEncryptionAlgorithm": algorithm, "DestinationKeyId": symmetric}).OK()
		admin.Call("kms:Decrypt", m{"CiphertextBlob": moved["CiphertextBlob"]}).OK()
		back := admin.Call("kms:ReEncrypt", m{"CiphertextBlob": moved["CiphertextBlob"], "DestinationKeyId": id, "DestinationEncryptionAlgorithm": algorithm}).OK()
		if got := admin.Call("kms:Decrypt", m{"KeyId": arn, "CiphertextBlob": back["CiphertextBlob"], "EncryptionAlgorithm": algorithm}).OK(); got["Plaintext"] != out["Plaintext"] {
			t.Error("the way there and back changes the text")
		}
	}
	admin.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}).Fails(fault.InvalidKeyUsageException, "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.")
}

func TestMACs(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	for size, bytes := range map[string]int{"224": 28, "256": 32, "384": 48, "512": 64} {
		id, _ := newKey(admin, m{"KeySpec": "HMAC_" + size, "KeyUsage": "GENERATE_VERIFY_MAC"})
		in := m{"KeyId": id, "Message": b64("CANARY"), "MacAlgorithm": "HMAC_SHA_" + size}
		o := admin.Call("kms:GenerateMac", in)
		mac := o.OK()["Mac"]
		if len(decode(t, mac)) != bytes || strings.Contains(o.Line(), mac.(string)) || strings.Contains(o.Line(), b64("CANARY")) {
			t.Errorf("MAC %v in %s", mac, o.Line())
		}
		in["Mac"] = mac
		v.Rebuild()
		admin.Call("kms:VerifyMac", in).OK()
		in["Message"] = b64("another")
		admin.Call("kms:VerifyMac", in).Fails(fault.KMSInvalidMacException, "")
		admin.Call("kms:GetPublicKey", m{"KeyId": id}).Fails(fault.UnsupportedOperationException, "")
	}
	symmetric, _ := newKey(admin, nil)
	admin.Call("kms:GenerateMac", m{"KeyId": symmetric, "Message": "eA==", "MacAlgorithm": "HMAC_SHA_256"}).Fails(fault.InvalidKeyUsageException, "")
}
