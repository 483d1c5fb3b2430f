package vault

import (
	"encoding/base64"
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

func init() {
	define("kms", "GenerateDataKeyPair", use, kmsGenerateDataKeyPair)
	define("kms", "GenerateDataKeyPairWithoutPlaintext", use, kmsGenerateDataKeyPairWithoutPlaintext)
}

// GenerateDataKeyPairInput is the request of kms:GenerateDataKeyPair. Specs that
// AWS has and the standard library has not are refused as unsupported.
type GenerateDataKeyPairInput struct {
	EncryptionContext map[string]string `json:"EncryptionContext"`
	KeyID             string            `json:"KeyId" aws:"required,min=1,max=2048"`
	KeyPairSpec       string            `json:"KeyPairSpec" aws:"required,enum=RSA_2048|RSA_3072|RSA_4096|ECC_NIST_P256|ECC_NIST_P384|ECC_NIST_P521|ECC_SECG_P256K1|SM2|ECC_NIST_EDWARDS25519"`
	GrantTokens       []string          `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	Recipient         *Recipient        `json:"Recipient"`
	DryRun            bool              `json:"DryRun"`
}

// GenerateDataKeyPairOutput is the reply of kms:GenerateDataKeyPair. The private
// key is PKCS #8, the public key SubjectPublicKeyInfo, both DER. PrivateKey is the
// receiver's to wipe.
type GenerateDataKeyPairOutput struct {
	PrivateKeyBlob []byte // decrypts with kms:Decrypt to the private key
	PrivateKey     []byte // nil from GenerateDataKeyPairWithoutPlaintext
	PublicKey      []byte
	KeyID          string // the key's ARN
	KeyPairSpec    string
	KeyMaterialID  string
}

// AppendJSON appends the reply, growing dst once and first.
func (o *GenerateDataKeyPairOutput) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(o.PrivateKeyBlob)+len(o.PrivateKey)+len(o.PublicKey))+512)
	dst = appendBlob(append(dst, `{"PrivateKeyCiphertextBlob":`...), o.PrivateKeyBlob)
	if o.PrivateKey != nil {
		dst = appendBlob(append(dst, `,"PrivateKeyPlaintext":`...), o.PrivateKey)
	}
	dst = appendBlob(append(dst, `,"PublicKey":`...), o.PublicKey)
	dst = event.AppendString(append(dst, `,"KeyId":`...), o.KeyID)
	dst = event.AppendString(append(dst, `,"KeyPairSpec":`...), o.KeyPairSpec)
	dst = event.AppendString(append(dst, `,"KeyMaterialId":`...), o.KeyMaterialID)
	return append(dst, '}')
}

func (o *GenerateDataKeyPairOutput) wipe() { clear(o.PrivateKey) }

func kmsGenerateDataKeyPair(c *call, in *GenerateDataKeyPairInput) (*GenerateDataKeyPairOutput, error) {
	return c.generateDataKeyPair(in, "kms:GenerateDataKeyPair")
}

func kmsGenerateDataKeyPairWithoutPlaintext(c *call, in *GenerateDataKeyPairInput) (*GenerateDataKeyPairOutput, error) {
	out, err := c.generateDataKeyPair(in, "kms:GenerateDataKeyPairWithoutPlaintext")
	if err != nil {
		return nil, err
	}
	out.wipe()
	out.PrivateKey = nil
	return out, nil
}

func (c *call) generateDataKeyPair(in *GenerateDataKeyPairInput, action string) (*GenerateDataKeyPairOutput, error) {
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	k, err := c.openKey(in.KeyID, aliasesToo|otherAccount, action,
		withContext(in.EncryptionContext), symmetricCondition, when("kms:datakeypairspec", in.KeyPairSpec))
	if err != nil {
		return nil, err
	}
	if err := algorithmFits(k.Key, key.EncryptDecrypt, action[len("kms:"):], symmetricAlgorithm); err != nil {
		return nil, err
	}
	if !key.Pairs(in.KeyPairSpec) {
		return nil, fault.New(fault.UnsupportedOperationException, "KeyPairSpec %s is not supported.", in.KeyPairSpec)
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	private, public, err := c.req.Prepared.take(c.env.Entropy, in.KeyPairSpec)
	if err != nil {
		return nil, kmsInternal(err)
	}
	m := k.Current()
	blob, err := c.encryptUnder(k.Key, m, in.EncryptionContext, private)
	if err != nil {
		clear(private)
		return nil, err
	}
	c.extra("keyMaterialId", m.ID)
	c.used(&event.DataKeyPairGenerated{Key: k.ARN, Material: m.ID, Spec: in.KeyPairSpec})
	return &GenerateDataKeyPairOutput{
		PrivateKeyBlob: blob, PrivateKey: private, PublicKey: public, KeyID: k.ARN, KeyPairSpec: in.KeyPairSpec, KeyMaterialID: m.ID,
	}, nil
}
