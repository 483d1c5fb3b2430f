package vault

import (
	"encoding/base64"
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/key"
)

func init() {
	define("kms", "Encapsulate", use, kmsEncapsulate)
	define("kms", "Decapsulate", use, kmsDecapsulate)
}

// EncapsulateInput is the request of kms:Encapsulate.
type EncapsulateInput struct {
	KeyID       string   `json:"KeyId" aws:"required,min=1,max=2048"`
	Algorithm   string   `json:"EncapsulationAlgorithm" aws:"required,enum=ML_KEM"`
	GrantTokens []string `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	DryRun      bool     `json:"DryRun"`
}

// EncapsulateOutput is the reply of kms:Encapsulate. SharedSecret has 32 bytes and
// is the receiver's to wipe; Encapsulated is for the holder of the private key,
// 1,088 bytes with ML_KEM_768 and 1,568 with ML_KEM_1024.
type EncapsulateOutput struct {
	KeyID        string // the key's ARN
	SharedSecret []byte
	Encapsulated []byte
	Algorithm    string
}

// AppendJSON appends the reply, growing dst once and first.
func (o *EncapsulateOutput) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(o.SharedSecret)+len(o.Encapsulated))+320)
	dst = appendBlob(append(dst, `{"SharedSecret":`...), o.SharedSecret)
	dst = appendBlob(append(dst, `,"SharedSecretCiphertextBlob":`...), o.Encapsulated)
	dst = event.AppendString(append(dst, `,"KeyId":`...), o.KeyID)
	dst = event.AppendString(append(dst, `,"EncapsulationAlgorithm":`...), o.Algorithm)
	return append(dst, '}')
}

func (o *EncapsulateOutput) wipe() { clear(o.SharedSecret) }

// kmsEncapsulate draws a shared secret. The randomness is the standard library's
// own: ML-KEM takes none from outside.
func kmsEncapsulate(c *call, in *EncapsulateInput) (*EncapsulateOutput, error) {
	k, err := c.openKEM(in, "kms:Encapsulate")
	if err != nil {
		return nil, err
	}
	out := &EncapsulateOutput{KeyID: k.ARN, Algorithm: in.Algorithm}
	if out.SharedSecret, out.Encapsulated, err = kems[k.Spec].encapsulate(k.PublicKey); err != nil {
		return nil, kmsInternal(err)
	}
	return out, nil
}

func (c *call) openKEM(in *EncapsulateInput, action string) (*key.Key, error) {
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	k, err := c.openKey(in.KeyID, aliasesToo|otherAccount, action, when("kms:encapsulationalgorithm", in.Algorithm))
	if err != nil {
		return nil, err
	}
	if err := algorithmFits(k.Key, key.Encapsulation, action[len("kms:"):], in.Algorithm); err != nil {
		return nil, err
	}
	return k.Key, dryRun(in.DryRun)
}

// DecapsulateInput is the request of kms:Decapsulate.
type DecapsulateInput struct {
	KeyID        string   `json:"KeyId" aws:"required,min=1,max=2048"`
	Encapsulated []byte   `json:"SharedSecretCiphertextBlob" aws:"required,min=1,max=6144" audit:"-"`
	Algorithm    string   `json:"EncapsulationAlgorithm" aws:"required,enum=ML_KEM"`
	GrantTokens  []string `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	DryRun       bool     `json:"DryRun"`
}

// DecapsulateOutput is the reply of kms:Decapsulate. SharedSecret has 32 bytes and
// is the receiver's to wipe.
type DecapsulateOutput struct {
	KeyID        string // the key's ARN
	SharedSecret []byte
	Algorithm    string
}

// AppendJSON appends the reply, growing dst once and first.
func (o *DecapsulateOutput) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(o.SharedSecret))+320)
	dst = appendBlob(append(dst, `{"SharedSecret":`...), o.SharedSecret)
	dst = event.AppendString(append(dst, `,"KeyId":`...), o.KeyID)
	dst = event.AppendString(append(dst, `,"EncapsulationAlgorithm":`...), o.Algorithm)
	return append(dst, '}')
}

func (o *DecapsulateOutput) wipe() { clear(o.SharedSecret) }

// kmsDecapsulate recovers a shared secret. Of a ciphertext only its length can be
// wrong: any other that was not made for the key gives a secret that nobody else
// has (implicit rejection, FIPS 203 section 6.3).
func kmsDecapsulate(c *call, in *DecapsulateInput) (*DecapsulateOutput, error) {
	k, err := c.openKEM(&EncapsulateInput{
		KeyID: in.KeyID, Algorithm: in.Algorithm, GrantTokens: in.GrantTokens, DryRun: in.DryRun,
	}, "kms:Decapsulate")
	if err != nil {
		return nil, err
	}
	out := &DecapsulateOutput{KeyID: k.ARN, Algorithm: in.Algorithm}
	err = c.withSecret(k, func(seed []byte) error {
		private, err := kems[k.Spec].private(seed)
		if err != nil {
			return kmsInternal(err)
		}
		if out.SharedSecret, err = private.Decapsulate(in.Encapsulated); err != nil {
			return invalidCiphertext(err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
