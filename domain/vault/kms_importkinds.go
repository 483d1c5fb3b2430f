package vault

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

// importedKey is unwrapped key material that is of the spec of its key. The id
// holds a later import to the same material; it is a hash of the symmetric key, a
// MAC under the HMAC key, or a hash of the public key, and so says nothing more of
// the material than any use of it does.
type importedKey struct {
	id       string
	public   []byte             // DER SubjectPublicKeyInfo; asymmetric keys only
	material *envelope.Material // symmetric keys only
	secret   []byte             // the others: as generateKey gives it
}

func (m *importedKey) wipe() {
	clear(m.secret)
	if m.material != nil {
		m.material.Destroy()
	}
}

// readImported checks that raw is key material for the key: 32 bytes, the bytes of
// an HMAC key, or PKCS #8 of the key's spec.
func readImported(k *key.Key, raw []byte) (*importedKey, error) {
	switch k.Family() {
	case key.Symmetric:
		if len(raw) != importedBytes {
			return nil, wrongMaterial("The key material must have %d bits.", 8*importedBytes)
		}
		m, err := envelope.NewMaterial(bytes.NewReader(raw))
		if err != nil {
			return nil, kmsInternal(err)
		}
		id := m.ID()
		return &importedKey{id: hex.EncodeToString(id[:]), material: m}, nil
	case key.HMAC:
		if len(raw) != macBytes[k.Spec] {
			return nil, wrongMaterial("The key material of key spec %s must have %d bits.", k.Spec, 8*macBytes[k.Spec])
		}
		h := hmac.New(sha256.New, raw)
		h.Write([]byte("keytrail/kms/imported-material/v1"))
		h.Write(k.RawID[:])
		return &importedKey{id: hex.EncodeToString(h.Sum(nil)), secret: bytes.Clone(raw)}, nil
	}
	private, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil || !ofSpec(k.Spec, private) {
		return nil, wrongMaterial("The key material must be a PKCS #8 private key of key spec %s, DER-encoded.", k.Spec)
	}
	m := &importedKey{}
	if m.secret, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return nil, kmsInternal(err)
	}
	if m.public, err = x509.MarshalPKIXPublicKey(publicOf(private)); err != nil {
		m.wipe()
		return nil, kmsInternal(err)
	}
	sum := sha256.Sum256(m.public)
	m.id = hex.EncodeToString(sum[:])
	return m, nil
}

func wrongMaterial(format string, args ...any) error {
	return fault.New(fault.IncorrectKeyMaterialException, format, args...)
}

// ofSpec reports whether a private key is one of the spec. What parses on another
// curve, or as a key for agreement alone, is not.
func ofSpec(spec string, private any) bool {
	switch private := private.(type) {
	case *rsa.PrivateKey:
		return rsaBits[spec] == private.N.BitLen()
	case *ecdsa.PrivateKey:
		return curves[spec] != nil && private.Curve == curves[spec]
	case ed25519.PrivateKey:
		return spec == key.Ed25519
	}
	return false
}

func publicOf(private any) any {
	switch private := private.(type) {
	case *rsa.PrivateKey:
		return &private.PublicKey
	case *ecdsa.PrivateKey:
		return &private.PublicKey
	case ed25519.PrivateKey:
		return private.Public()
	}
	return nil
}

// keepImported stages the keyring entry of imported material. The material is the
// call's from here on.
func (c *call) keepImported(m *importedKey, k *key.Key) (event.Material, error) {
	if m.material != nil {
		return c.keepMaterial(m.material, k.RawID)
	}
	defer m.wipe()
	sealed, err := c.env.Root.Seal(c.env.Entropy, sealPurpose, k.RawID[:], m.secret)
	if err != nil {
		return event.Material{}, fmt.Errorf("seal imported key material: %w", err)
	}
	ring, commitment, err := c.seal(sealed)
	return event.Material{ID: m.id, Ring: ring, Commitment: commitment}, err
}
