package vault

import (
	"encoding/base64"
	"slices"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("kms", "Encrypt", use, kmsEncrypt)
	define("kms", "Decrypt", use, kmsDecrypt)
}

const symmetricAlgorithm = "SYMMETRIC_DEFAULT"

var symmetricCondition = when("kms:encryptionalgorithm", symmetricAlgorithm)

func algorithmCondition(algorithm string) cond {
	if algorithm == symmetricAlgorithm {
		return symmetricCondition
	}
	return when("kms:encryptionalgorithm", algorithm)
}

// symmetricUnless is the algorithm that the caller named, or else the symmetric
// one, which then is in the record's requestParameters as if it had been named.
func (c *call) symmetricUnless(named, param string) string {
	if named != "" {
		return named
	}
	p := slices.Grow(c.rec.Params, len(param)+len(symmetricAlgorithm)+len(`,"":""}`))
	if len(p) < len(`{"":0}`) || p[len(p)-1] != '}' { // null: nothing else to record
		p = append(p[:0], '{')
	} else {
		p[len(p)-1] = ','
	}
	p = event.AppendString(p, param)
	p = append(p, ':')
	p = event.AppendString(p, symmetricAlgorithm)
	c.rec.Params = append(p, '}')
	return symmetricAlgorithm
}

// Recipient asks for an answer that only an attested enclave can read. The vault
// cannot give one, and must not answer in the clear instead.
type Recipient struct {
	KeyEncryptionAlgorithm string `json:"KeyEncryptionAlgorithm"`
	AttestationDocument    []byte `json:"AttestationDocument" audit:"-"`
}

func noRecipient(r *Recipient) error {
	if r == nil {
		return nil
	}
	return fault.New(fault.UnsupportedOperationException, "Recipient is not supported.")
}

// EncryptInput is the request of kms:Encrypt.
type EncryptInput struct {
	KeyID               string            `json:"KeyId" aws:"required,min=1,max=2048"`
	Plaintext           []byte            `json:"Plaintext" aws:"required,min=1,max=4096" audit:"-"`
	EncryptionContext   map[string]string `json:"EncryptionContext"`
	GrantTokens         []string          `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	EncryptionAlgorithm string            `json:"EncryptionAlgorithm" aws:"enum=SYMMETRIC_DEFAULT|RSAES_OAEP_SHA_1|RSAES_OAEP_SHA_256|SM2PKE"`
	DryRun              bool              `json:"DryRun"`
}

// EncryptOutput is the reply of kms:Encrypt. KeyID is the key's ARN.
type EncryptOutput struct {
	CiphertextBlob      []byte
	KeyID               string
	EncryptionAlgorithm string
}

// AppendJSON appends the reply.
func (o *EncryptOutput) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(o.CiphertextBlob))+192)
	dst = appendBlob(append(dst, `{"CiphertextBlob":`...), o.CiphertextBlob)
	dst = event.AppendString(append(dst, `,"KeyId":`...), o.KeyID)
	dst = event.AppendString(append(dst, `,"EncryptionAlgorithm":`...), o.EncryptionAlgorithm)
	return append(dst, '}')
}

func appendBlob(dst, blob []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, blob)
	return append(dst, '"')
}

func kmsEncrypt(c *call, in *EncryptInput) (*EncryptOutput, error) {
	algorithm := c.symmetricUnless(in.EncryptionAlgorithm, "encryptionAlgorithm")
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	k, err := c.openKey(in.KeyID, aliasesToo|otherAccount, "kms:Encrypt", withContext(in.EncryptionContext), algorithmCondition(algorithm))
	if err != nil {
		return nil, err
	}
	if err := algorithmFits(k.Key, key.EncryptDecrypt, "Encrypt", algorithm); err != nil {
		return nil, err
	}
	if err := contextFits(k.Key, in.EncryptionContext); err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &EncryptOutput{KeyID: k.ARN, EncryptionAlgorithm: algorithm}
	if k.Family() == key.Asymmetric {
		out.CiphertextBlob, err = c.encryptOAEP(k.Key, algorithm, in.Plaintext)
		if err != nil {
			return nil, err
		}
		c.used(&event.Encrypted{Key: k.ARN})
		return out, nil
	}
	m := k.Current()
	out.CiphertextBlob, err = c.encryptUnder(k.Key, m, in.EncryptionContext, in.Plaintext)
	if err != nil {
		return nil, err
	}
	c.extra("keyMaterialId", m.ID)
	c.used(&event.Encrypted{Key: k.ARN, Material: m.ID})
	return out, nil
}

// contextFits refuses an encryption context with a key that cannot bind one.
func contextFits(k *key.Key, context map[string]string) error {
	if len(context) > 0 && k.Spec != key.SymmetricDefault {
		return fault.New(fault.ValidationException, "EncryptionContext is not supported with key spec %s.", k.Spec)
	}
	return nil
}

// encryptUnder makes a blob of 1 to envelope.MaxPlaintext bytes.
func (c *call) encryptUnder(k *key.Key, m key.Material, context map[string]string, plaintext []byte) ([]byte, error) {
	material, err := c.material(m, k)
	if err != nil {
		return nil, kmsInternal(err)
	}
	h := envelope.Header{Installation: c.st.Installation, KeyID: k.RawID}
	blob, err := material.Encrypt(make([]byte, 0, len(plaintext)+envelope.BlobOverhead), c.env.Entropy, h, context, plaintext)
	if err != nil {
		return nil, kmsInternal(err)
	}
	return blob, nil
}

// DecryptInput is the request of kms:Decrypt. Without KeyID the key is that of
// the blob.
type DecryptInput struct {
	CiphertextBlob      []byte            `json:"CiphertextBlob" aws:"min=1,max=6144" audit:"-"`
	EncryptionContext   map[string]string `json:"EncryptionContext"`
	GrantTokens         []string          `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	KeyID               string            `json:"KeyId" aws:"min=1,max=2048"`
	EncryptionAlgorithm string            `json:"EncryptionAlgorithm" aws:"enum=SYMMETRIC_DEFAULT|RSAES_OAEP_SHA_1|RSAES_OAEP_SHA_256|SM2PKE"`
	Recipient           *Recipient        `json:"Recipient"`
	DryRun              bool              `json:"DryRun"`
	Modifiers           dryRunModifiers   `json:"DryRunModifiers" aws:"each.enum=IGNORE_CIPHERTEXT"`
}

// dryRunModifiers are what a dry run leaves out.
type dryRunModifiers = []string

// unseen reports whether the call judges the use of a key without a ciphertext,
// and demands one of every other call.
func unseen(dryRun bool, modifiers dryRunModifiers, blob []byte) (bool, error) {
	if dryRun && len(modifiers) > 0 {
		return true, nil
	}
	if blob == nil {
		missing := &shape.ValidationError{Total: 1, Violations: []shape.Violation{{Path: "ciphertextBlob", Value: "null", Constraint: "Member must not be null"}}}
		return false, fault.New(fault.ValidationException, "%s", missing.Error())
	}
	return false, nil
}

// DecryptOutput is the reply of kms:Decrypt. Plaintext is the receiver's to wipe.
type DecryptOutput struct {
	Plaintext           []byte
	KeyID               string // the key's ARN
	EncryptionAlgorithm string
	KeyMaterialID       string // "" for asymmetric keys
}

// AppendJSON appends the reply. It grows dst once and first, so that no second
// copy of the plaintext is left behind.
func (o *DecryptOutput) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(o.Plaintext))+320)
	dst = appendBlob(append(dst, `{"Plaintext":`...), o.Plaintext)
	dst = event.AppendString(append(dst, `,"KeyId":`...), o.KeyID)
	dst = event.AppendString(append(dst, `,"EncryptionAlgorithm":`...), o.EncryptionAlgorithm)
	if o.KeyMaterialID != "" {
		dst = event.AppendString(append(dst, `,"KeyMaterialId":`...), o.KeyMaterialID)
	}
	return append(dst, '}')
}

