package awsapi

import (
	"crypto/sha256"
	"net/http"

	"github.com/keytrail/keytrail/cmd/internal/refusals"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/sigv4"
)

// signedPart is what of the request is signed, as it came over the wire.
func signedPart(r *http.Request) *sigv4.Request {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.EscapedPath()
	}
	return &sigv4.Request{Method: r.Method, Path: path, Query: r.URL.RawQuery, Host: r.Host, Header: r.Header}
}

// claim is who a request says that it comes from, with what it takes to find out.
type claim struct {
	signature  *sigv4.Signature
	use        sigv4.Use
	key        sigv4.Key
	credential identity.Credential
	kept       bool // key and credential come from the cache
}

// judge checks what a signature claims without reading the body: that it is of
// now and for here, and that there is such an access key. A caller without one is
// refused before it can send more than headers.
func (s *Service) judge(signature *sigv4.Signature, service string) (*claim, error) {
	if err := signature.CheckTime(s.options.Now()); err != nil {
		return nil, err
	}
	if err := signature.CheckScope(service, s.regions(service)...); err != nil {
		return nil, err
	}
	c := &claim{signature: signature, use: sigv4.Use{AccessKey: signature.AccessKey, Scope: signature.Scope}}
	if signature.Token != "" {
		c.use.Token = sha256.Sum256([]byte(signature.Token))
	}
	if c.key, c.credential, c.kept = s.keys.Get(c.use); c.kept {
		return c, nil
	}
	credential, secret, err := s.engine.SecretKey(signature.AccessKey, signature.Token)
	if err != nil {
		return nil, err
	}
	defer secret.Zero()
	c.credential, c.key = credential, sigv4.DeriveKey(secret.Expose(), signature.Scope)
	return c, nil
}

// verify proves the claim and asks whether the credential stands: a revoked key
// is refused here although its signing key may be kept. The domain asks again
// when it decides.
func (s *Service) verify(c *claim, r *sigv4.Request, body []byte) error {
	if err := c.signature.Verify(r, sha256.Sum256(body), &c.key); err != nil {
		return err
	}
	if _, err := s.engine.Resolve(c.credential); err != nil {
		s.keys.Drop(c.use.AccessKey)
		return err
	}
	if !c.kept {
		s.keys.Put(c.use, c.key, c.credential)
	}
	return nil
}

// Changed is told of every change of state that is on disk: see
// engine.Config.Changed. The signing keys of an access key that has ended go.
func (s *Service) Changed(events []event.Event) {
	for _, e := range events {
		switch e := e.(type) {
		case *event.AccessKeyDeleted:
			s.keys.Drop(e.AccessKey)
		case *event.AccessKeyDeactivated:
			s.keys.Drop(e.AccessKey)
		}
	}
}

// reasonOf files a refusal of somebody who is not known to be calling.
func reasonOf(err error) refusals.Reason {
	switch fault.Of(err).Code {
	case fault.MissingAuthenticationToken:
		return refusals.NoCredentials
	case fault.UnrecognizedClientException, fault.InvalidSignatureException:
		return refusals.BadCredentials
	case fault.ExpiredTokenException:
		return refusals.Expired
	case fault.RequestEntityTooLarge:
		return refusals.Oversized
	}
	return refusals.Malformed
}
