package vault

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("keytrail", "WhoCan", use, keytrailWhoCan)
}

// Bounds of what one answer considers, in which time no change of state is decided:
// principals, a few milliseconds as a rule, and statements of their policies, some
// tenths of a second where these are as many as IAM allows.
const (
	whoCanPage = 500
	whoCanWork = 100_000
)

type whoCanInput struct {
	Action   string `json:"Action" aws:"required,min=3,max=128,pattern=[\\w-]+:\\w+"`
	Resource string `json:"Resource" aws:"required,min=1,max=2048"`
	// AtRecord asks for the state that the record with this n left, AtTime for that
	// of a time. Without either the answer is of now.
	AtRecord *int64           `json:"AtRecord" aws:"min=0"`
	AtTime   *shape.Timestamp `json:"AtTime"`
	// ContextEntries say what the request has of condition keys that it may choose.
	ContextEntries []contextEntry `json:"ContextEntries" aws:"max=50"`
	MaxResults     *int           `json:"MaxResults" aws:"min=1,max=500"`
	NextToken      string         `json:"NextToken" aws:"max=256"`
}

type whoCanOutput struct {
	Action   string          `json:"Action"`
	Resource string          `json:"Resource"`
	At       *whoCanPosition `json:"At,omitempty"` // of the past
	// Obstacle is why the operation fails now, whoever calls it: the state of the key.
	Obstacle   string         `json:"Obstacle,omitempty"`
	Principals []whoCanAnswer `json:"Principals"`
	Refused    int            `json:"Refused"` // principals, of those considered, that cannot
	NextToken  string         `json:"NextToken,omitempty"`
}

type whoCanPosition struct {
	Records uint64    `json:"Records"` // the records with n below it had been made
	Time    time.Time `json:"Time"`
}

// whoCanAnswer is one principal that can, with what decides. Without If it can
// whatever its request looks like.
type whoCanAnswer struct {
	Principal string `json:"Principal"` // of a role: the role, in any session of it
	// Account is set for principals of other accounts. One with the ARN of an account
	// root stands for all in it that their own account allows, "*" for all in any.
	Account string           `json:"Account,omitempty"`
	Checks  []explainedCheck `json:"Checks"`
	If      []whoCanIf       `json:"If,omitempty"`
}

// whoCanIf is a statement or grant that decides by what the request has. Enough of
// those that allow must apply, and none of those that deny.
type whoCanIf struct {
	Action     string               `json:"Action"`
	Statement  string               `json:"Statement"` // "key-policy#0:Sid" or "grant/<id>"
	Effect     string               `json:"Effect"`
	Conditions []explainedCondition `json:"Conditions,omitempty"`
	// Constraints of a grant on the encryption context.
	ContextEquals map[string]string `json:"EncryptionContextEquals,omitempty"`
	ContextSubset map[string]string `json:"EncryptionContextSubset,omitempty"`
}

func mayAskWhoCan(c *call) error { return c.authorize("keytrail:WhoCan", plain("*")) }

func whoCanPast(c *call, in *whoCanInput) (PastQuery, bool) {
	if mayAskWhoCan(c) != nil {
		return PastQuery{}, false
	}
	switch {
	case in.AtRecord != nil:
		return PastQuery{Records: uint64(*in.AtRecord) + 1}, in.AtTime == nil
	case in.AtTime != nil:
		return PastQuery{Time: in.AtTime.Time}, true
	}
	return PastQuery{}, false
}

