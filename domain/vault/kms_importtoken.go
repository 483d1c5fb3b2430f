package vault

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

// An import token is the private half of a wrapping key pair, sealed under the
// root key: whoever brings it back gives the vault the means to unwrap, so nothing
// is kept between GetParametersForImport and ImportKeyMaterial. It opens for the
// key and account that it was made for, and inside is
//
//	expiry, microseconds since the epoch (8) || length (1) and wrapping algorithm || PKCS #8
const (
	importTokenPurpose = "keytrail/kms/import-token/v1"
	importTokenLife    = 24 * time.Hour
)

// importToken is an import token, opened.
type importToken struct {
	expires   time.Time
	algorithm string
	private   []byte // PKCS #8
}

// importTokenPlace is what a token is bound to.
func importTokenPlace(k *key.Key) []byte { return append([]byte(k.Account), k.RawID[:]...) }

func (c *call) sealImportToken(k *key.Key, t *importToken) ([]byte, error) {
	plain := make([]byte, 0, 9+len(t.algorithm)+len(t.private))
	defer func() { clear(plain) }()
	plain = binary.BigEndian.AppendUint64(plain, uint64(t.expires.UnixMicro()))
	plain = append(plain, byte(len(t.algorithm)))
	plain = append(plain, t.algorithm...)
	plain = append(plain, t.private...)
	return c.env.Root.Seal(c.env.Entropy, importTokenPurpose, importTokenPlace(k), plain)
}

// openImportToken opens a token that was made for the key. The caller wipes it.
func (c *call) openImportToken(k *key.Key, sealed []byte) (*importToken, error) {
	plain, err := c.env.Root.Open(importTokenPurpose, importTokenPlace(k), sealed)
	if errors.Is(err, envelope.ErrDestroyed) {
		return nil, kmsInternal(err)
	}
	invalid := fault.New(fault.InvalidImportTokenException, "The import token is invalid or was made for another KMS key.")
	if err != nil {
		return nil, invalid.Because(err)
	}
	defer clear(plain)
	if len(plain) < 9 || len(plain) < 9+int(plain[8]) {
		return nil, invalid
	}
	rest := plain[9:]
	t := &importToken{
		expires:   time.UnixMicro(int64(binary.BigEndian.Uint64(plain))),
		algorithm: string(rest[:plain[8]]),
		private:   bytes.Clone(rest[plain[8]:]),
	}
	if !c.now().Before(t.expires) {
		t.wipe()
		return nil, fault.New(fault.ExpiredImportTokenException, "The import token expired at %s.", t.expires.UTC().Format(time.RFC3339))
	}
	return t, nil
}

func (t *importToken) wipe() { clear(t.private) }

// unwrap opens wrapped key material. The caller wipes it.
func (t *importToken) unwrap(wrapped []byte) ([]byte, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(t.private)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the wrapping key is not an RSA key")
	}
	hash := wrappingHashes[t.algorithm]
	if !strings.HasPrefix(t.algorithm, "RSA_AES_KEY_WRAP") {
		return rsa.DecryptOAEP(hash.New(), nil, private, wrapped, nil)
	}
	// A transport key under RSA, and the material under the transport key.
	if len(wrapped) <= private.Size() {
		return nil, errKeyWrap
	}
	transport, err := rsa.DecryptOAEP(hash.New(), nil, private, wrapped[:private.Size()], nil)
	if err != nil {
		return nil, err
	}
	defer clear(transport)
	return unwrapPadded(transport, wrapped[private.Size():])
}
