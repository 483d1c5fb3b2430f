package vault

import (
	"crypto"
	"crypto/hmac"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

func init() {
	define("kms", "GenerateMac", use, kmsGenerateMac)
	define("kms", "VerifyMac", use, kmsVerifyMac)
}

var macHashes = map[string]crypto.Hash{
	"HMAC_SHA_224": crypto.SHA224, "HMAC_SHA_256": crypto.SHA256, "HMAC_SHA_384": crypto.SHA384, "HMAC_SHA_512": crypto.SHA512,
}

// GenerateMacInput is the request of kms:GenerateMac.
type GenerateMacInput struct {
	Message      []byte   `json:"Message" aws:"required,min=1,max=4096" audit:"-"`
	KeyID        string   `json:"KeyId" aws:"required,min=1,max=2048"`
	MacAlgorithm string   `json:"MacAlgorithm" aws:"required,enum=HMAC_SHA_224|HMAC_SHA_256|HMAC_SHA_384|HMAC_SHA_512"`
	GrantTokens  []string `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	DryRun       bool     `json:"DryRun"`
}

// GenerateMacOutput is the reply of kms:GenerateMac.
type GenerateMacOutput struct {
	Mac          []byte
	MacAlgorithm string
	KeyID        string `json:"KeyId"`
}

func kmsGenerateMac(c *call, in *GenerateMacInput) (*GenerateMacOutput, error) {
	k, mac, err := c.mac(in, "kms:GenerateMac")
	if err != nil {
		return nil, err
	}
	return &GenerateMacOutput{Mac: mac, MacAlgorithm: in.MacAlgorithm, KeyID: k.ARN}, nil
}

// mac judges the action and computes the MAC that both operations are about.
func (c *call) mac(in *GenerateMacInput, action string) (*key.Key, []byte, error) {
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, nil, err
	}
	k, err := c.openKey(in.KeyID, aliasesToo|otherAccount, action, when("kms:macalgorithm", in.MacAlgorithm))
	if err != nil {
		return nil, nil, err
	}
	if err := algorithmFits(k.Key, key.GenerateVerifyMac, action[len("kms:"):], in.MacAlgorithm); err != nil {
		return nil, nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, nil, err
	}
	var mac []byte
	err = c.withSecret(k.Key, func(secret []byte) error {
		h := hmac.New(macHashes[in.MacAlgorithm].New, secret)
		h.Write(in.Message)
		mac = h.Sum(nil)
		return nil
	})
	return k.Key, mac, err
}

// VerifyMacInput is the request of kms:VerifyMac.
type VerifyMacInput struct {
	Message      []byte   `json:"Message" aws:"required,min=1,max=4096" audit:"-"`
	KeyID        string   `json:"KeyId" aws:"required,min=1,max=2048"`
	MacAlgorithm string   `json:"MacAlgorithm" aws:"required,enum=HMAC_SHA_224|HMAC_SHA_256|HMAC_SHA_384|HMAC_SHA_512"`
	Mac          []byte   `json:"Mac" aws:"required,min=1,max=6144" audit:"-"`
	GrantTokens  []string `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	DryRun       bool     `json:"DryRun"`
}

// VerifyMacOutput is the reply of kms:VerifyMac: MacValid is always true, as a bad
// MAC is a KMSInvalidMacException.
type VerifyMacOutput struct {
	KeyID        string `json:"KeyId"`
	MacValid     bool
	MacAlgorithm string
}

func kmsVerifyMac(c *call, in *VerifyMacInput) (*VerifyMacOutput, error) {
	k, mac, err := c.mac(&GenerateMacInput{
		Message: in.Message, KeyID: in.KeyID, MacAlgorithm: in.MacAlgorithm, GrantTokens: in.GrantTokens, DryRun: in.DryRun,
	}, "kms:VerifyMac")
	if err != nil {
		return nil, err
	}
	defer clear(mac)
	if !hmac.Equal(mac, in.Mac) {
		return nil, fault.New(fault.KMSInvalidMacException, "")
	}
	return &VerifyMacOutput{KeyID: k.ARN, MacValid: true, MacAlgorithm: in.MacAlgorithm}, nil
}
