package vault

import (
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
)

// Past is the state as it was at some time, for the questions that are asked about
// it. The engine replays it outside of every lock; what it could not replay has
// neither a State nor a Problem.
type Past struct {
	State   *State // as the first Records records left it; nil with a Problem
	Records uint64 // all records with n < Records have been taken in
	At      time.Time
	Problem string // why there is no such position
}

// PastQuery names a position of the log: before the record n = Records, or, with a
// Time, behind the last record that was decided then.
type PastQuery struct {
	Records uint64
	Time    time.Time
}

// NeedsPast gives the position whose state the request wants to ask about, if the
// caller may ask as the state is now. It is decided again when the call is: what
// was replayed answers only then. A request that asks for evidence has it first.
func NeedsPast(st *State, req *Request, env *Env) (PastQuery, bool) {
	if req.Service != "keytrail" {
		return PastQuery{}, false
	}
	switch req.Operation {
	case "WhoCan":
		return asked(st, req, env, whoCanPast)
	case "ExplainRequest":
		return asked(st, req, env, explainPast)
	}
	return PastQuery{}, false
}

func asked[In any](st *State, req *Request, env *Env, ask func(*call, *In) (PastQuery, bool)) (PastQuery, bool) {
	c, ok := asking(st, req, env)
	in := new(In)
	if !ok || table[operationName{req.Service, req.Operation}].shape.Decode(req.Body, in) != nil {
		return PastQuery{}, false
	}
	return ask(c, in)
}

// asking is the call that a request would become, to see what it needs before it
// is decided. Nothing of it is kept.
func asking(st *State, req *Request, env *Env) (*call, bool) {
	actor, err := st.Identities.Resolve(req.Credential, env.Now)
	if err != nil {
		return nil, false
	}
	c := &call{st: st, req: req, env: env, dec: &Decision{}, service: req.Service, actor: actor, account: actor.Principal.Account}
	c.rec.At = env.Now
	return c, true
}

// crossAccount are the KMS operations that work on a key of another account.
var crossAccount = map[string]bool{}

func init() {
	for _, operation := range []string{
		"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
		"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "Sign", "Verify", "GenerateMac", "VerifyMac",
		"GetPublicKey", "DescribeKey", "DeriveSharedSecret", "Encapsulate", "Decapsulate", "CreateGrant", "ListGrants",
		"RevokeGrant", "RetireGrant", "GetKeyRotationStatus",
	} {
		crossAccount["kms:"+strings.ToLower(operation)] = true
	}
}

// judgedOn is the resource of an ARN as the operation judges the action on it: the
// target that its own code makes. creating says that the operation makes the
// secret of that name.
func (c *call) judgedOn(action, name string, creating bool) target {
	parsed, err := arn.Parse(name)
	if err != nil {
		return plain(name)
	}
	typ, id := parsed.Split()
	switch parsed.Service {
	case "kms":
		k := c.st.Keys.Get(id)
		if typ != "key" || k == nil || k.ARN != name {
			return plain(name)
		}
		if k.Account != c.account && !crossAccount[strings.ToLower(action)] {
			on := plain(name)
			on.account = k.Account
			return on
		}
		return onKey(k)
	case "secretsmanager":
		if creating {
			return target{arn: name, account: parsed.Account, model: iam.ModelIdentity}
		}
		if s, err := c.st.Secrets.Find(parsed.Account, name); err == nil && s.ARN == name && !s.Gone(c.now()) {
			return onSecret(s)
		}
		return target{arn: name, account: parsed.Account, model: iam.ModelResource}
	case "iam":
		return c.judgedOnIAM(action, name, parsed, typ)
	}
	return plain(name)
}

func (c *call) judgedOnIAM(action, name string, parsed arn.ARN, typ string) target {
	if strings.HasPrefix(strings.ToLower(action), "sts:") && typ == "role" {
		if r := c.st.Identities.RoleByARN(name); r != nil {
			return onRole(r)
		}
		return target{arn: name, account: parsed.Account, model: iam.ModelTrust}
	}
	on := plain(name)
	if parsed.Account != c.account && parsed.Account != "aws" {
		on.account = parsed.Account
		return on
	}
	switch typ {
	case "role":
		if r := c.st.Identities.RoleByARN(name); r != nil {
			on.tags = r.Tags
		}
	case "user":
		if u, ok := c.home().Users.Find(lastPart(parsed.Resource)); ok && u.ARN == name {
			on.tags = u.Tags
		}
	case "policy":
		if m := c.st.Identities.Policy(name); m != nil {
			on.tags = m.Tags
		}
	}
	return on
}

// pretend is a call as another principal would make it. via is the service that
// would forward it, "" for a call of its own.
func (c *call) pretend(actor *identity.Actor, service, via string) *call {
	as := &call{st: c.st, req: &Request{Secure: true}, env: c.env, dec: &Decision{}, service: service, via: via,
		actor: actor, account: actor.Principal.Account}
	as.rec.At = c.rec.At
	return as
}

// actorOf is the principal of the caller's account with the unique id as it would
// call: a user, a session of a role, or (by account id) the root.
func (c *call) actorOf(id string) (*identity.Actor, error) {
	return c.st.actorOf(c.account, id, "who-can", c.now())
}

// actorOf gives a principal as it would call; session is the name of a role's
// session.
func (s *State) actorOf(account, id, session string, now time.Time) (*identity.Actor, error) {
	const key = "-"
	x := &identity.Session{AccessKey: key, Account: account, Principal: id, Issued: now, Expires: now.Add(time.Hour)}
	if s.Identities.Role(id) != nil {
		x.Name = session // with one, a user's session would be that of a federated user
	}
	return s.Identities.Resolve(identity.Credential{AccessKey: key, Session: x}, now)
}
