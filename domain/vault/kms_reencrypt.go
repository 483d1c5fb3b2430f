package vault

import (
	"encoding/base64"
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/key"
)

func init() { define("kms", "ReEncrypt", use, kmsReEncrypt) }

// ReEncryptInput is the request of kms:ReEncrypt.
type ReEncryptInput struct {
	CiphertextBlob       []byte            `json:"CiphertextBlob" aws:"min=1,max=6144" audit:"-"`
	SourceContext        map[string]string `json:"SourceEncryptionContext"`
	SourceKeyID          string            `json:"SourceKeyId" aws:"min=1,max=2048"`
	DestinationKeyID     string            `json:"DestinationKeyId" aws:"required,min=1,max=2048"`
	DestinationContext   map[string]string `json:"DestinationEncryptionContext"`
	SourceAlgorithm      string            `json:"SourceEncryptionAlgorithm" aws:"enum=SYMMETRIC_DEFAULT|RSAES_OAEP_SHA_1|RSAES_OAEP_SHA_256|SM2PKE"`
	DestinationAlgorithm string            `json:"DestinationEncryptionAlgorithm" aws:"enum=SYMMETRIC_DEFAULT|RSAES_OAEP_SHA_1|RSAES_OAEP_SHA_256|SM2PKE"`
	GrantTokens          []string          `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	DryRun               bool              `json:"DryRun"`
	Modifiers            dryRunModifiers   `json:"DryRunModifiers" aws:"each.enum=IGNORE_CIPHERTEXT"`
}

// ReEncryptOutput is the reply of kms:ReEncrypt. Keys are named by ARN.
type ReEncryptOutput struct {
	CiphertextBlob        []byte
	SourceKeyID           string
	KeyID                 string
	SourceAlgorithm       string
	DestinationAlgorithm  string
	SourceMaterialID      string
	DestinationMaterialID string
}

// AppendJSON appends the reply.
func (o *ReEncryptOutput) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(o.CiphertextBlob))+640)
	dst = appendBlob(append(dst, `{"CiphertextBlob":`...), o.CiphertextBlob)
	for _, m := range [...][2]string{
		{"SourceKeyId", o.SourceKeyID}, {"KeyId", o.KeyID},
		{"SourceEncryptionAlgorithm", o.SourceAlgorithm}, {"DestinationEncryptionAlgorithm", o.DestinationAlgorithm},
		{"SourceKeyMaterialId", o.SourceMaterialID}, {"DestinationKeyMaterialId", o.DestinationMaterialID},
	} {
		if m[1] != "" {
			dst = event.AppendString(append(dst, ','), m[0])
			dst = event.AppendString(append(dst, ':'), m[1])
		}
	}
	return append(dst, '}')
}

// kmsReEncrypt moves a ciphertext to another key, context or material. It needs
// kms:ReEncryptFrom on the key of the blob and kms:ReEncryptTo on the other; there
// is no action of its own name.
func kmsReEncrypt(c *call, in *ReEncryptInput) (*ReEncryptOutput, error) {
	from := c.symmetricUnless(in.SourceAlgorithm, "sourceEncryptionAlgorithm")
	to := c.symmetricUnless(in.DestinationAlgorithm, "destinationEncryptionAlgorithm")
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	unseen, err := unseen(in.DryRun, in.Modifiers, in.CiphertextBlob)
	if err != nil {
		return nil, err
	}
	dst, err := c.findKey(in.DestinationKeyID, aliasesToo|otherAccount)
	if err != nil {
		return nil, err
	}
	src := &ciphertext{
		operation: "ReEncrypt", action: "kms:ReEncryptFrom", blob: in.CiphertextBlob, unseen: unseen, keyID: in.SourceKeyID,
		context: in.SourceContext, algorithm: from, reEncryptTo: dst.Key,
	}
	if src, err = c.openCiphertext(src); err != nil {
		return nil, err
	}
	if err := c.mayUse(&dst, aliasesToo|otherAccount, "kms:ReEncryptTo", withContext(in.DestinationContext),
		algorithmCondition(to), onSameKey(src.key, dst.Key)); err != nil {
		return nil, err
	}
	if err := dst.Permits("ReEncrypt", c.now()); err != nil {
		return nil, err
	}
	if err := algorithmFits(dst.Key, key.EncryptDecrypt, "ReEncrypt", to); err != nil {
		return nil, err
	}
	if err := contextFits(dst.Key, in.DestinationContext); err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	plaintext, err := c.decrypt(src)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	out := &ReEncryptOutput{
		SourceKeyID: src.key.ARN, KeyID: dst.ARN, SourceAlgorithm: from, DestinationAlgorithm: to, SourceMaterialID: src.material.ID,
	}
	if dst.Family() == key.Asymmetric {
		out.CiphertextBlob, err = c.encryptOAEP(dst.Key, to, plaintext)
	} else {
		m := dst.Current()
		out.DestinationMaterialID = m.ID
		out.CiphertextBlob, err = c.encryptUnder(dst.Key, m, in.DestinationContext, plaintext)
	}
	if err != nil {
		return nil, err
	}
	if out.SourceMaterialID != "" {
		c.extra("sourceKeyMaterialId", out.SourceMaterialID)
	}
	if out.DestinationMaterialID != "" {
		c.extra("destinationKeyMaterialId", out.DestinationMaterialID)
	}
	c.used(&event.Decrypted{Key: out.SourceKeyID, Material: out.SourceMaterialID})
	c.used(&event.Encrypted{Key: out.KeyID, Material: out.DestinationMaterialID})
	return out, nil
}

// onSameKey is the condition key kms:ReEncryptOnSameKey.
func onSameKey(src, dst *key.Key) cond { return whenBool("kms:reencryptonsamekey", src == dst) }
