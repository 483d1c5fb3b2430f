package kms

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"keytrail.test/clients/target"
)

func TestEncryptDecrypt(t *testing.T) {
	ctx, api, key := t.Context(), client(t), symmetric(t)
	context := map[string]string{"tenant": "Ürs & <Söhne>", "purpose": "\"quoted\"\\ \u2028 😀", "": "empty"}
	delete(context, "")
	allBytes := make([]byte, 256)
	for i := range allBytes {
		allBytes[i] = byte(i)
	}
	for name, plaintext := range map[string][]byte{"one byte": {0}, "every byte": allBytes, "4096": bytes.Repeat([]byte{0xff}, 4096)} {
		t.Run(name, func(t *testing.T) {
			sealed, err := api.Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: plaintext, EncryptionContext: context})
			target.Must(t, err)
			if *sealed.KeyId != *key.Arn || sealed.EncryptionAlgorithm != types.EncryptionAlgorithmSpecSymmetricDefault || len(sealed.CiphertextBlob) > 6144 {
				t.Errorf("sealed %s %s, %d bytes", *sealed.KeyId, sealed.EncryptionAlgorithm, len(sealed.CiphertextBlob))
			}
			opened, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: maps.Clone(context)})
			target.Must(t, err)
			if !bytes.Equal(opened.Plaintext, plaintext) || *opened.KeyId != *key.Arn {
				t.Errorf("opened %x of %s", opened.Plaintext, *opened.KeyId)
			}
		})
	}
	for name, plaintext := range map[string][]byte{"nothing": {}, "4097": make([]byte, 4097)} {
		t.Run(name, func(t *testing.T) {
			_, err := api.Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: plaintext})
			target.RefusedAs(t, err, "ValidationException")
		})
	}
}

func TestDecryptRefusals(t *testing.T) {
	ctx, api, key := t.Context(), client(t), symmetric(t)
	blob := seal(t, api, key.KeyId, "secret", map[string]string{"app": "demo"})
	contexts := map[string]map[string]string{
		"none": nil, "case of the key": {"App": "demo"}, "case of the value": {"app": "Demo"}, "one more": {"app": "demo", "x": "y"},
	}
	for name, context := range contexts {
		t.Run("context/"+name, func(t *testing.T) {
			_, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: context})
			target.Refused[*types.InvalidCiphertextException](t, err)
		})
	}
	t.Run("another key", func(t *testing.T) {
		_, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: symmetric(t).KeyId, EncryptionContext: map[string]string{"app": "demo"}})
		if e := target.Refused[*types.IncorrectKeyException](t, err); !strings.Contains(e.ErrorMessage(), "key ID in the request does not identify") {
			t.Errorf("message %q", e.ErrorMessage())
		}
	})
	for _, at := range []int{0, len(blob) / 3, len(blob) / 2, len(blob) - 1} {
		flipped := slices.Clone(blob)
		flipped[at] ^= 1
		_, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: flipped, EncryptionContext: map[string]string{"app": "demo"}})
		target.Refused[*types.InvalidCiphertextException](t, err)
	}
	for _, blob := range [][]byte{blob[:len(blob)-1], append(slices.Clone(blob), 0), []byte("no ciphertext")} {
		_, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"app": "demo"}})
		target.Refused[*types.InvalidCiphertextException](t, err)
	}
	t.Run("not for encryption", func(t *testing.T) {
		mac := newKey(t, &kms.CreateKeyInput{KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac})
		_, err := api.Encrypt(ctx, &kms.EncryptInput{KeyId: mac.KeyId, Plaintext: []byte("x")})
		target.Refused[*types.InvalidKeyUsageException](t, err)
	})
	t.Run("not allowed", func(t *testing.T) {
		user := target.User(t, "")
		in := &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"app": "demo"}}
		_, err := kms.NewFromConfig(user.Config).Decrypt(ctx, in)
		if message := target.RefusedAs(t, err, "AccessDeniedException"); strings.Contains(message, *key.KeyId) {
			t.Errorf("message %q names a key that the caller did not", message)
		}
		in.KeyId = key.Arn
		_, err = kms.NewFromConfig(user.Config).Decrypt(ctx, in)
		message := target.RefusedAs(t, err, "AccessDeniedException")
		if want := "User: " + user.ARN + " is not authorized to perform: kms:Decrypt on resource: " + *key.Arn; !strings.HasPrefix(message, want) {
			t.Errorf("message %q, want it to begin with %q", message, want)
		}
		if status := target.Status(t, err); status != 400 {
			t.Errorf("status %d, want 400", status)
		}
	})
}

func TestReEncrypt(t *testing.T) {
	ctx, api, from, to := t.Context(), client(t), symmetric(t), symmetric(t)
	blob := seal(t, api, from.KeyId, "moved", map[string]string{"at": "home"})
	moved, err := api.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, SourceEncryptionContext: map[string]string{"at": "home"},
		DestinationKeyId: to.KeyId, DestinationEncryptionContext: map[string]string{"at": "work"}})
	target.Must(t, err)
	if *moved.SourceKeyId != *from.Arn || *moved.KeyId != *to.Arn || moved.SourceEncryptionAlgorithm != types.EncryptionAlgorithmSpecSymmetricDefault ||
		moved.DestinationEncryptionAlgorithm != types.EncryptionAlgorithmSpecSymmetricDefault {
		t.Errorf("moved %+v", moved)
	}
	opened, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: moved.CiphertextBlob, KeyId: to.KeyId, EncryptionContext: map[string]string{"at": "work"}})
	target.Must(t, err)
	if string(opened.Plaintext) != "moved" {
		t.Errorf("opened %q", opened.Plaintext)
	}
	_, err = api.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: to.KeyId})
	target.Refused[*types.InvalidCiphertextException](t, err)
	_, err = api.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, SourceKeyId: to.KeyId, SourceEncryptionContext: map[string]string{"at": "home"}, DestinationKeyId: to.KeyId})
	target.Refused[*types.IncorrectKeyException](t, err)
}

