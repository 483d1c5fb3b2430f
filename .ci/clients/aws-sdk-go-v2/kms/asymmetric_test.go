package kms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"hash"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"keytrail.test/clients/target"
)

var hashes = map[types.SigningAlgorithmSpec]crypto.Hash{
	types.SigningAlgorithmSpecRsassaPssSha256: crypto.SHA256, types.SigningAlgorithmSpecRsassaPssSha384: crypto.SHA384, types.SigningAlgorithmSpecRsassaPssSha512: crypto.SHA512,
	types.SigningAlgorithmSpecRsassaPkcs1V15Sha256: crypto.SHA256, types.SigningAlgorithmSpecRsassaPkcs1V15Sha384: crypto.SHA384, types.SigningAlgorithmSpecRsassaPkcs1V15Sha512: crypto.SHA512,
	types.SigningAlgorithmSpecEcdsaSha256: crypto.SHA256, types.SigningAlgorithmSpecEcdsaSha384: crypto.SHA384, types.SigningAlgorithmSpecEcdsaSha512: crypto.SHA512,
	types.SigningAlgorithmSpecEd25519PhSha512: crypto.SHA512,
}

func digest(h crypto.Hash, message []byte) []byte {
	w := h.New()
	w.Write(message)
	return w.Sum(nil)
}

// verifies checks a signature with the standard library, without the server. PSS has
// a salt as long as the digest, as AWS has it.
func verifies(public any, algorithm types.SigningAlgorithmSpec, message, signature []byte) bool {
	h := hashes[algorithm]
	switch public := public.(type) {
	case *rsa.PublicKey:
		if algorithm == types.SigningAlgorithmSpecRsassaPkcs1V15Sha256 || algorithm == types.SigningAlgorithmSpecRsassaPkcs1V15Sha384 || algorithm == types.SigningAlgorithmSpecRsassaPkcs1V15Sha512 {
			return rsa.VerifyPKCS1v15(public, h, digest(h, message), signature) == nil
		}
		return rsa.VerifyPSS(public, h, digest(h, message), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, digest(h, message), signature)
	case ed25519.PublicKey:
		if h == 0 {
			return ed25519.Verify(public, message, signature)
		}
		return ed25519.VerifyWithOptions(public, digest(h, message), signature, &ed25519.Options{Hash: h}) == nil
	}
	return false
}

func TestSignVerify(t *testing.T) {
	for _, spec := range []types.KeySpec{types.KeySpecRsa2048, types.KeySpecRsa3072, types.KeySpecRsa4096, types.KeySpecEccNistP256,
		types.KeySpecEccNistP384, types.KeySpecEccNistP521, types.KeySpecEccNistEdwards25519, types.KeySpecEccSecgP256k1} {
		t.Run(string(spec), func(t *testing.T) {
			ctx, api := t.Context(), client(t)
			made, err := api.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: types.KeyUsageTypeSignVerify})
			target.Supported(t, err)
			key := made.KeyMetadata
			shown, err := api.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: key.KeyId})
			target.Must(t, err)
			if shown.KeySpec != spec || shown.KeyUsage != types.KeyUsageTypeSignVerify || *shown.KeyId != *key.Arn || !slices.Equal(shown.SigningAlgorithms, key.SigningAlgorithms) {
				t.Errorf("public key %+v", shown)
			}
			public, err := x509.ParsePKIXPublicKey(shown.PublicKey)
			if err != nil && spec != types.KeySpecEccSecgP256k1 {
				t.Fatal(err)
			}
			if len(key.SigningAlgorithms) == 0 {
				t.Fatal("no signing algorithms")
			}
			message := []byte("sign this")
			for _, algorithm := range key.SigningAlgorithms {
				in := &kms.SignInput{KeyId: key.KeyId, Message: message, MessageType: types.MessageTypeRaw, SigningAlgorithm: algorithm}
				if algorithm == types.SigningAlgorithmSpecEd25519PhSha512 {
					in.Message, in.MessageType = digest(crypto.SHA512, message), types.MessageTypeDigest
				}
				signed, err := api.Sign(ctx, in)
				if err != nil {
					t.Errorf("%s: %v", algorithm, err)
					continue
				}
				if *signed.KeyId != *key.Arn || signed.SigningAlgorithm != algorithm {
					t.Errorf("signed %s %s", *signed.KeyId, signed.SigningAlgorithm)
				}
				if public != nil && !verifies(public, algorithm, message, signed.Signature) {
					t.Errorf("%s: the standard library does not accept the signature", algorithm)
				}
				check := &kms.VerifyInput{KeyId: key.KeyId, Message: in.Message, MessageType: in.MessageType, SigningAlgorithm: algorithm, Signature: signed.Signature}
				if h := hashes[algorithm]; h != 0 {
					check.Message, check.MessageType = digest(h, message), types.MessageTypeDigest
				}
				verified, err := api.Verify(ctx, check)
				if err != nil || !verified.SignatureValid || verified.SigningAlgorithm != algorithm {
					t.Errorf("%s: verified %+v, %v", algorithm, verified, err)
				}
				check.Message = slices.Clone(check.Message)
				check.Message[0] ^= 1
				_, err = api.Verify(ctx, check)
				target.Refused[*types.KMSInvalidSignatureException](t, err)
			}
			_, err = api.Sign(ctx, &kms.SignInput{KeyId: key.KeyId, Message: make([]byte, 31), MessageType: types.MessageTypeDigest, SigningAlgorithm: key.SigningAlgorithms[0]})
			target.RefusedAs(t, err, "ValidationException")
			_, err = api.Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x"), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256})
			target.Refused[*types.InvalidKeyUsageException](t, err)
		})
	}
}

