package vault

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/secret"
)

// target is the resource an action is judged on, and the policy that guards it.
type target struct {
	arn     string
	account string // that owns the resource; "" = the caller's
	model   iam.Model
	policy  iam.Source // the resource's own policy; Policy nil = none
	key     *key.Key
	secret  *secret.Secret
	role    *identity.Role
	tags    []event.Tag // aws:ResourceTag of any other resource
}

// plain is a resource without a policy of its own: identity policies decide.
func plain(arn string) target { return target{arn: arn, model: iam.ModelIdentity} }

// plainTagged is plain with the resource's tags for aws:ResourceTag.
func plainTagged(arn string, tags []event.Tag) target {
	return target{arn: arn, model: iam.ModelIdentity, tags: tags}
}

// onKey is a KMS key: its key policy or a grant must allow.
func onKey(k *key.Key) target {
	return target{arn: k.ARN, account: k.Account, model: iam.ModelKey, key: k,
		policy: iam.Source{ID: "key-policy", Policy: k.Policy}}
}

// onSecret is a secret: its resource policy or an identity policy may allow.
func onSecret(s *secret.Secret) target {
	return target{arn: s.ARN, account: s.Account, model: iam.ModelResource, secret: s,
		policy: iam.Source{ID: "secret-policy", Policy: s.Policy}}
}

// onRole is a role to be assumed: its trust policy must allow.
func onRole(r *identity.Role) target {
	return target{arn: r.ARN, account: r.Account, model: iam.ModelTrust, role: r,
		policy: iam.Source{ID: "trust-policy", Policy: r.Trust}}
}

// authorize judges the action for the caller and leaves the judgement in the
// record. A denial is a fault with AWS's text, which names what is missing.
func (c *call) authorize(action string, on target, conds ...cond) error {
	d := c.try(action, on, conds...)
	c.record(action, on.arn, &d)
	if d.Allowed {
		return nil
	}
	return c.denied(action, on.arn, &d)
}

// try judges the action without leaving a trace, for simulations, filters and
// the lock-out check.
func (c *call) try(action string, on target, conds ...cond) iam.Decision {
	c.question = c.input(action, on, conds)
	return iam.Evaluate(&c.question)
}

func (c *call) input(action string, on target, conds []cond) iam.Input {
	owner := on.account
	if owner == "" {
		owner = c.account
	}
	c.judged = conditions{c: c, on: on, owner: owner, conds: conds}
	in := iam.Input{
		Principal:         c.actor.Principal,
		Action:            action,
		Resource:          on.arn,
		ResourceAccount:   owner,
		Context:           &c.judged,
		Model:             on.model,
		Identity:          c.actor.Identity,
		Boundary:          c.actor.Boundary,
		Session:           c.actor.Session,
		HasSession:        c.actor.HasSession,
		EncryptionContext: encryptionContext(conds),
	}
	if on.policy.Policy != nil {
		c.judged.policy = on.policy
		in.ResourcePolicy = &c.judged.policy
	}
	if on.key != nil {
		in.Grants = c.st.Keys.GrantsFor(on.key, c.actor.Principal)
	}
	return in
}

func (c *call) denied(action, arn string, d *iam.Decision) error {
	code := fault.AccessDeniedException
	if queryService(c.service) {
		code = fault.AccessDenied
	}
	var b strings.Builder
	b.WriteString("User: ")
	b.WriteString(c.actor.Principal.ARN)
	b.WriteString(" is not authorized to perform: ")
	b.WriteString(action)
	b.WriteString(" on resource: ")
	b.WriteString(arn)
	if c.service != "sts" || d.Road == iam.DeniedExplicit { // STS names no other reason
		b.WriteByte(' ')
		b.WriteString(d.Reason(action))
	}
	return fault.New(code, "%s", b.String())
}

// record leaves the judgement in the record, in ids short enough to store always.
func (c *call) record(action, arn string, d *iam.Decision) {
	check := event.Check{Action: action, Resource: arn, Allowed: d.Allowed, Road: d.Road.String()}
	if c.rec.Decision == nil {
		n := c.note()
		n.decision.Allowed, n.decision.Checks = true, n.checks[:0]
		c.rec.Decision, check.By = &n.decision, n.by[:0]
	}
	check.By, check.More = appendDecisive(check.By, d.Matched)
	for i := range d.Missing {
		check.Missing = append(check.Missing, d.Missing[i].String())
	}
	if !d.Allowed {
		check.Context = c.notedContext(action)
	}
	c.rec.Decision.Checks = append(c.rec.Decision.Checks, check)
	c.rec.Decision.Allowed = c.rec.Decision.Allowed && d.Allowed
}

// Bounds of what a record keeps of a judgement. Policies may have thousands of
// statements that speak about one request, and a record that no commit can hold would
// end the epoch for everybody.
const (
	mostMatched = 32  // statements and grants, if there are no more
	mostOfKind  = 8   // of each effect and part of the judgement, if there are
	mostSid     = 128 // bytes of a statement's Sid
	// mostNoted bounds, in bytes, the value of a condition key: longer ones, such as of a
	// large encryption context, are among the parameters. mostContext bounds all of them.
	mostNoted   = 2048
	mostContext = 16 << 10
)

// appendDecisive appends what decided. more counts what is left out: where too much
// decided, the first of each kind stand for the others.
func appendDecisive(by []string, matched []iam.Match) (list []string, more int) {
	type kind struct {
		effect iam.Effect
		part   iam.Part
	}
	var seen map[kind]int
	if len(matched) > mostMatched {
		seen = map[kind]int{}
	}
	for i := range matched {
		m := &matched[i]
		if seen != nil {
			k := kind{m.Effect, m.Part}
			if seen[k]++; seen[k] > mostOfKind {
				more++
				continue
			}
		}
		by = append(by, matchID(m))
	}
	return by, more
}

// notedContext is what the judgement that was made last could ask the request for,
// and what it was told. It is kept for denials alone: they are few, and what a
// session's tags or a client's address were cannot be looked up afterwards.
func (c *call) notedContext(action string) map[string][]string {
	in := c.input(action, c.judged.on, c.judged.conds)
	noted := &iam.NotedContext{Context: in.Context}
	in.Context = noted
	iam.Evaluate(&in)
	all := 0
	for _, key := range slices.Sorted(maps.Keys(noted.Noted)) {
		size := len(key)
		for _, value := range noted.Noted[key] {
			size += len(value)
		}
		if size > mostNoted || all+size > mostContext {
			delete(noted.Noted, key)
			continue
		}
		all += size
	}
	return noted.Noted
}

// matchID is "source#index" of a statement, with its Sid where it has one, or
// "grant/<id>".
func matchID(m *iam.Match) string {
	if m.Statement < 0 {
		return m.Source
	}
	if m.Sid != "" {
		return m.Source + "#" + strconv.Itoa(m.Statement) + ":" + truncate(m.Sid, mostSid)
	}
	return m.Source + "#" + strconv.Itoa(m.Statement)
}
