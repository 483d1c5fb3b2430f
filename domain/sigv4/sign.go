package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keytrail/keytrail/domain/secretbytes"
)

// Signer signs requests as the SDKs do, in the Authorization header. It keeps the
// signing key of the day. Safe for concurrent use.
type Signer struct {
	accessKey, token string
	scope            Scope // but for the date
	secret           secretbytes.Bytes

	mu  sync.Mutex
	day string
	key Key
}

// NewSigner returns a signer for one service in one Region; token is "" for
// long-term credentials.
func NewSigner(accessKey, secret, token, region, service string) *Signer {
	return &Signer{accessKey: accessKey, token: token, scope: Scope{Region: region, Service: service}, secret: secretbytes.NewBytes([]byte(secret))}
}

// Sign puts the date, the session token and the signature into the headers of r.
// It signs the host, the content type and every X-Amz- header; body is the
// SHA-256 of the body.
func (s *Signer) Sign(r *Request, body [sha256.Size]byte, now time.Time) {
	signature := Signature{Scope: s.scope, stamp: now.UTC().Format(basicISO)}
	signature.Date = signature.stamp[:len("yyyymmdd")]
	key := s.keyOf(signature.Scope)
	r.Header["X-Amz-Date"] = []string{signature.stamp}
	if s.token != "" {
		r.Header["X-Amz-Security-Token"] = []string{s.token}
	}
	names := append(make([]string, 0, 8), "host")
	for name := range r.Header {
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz-") {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	signature.signed = strings.Join(names, ";")
	mac := signature.mac256(r, body, &key)

	b := append(make([]byte, 0, 320), algorithm+" Credential="...)
	b = signature.appendScope(append(append(b, s.accessKey...), '/'))
	b = append(append(b, ", SignedHeaders="...), signature.signed...)
	b = hex.AppendEncode(append(b, ", Signature="...), mac[:])
	r.Header["Authorization"] = []string{string(b)}
}

func (s *Signer) keyOf(scope Scope) Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.day != scope.Date {
		s.day, s.key = scope.Date, DeriveKey(s.secret.Expose(), scope)
	}
	return s.key
}

// mac256 is the signature that the request ought to have.
func (s *Signature) mac256(r *Request, body [sha256.Size]byte, key *Key) (sum [sha256.Size]byte) {
	b := make([]byte, 0, 1024)
	b = s.appendCanonical(b, r, body)
	canonical := sha256.Sum256(b)

	b = append(append(b[:0], algorithm...), '\n')
	b = append(append(b, s.stamp...), '\n')
	b = append(s.appendScope(b), '\n')
	b = hex.AppendEncode(b, canonical[:])
	mac := hmac.New(sha256.New, key.bytes[:])
	mac.Write(b)
	mac.Sum(sum[:0])
	return sum
}

// Presign gives the signature of a presigned request: the value, in hexadecimal,
// of the X-Amz-Signature that its query still lacks. The other X-Amz- parameters
// are in the query; only the host is signed.
func Presign(r *Request, body [sha256.Size]byte, key *Key) [sha256.Size]byte {
	s := Signature{Presigned: true, signed: "host"}
	for name, value := range parameters(r.Query) {
		switch name {
		case "X-Amz-Date":
			s.stamp = value
		case "X-Amz-Credential":
			if parts := strings.Split(value, "/"); len(parts) == 5 {
				s.Scope = Scope{Date: parts[1], Region: parts[2], Service: parts[3]}
			}
		}
	}
	return s.mac256(r, body, key)
}
