package vault

import (
	"crypto/subtle"
	"fmt"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
)

// validationVersion stands for a version id in the two calls that try out a key.
const validationVersion = "RequestToValidateKeyAccess"

// value is what a client wants kept: text or bytes, never both.
type value struct {
	bytes  []byte
	binary bool
}

// givenValue reads SecretString and SecretBinary; nil when neither came.
func givenValue(text, binary []byte) (*value, error) {
	switch {
	case text != nil && binary != nil:
		return nil, invalid("You can't specify both a binary secret value and a string secret value in the same secret.")
	case text == nil && binary == nil:
		return nil, nil
	case len(text) > secret.MaxValueBytes || len(binary) > secret.MaxValueBytes:
		return nil, invalid("A secret value can't have more than %d bytes.", secret.MaxValueBytes)
	case text != nil:
		return &value{bytes: text}, nil
	}
	return &value{bytes: binary, binary: true}, nil
}

// secretContext is the encryption context of everything KMS does for a version.
func secretContext(secretARN, version string) map[string]string {
	return map[string]string{"SecretARN": secretARN, "SecretVersionId": version}
}

// appendValueAAD binds a sealed value to its secret, its version and its kind.
func appendValueAAD(dst []byte, context map[string]string, binary bool) []byte {
	if binary {
		return envelope.CanonicalContext(append(dst, 'b'), context)
	}
	return envelope.CanonicalContext(append(dst, 's'), context)
}

// sealedVersion is a version that is ready to be written, but for its keyring
// entry, which is staged when nothing can fail any more.
type sealedVersion struct {
	id         string
	binary     bool
	ciphertext []byte
	wrapped    wrapped
}

// wrapped is a data key as KMS encrypted it, and under which key.
type wrapped struct {
	key  string // key id
	blob []byte
}

// sealValue seals the value of a new version under a data key of its own, which
// KMS generates for the caller. The plaintext data key does not outlive the call.
func (c *call) sealValue(secretARN, version, keyReference string, v *value) (*sealedVersion, error) {
	context := secretContext(secretARN, version)
	out, err := c.generate(keyReference, context)
	if err != nil {
		return nil, c.kmsFailure(err, fault.EncryptionFailure)
	}
	defer out.wipe()
	var dataKey [32]byte
	defer clear(dataKey[:])
	if copy(dataKey[:], out.Plaintext) != len(out.Plaintext) {
		return nil, secretsInternal(fmt.Errorf("seal version %s: data key of %d bytes", version, len(out.Plaintext)))
	}
	ciphertext, err := envelope.SealValue(nil, c.env.Entropy, &dataKey, appendValueAAD(nil, context, v.binary), v.bytes)
	if err != nil {
		return nil, secretsInternal(fmt.Errorf("seal version %s: %w", version, err))
	}
	return &sealedVersion{
		id: version, binary: v.binary, ciphertext: ciphertext,
		wrapped: wrapped{key: keyIDOf(out.KeyID), blob: out.CiphertextBlob},
	}, nil
}

func (c *call) generate(keyReference string, context map[string]string) (*GenerateDataKeyOutput, error) {
	in := &GenerateDataKeyInput{KeyID: keyReference, KeySpec: "AES_256", EncryptionContext: context}
	return forward(c, "kms", "GenerateDataKey", in, kmsGenerateDataKey)
}

// openVersion gives the value of a version; the caller wipes it. KMS is asked once
// for each read, and no data key is kept.
func (c *call) openVersion(s *secret.Secret, v *secret.Version) ([]byte, error) {
	context := secretContext(s.ARN, v.ID())
	var dataKey [32]byte
	defer clear(dataKey[:])
	if err := c.unwrap(&dataKey, v, context); err != nil {
		return nil, err
	}
	var room [512]byte
	sealed := v.Ciphertext()
	plaintext, err := envelope.OpenValue(make([]byte, 0, len(sealed)), &dataKey, appendValueAAD(room[:0], context, v.Binary()), sealed)
	if err != nil {
		return nil, secretsInternal(fmt.Errorf("open version %s of %s: %w", v.ID(), s.ARN, err))
	}
	return plaintext, nil
}

// unwrap gives the data key of a version, by its newest wrapping or, after a change
// of key in aws mode, by any that the caller may use. The fault is that of the
// newest.
func (c *call) unwrap(dataKey *[32]byte, v *secret.Version, context map[string]string) error {
	err := c.unwrapOne(dataKey, v.Wrapping(), context)
	if err == nil {
		return nil
	}
	for _, w := range v.Older() {
		if c.unwrapOne(dataKey, w, context) == nil {
			return nil
		}
	}
	return err
}

