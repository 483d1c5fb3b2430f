package vault

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

func init() { define("kms", "DeriveSharedSecret", use, kmsDeriveSharedSecret) }

// DeriveSharedSecretInput is the request of kms:DeriveSharedSecret. PublicKey is
// the peer's, DER SubjectPublicKeyInfo on the curve of the key.
type DeriveSharedSecretInput struct {
	KeyID        string     `json:"KeyId" aws:"required,min=1,max=2048"`
	KeyAgreement string     `json:"KeyAgreementAlgorithm" aws:"required,enum=ECDH|SM2DH"`
	PublicKey    []byte     `json:"PublicKey" aws:"required,min=1,max=8192"`
	GrantTokens  []string   `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	DryRun       bool       `json:"DryRun"`
	Recipient    *Recipient `json:"Recipient"`
}

// DeriveSharedSecretOutput is the reply of kms:DeriveSharedSecret. SharedSecret is
// the x-coordinate of the shared point, as long as the curve's field (32, 48 or 66
// bytes), and the receiver's to wipe. It is not uniform: a key is derived from it
// with a KDF.
type DeriveSharedSecretOutput struct {
	KeyID        string
	SharedSecret []byte
	KeyAgreement string
	KeyOrigin    string
}

// AppendJSON appends the reply, growing dst once and first.
func (o *DeriveSharedSecretOutput) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(o.SharedSecret))+320)
	dst = appendBlob(append(dst, `{"SharedSecret":`...), o.SharedSecret)
	dst = event.AppendString(append(dst, `,"KeyId":`...), o.KeyID)
	dst = event.AppendString(append(dst, `,"KeyAgreementAlgorithm":`...), o.KeyAgreement)
	dst = event.AppendString(append(dst, `,"KeyOrigin":`...), o.KeyOrigin)
	return append(dst, '}')
}

func (o *DeriveSharedSecretOutput) wipe() { clear(o.SharedSecret) }

func kmsDeriveSharedSecret(c *call, in *DeriveSharedSecretInput) (*DeriveSharedSecretOutput, error) {
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	k, err := c.openKey(in.KeyID, aliasesToo|otherAccount, "kms:DeriveSharedSecret", when("kms:keyagreementalgorithm", in.KeyAgreement))
	if err != nil {
		return nil, err
	}
	if err := algorithmFits(k.Key, key.KeyAgreement, "DeriveSharedSecret", in.KeyAgreement); err != nil {
		return nil, err
	}
	peer, err := peerOf(k.Key, in.PublicKey)
	if err != nil {
		return nil, fault.New(fault.ValidationException, "PublicKey is not a DER-encoded public key on the curve of key spec %s.", k.Spec).Because(err)
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &DeriveSharedSecretOutput{KeyID: k.ARN, KeyAgreement: in.KeyAgreement, KeyOrigin: k.Origin}
	err = c.withPrivate(k.Key, func(private any) error {
		own, err := private.(*ecdsa.PrivateKey).ECDH()
		if err != nil {
			return kmsInternal(err)
		}
		if out.SharedSecret, err = own.ECDH(peer); err != nil {
			return kmsInternal(err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// peerOf reads a peer's public key for an agreement with k. Points that are not on
// the curve do not parse.
func peerOf(k *key.Key, der []byte) (*ecdh.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok || public.Curve != curves[k.Spec] {
		return nil, fmt.Errorf("a %T that is not on the curve of the key", parsed)
	}
	return public.ECDH()
}
