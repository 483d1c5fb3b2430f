package vault_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestKMSRefusesInAWSWords holds refusals to the code and the whole text that AWS
// has been recorded to give.
func TestKMSRefusesInAWSWords(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, nil)
	mac, macARN := newKey(admin, m{"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"})
	signer, signerARN := newKey(admin, m{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})
	rsa, _ := newKey(admin, m{"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"})
	blob := encrypt(admin, id, "x", nil)
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/taken", "TargetKeyId": id}).OK()
	const incorrect = "The key ID in the request does not identify a CMK that can perform this operation."
	tags := func(n int) (list []m) {
		for i := range n {
			list = append(list, m{"TagKey": fmt.Sprint("k", i), "TagValue": "v"})
		}
		return list
	}
	limit := func(value, member, constraint string) string {
		return "1 validation error detected: Value " + value + "at '" + member + "' failed to satisfy constraint: Member must " + constraint
	}
	for _, tc := range []struct {
		op   string
		in   m
		code fault.Code
		text string
	}{
		{"GenerateRandom", m{}, fault.ValidationException, "NumberOfBytes is required."},
		{"GenerateRandom", m{"NumberOfBytes": 0}, fault.ValidationException, limit("'0' ", "numberOfBytes", "have value greater than or equal to 1")},
		{"GenerateRandom", m{"NumberOfBytes": 1025}, fault.ValidationException, limit("'1025' ", "numberOfBytes", "have value less than or equal to 1024")},
		{"Encrypt", m{"KeyId": id, "Plaintext": b64(strings.Repeat("x", 4097))}, fault.ValidationException, limit("", "plaintext", "have length less than or equal to 4096")},
		{"Encrypt", m{"KeyId": id, "Plaintext": ""}, fault.ValidationException, limit("", "plaintext", "have length greater than or equal to 1")},
		{"Encrypt", m{"KeyId": rsa, "Plaintext": b64(strings.Repeat("x", 191)), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}, fault.ValidationException,
			"Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes."},
		{"Encrypt", m{"KeyId": signer, "Plaintext": b64("x")}, fault.InvalidKeyUsageException, signerARN + " key usage is SIGN_VERIFY which is not valid for Encrypt."},
		{"Decrypt", m{}, fault.ValidationException, limit("null ", "ciphertextBlob", "not be null")},
		{"Decrypt", m{"CiphertextBlob": blob, "KeyId": mac}, fault.IncorrectKeyException, incorrect},
		{"Decrypt", m{"CiphertextBlob": blob, "KeyId": signer}, fault.IncorrectKeyException, incorrect},
		{"Decrypt", m{"CiphertextBlob": blob, "EncryptionContext": m{"a": "b"}}, fault.InvalidCiphertextException, ""},
		{"ReEncrypt", m{"DestinationKeyId": id}, fault.ValidationException, limit("null ", "ciphertextBlob", "not be null")},
		{"GenerateMac", m{"KeyId": id, "Message": b64("x"), "MacAlgorithm": "HMAC_SHA_256"}, fault.InvalidKeyUsageException, arn + " key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac."},
		{"GenerateMac", m{"KeyId": mac, "Message": b64("x"), "MacAlgorithm": "HMAC_SHA_512"}, fault.InvalidKeyUsageException, "Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256."},
		{"VerifyMac", m{"KeyId": mac, "Message": b64("x"), "MacAlgorithm": "HMAC_SHA_256", "Mac": b64("x")}, fault.KMSInvalidMacException, ""},
		{"Sign", m{"KeyId": mac, "Message": b64("x"), "SigningAlgorithm": "ECDSA_SHA_256"}, fault.InvalidKeyUsageException, macARN + " key usage is GENERATE_VERIFY_MAC which is not valid for Sign."},
		{"Sign", m{"KeyId": signer, "Message": b64("x"), "SigningAlgorithm": "ECDSA_SHA_384"}, fault.InvalidKeyUsageException, "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256."},
		{"Sign", m{"KeyId": signer, "Message": b64("x"), "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}, fault.ValidationException, "Digest is invalid length for algorithm ECDSA_SHA_256."},
		{"Verify", m{"KeyId": id, "Message": b64("x"), "Signature": b64("x"), "SigningAlgorithm": "ECDSA_SHA_256"}, fault.InvalidKeyUsageException, arn + " key usage is ENCRYPT_DECRYPT which is not valid for Verify."},
		{"Verify", m{"KeyId": signer, "Message": b64("x"), "Signature": b64("x"), "SigningAlgorithm": "ECDSA_SHA_256"}, fault.KMSInvalidSignatureException, ""},
		{"CreateKey", m{"KeySpec": "HMAC_256"}, fault.ValidationException, "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."},
		{"CreateAlias", m{"AliasName": "a", "TargetKeyId": id}, fault.ValidationException,
			`Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`},
		{"CreateAlias", m{"AliasName": "alias/a!", "TargetKeyId": id}, fault.ValidationException, limit("'alias/a!' ", "aliasName", "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$")},
		{"CreateAlias", m{"AliasName": "alias/a:b", "TargetKeyId": id}, fault.ValidationException, "alias/a:b contains invalid characters for an alias"},
		{"CreateAlias", m{"AliasName": "alias/new", "TargetKeyId": "alias/taken"}, fault.ValidationException, "Aliases must refer to keys. Not aliases"},
		{"CreateAlias", m{"AliasName": "alias/new", "TargetKeyId": strings.Replace(arn, "key/"+id, "alias/taken", 1)}, fault.ValidationException, "Aliases must refer to keys. Not aliases"},
		{"UpdateAlias", m{"AliasName": "alias/taken", "TargetKeyId": "alias/taken"}, fault.ValidationException, "Aliases must refer to keys. Not aliases"},
		{"CreateAlias", m{"AliasName": "alias/aws/mine", "TargetKeyId": id}, fault.NotAuthorizedException, ""},
		{"DeleteAlias", m{"AliasName": "a"}, fault.ValidationException, "Invalid identifier"},
		{"EnableKeyRotation", m{"KeyId": "alias/taken"}, fault.NotFoundException, "Invalid keyId 'alias/taken'"},
		{"TagResource", m{"KeyId": "unknown", "Tags": []m{}}, fault.NotFoundException, "Invalid keyId 'unknown'"},
		{"TagResource", m{"KeyId": id, "Tags": []m{{"TagKey": "a", "TagValue": "1"}, {"TagKey": "a", "TagValue": "2"}}}, fault.TagException, "Duplicate tag keys"},
		{"TagResource", m{"KeyId": id, "Tags": []m{{"TagKey": "AWS:a", "TagValue": "1"}}}, fault.TagException, "Tags beginning with aws: are reserved"},
		{"TagResource", m{"KeyId": id, "Tags": tags(51)}, fault.TagException, "Too many tags"},
		{"CreateKey", m{"Tags": tags(51)}, fault.TagException, "Too many tags"},
		{"CreateKey", m{"Tags": []m{{"TagKey": "a", "TagValue": "1"}, {"TagKey": "b", "TagValue": strings.Repeat("v", 257)}}}, fault.ValidationException,
			limit("'"+strings.Repeat("v", 257)+"' ", "tags.2.member.tagValue", "have length less than or equal to 256")},
		{"CreateKey", m{"KeySpec": "RSA_2048", "KeyUsage": "KEY_AGREEMENT"}, fault.ValidationException, "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"},
		{"GetParametersForImport", m{"KeyId": id, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}, fault.UnsupportedOperationException,
			arn + " origin is AWS_KMS which is not valid for this operation."},
	} {
		t.Run(tc.op, func(t *testing.T) {
			o := admin.Call("kms:"+tc.op, tc.in)
			o.Fails(tc.code, tc.text)
			if got := o.Reply.Fault.Message; got != tc.text {
				t.Errorf("%v\nsays %s\nwant %s", tc.in, got, tc.text)
			}
		})
	}
	// The order within an enum is nobody's to rely on.
	for op, in := range map[string]m{
		"Sign":   {"KeyId": signer, "Message": b64("x"), "SigningAlgorithm": "NONE"},
		"Verify": {"KeyId": signer, "Message": b64("x"), "Signature": b64("x"), "SigningAlgorithm": "NONE"},
	} {
		admin.Call("kms:"+op, in).Fails(fault.ValidationException, limit("'NONE' ", "signingAlgorithm", "satisfy enum value set: ["))
	}
}

// TestRotationStatusOfEveryKey: keys that never rotate have the status false, and
// so has a key that is to be deleted.
func TestRotationStatusOfEveryKey(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	status := func(id string) string {
		t.Helper()
		s := admin.Call("kms:GetKeyRotationStatus", m{"KeyId": id}).OK()
		delete(s, "KeyId")
		delete(s, "NextRotationDate")
		return fmt.Sprint(s)
	}
	const off = "map[KeyRotationEnabled:false]"
	for spec, usage := range map[string]string{
		"RSA_2048": "ENCRYPT_DECRYPT", "ECC_NIST_P384": "SIGN_VERIFY", "HMAC_512": "GENERATE_VERIFY_MAC", "SYMMETRIC_DEFAULT": "ENCRYPT_DECRYPT",
	} {
		id, _ := newKey(admin, m{"KeySpec": spec, "KeyUsage": usage})
		if got := status(id); got != off {
			t.Errorf("%s: %s", spec, got)
		}
	}
	id, _ := newKey(admin, nil)
	const on = "map[KeyRotationEnabled:true RotationPeriodInDays:365]"
	admin.Call("kms:EnableKeyRotation", m{"KeyId": id}).OK()
	if got := status(id); got != on {
		t.Error(got)
	}
	admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id}).OK()
	if got := status(id); got != off {
		t.Errorf("pending deletion: %s", got)
	}
	admin.Call("kms:CancelKeyDeletion", m{"KeyId": id}).OK()
	if got := status(id); got != on {
		t.Errorf("after the deletion was cancelled: %s", got)
	}
}