// keytrailWhoCan asks the evaluator, for every principal of the caller's account
// and for those of others that the resource's policy or grants name: what it would
// decide for a request of which only the action and the resource are known. Of a
// resource of another account nothing is told: what its policy and grants say, down to
// the external id that a trust policy wants, is for its owner to see.
func keytrailWhoCan(c *call, in *whoCanInput) (*whoCanOutput, error) {
	if err := mayAskWhoCan(c); err != nil {
		return nil, err
	}
	if in.AtRecord != nil && in.AtTime != nil {
		return nil, fault.New(fault.ValidationException, "Give AtRecord or AtTime, not both.")
	}
	if strings.EqualFold(in.Action, "kms:RetireGrant") {
		return nil, fault.New(fault.ValidationException, "kms:RetireGrant is judged for each grant: its retiring principal may, its grantee, and the account that made it. See ListGrants.")
	}
	if owner := accountOfARN(in.Resource); owner != "" && owner != c.account && guarded(in.Resource) {
		return nil, fault.New(fault.ValidationException, "%s is a resource of the account %s: who can use it is for that account to ask.", in.Resource, owner)
	}
	out := &whoCanOutput{Action: in.Action, Principals: []whoCanAnswer{}}
	then := c
	if in.AtRecord != nil || in.AtTime != nil {
		past, err := c.past()
		if err != nil {
			return nil, err
		}
		then = c.pretend(c.actor, c.service, "")
		then.st, then.rec.At = past.State, past.At
		out.At = &whoCanPosition{past.Records, past.At}
	}
	on, err := then.named(in.Resource, in.Action)
	if err != nil {
		return nil, err
	}
	out.Resource = on.arn
	steps, obstacle := then.steps(in.Action, on)
	out.Obstacle = obstacle
	given := iam.ContextMap{}
	for _, e := range in.ContextEntries {
		given[e.ContextKeyName] = e.ContextKeyValues
	}
	return out, then.whoCan(out, in, steps, given)
}

// guarded reports whether an ARN is of a service whose resources have policies or
// states here.
func guarded(name string) bool {
	parsed, err := arn.Parse(name)
	return err == nil && (parsed.Service == "kms" || parsed.Service == "secretsmanager" || parsed.Service == "iam")
}

// past is the state that the engine replayed for this call.
func (c *call) past() (*Past, error) {
	switch p := c.req.Past; {
	case p == nil || p.State == nil && p.Problem == "":
		return nil, fault.New(fault.ServiceUnavailable, "The state of that time could not be replayed from the log. Try again.")
	case p.State == nil:
		return nil, fault.New(fault.ValidationException, "%s", p.Problem)
	default:
		return p, nil
	}
}

// whoCan fills in one page of principals.
func (c *call) whoCan(out *whoCanOutput, in *whoCanInput, steps []step, given iam.ContextMap) error {
	everybody := c.candidates(steps)
	from := 0
	if in.NextToken != "" {
		from = slices.IndexFunc(everybody, func(x candidate) bool { return x.key() == in.NextToken })
		if from < 0 {
			return fault.New(fault.InvalidNextTokenException, "The NextToken is not valid any more: ask anew.")
		}
	}
	page := whoCanPage
	if in.MaxResults != nil {
		page = *in.MaxResults
	}
	to, work := min(from+page, len(everybody)), 0
	for i, who := range everybody[from:to] {
		if work > whoCanWork {
			to = from + i
			break
		}
		actor, ok := c.candidateActor(who)
		if !ok {
			continue
		}
		for j := range actor.Identity {
			work += len(steps) * actor.Identity[j].Policy.Statements()
		}
		if answer, ok := c.couldDo(who, actor, steps, given); ok {
			out.Principals = append(out.Principals, answer)
		} else if who.account == c.account {
			out.Refused++
		}
	}
	if to < len(everybody) {
		out.NextToken = everybody[to].key()
	}
	return nil
}

// named finds the resource that a person names: a key by id, ARN or alias, a
// secret by name or ARN, a role by ARN, or any other ARN by itself.
func (c *call) named(resource, action string) (target, error) {
	if resource == "*" {
		return plain(resource), nil
	}
	action = strings.ToLower(action)
	if parsed, err := arn.Parse(resource); err == nil && parsed.Service != "kms" && parsed.Service != "secretsmanager" {
		return c.judgedOn(action, resource, false), nil
	}
	if action == "secretsmanager:createsecret" {
		if name, owner, ok := secretReference(c, resource); ok {
			return target{arn: name, account: owner, model: iam.ModelIdentity}, nil
		}
	}
	if k, err := c.findKey(resource, aliasesToo); err == nil {
		return c.judgedOn(action, k.ARN, false), nil
	}
	if s, err := c.st.Secrets.Find(c.account, resource); err == nil && !s.Gone(c.now()) {
		return onSecret(s), nil
	}
	return target{}, fault.New(fault.ResourceNotFoundException, "There is no key or secret %s.", resource)
}

