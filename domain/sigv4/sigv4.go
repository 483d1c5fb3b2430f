// Package sigv4 verifies AWS Signature Version 4 on requests: in the
// Authorization header or in the query of a presigned URL, for long-term and for
// temporary credentials. A Signer makes what Verify proves, for clients of ours.
//
// An edge takes four steps, so that what is cheap to refuse is refused before a
// body is read: Parse says who claims to have signed what, CheckTime and
// CheckScope whether the claim can hold here and now, and Verify, with the hash
// of the body and the signing key, whether it holds.
//
// The services that Keytrail speaks for sign the hash of the whole body, so the
// hash is always that of the body as it arrived: UNSIGNED-PAYLOAD, the chunked
// STREAMING-… forms and a wrong x-amz-content-sha256 cannot verify. Paths are
// canonicalised as by every service but S3: normalised, and escaped once more.
//
// Pure: no clock, no HTTP, no store of secrets may enter. Every error is a
// *fault.Fault with the codes of the JSON services.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secretbytes"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
)

// Request is what of an HTTP request can be signed, as it was sent.
type Request struct {
	Method string
	Path   string              // escaped as sent; "" = "/"
	Query  string              // escaped as sent, without the question mark
	Host   string              // the Host header
	Header map[string][]string // without Host; names as net/http spells them (X-Amz-Date)
}

// Scope is what a signing key is good for.
type Scope struct {
	Date    string // yyyymmdd, UTC
	Region  string
	Service string
}

// Key is a signing key: derived from a secret access key, good for one scope. It
// refuses to be printed.
type Key struct {
	secretbytes.Unprintable
	bytes [sha256.Size]byte
}

// Zero wipes the key.
func (k *Key) Zero() { clear(k.bytes[:]) }

// DeriveKey derives the signing key of a scope. The secret is not kept.
func DeriveKey(secret []byte, s Scope) Key {
	first := append(append(make([]byte, 0, 64), "AWS4"...), secret...)
	defer func() { clear(first[:cap(first)]) }()
	k := Key{}
	next := func(key []byte, text string) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		mac.Sum(k.bytes[:0])
	}
	next(first, s.Date)
	next(k.bytes[:], s.Region)
	next(k.bytes[:], s.Service)
	next(k.bytes[:], terminator)
	return k
}

// Verify tells whether the signature is that of the request under the key. body
// is the SHA-256 of the body as it arrived. The comparison takes constant time.
func (s *Signature) Verify(r *Request, body [sha256.Size]byte, key *Key) error {
	want := s.mac256(r, body, key)
	if subtle.ConstantTimeCompare(want[:], s.mac[:]) != 1 {
		return fault.New(fault.InvalidSignatureException, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

func (s *Signature) appendScope(b []byte) []byte {
	for _, part := range [...]string{s.Date, s.Region, s.Service} {
		b = append(append(b, part...), '/')
	}
	return append(b, terminator...)
}
