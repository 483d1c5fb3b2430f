package vault

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/key"
)

// sealPurpose is what RootKey.Seal binds private and HMAC keys to.
const sealPurpose = "keytrail/kms/private-key/v1"

var rsaBits = map[string]int{key.RSA2048: 2048, key.RSA3072: 3072, key.RSA4096: 4096}

var curves = map[string]elliptic.Curve{key.P256: elliptic.P256(), key.P384: elliptic.P384(), key.P521: elliptic.P521()}

// macBytes is how long the key of an HMAC spec is: as long as its hash.
var macBytes = map[string]int{key.HMAC224: 28, key.HMAC256: 32, key.HMAC384: 48, key.HMAC512: 64}

// newPrivateKey makes the key of an asymmetric or HMAC spec, seals it under the
// root key and completes the event. RSA keys take their time, some tenths of a
// second for RSA_4096: the engine has them made beforehand, see Prepared.
func (c *call) newPrivateKey(e *event.KeyCreated, raw [16]byte) error {
	secret, public, err := c.req.Prepared.take(c.env.Entropy, e.Spec)
	if err != nil {
		return fmt.Errorf("make a key of spec %s: %w", e.Spec, err)
	}
	defer clear(secret)
	sealed, err := c.env.Root.Seal(c.env.Entropy, sealPurpose, raw[:], secret)
	if err != nil {
		return fmt.Errorf("seal a private key: %w", err)
	}
	// The id names the material and tells nothing of it: for a key that a caller
	// might guess, such as none here, even a hash would.
	var id [32]byte
	if _, err := io.ReadFull(c.env.Entropy, id[:]); err != nil {
		return fmt.Errorf("draw a material id: %w", err)
	}
	ring, commitment, err := c.seal(sealed)
	if err != nil {
		return err
	}
	e.PublicKey = public
	e.Material = &event.Material{ID: hex.EncodeToString(id[:]), Ring: ring, Commitment: commitment}
	return nil
}

// generateKey gives PKCS #8 and SubjectPublicKeyInfo; for HMAC the bare key, and
// for ML-KEM the seed and SubjectPublicKeyInfo.
func generateKey(entropy io.Reader, spec string) (secret, public []byte, err error) {
	if kem, ok := kems[spec]; ok {
		return generateKEM(entropy, kem)
	}
	if size := macBytes[spec]; size != 0 {
		secret = make([]byte, size)
		_, err = io.ReadFull(entropy, secret)
		return secret, nil, err
	}
	var private crypto.Signer
	switch curve := curves[spec]; {
	case curve != nil:
		private, err = newECDSA(entropy, curve)
	case spec == key.Ed25519:
		seed := make([]byte, ed25519.SeedSize)
		defer clear(seed)
		if _, err = io.ReadFull(entropy, seed); err == nil {
			private = ed25519.NewKeyFromSeed(seed)
		}
	case rsaBits[spec] != 0:
		private, err = rsa.GenerateKey(entropy, rsaBits[spec])
	default:
		err = fmt.Errorf("unknown spec")
	}
	if err != nil {
		return nil, nil, err
	}
	if secret, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return nil, nil, err
	}
	public, err = x509.MarshalPKIXPublicKey(private.Public())
	return secret, public, err
}

// newECDSA draws scalars until one is in the curve's range, which for these curves
// is nearly always the first.
func newECDSA(entropy io.Reader, curve elliptic.Curve) (*ecdsa.PrivateKey, error) {
	bits := curve.Params().N.BitLen()
	scalar := make([]byte, (bits+7)/8)
	defer clear(scalar)
	for range 64 {
		if _, err := io.ReadFull(entropy, scalar); err != nil {
			return nil, err
		}
		scalar[0] &= 0xff >> (8*len(scalar) - bits)
		if private, err := ecdsa.ParseRawPrivateKey(curve, scalar); err == nil {
			return private, nil
		}
	}
	return nil, fmt.Errorf("no scalar in range")
}

// withSecret opens the private or HMAC key for the time of f.
func (c *call) withSecret(k *key.Key, f func(secret []byte) error) error {
	sealed, err := c.sealed(k.Current().Ring)
	if err != nil {
		return kmsInternal(err)
	}
	secret, err := c.env.Root.Open(sealPurpose, k.RawID[:], sealed)
	if err != nil {
		return kmsInternal(fmt.Errorf("open the private key of %s: %w", k.ID, err))
	}
	defer clear(secret)
	return f(secret)
}

// withPrivate opens the private key of an asymmetric key for the time of f.
func (c *call) withPrivate(k *key.Key, f func(private any) error) error {
	return c.withSecret(k, func(secret []byte) error {
		private, err := x509.ParsePKCS8PrivateKey(secret)
		if err != nil {
			return kmsInternal(fmt.Errorf("parse the private key of %s: %w", k.ID, err))
		}
		return f(private)
	})
}

func publicKey(k *key.Key) (any, error) {
	public, err := x509.ParsePKIXPublicKey(k.PublicKey)
	if err != nil {
		return nil, kmsInternal(fmt.Errorf("parse the public key of %s: %w", k.ID, err))
	}
	return public, nil
}