// What is encrypted outside of the server under the public key opens inside of it.
func TestRSAEncryption(t *testing.T) {
	ctx, api := t.Context(), client(t)
	hashOf := map[types.EncryptionAlgorithmSpec]func() hash.Hash{
		types.EncryptionAlgorithmSpecRsaesOaepSha1: sha1.New, types.EncryptionAlgorithmSpecRsaesOaepSha256: sha256.New,
	}
	longest := map[types.EncryptionAlgorithmSpec]int{types.EncryptionAlgorithmSpecRsaesOaepSha1: 214, types.EncryptionAlgorithmSpecRsaesOaepSha256: 190}
	key := newKey(t, &kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt})
	shown, err := api.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: key.KeyId})
	target.Must(t, err)
	public, err := x509.ParsePKIXPublicKey(shown.PublicKey)
	target.Must(t, err)
	if len(shown.EncryptionAlgorithms) != 2 {
		t.Errorf("algorithms %v", shown.EncryptionAlgorithms)
	}
	for algorithm, newHash := range hashOf {
		outside, err := rsa.EncryptOAEP(newHash(), rand.Reader, public.(*rsa.PublicKey), []byte("from outside"), nil)
		target.Must(t, err)
		opened, err := api.Decrypt(ctx, &kms.DecryptInput{KeyId: key.KeyId, CiphertextBlob: outside, EncryptionAlgorithm: algorithm})
		target.Must(t, err)
		if string(opened.Plaintext) != "from outside" || opened.EncryptionAlgorithm != algorithm {
			t.Errorf("opened %q %s", opened.Plaintext, opened.EncryptionAlgorithm)
		}
		full := make([]byte, longest[algorithm])
		inside, err := api.Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: full, EncryptionAlgorithm: algorithm})
		target.Must(t, err)
		_, err = api.Decrypt(ctx, &kms.DecryptInput{KeyId: key.KeyId, CiphertextBlob: inside.CiphertextBlob, EncryptionAlgorithm: algorithm})
		target.Must(t, err)
		_, err = api.Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: append(full, 0), EncryptionAlgorithm: algorithm})
		target.RefusedAs(t, err, "ValidationException")
		inside.CiphertextBlob[10] ^= 1
		_, err = api.Decrypt(ctx, &kms.DecryptInput{KeyId: key.KeyId, CiphertextBlob: inside.CiphertextBlob, EncryptionAlgorithm: algorithm})
		target.Refused[*types.InvalidCiphertextException](t, err)
	}
	_, err = api.Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x"), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256, EncryptionContext: map[string]string{"a": "b"}})
	target.RefusedAs(t, err, "ValidationException")
}

func TestMAC(t *testing.T) {
	for spec, length := range map[types.KeySpec]int{types.KeySpecHmac224: 28, types.KeySpecHmac256: 32, types.KeySpecHmac384: 48, types.KeySpecHmac512: 64} {
		t.Run(string(spec), func(t *testing.T) {
			ctx, api := t.Context(), client(t)
			key := newKey(t, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: types.KeyUsageTypeGenerateVerifyMac})
			algorithm := key.MacAlgorithms[0]
			made, err := api.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: key.KeyId, Message: []byte("m"), MacAlgorithm: algorithm})
			target.Must(t, err)
			if len(made.Mac) != length || *made.KeyId != *key.Arn || made.MacAlgorithm != algorithm {
				t.Errorf("MAC %+v", made)
			}
			verified, err := api.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: key.KeyId, Message: []byte("m"), MacAlgorithm: algorithm, Mac: made.Mac})
			target.Must(t, err)
			if !verified.MacValid {
				t.Error("not valid")
			}
			_, err = api.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: key.KeyId, Message: []byte("n"), MacAlgorithm: algorithm, Mac: made.Mac})
			target.Refused[*types.KMSInvalidMacException](t, err)
			_, err = api.Sign(ctx, &kms.SignInput{KeyId: key.KeyId, Message: []byte("m"), SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
			target.Refused[*types.InvalidKeyUsageException](t, err)
		})
	}
}