func (o *DecryptOutput) wipe() { clear(o.Plaintext) }

func kmsDecrypt(c *call, in *DecryptInput) (*DecryptOutput, error) {
	algorithm := c.symmetricUnless(in.EncryptionAlgorithm, "encryptionAlgorithm")
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	unseen, err := unseen(in.DryRun, in.Modifiers, in.CiphertextBlob)
	if err != nil {
		return nil, err
	}
	src, err := c.openCiphertext(&ciphertext{
		operation: "Decrypt", action: "kms:Decrypt", blob: in.CiphertextBlob, unseen: unseen, keyID: in.KeyID,
		context: in.EncryptionContext, algorithm: algorithm,
	})
	if err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	plaintext, err := c.decrypt(src)
	if err != nil {
		return nil, err
	}
	if src.material.ID != "" {
		c.extra("keyMaterialId", src.material.ID)
	}
	c.used(&event.Decrypted{Key: src.key.ARN, Material: src.material.ID})
	return &DecryptOutput{
		Plaintext: plaintext, KeyID: src.key.ARN, EncryptionAlgorithm: algorithm, KeyMaterialID: src.material.ID,
	}, nil
}

// ciphertext is what a caller wants decrypted, and what has been found about it.
type ciphertext struct {
	operation, action string // "Decrypt", "kms:Decrypt"
	blob              []byte
	unseen            bool   // a dry run that does not look at blob
	keyID             string // as the caller named it; "" = the blob's
	context           map[string]string
	algorithm         string
	reEncryptTo       *key.Key // the destination, for ReEncrypt

	key      *key.Key     // found
	material key.Material // found; zero for asymmetric keys
}