// TestDryRunWithoutCiphertext judges the use of a key that the caller names.
func TestDryRunWithoutCiphertext(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	nobody := v.User("nobody")
	id, arn := newKey(admin, nil)
	other, _ := newKey(admin, nil)
	signer, _ := newKey(admin, m{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})
	ignore := func(in m) m {
		in["DryRun"], in["DryRunModifiers"] = true, []string{"IGNORE_CIPHERTEXT"}
		return in
	}
	admin.Call("kms:Decrypt", ignore(m{"KeyId": id})).Fails(fault.DryRunOperationException, "")
	admin.Call("kms:Decrypt", ignore(m{"KeyId": id, "CiphertextBlob": b64("anything")})).Fails(fault.DryRunOperationException, "")
	o := nobody.Call("kms:Decrypt", ignore(m{"KeyId": id}))
	o.Fails(fault.AccessDeniedException, "kms:Decrypt on resource: "+arn)
	admin.Call("kms:Decrypt", ignore(m{})).Fails(fault.ValidationException, "IGNORE_CIPHERTEXT")
	admin.Call("kms:Decrypt", ignore(m{"KeyId": signer})).Fails(fault.InvalidKeyUsageException, "")
	admin.Call("kms:ReEncrypt", ignore(m{"SourceKeyId": id, "DestinationKeyId": other})).Fails(fault.DryRunOperationException, "")
	admin.Call("kms:ReEncrypt", ignore(m{"DestinationKeyId": other})).Fails(fault.ValidationException, "IGNORE_CIPHERTEXT")
	admin.Call("kms:DisableKey", m{"KeyId": id}).OK()
	admin.Call("kms:Decrypt", ignore(m{"KeyId": id})).Fails(fault.DisabledException, "")
	// Without a dry run the modifier says nothing, and the ciphertext is required.
	admin.Call("kms:Decrypt", m{"KeyId": id, "DryRunModifiers": []string{"IGNORE_CIPHERTEXT"}}).Fails(fault.ValidationException, "null at 'ciphertextBlob'")
	admin.Call("kms:Decrypt", m{"KeyId": id, "DryRun": true}).Fails(fault.ValidationException, "null at 'ciphertextBlob'")
	admin.Call("kms:Decrypt", m{"KeyId": id, "DryRun": true, "DryRunModifiers": []string{"OTHER"}}).Fails(fault.ValidationException, "dryRunModifiers")
}

