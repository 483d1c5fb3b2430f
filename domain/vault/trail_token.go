package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/keytrail/keytrail/domain/fault"
)

// A NextToken of the trail says where a list goes on. On the wire it is base64url
// of
//
//	version (1) || n to go on at (8) || n of the last record (8) || HMAC-SHA-256 (32)
//
// The MAC, under a key derived from the root key, binds it to the caller's
// principal and to every parameter of the request: a token opens no list but the
// one it came from. It hides nothing; receipts tell n anyway.
const (
	trailTokenVersion = 1
	trailTokenSize    = 1 + 8 + 8 + sha256.Size
)

var errInvalidNextToken = fault.New(fault.InvalidNextTokenException, "The NextToken is not valid, or was given out with other parameters or to another caller.")

// newTrailToken is the token with which the same caller goes on at next. in is
// the request's input without its token.
func (c *call) newTrailToken(in any, next, through uint64) (string, error) {
	b := make([]byte, 0, trailTokenSize)
	b = append(b, trailTokenVersion)
	b = binary.BigEndian.AppendUint64(b, next)
	b = binary.BigEndian.AppendUint64(b, through)
	mac, err := c.trailTokenMAC(in, b)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(b, mac...)), nil
}

// trailToken is the place that a token names.
func (c *call) trailToken(in any, token string) (next, through uint64, err error) {
	var b [trailTokenSize]byte
	if base64.RawURLEncoding.DecodedLen(len(token)) != len(b) {
		return 0, 0, errInvalidNextToken
	}
	n, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(token))
	if err != nil || n != len(b) || b[0] != trailTokenVersion {
		return 0, 0, errInvalidNextToken
	}
	const head = trailTokenSize - sha256.Size
	mac, err := c.trailTokenMAC(in, b[:head])
	if err != nil {
		return 0, 0, err
	}
	if !hmac.Equal(mac, b[head:]) {
		return 0, 0, errInvalidNextToken
	}
	return binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint64(b[9:]), nil
}

func (c *call) trailTokenMAC(in any, head []byte) ([]byte, error) {
	key, err := c.env.Root.Derive("keytrail trail token v1")
	if err != nil {
		return nil, fmt.Errorf("derive the key of trail tokens: %w", err)
	}
	defer key.Zero()
	bound, err := json.Marshal(struct {
		Service, Operation, Account, Principal string
		In                                     any
	}{c.req.Service, c.req.Operation, c.account, c.actor.Who.ID, in})
	if err != nil {
		return nil, fmt.Errorf("bind a trail token: %w", err)
	}
	m := hmac.New(sha256.New, key.Expose()[:])
	m.Write(head)
	m.Write(bound)
	return m.Sum(nil), nil
}
