package vault

import (
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/secret"
)

func init() {
	define("keytrail", "WhoCan", use, keytrailWhoCan)
}

type whoCanInput struct {
	Action   string `json:"Action" aws:"required,min=3,max=128"`
	Resource string `json:"Resource" aws:"required,min=1,max=2048"`
}

type whoCanOutput struct {
	Action     string         `json:"Action"`
	Resource   string         `json:"Resource"`
	Principals []whoCanAnswer `json:"Principals"`
	Refused    int            `json:"Refused"` // principals of the account that cannot
}

// whoCanAnswer is one principal that can, with what decided.
type whoCanAnswer struct {
	Principal string           `json:"Principal"`
	Checks    []explainedCheck `json:"Checks"`
}

// keytrailWhoCan asks the evaluator, for every principal of the caller's account,
// what it would decide for a plain request now: no session policy, no source
// address, and for a secret's value also the forwarded use of its key.
func keytrailWhoCan(c *call, in *whoCanInput) (*whoCanOutput, error) {
	if err := c.authorize("keytrail:WhoCan", plain("*")); err != nil {
		return nil, err
	}
	on, err := c.named(in.Resource)
	if err != nil {
		return nil, err
	}
	account := c.st.Identities.Account(c.account)
	if account == nil {
		return nil, fault.New(fault.ResourceNotFoundException, "The account %s does not exist.", c.account)
	}
	out := &whoCanOutput{Action: in.Action, Resource: on.arn, Principals: []whoCanAnswer{}}
	for _, id := range principalIDs(account) {
		actor, err := c.actorOf(id)
		if err != nil {
			return nil, err
		}
		if checks, ok := c.wouldBeAllowed(actor, in.Action, on); ok {
			name := actor.Principal.ARN
			if actor.Principal.RoleARN != "" {
				name = actor.Principal.RoleARN
			}
			out.Principals = append(out.Principals, whoCanAnswer{Principal: name, Checks: checks})
		} else {
			out.Refused++
		}
	}
	return out, nil
}

// named finds the resource that a person names: a key by id, ARN or alias, a
// secret by name or ARN, or any other ARN by itself.
func (c *call) named(resource string) (target, error) {
	if parsed, err := arn.Parse(resource); err == nil && parsed.Service != "kms" && parsed.Service != "secretsmanager" {
		return plain(resource), nil
	}
	if k, err := c.findKey(resource, aliasesToo); err == nil {
		return onKey(k.Key), nil
	}
	if s, err := c.st.Secrets.Find(c.account, resource); err == nil {
		return onSecret(s), nil
	}
	if resource == "*" {
		return plain(resource), nil
	}
	return target{}, fault.New(fault.ResourceNotFoundException, "There is no key or secret %s.", resource)
}

func principalIDs(a *identity.Account) []string {
	ids := []string{a.ID}
	for u := range a.Users.After("") {
		ids = append(ids, u.ID)
	}
	for r := range a.Roles.After("") {
		ids = append(ids, r.ID)
	}
	return ids
}

// actorOf is the principal with the unique id as it would call: a user, a session
// of a role, or (by account id) the root.
func (c *call) actorOf(id string) (*identity.Actor, error) {
	const name = "who-can"
	s := &identity.Session{AccessKey: name, Account: c.account, Principal: id, Issued: c.now(), Expires: c.now().Add(time.Hour)}
	if c.st.Identities.Role(id) != nil {
		s.Name = name // with one, a user's session would be that of a federated user
	}
	return c.st.Identities.Resolve(identity.Credential{AccessKey: name, Session: s}, c.now())
}

// wouldBeAllowed judges the action as the actor, and what it needs of the key
// behind a secret.
func (c *call) wouldBeAllowed(actor *identity.Actor, action string, on target) ([]explainedCheck, bool) {
	as := &call{st: c.st, req: c.req, env: c.env, dec: &Decision{}, service: c.service, actor: actor, account: c.account}
	as.rec.At = c.rec.At
	if as.authorize(action, on) != nil {
		return nil, false
	}
	checks := as.rec.Decision.Checks
	if on.secret != nil && strings.EqualFold(action, "secretsmanager:GetSecretValue") {
		via := &call{st: c.st, req: c.req, env: c.env, dec: &Decision{}, service: "kms", via: "secretsmanager",
			actor: actor, account: c.account}
		via.rec.At = c.rec.At
		if !via.couldOpen(on.secret) {
			return nil, false
		}
		checks = append(checks, via.rec.Decision.Checks...)
	}
	out := make([]explainedCheck, len(checks))
	for i, check := range checks {
		out[i] = explainedCheck(check)
	}
	return out, true
}

// couldOpen judges the Decrypt that reading the secret's current version makes.
func (c *call) couldOpen(s *secret.Secret) bool {
	current := s.Staged("AWSCURRENT")
	if current == nil {
		return false
	}
	k := c.st.Keys.Get(current.Wrapping().Key)
	if k == nil {
		return false
	}
	context := map[string]string{"SecretARN": s.ARN, "SecretVersionId": current.ID()}
	return c.authorize("kms:Decrypt", onKey(k), withContext(context)) == nil
}
