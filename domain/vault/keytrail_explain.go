package vault

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
)

func init() {
	define("keytrail", "ExplainRequest", use, keytrailExplainRequest)
}

type explainInput struct {
	RequestID string `json:"RequestId" aws:"required,min=1,max=64" audit:"requestId"`
}

type explainOutput struct {
	RequestID string            `json:"RequestId"`
	Records   []explainedCall   `json:"Records"`
	Remedies  []explainedRemedy `json:"Remedies,omitempty"`
}

// explainedCall is one record of the request with everything that was judged.
type explainedCall struct {
	N         uint64           `json:"N"`
	At        string           `json:"At"`
	Operation string           `json:"Operation"`
	Via       string           `json:"Via,omitempty"`
	Principal string           `json:"Principal"`
	Role      string           `json:"Role,omitempty"` // of a session
	Outcome   string           `json:"Outcome"`
	Message   string           `json:"Message,omitempty"`
	Checks    []explainedCheck `json:"Checks,omitempty"`
}

// explainedCheck is one judgement: what the record says of it, and what it looked
// at in the state that the log had then.
type explainedCheck struct {
	Action   string   `json:"Action"`
	Resource string   `json:"Resource"`
	Allowed  bool     `json:"Allowed"`
	Road     string   `json:"Road"`
	By       []string `json:"By,omitempty"`
	More     int      `json:"More,omitempty"` // that decided as well, as those of their kind in By did
	Missing  []string `json:"Missing,omitempty"`

	Statements []explainedStatement `json:"Statements,omitempty"`
	Grants     []explainedGrant     `json:"Grants,omitempty"`
	// Note says what of the judgement could not be shown again.
	Note string `json:"Note,omitempty"`
}

type explainedStatement struct {
	Statement  string               `json:"Statement"` // "key-policy#0:Sid"
	Part       string               `json:"Part"`
	Effect     string               `json:"Effect"`
	Applies    bool                 `json:"Applies"`
	Fails      []string             `json:"Fails,omitempty"` // of action, resource, principal, condition
	Conditions []explainedCondition `json:"Conditions,omitempty"`
	Text       json.RawMessage      `json:"Text,omitempty"` // where it speaks about the action
}

type explainedGrant struct {
	Grant         string            `json:"Grant"`
	Grantee       string            `json:"Grantee"`
	Operations    []string          `json:"Operations"`
	Applies       bool              `json:"Applies"`
	Fails         []string          `json:"Fails,omitempty"` // of operation, encryption-context, grantee
	ContextEquals map[string]string `json:"EncryptionContextEquals,omitempty"`
	ContextSubset map[string]string `json:"EncryptionContextSubset,omitempty"`
}

func mayExplain(c *call) error { return c.authorize("keytrail:ExplainRequest", plain("*")) }

// explainPast is the position before the first record of the request.
func explainPast(c *call, in *explainInput) (PastQuery, bool) {
	if c.req.Evidence == nil || mayExplain(c) != nil {
		return PastQuery{}, false
	}
	records, err := c.evidence(nil, in.RequestID)
	if err != nil {
		return PastQuery{}, false
	}
	return PastQuery{Records: records[0].N}, true
}

// keytrailExplainRequest tells why a request was allowed or refused: what was
// judged, what was looked at, what decided, and for a denial what each road would
// need. The records say what was decided; the state of then says what was there to
// look at. Policies and grants of other accounts are not shown.
func keytrailExplainRequest(c *call, in *explainInput) (*explainOutput, error) {
	if err := mayExplain(c); err != nil {
		return nil, err
	}
	records, err := c.evidence(nil, in.RequestID)
	if err != nil {
		return nil, err
	}
	past, err := c.past()
	if err != nil {
		return nil, err
	}
	out := &explainOutput{RequestID: in.RequestID}
	for _, r := range records {
		told := explainedCall{
			N: r.N, At: r.At.Format("2006-01-02T15:04:05.000000Z"), Operation: r.Op, Via: r.Via,
			Principal: r.Who.ARN, Role: r.Who.IssuerARN, Outcome: r.Outcome, Message: r.Message,
		}
		foreign := r.Who.Account != c.account && r.Who.Account != ""
		if foreign { // as Seen shows the record
			told.Principal, told.Role, told.Message = r.Who.ID, "", r.Who.Unnamed(r.Message)
		}
		if r.Decision != nil {
			for i := range r.Decision.Checks {
				j := &judgement{c: c, past: past.State, record: r.Record, check: &r.Decision.Checks[i]}
				if foreign && accountOfARN(j.check.Resource) != c.account {
					continue
				}
				check, remedies := j.explain()
				if !foreign {
					check.By, _ = sourcesAlone(j.check, c.account)
				} else {
					check.By, check.More = slices.DeleteFunc(slices.Clone(check.By), ofCaller), 0
				}
				told.Checks = append(told.Checks, check)
				out.Remedies = append(out.Remedies, remedies...)
			}
		}
		out.Records = append(out.Records, told)
	}
	return out, nil
}