// openCiphertext finds the key of a ciphertext and judges its use: on the key
// inside the blob, and on the one that the caller names where that is another.
// Where the caller names none, a denial does not tell it whether the key exists.
func (c *call) openCiphertext(x *ciphertext) (*ciphertext, error) {
	if x.algorithm != symmetricAlgorithm || x.unseen {
		return x, c.openNamed(x)
	}
	var wanted namedKey
	if x.keyID != "" {
		var err error
		if wanted, err = c.findKey(x.keyID, aliasesToo|otherAccount); err != nil {
			return nil, err
		}
		if wanted.Spec != key.SymmetricDefault {
			if err := c.mayUse(&wanted, aliasesToo|otherAccount, x.action, x.conds(c, wanted.Key)...); err != nil {
				return nil, err
			}
			return nil, algorithmMismatch(wanted.Key, x)
		}
	}
	h, err := envelope.ParseBlob(x.blob)
	if err != nil || h.Installation != c.st.Installation {
		return nil, invalidCiphertext(err)
	}
	k := c.st.Keys.GetRaw(h.KeyID)
	if k == nil || k.Gone(c.now()) {
		return nil, noSuchCiphertextKey()
	}
	if wanted.Key != nil && wanted.Key != k {
		// Whoever may not use the key that it names is told so, and nothing of the blob.
		if err := c.mayUse(&wanted, aliasesToo|otherAccount, x.action, x.conds(c, wanted.Key)...); err != nil {
			return nil, err
		}
		return nil, incorrectKey()
	}
	named := namedKey{k, wanted.alias}
	if err := c.mayUse(&named, aliasesToo|otherAccount, x.action, x.conds(c, k)...); err != nil {
		if wanted.Key == nil && fault.Is(err, fault.AccessDeniedException) {
			return nil, noSuchCiphertextKey().Because(err)
		}
		return nil, err
	}
	if err := k.Permits(x.operation, c.now()); err != nil {
		return nil, err
	}
	m, ok := k.MaterialByRawID(h.MaterialID)
	if !ok {
		return nil, invalidCiphertext(nil)
	}
	x.key, x.material = k, m
	return x, nil
}

// openNamed: an asymmetric ciphertext says nothing of its key, nor does one that is
// not there, so the caller must.
func (c *call) openNamed(x *ciphertext) error {
	if x.keyID == "" && x.unseen {
		return fault.New(fault.ValidationException, "The key is required with the dry run modifier IGNORE_CIPHERTEXT.")
	}
	if x.keyID == "" {
		return fault.New(fault.ValidationException, "KeyId is required to decrypt with %s.", x.algorithm)
	}
	k, err := c.findKey(x.keyID, aliasesToo|otherAccount)
	if err != nil {
		return err
	}
	if err := c.mayUse(&k, aliasesToo|otherAccount, x.action, x.conds(c, k.Key)...); err != nil {
		return err
	}
	if err := k.Permits(x.operation, c.now()); err != nil {
		return err
	}
	if err := algorithmFits(k.Key, key.EncryptDecrypt, x.operation, x.algorithm); err != nil {
		return err
	}
	x.key = k.Key
	return contextFits(k.Key, x.context)
}

// conds gives the conditions of its use of the key, in c's memory and with room
// for an alias.
func (x *ciphertext) conds(c *call, k *key.Key) []cond {
	conds := append(c.brought[:0], withContext(x.context), algorithmCondition(x.algorithm))
	if x.reEncryptTo != nil {
		conds = append(conds, onSameKey(k, x.reEncryptTo))
	}
	return conds
}

// decrypt opens a ciphertext that openCiphertext let through. The caller wipes
// what it gets.
func (c *call) decrypt(x *ciphertext) ([]byte, error) {
	if x.key.Family() == key.Asymmetric {
		return c.decryptOAEP(x.key, x.algorithm, x.blob)
	}
	material, err := c.material(x.material, x.key)
	if err != nil {
		return nil, kmsInternal(err)
	}
	plaintext, err := material.Decrypt(make([]byte, 0, len(x.blob)-envelope.BlobOverhead), x.blob, x.context)
	if err != nil {
		return nil, invalidCiphertext(err)
	}
	return plaintext, nil
}

// algorithmMismatch: a ciphertext of the symmetric algorithm is never that of a key
// of another kind. Keys that decrypt with other algorithms are told so.
func algorithmMismatch(k *key.Key, x *ciphertext) error {
	if k.Usage == key.EncryptDecrypt {
		return algorithmFits(k, key.EncryptDecrypt, x.operation, x.algorithm)
	}
	return incorrectKey()
}

func incorrectKey() error {
	return fault.New(fault.IncorrectKeyException, "The key ID in the request does not identify a CMK that can perform this operation.")
}

// invalidCiphertext says as little as AWS does: a damaged blob, a foreign one and
// a wrong encryption context look the same.
func invalidCiphertext(cause error) error {
	return fault.New(fault.InvalidCiphertextException, "").Because(cause)
}

func noSuchCiphertextKey() *fault.Fault {
	return fault.New(fault.AccessDeniedException, "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
}
