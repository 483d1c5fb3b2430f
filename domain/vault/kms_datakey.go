package vault

import (
	"encoding/base64"
	"io"
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

func init() {
	define("kms", "GenerateDataKey", use, kmsGenerateDataKey)
	define("kms", "GenerateDataKeyWithoutPlaintext", use, kmsGenerateDataKeyWithoutPlaintext)
	define("kms", "GenerateRandom", use, kmsGenerateRandom)
}

// GenerateDataKeyInput is the request of kms:GenerateDataKey. Exactly one of
// KeySpec and NumberOfBytes (1 to 1,024) is to be given.
type GenerateDataKeyInput struct {
	KeyID             string            `json:"KeyId" aws:"required,min=1,max=2048"`
	EncryptionContext map[string]string `json:"EncryptionContext"`
	NumberOfBytes     int               `json:"NumberOfBytes" aws:"min=1,max=1024"`
	KeySpec           string            `json:"KeySpec" aws:"enum=AES_256|AES_128"`
	GrantTokens       []string          `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	Recipient         *Recipient        `json:"Recipient"`
	DryRun            bool              `json:"DryRun"`
}

// GenerateDataKeyOutput is the reply of kms:GenerateDataKey. Plaintext is the
// receiver's to wipe.
type GenerateDataKeyOutput struct {
	CiphertextBlob []byte
	Plaintext      []byte // nil from GenerateDataKeyWithoutPlaintext
	KeyID          string // the key's ARN
	KeyMaterialID  string
}

// AppendJSON appends the reply, growing dst once and first.
func (o *GenerateDataKeyOutput) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(o.CiphertextBlob)+len(o.Plaintext))+320)
	dst = appendBlob(append(dst, `{"CiphertextBlob":`...), o.CiphertextBlob)
	if o.Plaintext != nil {
		dst = appendBlob(append(dst, `,"Plaintext":`...), o.Plaintext)
	}
	dst = event.AppendString(append(dst, `,"KeyId":`...), o.KeyID)
	dst = event.AppendString(append(dst, `,"KeyMaterialId":`...), o.KeyMaterialID)
	return append(dst, '}')
}

func (o *GenerateDataKeyOutput) wipe() { clear(o.Plaintext) }

func kmsGenerateDataKey(c *call, in *GenerateDataKeyInput) (*GenerateDataKeyOutput, error) {
	return c.generateDataKey(in, "kms:GenerateDataKey")
}

func kmsGenerateDataKeyWithoutPlaintext(c *call, in *GenerateDataKeyInput) (*GenerateDataKeyOutput, error) {
	out, err := c.generateDataKey(in, "kms:GenerateDataKeyWithoutPlaintext")
	if err != nil {
		return nil, err
	}
	out.wipe()
	out.Plaintext = nil
	return out, nil
}

func (c *call) generateDataKey(in *GenerateDataKeyInput, action string) (*GenerateDataKeyOutput, error) {
	size, err := dataKeySize(in)
	if err != nil {
		return nil, err
	}
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	k, err := c.openKey(in.KeyID, aliasesToo|otherAccount, action, withContext(in.EncryptionContext), symmetricCondition)
	if err != nil {
		return nil, err
	}
	if err := algorithmFits(k.Key, key.EncryptDecrypt, action[len("kms:"):], symmetricAlgorithm); err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	plaintext := make([]byte, size)
	if _, err := io.ReadFull(c.env.Entropy, plaintext); err != nil {
		return nil, kmsInternal(err)
	}
	m := k.Current()
	blob, err := c.encryptUnder(k.Key, m, in.EncryptionContext, plaintext)
	if err != nil {
		clear(plaintext)
		return nil, err
	}
	c.extra("keyMaterialId", m.ID)
	c.used(&event.DataKeyGenerated{Key: k.ARN, Material: m.ID})
	return &GenerateDataKeyOutput{CiphertextBlob: blob, Plaintext: plaintext, KeyID: k.ARN, KeyMaterialID: m.ID}, nil
}

func dataKeySize(in *GenerateDataKeyInput) (int, error) {
	switch {
	case (in.KeySpec == "") == (in.NumberOfBytes == 0):
		return 0, fault.New(fault.ValidationException, "Please specify either number of bytes or key spec.")
	case in.KeySpec == "AES_256":
		return 32, nil
	case in.KeySpec == "AES_128":
		return 16, nil
	}
	return in.NumberOfBytes, nil
}

// GenerateRandomInput is the request of kms:GenerateRandom.
type GenerateRandomInput struct {
	NumberOfBytes    int        `json:"NumberOfBytes" aws:"min=1,max=1024"`
	CustomKeyStoreID string     `json:"CustomKeyStoreId" aws:"min=1,max=64"`
	Recipient        *Recipient `json:"Recipient"`
}

// GenerateRandomOutput is the reply of kms:GenerateRandom.
type GenerateRandomOutput struct{ Plaintext []byte }

// AppendJSON appends the reply, growing dst once and first.
func (o *GenerateRandomOutput) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(o.Plaintext))+32)
	return append(appendBlob(append(dst, `{"Plaintext":`...), o.Plaintext), '}')
}

func (o *GenerateRandomOutput) wipe() { clear(o.Plaintext) }

func kmsGenerateRandom(c *call, in *GenerateRandomInput) (*GenerateRandomOutput, error) {
	switch {
	case in.NumberOfBytes == 0:
		return nil, fault.New(fault.ValidationException, "NumberOfBytes is required.")
	case in.CustomKeyStoreID != "":
		return nil, noCustomKeyStores()
	}
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	if err := c.authorize("kms:GenerateRandom", plain("*")); err != nil {
		return nil, err
	}
	random := make([]byte, in.NumberOfBytes)
	if _, err := io.ReadFull(c.env.Entropy, random); err != nil {
		return nil, kmsInternal(err)
	}
	return &GenerateRandomOutput{Plaintext: random}, nil
}

func noCustomKeyStores() error {
	return fault.New(fault.UnsupportedOperationException, "Custom key stores are not supported.")
}