// judgement is one check of a record, to be made again.
type judgement struct {
	c      *call
	past   *State
	record *event.Record
	check  *event.Check
}

const (
	noteGone    = "The principal is not in the state of that time: only what the record says can be shown."
	noteSession = "The session was limited by policies of its own."
	noteIssued  = " They are in the record of its AssumeRole or GetFederationToken, which audit query --sql finds: " +
		"SELECT record FROM events WHERE eventName IN ('AssumeRole', 'GetFederationToken') AND record ->> '$.responseElements.credentials.accessKeyId' = '%s'"
	noteCovered  = "A grant allows CreateGrant only for what the grant itself covers."
	noteDiffers  = "Something that was judged is in neither the record nor the state: the record says what was decided."
	noteManaged  = "The key is managed by AWS: nobody can change its policy, and it has no grants of customers."
	noteForeign  = "Policies and grants of other accounts are not shown."
	noteExplicit = "A statement denies it: no other helps while that one applies."
)

func (j *judgement) explain() (explainedCheck, []explainedRemedy) {
	out := explainedCheck{Action: j.check.Action, Resource: j.check.Resource, Allowed: j.check.Allowed, Road: j.check.Road,
		By: j.check.By, More: j.check.More, Missing: j.check.Missing}
	actor, ok := j.actor()
	if !ok {
		out.Note = noteGone
		return out, nil
	}
	service, _, _ := strings.Cut(j.check.Action, ":")
	as := &call{st: j.past, req: &Request{Secure: true, Source: j.record.Source}, env: j.c.env, dec: &Decision{},
		service: service, via: j.record.Via, actor: actor, account: actor.Principal.Account}
	as.rec.At, as.rec.Agent = j.record.At, j.record.Agent
	on := as.judgedOn(j.check.Action, j.check.Resource, j.record.Op == "secretsmanager:CreateSecret")
	if strings.Contains(on.arn, ":key/") && on.key == nil { // aws/secretsmanager, made by this very request
		now := j.c.pretend(actor, service, j.record.Via)
		on = now.judgedOn(j.check.Action, on.arn, false)
	}
	in := as.input(j.check.Action, on, j.conds(on))
	if j.check.Context != nil {
		in.Context = iam.ContextMap(j.check.Context)
	}
	d := iam.Evaluate(&in)
	out.Note = j.compare(&in, &d)
	j.show(&out, iam.Inspect(&in), &in)
	if j.check.Allowed {
		return out, nil
	}
	if j.check.Road == iam.DeniedExplicit.String() {
		out.Note = strings.TrimSpace(out.Note + " " + noteExplicit)
		return out, nil
	}
	if on.key != nil && on.key.Manager != "CUSTOMER" {
		out.Note = strings.TrimSpace(out.Note + " " + noteManaged)
		return out, nil
	}
	return out, j.remedies(&in, &d, on)
}

// compare holds the judgement made again against the recorded one, and brings it
// in line with that where what is missing is known.
func (j *judgement) compare(in *iam.Input, d *iam.Decision) string {
	check := newCheck(j.check.Action, j.check.Resource, d)
	if check.Road == j.check.Road && slices.Equal(check.By, j.check.By) && slices.Equal(check.Missing, j.check.Missing) {
		return ""
	}
	if limited := func(s string) bool { return strings.Contains(s, "session-") }; slices.ContainsFunc(j.check.By, limited) || slices.ContainsFunc(j.check.Missing, limited) {
		in.HasSession = true
		*d = iam.Evaluate(in)
		if j.record.Who.Account != j.c.account {
			return noteSession
		}
		return noteSession + fmt.Sprintf(noteIssued, j.record.Who.AccessKey)
	}
	if !j.check.Allowed && d.Allowed && strings.EqualFold(j.check.Action, "kms:CreateGrant") {
		in.Grants = nil
		*d = iam.Evaluate(in)
		return noteCovered
	}
	return noteDiffers
}

