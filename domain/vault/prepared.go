package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Prepared is a private key that was made before the call that asks for it is
// decided. Making an RSA key takes some tenths of a second, in which nothing else
// could be decided. Whoever made it wipes it when the call will not be decided
// again.
type Prepared struct {
	spec           string
	secret, public []byte
}

// preparing names, for each operation that makes RSA keys, the members of its
// request that tell the spec: the first that is there counts.
var preparing = map[operationName][]string{
	{"kms", "CreateKey"}:                           {"KeySpec", "CustomerMasterKeySpec"},
	{"kms", "GenerateDataKeyPair"}:                 {"KeyPairSpec"},
	{"kms", "GenerateDataKeyPairWithoutPlaintext"}: {"KeyPairSpec"},
	{"kms", "GetParametersForImport"}:              {"WrappingKeySpec"},
}

// NeedsKey reports the spec of the private key that the request asks for, if it
// is one that has to be made beforehand.
func NeedsKey(req *Request) (spec string, ok bool) {
	members := preparing[operationName{req.Service, req.Operation}]
	if members == nil {
		return "", false
	}
	var in map[string]json.RawMessage
	if json.Unmarshal(req.Body, &in) != nil {
		return "", false // the handler says what is wrong
	}
	for _, member := range members {
		if json.Unmarshal(in[member], &spec) == nil && spec != "" {
			break
		}
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

// take gives a copy of the key pair if it is of the spec, for the caller to wipe,
// and makes a pair otherwise. Each time that one call is decided it has the same
// key; no two calls have one Prepared.
func (p *Prepared) take(entropy io.Reader, spec string) (secret, public []byte, err error) {
	if p == nil || p.spec != spec || p.secret == nil {
		return generateKey(entropy, spec)
	}
	return bytes.Clone(p.secret), p.public, nil
}

// Wipe zeroes the key. It may be called again.
func (p *Prepared) Wipe() {
	if p == nil {
		return
	}
	clear(p.secret)
	p.secret = nil
}
