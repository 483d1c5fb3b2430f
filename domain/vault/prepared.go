package vault

import (
	"encoding/json"
	"fmt"
	"io"
)

// Prepared is a private key that was made before its CreateKey is decided. Making
// an RSA key takes some tenths of a second, in which nothing else could be
// decided. It is wiped when the call has been decided.
type Prepared struct {
	spec           string
	secret, public []byte
}

// NeedsKey reports the spec of the private key that the request asks for, if it
// is one that has to be made beforehand.
func NeedsKey(req *Request) (spec string, ok bool) {
	if req.Service != "kms" || req.Operation != "CreateKey" {
		return "", false
	}
	var in struct{ KeySpec, CustomerMasterKeySpec string }
	if json.Unmarshal(req.Body, &in) != nil {
		return "", false // the handler says what is wrong
	}
	if spec = in.KeySpec; spec == "" {
		spec = in.CustomerMasterKeySpec
	}
	return spec, rsaBits[spec] != 0
}

// PrepareKey makes a private key of the spec. It may run concurrently with
// everything else.
func PrepareKey(entropy io.Reader, spec string) (*Prepared, error) {
	secret, public, err := generateKey(entropy, spec)
	if err != nil {
		return nil, fmt.Errorf("make a key of spec %s: %w", spec, err)
	}
	return &Prepared{spec: spec, secret: secret, public: public}, nil
}

// take gives the key pair if it is of the spec, and makes one otherwise.
func (p *Prepared) take(entropy io.Reader, spec string) (secret, public []byte, err error) {
	if p == nil || p.spec != spec || p.secret == nil {
		return generateKey(entropy, spec)
	}
	secret, public = p.secret, p.public
	p.secret = nil
	return secret, public, nil
}

// Wipe zeroes a key that was not taken.
func (p *Prepared) Wipe() {
	if p == nil {
		return
	}
	clear(p.secret)
	p.secret = nil
}