// The rest of what the SDK offers with key pairs; a server without it says so.
func TestDataKeyPairs(t *testing.T) {
	ctx, api, key := t.Context(), client(t), symmetric(t)
	pair, err := api.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: key.KeyId, KeyPairSpec: types.DataKeyPairSpecEccNistP256, EncryptionContext: map[string]string{"a": "b"}})
	target.Supported(t, err)
	private, err := x509.ParsePKCS8PrivateKey(pair.PrivateKeyPlaintext)
	target.Must(t, err)
	public, err := x509.ParsePKIXPublicKey(pair.PublicKey)
	target.Must(t, err)
	if !private.(*ecdsa.PrivateKey).PublicKey.Equal(public) {
		t.Error("the halves do not belong together")
	}
	opened, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: pair.PrivateKeyCiphertextBlob, EncryptionContext: map[string]string{"a": "b"}})
	target.Must(t, err)
	if !slices.Equal(opened.Plaintext, pair.PrivateKeyPlaintext) {
		t.Error("the wrapped private key is another")
	}
	wrapped, err := api.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{KeyId: key.KeyId, KeyPairSpec: types.DataKeyPairSpecRsa2048})
	target.Must(t, err)
	if len(wrapped.PublicKey) == 0 || len(wrapped.PrivateKeyCiphertextBlob) == 0 {
		t.Errorf("pair %+v", wrapped)
	}
}

func TestSharedSecret(t *testing.T) {
	ctx, api := t.Context(), client(t)
	made, err := api.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeKeyAgreement})
	target.Supported(t, err)
	other := newKey(t, &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeKeyAgreement})
	derive := func(mine, theirs *string) []byte {
		shown, err := api.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: theirs})
		target.Must(t, err)
		out, err := api.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: mine, PublicKey: shown.PublicKey, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh})
		target.Supported(t, err)
		return out.SharedSecret
	}
	one, two := derive(made.KeyMetadata.KeyId, other.KeyId), derive(other.KeyId, made.KeyMetadata.KeyId)
	if !slices.Equal(one, two) || len(one) != 32 {
		t.Errorf("%d and %d bytes that differ", len(one), len(two))
	}
}

// Key material that the caller brings.
func TestImport(t *testing.T) {
	ctx, api := t.Context(), client(t)
	made, err := api.CreateKey(ctx, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	target.Supported(t, err)
	key := made.KeyMetadata
	if key.KeyState != types.KeyStatePendingImport || key.Enabled {
		t.Errorf("metadata %+v", key)
	}
	for name, wrap := range map[types.AlgorithmSpec]func() hash.Hash{
		types.AlgorithmSpecRsaesOaepSha256: sha256.New, types.AlgorithmSpecRsaesOaepSha1: sha1.New,
	} {
		material := digest(crypto.SHA256, []byte("brought"))
		parameters, err := api.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: key.KeyId, WrappingAlgorithm: name, WrappingKeySpec: types.WrappingKeySpecRsa2048})
		target.Supported(t, err)
		public, err := x509.ParsePKIXPublicKey(parameters.PublicKey)
		target.Must(t, err)
		wrapped, err := rsa.EncryptOAEP(wrap(), rand.Reader, public.(*rsa.PublicKey), material, nil)
		target.Must(t, err)
		_, err = api.ImportKeyMaterial(ctx, &kms.ImportKeyMaterialInput{KeyId: key.KeyId, EncryptedKeyMaterial: wrapped, ImportToken: parameters.ImportToken, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire})
		target.Must(t, err)
		blob := seal(t, api, key.KeyId, "x", nil)
		_, err = api.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: key.KeyId})
		target.Must(t, err)
		_, err = api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
		target.Refused[*types.KMSInvalidStateException](t, err)
	}
}

var _ = sha512.New // crypto.SHA384 and SHA512 are linked in
