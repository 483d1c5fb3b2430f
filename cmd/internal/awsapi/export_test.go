package awsapi

import (
	"net/http"

	"github.com/keytrail/keytrail/domain/sigv4"
)

// KeyKept reports whether the signing key of a request is there already, and need
// not be derived for it.
func (s *Service) KeyKept(r *http.Request, service string) (bool, error) {
	signature, err := sigv4.Parse(signedPart(r))
	if err != nil {
		return false, err
	}
	c, err := s.judge(signature, service)
	if err != nil {
		return false, err
	}
	return c.kept, nil
}
