package vault

import (
	"fmt"
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
)

func init() { define("secretsmanager", "UpdateSecret", change, updateSecret) }

// UpdateSecretInput is the request of secretsmanager:UpdateSecret. An empty KmsKeyId
// means aws/secretsmanager.
type UpdateSecretInput struct {
	SecretID           string  `json:"SecretId" aws:"required,min=1,max=2048"`
	ClientRequestToken string  `json:"ClientRequestToken" aws:"min=32,max=64"`
	Description        *string `json:"Description" aws:"max=2048"`
	KmsKeyID           *string `json:"KmsKeyId" aws:"max=2048"`
	SecretBinary       []byte  `json:"SecretBinary" aws:"min=1,max=65536" audit:"-"`
	SecretString       []byte  `json:"SecretString" aws:"text,min=1,max=65536" audit:"-"`
	Type               string  `json:"Type" aws:"max=256"`
}

func updateSecret(c *call, in *UpdateSecretInput) (*SecretOutput, error) {
	s, choice, err := c.openForUpdate(in)
	if err != nil {
		return nil, err
	}
	v, err := givenValue(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if v != nil || in.KmsKeyID != nil {
		if err := c.reachable(s, choice.given); err != nil {
			return nil, err
		}
	}
	if have := s.Version(in.ClientRequestToken); have != nil && v != nil {
		if err := c.retried(s, have, v); err != nil {
			return nil, err
		}
		return &SecretOutput{ARN: s.ARN, Name: s.Name, VersionID: have.ID()}, nil
	}
	var rekey *rekeying
	if in.KmsKeyID != nil {
		if rekey, err = c.prepareRekey(s, choice); err != nil {
			return nil, err
		}
	}
	var written *preparedVersion
	if v != nil {
		if err := c.stagesFit(s, []string{secret.Current}); err != nil {
			return nil, err
		}
		if written, err = c.prepareVersion(s, in.ClientRequestToken, choice, v); err != nil {
			return nil, err
		}
	}
	if err := c.stageUpdate(rekey, written); err != nil {
		return nil, err
	}
	if in.Description != nil && *in.Description != s.Description() {
		c.emit(&event.SecretDescriptionChanged{Secret: s.ARN, Description: *in.Description, At: c.now()})
	}
	if in.Type != "" && in.Type != s.Type {
		c.emit(&event.SecretTypeChanged{Secret: s.ARN, Type: in.Type, At: c.now()})
	}
	if rekey != nil {
		c.writeRekey(s, rekey)
	}
	out := &SecretOutput{ARN: s.ARN, Name: s.Name}
	if written != nil {
		c.writeVersion(s, written, []string{secret.Current})
		out.VersionID = written.sealed.id
	}
	return out, nil
}

func (c *call) openForUpdate(in *UpdateSecretInput) (*secret.Secret, keyChoice, error) {
	owner, given := c.account, ""
	s, err := c.st.Secrets.Find(c.account, in.SecretID)
	if err == nil {
		owner, given = s.Account, s.KmsKeyID()
	}
	if in.KmsKeyID != nil {
		given = *in.KmsKeyID
	}
	choice := c.choose(owner, given)
	conds := c.keyConditions(choice, in.KmsKeyID != nil && given != "")
	if in.Description != nil {
		conds = append(conds, when("secretsmanager:description", *in.Description))
	}
	if in.Type != "" {
		conds = append(conds, when("secretsmanager:type", in.Type))
	}
	s, err = c.openActive(in.SecretID, "secretsmanager:UpdateSecret", conds...)
	return s, choice, err
}

// stageUpdate stages the keyring entries of an update when all of it is decided, so
// that a refused one leaves nothing in the keyring.
func (c *call) stageUpdate(rekey *rekeying, written *preparedVersion) (err error) {
	if rekey != nil {
		for i := range rekey.versions {
			moved := &rekey.versions[i]
			if moved.wrapping, err = c.stageWrapped(moved.wrapped); err != nil {
				return err
			}
		}
	}
	if written != nil {
		written.wrapping, err = c.stageWrapped(written.sealed.wrapped)
	}
	return err
}

// rekeying is a change of key that KMS has agreed to.
type rekeying struct {
	choice   keyChoice
	key      string // key id
	versions []rewrapped
	strict   bool
}

// rewrapped is a version whose data key has been encrypted under the new key.
type rewrapped struct {
	version  string
	wrapped  wrapped
	wrapping event.Wrapping // set by stageUpdate
}

// prepareRekey tries out the new key and re-encrypts data keys under it; values are
// not touched.
//
// In strict mode every version moves, also one that has lost its labels: a version
// left behind would stay readable to who may use the old key alone, and be lost with
// that key. A denial refuses the whole change. Only a version without a label whose
// key no longer works (disabled, to be deleted, gone) is passed over: nobody can read
// it now, and it must not hold the others back.
//
// In aws mode the versions that Secrets Manager labels itself move, those that the
// caller cannot decrypt or encrypt stay where they are, and the old wrapping is kept
// beside the new one.
func (c *call) prepareRekey(s *secret.Secret, choice keyChoice) (*rekeying, error) {
	k, err := c.resolveKey(s.Account, choice)
	if err != nil {
		return nil, err
	}
	if k != nil && k.ID == s.Key() && choice.given == s.KmsKeyID() {
		return nil, c.validateNamed(s, choice)
	}
	if err := c.validateKey(s.ARN, choice.reference); err != nil {
		return nil, err
	}
	if k == nil { // validateKey fails without a key
		return nil, secretsInternal(fmt.Errorf("KMS used a key that %s does not name", choice.reference))
	}
	r := &rekeying{choice: choice, key: k.ID, strict: c.env.RekeyMode == RekeyStrict}
	versions := s.Versions()
	for i := range versions {
		v := &versions[i]
		if !r.concerns(s, v) {
			continue
		}
		w, err := c.rewrap(s, v, choice.reference)
		switch {
		case err == nil:
			r.versions = append(r.versions, rewrapped{version: v.ID(), wrapped: *w})
		case r.strict && s.Deprecated(v) && fault.Is(err, fault.DecryptionFailure):
		case !r.strict && fault.Is(err, fault.AccessDeniedException):
		default:
			return nil, err
		}
	}
	return r, nil
}

// validateNamed tries out a key that a request names though the secret has it
// already. To say again that the managed key is to be used needs no proof.
func (c *call) validateNamed(s *secret.Secret, choice keyChoice) error {
	if choice.given == "" {
		return nil
	}
	return c.validateKey(s.ARN, choice.reference)
}

func (r *rekeying) concerns(s *secret.Secret, v *secret.Version) bool {
	if v.Wrapping().Key == r.key && (!r.strict || len(v.Older()) == 0) {
		return false
	}
	if r.strict {
		return true
	}
	return slices.ContainsFunc(s.Stages(v), func(stage string) bool {
		return stage == secret.Current || stage == secret.Pending || stage == secret.Previous
	})
}

// rewrap has the data key of a version decrypted and encrypted under another key,
// both as the caller.
func (c *call) rewrap(s *secret.Secret, v *secret.Version, keyReference string) (*wrapped, error) {
	context := secretContext(s.ARN, v.ID())
	var dataKey [32]byte
	defer clear(dataKey[:])
	if err := c.unwrap(&dataKey, v, context); err != nil {
		return nil, err
	}
	out, err := forward(c, "kms", "Encrypt", &EncryptInput{
		KeyID: keyReference, Plaintext: dataKey[:], EncryptionContext: context, EncryptionAlgorithm: symmetricAlgorithm,
	}, kmsEncrypt)
	if err != nil {
		return nil, c.kmsFailure(err, fault.EncryptionFailure)
	}
	return &wrapped{key: keyIDOf(out.KeyID), blob: out.CiphertextBlob}, nil
}

// writeRekey emits the change of key. Wrappings that are dropped are erased when the
// record is on disk; a crash before leaves entries that no record names, and the next
// start erases those.
func (c *call) writeRekey(s *secret.Secret, r *rekeying) {
	c.emit(&event.SecretKeyChanged{Secret: s.ARN, KmsKeyID: r.choice.given, Key: r.key, At: c.now()})
	for _, moved := range r.versions {
		dropped := s.Version(moved.version).Replaced(moved.wrapping.Key, !r.strict)
		c.emit(&event.SecretVersionRewrapped{Secret: s.ARN, Version: moved.version, Wrapping: moved.wrapping, Kept: !r.strict})
		for _, ring := range dropped {
			c.erase(ring)
		}
	}
}
