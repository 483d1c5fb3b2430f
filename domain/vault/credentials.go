package vault

import (
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
)

// SecretKey gives the secret that an access key signs with: the one sealed in the
// keyring or, for temporary credentials, the one in their session token. The
// credential counts as verified only when the caller has proved to know the
// secret. Whoever asks wipes it; that of a session is one with the session's own.
// Every failure is the same fault.
func SecretKey(st *State, env *Env, accessKey, token string) (identity.Credential, identity.SecretKey, error) {
	c := identity.Credential{AccessKey: accessKey}
	if token != "" {
		s, err := identity.OpenSession(env.Root, token)
		if err != nil {
			return c, identity.SecretKey{}, refused.Because(err)
		}
		if s.AccessKey != accessKey {
			s.Zero()
			return c, identity.SecretKey{}, refused
		}
		c.Session = s
		return c, s.Secret, nil
	}
	k := st.Identities.AccessKey(accessKey)
	if k == nil {
		return c, identity.SecretKey{}, refused
	}
	sealed, err := env.Keys.Sealed(k.Ring)
	if err != nil {
		return c, identity.SecretKey{}, refused.Because(err)
	}
	known, err := identity.OpenSecretKey(env.Root, accessKey, sealed)
	if err != nil {
		return c, identity.SecretKey{}, refused.Because(err)
	}
	return c, known, nil
}

var refused = fault.New(fault.UnrecognizedClientException, "The security token included in the request is invalid.")

// Authenticate checks credentials that are presented whole, as a connection
// presents them: the secret of an access key, or that of temporary credentials
// with their session token. The credential it returns is what requests of that
// connection carry; whether it still stands is asked again with each of them.
// Every failure is the same fault, so that nobody learns which part was wrong,
// but for a session that has expired.
func Authenticate(st *State, env *Env, accessKey, secret, token string) (identity.Credential, *identity.Actor, error) {
	c, known, err := SecretKey(st, env, accessKey, token)
	if err != nil {
		return c, nil, err
	}
	right := known.Is([]byte(secret))
	if c.Session == nil || !right {
		known.Zero()
	}
	if !right {
		return identity.Credential{AccessKey: accessKey}, nil, refused
	}
	actor, err := st.Identities.Resolve(c, env.Now)
	if err != nil {
		return c, nil, err
	}
	return c, actor, nil
}

// MayTail reports whether the actor may watch the records of its account as they
// are stored: the IAM action keytrail:TailRecords. Of the request, only where the
// connection comes from is looked at: Source, Agent and Secure.
func MayTail(st *State, env *Env, actor *identity.Actor, from *Request) bool {
	req := &Request{Service: "keytrail", Source: from.Source, Agent: from.Agent, Secure: from.Secure}
	c := &call{st: st, req: req, env: env, dec: &Decision{}, service: "keytrail",
		actor: actor, account: actor.Principal.Account}
	c.rec.At = env.Now
	return c.try("keytrail:TailRecords", plain("*")).Allowed
}
