package metrics_test

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
	"github.com/keytrail/keytrail/projections/metrics"
)

// Every call that used a key is counted for it, whatever kind of key it is; what
// was refused, rehearsed or only looked at is not.
func TestUsesOfEveryKind(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	key := func(in M) string { return admin.Call("kms:CreateKey", in).OK()["KeyMetadata"].(M)["KeyId"].(string) }
	text := base64.StdEncoding.EncodeToString([]byte("text"))
	want := map[string]float64{}
	called := map[string]bool{}
	use := func(operation string, in M, keys ...string) M {
		t.Helper()
		called[operation] = true
		for _, k := range keys {
			want[k]++
		}
		return admin.Call(operation, in).OK()
	}

	plain, other := key(nil), key(nil)
	blob := use("kms:Encrypt", M{"KeyId": plain, "Plaintext": text}, plain)["CiphertextBlob"]
	use("kms:Decrypt", M{"CiphertextBlob": blob}, plain)
	use("kms:ReEncrypt", M{"CiphertextBlob": blob, "DestinationKeyId": other}, plain, other)
	for _, operation := range []string{"kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"} {
		use(operation, M{"KeyId": other, "KeySpec": "AES_256"}, other)
	}
	for _, operation := range []string{"kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext"} {
		use(operation, M{"KeyId": other, "KeyPairSpec": "ECC_NIST_P256"}, other)
	}
	rsa := key(M{"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"})
	sealed := use("kms:Encrypt", M{"KeyId": rsa, "Plaintext": text, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}, rsa)["CiphertextBlob"]
	use("kms:Decrypt", M{"KeyId": rsa, "CiphertextBlob": sealed, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}, rsa)
	signer := key(M{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})
	signature := use("kms:Sign", M{"KeyId": signer, "Message": text, "SigningAlgorithm": "ECDSA_SHA_256"}, signer)["Signature"]
	use("kms:Verify", M{"KeyId": signer, "Message": text, "Signature": signature, "SigningAlgorithm": "ECDSA_SHA_256"}, signer)
	mac := key(M{"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"})
	tag := use("kms:GenerateMac", M{"KeyId": mac, "Message": text, "MacAlgorithm": "HMAC_SHA_256"}, mac)["Mac"]
	use("kms:VerifyMac", M{"KeyId": mac, "Message": text, "Mac": tag, "MacAlgorithm": "HMAC_SHA_256"}, mac)
	agree := key(M{"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"})
	public := admin.Call("kms:GetPublicKey", M{"KeyId": agree}).OK()["PublicKey"]
	use("kms:DeriveSharedSecret", M{"KeyId": agree, "KeyAgreementAlgorithm": "ECDH", "PublicKey": public}, agree)
	capsule := key(M{"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE"})
	shared := use("kms:Encapsulate", M{"KeyId": capsule, "EncapsulationAlgorithm": "ML_KEM"}, capsule)["SharedSecretCiphertextBlob"]
	use("kms:Decapsulate", M{"KeyId": capsule, "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": shared}, capsule)

	admin.Call("secretsmanager:CreateSecret", M{"Name": "s", "SecretString": "v", "KmsKeyId": plain}).OK()
	admin.Call("secretsmanager:GetSecretValue", M{"SecretId": "s"}).OK()
	want[plain] += 4 // to see that the key can be used: two; a data key; to decrypt it
	admin.Call("kms:Decrypt", M{"CiphertextBlob": blob, "DryRun": true}).Fails(fault.DryRunOperationException, "")
	admin.Call("kms:Sign", M{"KeyId": plain, "Message": text, "SigningAlgorithm": "ECDSA_SHA_256"}).Fails(fault.InvalidKeyUsageException, "")
	v.User("nobody").Call("kms:Decrypt", M{"CiphertextBlob": blob}).Fails(fault.AccessDeniedException, "")
	admin.Call("kms:DescribeKey", M{"KeyId": plain}).OK()

	// A key that is to be deleted: who tries to use it is counted apart, who tries to
	// change it is not.
	doomed := key(nil)
	admin.Call("secretsmanager:CreateSecret", M{"Name": "doomed", "SecretString": "v", "KmsKeyId": doomed}).OK()
	want[doomed] += 3
	admin.Call("kms:ScheduleKeyDeletion", M{"KeyId": doomed, "PendingWindowInDays": 7}).OK()
	admin.Call("kms:GenerateDataKey", M{"KeyId": doomed, "KeySpec": "AES_256"}).Fails(fault.KMSInvalidStateException, "")
	admin.Call("secretsmanager:GetSecretValue", M{"SecretId": "doomed"}).Fails(fault.DecryptionFailure, "")
	admin.Call("kms:EnableKey", M{"KeyId": doomed}).Fails(fault.KMSInvalidStateException, "")
	admin.Call("kms:UpdateKeyDescription", M{"KeyId": doomed, "Description": "x"}).Fails(fault.KMSInvalidStateException, "")

	log := stored(t, v.Lines, 3)
	view := open(t, log, metrics.Options{Named: 20})
	catchUp(t, log, view, 0)
	got := scrape(t, view)
	for k, n := range want {
		if name := fmt.Sprintf("keytrail_key_uses_total{account=%q,key_id=%q}", vaulttest.Account, k); got[name] != n {
			t.Errorf("%s is %v, want %v", name, got[name], n)
		}
	}
	if name := fmt.Sprintf("keytrail_pending_key_uses_total{account=%q,key_id=%q}", vaulttest.Account, doomed); got[name] != 2 {
		t.Errorf("%s is %v, want 2", name, got[name])
	}
	for _, operation := range vault.CryptographicOperations() {
		if !called[operation] {
			t.Errorf("%s is not tried", operation)
		}
	}
}