// uses is what a view of the log would say of one key.
type uses struct {
	vault.Accesses
	id string
	at time.Time
}

func (u uses) Key(id string) (vault.KeyUse, bool) {
	return vault.KeyUse{Operation: "Decrypt", At: u.at}, id == u.id && !u.at.IsZero()
}

// TestTrailingDaysWithoutKeyUsage: a policy that guards keys in use counts whole
// days from the last use, or from the making of a key that was never used, and
// holds when nobody can tell.
func TestTrailingDaysWithoutKeyUsage(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator, `{"Version":"2012-10-17","Statement":{"Effect":"Deny",
		"Action":["kms:ScheduleKeyDeletion","kms:DisableKey"],"Resource":"*",
		"Condition":{"NumericLessThanEquals":{"kms:TrailingDaysWithoutKeyUsage":"30"}}}}`)
	id, _ := newKey(admin, nil)
	used := uses{id: id, Accesses: vault.NoAccesses}
	v.Accesses = func() vault.Accesses { return used }
	refused := func(why string) {
		t.Helper()
		for _, op := range []string{"kms:DisableKey", "kms:ScheduleKeyDeletion"} {
			admin.Call(op, m{"KeyId": id}).Fails(fault.AccessDeniedException, "with an explicit deny in an identity-based policy")
		}
	}
	refused("just made")
	v.Days(30)
	v.Wait(23 * time.Hour)
	refused("made 30.9 days ago")
	used.at = v.Env.Now
	v.Days(30)
	refused("used 30 days ago")
	v.Days(1)
	v.Accesses = func() vault.Accesses { return vault.NoAccesses }
	admin.Call("kms:DisableKey", m{"KeyId": id}).Fails(fault.DependencyTimeoutException, "")
	admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id}).Fails(fault.DependencyTimeoutException, "")
	v.Accesses = nil
	admin.Call("kms:DisableKey", m{"KeyId": id}).Fails(fault.DependencyTimeoutException, "")
	v.Accesses = func() vault.Accesses { return used }
	admin.Call("kms:DisableKey", m{"KeyId": id}).OK()
	admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id}).OK()
	// Whom no such policy binds does not depend on the view.
	v.Accesses = nil
	other, _ := newKey(admin, nil)
	v.Root(vaulttest.Account).Call("kms:DisableKey", m{"KeyId": other}).OK()
}
