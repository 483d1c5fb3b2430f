package vault

import (
	"crypto"
	"crypto/mlkem"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"

	"github.com/keytrail/keytrail/domain/key"
)

// kem is one parameter set of ML-KEM. At rest its private key is the seed of 64
// bytes (FIPS 203, d || z), sealed like any other private key.
type kem struct {
	oid     asn1.ObjectIdentifier
	private func(seed []byte) (crypto.Decapsulator, error)
	public  func(raw []byte) (crypto.Encapsulator, error)
}

// kems has the parameter sets of the standard library: ML-KEM-512 is not in it.
// The object identifiers are NIST's.
var kems = map[string]kem{
	key.MLKEM768: {
		oid:     asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2},
		private: func(seed []byte) (crypto.Decapsulator, error) { return mlkem.NewDecapsulationKey768(seed) },
		public:  func(raw []byte) (crypto.Encapsulator, error) { return mlkem.NewEncapsulationKey768(raw) },
	},
	key.MLKEM1024: {
		oid:     asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 3},
		private: func(seed []byte) (crypto.Decapsulator, error) { return mlkem.NewDecapsulationKey1024(seed) },
		public:  func(raw []byte) (crypto.Encapsulator, error) { return mlkem.NewEncapsulationKey1024(raw) },
	},
}

// subjectPublicKeyInfo is the DER form of a public key (RFC 5280). That of an
// ML-KEM key has no parameters and holds the raw encapsulation key (RFC 9935);
// crypto/x509 does not know it.
type subjectPublicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	PublicKey asn1.BitString
}

func generateKEM(entropy io.Reader, k kem) (seed, public []byte, err error) {
	seed = make([]byte, mlkem.SeedSize)
	if _, err := io.ReadFull(entropy, seed); err != nil {
		return nil, nil, err
	}
	private, err := k.private(seed)
	if err == nil {
		raw := private.Encapsulator().Bytes()
		public, err = asn1.Marshal(subjectPublicKeyInfo{
			Algorithm: pkix.AlgorithmIdentifier{Algorithm: k.oid},
			PublicKey: asn1.BitString{Bytes: raw, BitLength: 8 * len(raw)},
		})
	}
	if err != nil {
		clear(seed)
		return nil, nil, err
	}
	return seed, public, nil
}

func (k kem) encapsulate(der []byte) (secret, ciphertext []byte, err error) {
	var info subjectPublicKeyInfo
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, nil, fmt.Errorf("parse an encapsulation key: %w", err)
	}
	public, err := k.public(info.PublicKey.RightAlign())
	if err != nil {
		return nil, nil, fmt.Errorf("parse an encapsulation key: %w", err)
	}
	secret, ciphertext = public.Encapsulate()
	return secret, ciphertext, nil
}
