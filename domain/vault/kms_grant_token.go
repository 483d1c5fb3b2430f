package vault

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

// A grant token names a grant and gives no right: grants are in force from their
// record on, so a token has nothing to speed up, and whoever retires a grant by
// token needs the same standing as by id. A forged token is therefore worth
// nothing. On the wire it is base64url of
//
//	version (1) || installation (16) || grant id (32) || random (16)
//
// and the random part makes each answer's token its own, as AWS's are.
const (
	grantTokenVersion = 1
	grantTokenSize    = 1 + 16 + 32 + 16
)

func (c *call) newGrantToken(grant string) (string, error) {
	var b [grantTokenSize]byte
	b[0] = grantTokenVersion
	copy(b[1:], c.st.Installation[:])
	if n, err := hex.Decode(b[17:49], []byte(grant)); err != nil || n != 32 {
		return "", fmt.Errorf("grant id %q is not 64 hex digits", grant)
	}
	if _, err := io.ReadFull(c.env.Entropy, b[49:]); err != nil {
		return "", fmt.Errorf("draw a grant token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// parseGrantToken gives the installation and the grant id of a token.
func parseGrantToken(token string) (installation [16]byte, grant string, ok bool) {
	var b [grantTokenSize]byte
	if base64.RawURLEncoding.DecodedLen(len(token)) != len(b) {
		return installation, "", false
	}
	if n, err := base64.RawURLEncoding.Decode(b[:], []byte(token)); err != nil || n != len(b) || b[0] != grantTokenVersion {
		return installation, "", false
	}
	copy(installation[:], b[1:])
	return installation, hex.EncodeToString(b[17:49]), true
}

// grantTokens checks the form of the tokens that come with a request. What they
// name is in force already or is gone.
func grantTokens(tokens []string) error {
	for _, t := range tokens {
		if _, _, ok := parseGrantToken(t); !ok {
			return invalidGrantToken()
		}
	}
	return nil
}

func invalidGrantToken() error {
	return fault.New(fault.InvalidGrantTokenException, "The grant token is not valid.")
}

// grantByToken finds the grant that a token names.
func (c *call) grantByToken(token string) (*key.Grant, error) {
	installation, id, ok := parseGrantToken(token)
	if !ok || installation != c.st.Installation {
		return nil, invalidGrantToken()
	}
	g, found := c.st.Keys.Grant(id)
	if !found || g.Key.Gone(c.now()) {
		return nil, fault.New(fault.NotFoundException, "The grant does not exist.")
	}
	return g, nil
}