func (c *call) unwrapOne(dataKey *[32]byte, w secret.Wrapping, context map[string]string) error {
	blob, err := c.sealed(w.Ring)
	if err != nil {
		return secretsInternal(fmt.Errorf("read wrapped data key: %w", err))
	}
	out, err := c.decryptBlob(blob, context)
	if err != nil {
		if k := c.st.Keys.Get(w.Key); k == nil || k.Gone(c.now()) {
			// KMS does not say that a key is gone to who names none; the owner of the
			// secret is to know that the value is lost.
			gone := fault.New(fault.NotFoundException, "Key '%s' does not exist", w.Key)
			return c.keyFault(fault.DecryptionFailure, "Secrets Manager can't decrypt the secret value: ", gone).Because(err)
		}
		return c.kmsFailure(err, fault.DecryptionFailure)
	}
	defer out.wipe()
	if copy(dataKey[:], out.Plaintext) != len(out.Plaintext) {
		return secretsInternal(fmt.Errorf("data key of %d bytes", len(out.Plaintext)))
	}
	return nil
}

func (c *call) decryptBlob(blob []byte, context map[string]string) (*DecryptOutput, error) {
	in := &DecryptInput{CiphertextBlob: blob, EncryptionContext: context, EncryptionAlgorithm: symmetricAlgorithm}
	return forward(c, "kms", "Decrypt", in, kmsDecrypt)
}

// validateKey tries out a key that a secret is to have: whether the caller may
// generate a data key with it and decrypt that again. What comes out is thrown
// away.
func (c *call) validateKey(secretARN, keyReference string) error {
	context := secretContext(secretARN, validationVersion)
	generated, err := c.generate(keyReference, context)
	if err != nil {
		return c.kmsFailure(err, fault.EncryptionFailure)
	}
	defer generated.wipe()
	decrypted, err := c.decryptBlob(generated.CiphertextBlob, context)
	if err != nil {
		return c.kmsFailure(err, fault.EncryptionFailure)
	}
	decrypted.wipe()
	return nil
}

// holds reports whether the version has the value: what a retry with the version's
// token must prove. It needs KMS as every read does.
func (c *call) holds(s *secret.Secret, v *secret.Version, given *value) (bool, error) {
	plaintext, err := c.openVersion(s, v)
	if err != nil {
		return false, err
	}
	defer clear(plaintext)
	return v.Binary() == given.binary && subtle.ConstantTimeCompare(plaintext, given.bytes) == 1, nil
}

// reachable refuses to a caller of another account what only the managed key could
// open: its policy admits nobody but the owner's account. given is the KmsKeyId that
// the secret has or is to have.
func (c *call) reachable(s *secret.Secret, given string) error {
	if s.Account == c.account || given != "" {
		return nil
	}
	return fault.New(fault.InvalidRequestException, "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.")
}

// stageWrapped stages the keyring entry of a wrapped data key.
func (c *call) stageWrapped(w wrapped) (event.Wrapping, error) {
	ring, commitment, err := c.seal(w.blob)
	if err != nil {
		return event.Wrapping{}, secretsInternal(err)
	}
	return event.Wrapping{Key: w.key, Ring: ring, Commitment: commitment}, nil
}

// kmsFailure is what a caller of Secrets Manager learns of a call that KMS refused.
// A denial has one text whatever its reason: that is in the record of the forwarded
// call. Any other refusal is about the key, which the caller may use: it comes with the
// words of KMS, and code says what could not be done.
func (c *call) kmsFailure(err error, code fault.Code) error {
	f := fault.Of(err)
	switch f.Code {
	case fault.AccessDeniedException:
		return fault.New(fault.AccessDeniedException, "Access to KMS is not allowed").Because(err)
	case fault.KMSInternalException, fault.DependencyTimeoutException, fault.InternalFailure, fault.ThrottlingException:
		return secretsInternal(err)
	}
	if code == fault.DecryptionFailure {
		return c.keyFault(code, "Secrets Manager can't decrypt the secret value: ", f).Because(err)
	}
	switch f.Code {
	case fault.InvalidKeyUsageException, fault.UnsupportedOperationException:
		return fault.New(code, "Cannot generate a data key with an asymmetric KMS key").Because(err)
	case fault.NotFoundException, fault.InvalidArnException, fault.ValidationException:
		return invalid("The operation failed because of an invalid KMS key: %s", f.Message).Because(err)
	}
	return c.keyFault(code, "Secrets Manager can't encrypt the secret value: ", f).Because(err)
}

// keyFault puts a refusal of KMS into one of Secrets Manager.
func (c *call) keyFault(code fault.Code, text string, kms *fault.Fault) *fault.Fault {
	return fault.New(code, "%s%s (Service: AWSKMS; Status Code: 400; Error Code: %s; Request ID: %s)", text, kms.Message, kms.Code, c.rec.Request)
}
