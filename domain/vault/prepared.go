package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/keytrail/keytrail/domain/iam"
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

// AsksKey reports whether the operation may ask for a private key that has to be
// made beforehand.
func AsksKey(service, name string) bool { return preparing[operationName{service, name}] != nil }

// NeedsKey reports the spec of the private key that the request asks for, if it is
// one that has to be made beforehand, and if some conditions would allow the caller
// to ask for it: nobody else has one made.
func NeedsKey(st *State, req *Request, env *Env) (spec string, ok bool) {
	var in map[string]json.RawMessage
	if !AsksKey(req.Service, req.Operation) || json.Unmarshal(req.Body, &in) != nil {
		return "", false // the handler says what is wrong
	}
	for _, member := range preparing[operationName{req.Service, req.Operation}] {
		if json.Unmarshal(in[member], &spec) == nil && spec != "" {
			break
		}
	}
	if rsaBits[spec] == 0 {
		return "", false
	}
	c, ok := asking(st, req, env)
	if !ok {
		return "", false
	}
	on := plain("*")
	if raw := in["KeyId"]; raw != nil {
		var id string
		if json.Unmarshal(raw, &id) != nil {
			return "", false
		}
		k, err := c.findKey(id, aliasesToo)
		if err != nil {
			return "", false
		}
		on = onKey(k.Key)
	}
	question := c.input("kms:"+req.Operation, on, nil)
	possible := iam.Possible(&question, func(string, string) bool { return true })
	return spec, !possible.Never()
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