func TestDataKeys(t *testing.T) {
	ctx, api, key := t.Context(), client(t), symmetric(t)
	context := map[string]string{"file": "1"}
	lengths := map[int]*kms.GenerateDataKeyInput{
		32: {KeySpec: types.DataKeySpecAes256}, 16: {KeySpec: types.DataKeySpecAes128},
		1: {NumberOfBytes: aws.Int32(1)}, 1024: {NumberOfBytes: aws.Int32(1024)},
	}
	for length, in := range lengths {
		in.KeyId, in.EncryptionContext = key.KeyId, context
		made, err := api.GenerateDataKey(ctx, in)
		target.Must(t, err)
		if len(made.Plaintext) != length || *made.KeyId != *key.Arn {
			t.Errorf("%d bytes of %s, want %d", len(made.Plaintext), *made.KeyId, length)
		}
		opened, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: made.CiphertextBlob, EncryptionContext: context})
		target.Must(t, err)
		if !bytes.Equal(opened.Plaintext, made.Plaintext) {
			t.Error("the wrapped data key is another")
		}
	}
	wrapped, err := api.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: key.KeyId, KeySpec: types.DataKeySpecAes256})
	target.Must(t, err)
	opened, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: wrapped.CiphertextBlob})
	target.Must(t, err)
	if len(opened.Plaintext) != 32 {
		t.Errorf("%d bytes", len(opened.Plaintext))
	}
	for name, in := range map[string]*kms.GenerateDataKeyInput{
		"neither": {}, "both": {KeySpec: types.DataKeySpecAes256, NumberOfBytes: aws.Int32(32)}, "1025": {NumberOfBytes: aws.Int32(1025)}, "spec": {KeySpec: "AES_512"},
	} {
		in.KeyId = key.KeyId
		_, err := api.GenerateDataKey(ctx, in)
		if t.Log(name); err == nil {
			t.Errorf("%s: not refused", name)
			continue
		}
		target.RefusedAs(t, err, "ValidationException")
	}
}

func TestRandom(t *testing.T) {
	ctx, api := t.Context(), client(t)
	for _, n := range []int32{1, 1024} {
		out, err := api.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: &n})
		target.Must(t, err)
		if len(out.Plaintext) != int(n) {
			t.Errorf("%d bytes, want %d", len(out.Plaintext), n)
		}
	}
	_, err := api.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1025)})
	target.RefusedAs(t, err, "ValidationException")
}

// DryRun checks permission and state, and then fails, because that is how it says
// that it would have worked.
func TestDryRun(t *testing.T) {
	ctx, api, key := t.Context(), client(t), symmetric(t)
	dry := aws.Bool(true)
	_, err := api.Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x"), DryRun: dry})
	target.Refused[*types.DryRunOperationException](t, err)
	_, err = api.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: key.KeyId, KeySpec: types.DataKeySpecAes256, DryRun: dry})
	target.Refused[*types.DryRunOperationException](t, err)
	_, err = kms.NewFromConfig(target.User(t, "").Config).Encrypt(ctx, &kms.EncryptInput{KeyId: key.Arn, Plaintext: []byte("x"), DryRun: dry})
	target.RefusedAs(t, err, "AccessDeniedException")
	_, err = api.DisableKey(ctx, &kms.DisableKeyInput{KeyId: key.KeyId})
	target.Must(t, err)
	_, err = api.Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x"), DryRun: dry})
	target.Refused[*types.DisabledException](t, err)
}

// The key that Secrets Manager uses by itself serves nobody directly.
func TestManagedKey(t *testing.T) {
	ctx, api := t.Context(), client(t)
	_, err := secretsmanager.NewFromConfig(target.Config(t)).CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(target.Name("first")), SecretString: aws.String("x")})
	target.Must(t, err)
	alias := aws.String("alias/aws/secretsmanager")
	out, err := api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: alias})
	target.Must(t, err)
	if m := out.KeyMetadata; m.KeyManager != types.KeyManagerTypeAws || m.KeySpec != types.KeySpecSymmetricDefault || !m.Enabled {
		t.Errorf("metadata %+v", m)
	}
	_, err = api.Encrypt(ctx, &kms.EncryptInput{KeyId: alias, Plaintext: []byte("x")})
	target.RefusedAs(t, err, "AccessDeniedException")
	id := out.KeyMetadata.KeyId
	_, err = api.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id})
	if target.Status(t, err) != 400 {
		t.Errorf("disable: %v", err)
	}
	_, err = api.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id})
	if target.Status(t, err) != 400 {
		t.Errorf("schedule deletion: %v", err)
	}
	_, err = api.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: id, Policy: keyPolicy(target.Account(t), "")})
	if target.Status(t, err) != 400 {
		t.Errorf("put policy: %v", err)
	}
}