// actor is the caller of the record as the state of then has it.
func (j *judgement) actor() (*identity.Actor, bool) {
	who := &j.record.Who
	id, session, _ := strings.Cut(who.ID, ":")
	made, err := j.past.actorOf(who.Account, id, session, j.record.At)
	if err != nil {
		return nil, false
	}
	actor := *made
	actor.Issued, actor.SourceIdentity = time.Time{}, who.Source
	if issued, err := time.Parse(time.RFC3339, who.Issued); err == nil {
		actor.Issued = issued
	}
	return &actor, true
}

// conds is what the record's parameters say of the request: all that conditions of
// an allowed call can be shown with. A denial has its own in the record.
func (j *judgement) conds(on target) []cond {
	var p map[string]json.RawMessage
	if json.Unmarshal(j.record.Params, &p) != nil {
		return nil
	}
	text := func(name string) string {
		var s string
		_ = json.Unmarshal(p[name], &s) // of another type: none
		return s
	}
	var conds []cond
	member := "encryptionContext"
	switch strings.ToLower(j.check.Action) {
	case "kms:reencryptfrom":
		member = "sourceEncryptionContext"
	case "kms:reencryptto":
		member = "destinationEncryptionContext"
	}
	if on.key != nil {
		var context map[string]string
		_ = json.Unmarshal(p[member], &context)
		conds = append(conds, withContext(context))
		if name := text("keyId"); strings.Contains(name, "alias/") {
			conds = append(conds, when("kms:requestalias", name[strings.Index(name, "alias/"):]))
		}
	}
	for _, x := range [...][2]string{
		{"encryptionAlgorithm", "kms:encryptionalgorithm"}, {"signingAlgorithm", "kms:signingalgorithm"},
		{"macAlgorithm", "kms:macalgorithm"}, {"messageType", "kms:messagetype"}, {"granteePrincipal", "kms:granteeprincipal"},
		{"versionId", "secretsmanager:versionid"}, {"versionStage", "secretsmanager:versionstage"},
		{"name", "secretsmanager:name"}, {"externalId", "sts:externalid"}, {"roleSessionName", "sts:rolesessionname"},
		{"sourceIdentity", "sts:sourceidentity"}, {"policyArn", "iam:policyarn"}, {"permissionsBoundary", "iam:permissionsboundary"},
	} {
		if value := text(x[0]); value != "" {
			conds = append(conds, when(x[1], value))
		}
	}
	if j.record.Op == "secretsmanager:GetSecretValue" && text("versionId") == "" && text("versionStage") == "" {
		conds = append(conds, currentStage...)
	}
	return conds
}

// show fills in what was looked at, as far as it is the asking account's own.
func (j *judgement) show(out *explainedCheck, seen iam.Inspection, in *iam.Input) {
	ownCaller := in.Principal.Account == j.c.account
	ownResource := in.ResourceAccount == j.c.account
	if !ownCaller || !ownResource {
		out.Note = strings.TrimSpace(out.Note + " " + noteForeign)
	}
	for i := range seen.Statements {
		st := &seen.Statements[i]
		ofResource := st.Part == iam.PartResource || st.Part == iam.PartDelegation
		if ofResource && !ownResource || !ofResource && !ownCaller {
			continue
		}
		told := explainedStatement{Statement: matchID(&st.Match), Part: st.Part.String(), Effect: st.Effect.String(), Applies: st.Applies}
		for _, aspect := range st.Fails {
			told.Fails = append(told.Fails, aspect.String())
		}
		if !slices.Contains(st.Fails, iam.AspectAction) {
			told.Text = st.Text
		}
		for _, k := range st.Conditions {
			holds := k.Holds
			told.Conditions = append(told.Conditions, explainedCondition{Operator: k.Operator, Key: k.Key, Wanted: k.Wanted, Got: k.Got, Holds: &holds})
		}
		out.Statements = append(out.Statements, told)
	}
	for _, g := range seen.Grants {
		if ownResource || ownCaller && g.Applies {
			out.Grants = append(out.Grants, explainedGrant{Grant: g.ID, Grantee: g.Grantee, Operations: g.Operations, Applies: g.Applies,
				Fails: g.Fails, ContextEquals: g.ContextEquals, ContextSubset: g.ContextSubset})
		}
	}
}