// secretReference is the ARN of a secret of that name that is yet to be made: its
// end is not known, and an x stands for each of the six characters.
func secretReference(c *call, resource string) (name, owner string, ok bool) {
	if s, err := c.st.Secrets.Find(c.account, resource); err == nil {
		return s.ARN, s.Account, true
	}
	if strings.Contains(resource, ":") {
		return "", "", false
	}
	return arn.Secret(c.st.Region, c.account, resource, "xxxxxx").String(), c.account, true
}

// couldDo judges each step as the principal.
func (c *call) couldDo(who candidate, actor *identity.Actor, steps []step, given iam.ContextMap) (whoCanAnswer, bool) {
	answer := whoCanAnswer{Principal: who.shown(actor)}
	if who.account != c.account {
		answer.Account = who.account
	}
	for _, s := range steps {
		checks, ifs, ok := c.best(who, actor, s, given)
		if !ok {
			return answer, false
		}
		answer.Checks = append(answer.Checks, checks)
		answer.If = append(answer.If, ifs...)
	}
	return answer, true
}

// best is the alternative of a step that lies open without conditions, or the
// first that can be open.
func (c *call) best(who candidate, actor *identity.Actor, s step, given iam.ContextMap) (check explainedCheck, ifs []whoCanIf, can bool) {
	for _, n := range s {
		if n.notRoot && actor.Principal.Type == iam.Root {
			continue
		}
		q := &question{as: c.pretend(actor, n.service(), n.via), action: n.action, given: given, newVersion: n.newVersion, session: who.session != ""}
		in := q.as.input(n.action, n.on, n.conds)
		in.Context = simulatedContext{given, in.Context}
		p := iam.Possible(&in, q.free)
		switch {
		case p.Always.Allowed:
			return newCheck(n.action, n.on.arn, &p.Always), nil, true
		case p.Never() || can:
			continue
		}
		check, ifs, can = newCheck(n.action, n.on.arn, &p.Best), n.ifs(&p, &in, q), true
	}
	return check, ifs, can
}

func (n *need) ifs(p *iam.Possibility, in *iam.Input, q *question) []whoCanIf {
	var list []whoCanIf
	for _, x := range p.Conditionals(in, q.free) {
		entry := whoCanIf{Action: n.action, Statement: matchID(&x.Match), Effect: x.Effect.String(),
			ContextEquals: x.ContextEquals, ContextSubset: x.ContextSubset}
		for _, k := range x.Conditions {
			entry.Conditions = append(entry.Conditions, explainedCondition{Operator: k.Operator, Key: k.Key, Wanted: k.Wanted})
		}
		list = append(list, entry)
	}
	return list
}

// question is one judgement of which the request is known in part.
type question struct {
	as         *call
	action     string
	given      iam.ContextMap
	newVersion bool // a secret's version is written, under an id that the caller may choose
	session    bool // one session of the role, and no other
}

func newCheck(action, on string, d *iam.Decision) explainedCheck {
	check := explainedCheck{Action: action, Resource: on, Allowed: d.Allowed, Road: d.Road.String()}
	check.By, check.More = appendDecisive(nil, d.Matched)
	for i := range d.Missing {
		check.Missing = append(check.Missing, d.Missing[i].String())
	}
	return check
}

// explainedCondition is one operator of a statement on one condition key.
type explainedCondition struct {
	Operator string          `json:"Operator"`
	Key      string          `json:"Key"`
	Wanted   json.RawMessage `json:"Wanted,omitempty"` // as the policy has it
	Got      []string        `json:"Got,omitempty"`    // what the request had
	Holds    *bool           `json:"Holds,omitempty"`
}
