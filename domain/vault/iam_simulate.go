package vault

import (
	"slices"
	"strconv"
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
)

func init() {
	defineIAM("SimulatePrincipalPolicy", use, iamSimulatePrincipalPolicy)
	defineIAM("SimulateCustomPolicy", use, iamSimulateCustomPolicy)
}

type contextEntry struct {
	ContextKeyName   string   `json:"ContextKeyName" aws:"min=5,max=256"`
	ContextKeyValues []string `json:"ContextKeyValues"`
	ContextKeyType   string   `json:"ContextKeyType" aws:"enum=string|stringList|numeric|numericList|boolean|booleanList|ip|ipList|binary|binaryList|date|dateList"`
}

type simulateCustomInput struct {
	PolicyInputList        []string       `json:"PolicyInputList" aws:"required,each.min=1,each.max=131072"`
	PermissionsBoundaries  []string       `json:"PermissionsBoundaryPolicyInputList" aws:"each.min=1,each.max=131072"`
	ActionNames            []string       `json:"ActionNames" aws:"required,each.min=3,each.max=128"`
	ResourceARNs           []string       `json:"ResourceArns" aws:"each.min=1,each.max=2048"`
	ResourcePolicy         string         `json:"ResourcePolicy" aws:"min=1,max=131072"`
	ResourceOwner          string         `json:"ResourceOwner" aws:"min=1,max=2048"`
	CallerARN              string         `json:"CallerArn" aws:"min=1,max=2048"`
	ContextEntries         []contextEntry `json:"ContextEntries"`
	ResourceHandlingOption string         `json:"ResourceHandlingOption" aws:"min=1,max=64"`
	MaxItems               int            `json:"MaxItems" aws:"min=1,max=1000"`
	Marker                 string         `json:"Marker" aws:"min=1,max=320"`
}

type simulatePrincipalInput struct {
	PolicySourceARN        string         `json:"PolicySourceArn" aws:"required,min=20,max=2048"`
	PolicyInputList        []string       `json:"PolicyInputList" aws:"each.min=1,each.max=131072"`
	PermissionsBoundaries  []string       `json:"PermissionsBoundaryPolicyInputList" aws:"each.min=1,each.max=131072"`
	ActionNames            []string       `json:"ActionNames" aws:"required,each.min=3,each.max=128"`
	ResourceARNs           []string       `json:"ResourceArns" aws:"each.min=1,each.max=2048"`
	ResourcePolicy         string         `json:"ResourcePolicy" aws:"min=1,max=131072"`
	ResourceOwner          string         `json:"ResourceOwner" aws:"min=1,max=2048"`
	CallerARN              string         `json:"CallerArn" aws:"min=1,max=2048"`
	ContextEntries         []contextEntry `json:"ContextEntries"`
	ResourceHandlingOption string         `json:"ResourceHandlingOption" aws:"min=1,max=64"`
	MaxItems               int            `json:"MaxItems" aws:"min=1,max=1000"`
	Marker                 string         `json:"Marker" aws:"min=1,max=320"`
}

type matchedStatement struct {
	SourcePolicyID   string `json:"SourcePolicyId"`
	SourcePolicyType string
}

type boundaryDetail struct {
	AllowedByPermissionsBoundary bool
}

type evaluationResult struct {
	EvalActionName                    string
	EvalResourceName                  string
	EvalDecision                      string
	MatchedStatements                 []matchedStatement
	MissingContextValues              []string
	PermissionsBoundaryDecisionDetail *boundaryDetail `json:",omitempty"`
}

type simulateOutput struct {
	EvaluationResults []evaluationResult
	iamMore
}

// iamSimulatePrincipalPolicy asks for a user, group or role as it stands now,
// with further policies if any are given. Keys, secrets and roles are judged with
// their own policies and grants, which AWS's simulation leaves out.
func iamSimulatePrincipalPolicy(c *call, in *simulatePrincipalInput) (*simulateOutput, error) {
	actor, err := c.policySource("iam:SimulatePrincipalPolicy", in.PolicySourceARN)
	if err != nil {
		return nil, err
	}
	return c.simulate(actor, &simulateCustomInput{
		PolicyInputList: in.PolicyInputList, PermissionsBoundaries: in.PermissionsBoundaries, ActionNames: in.ActionNames,
		ResourceARNs: in.ResourceARNs, ResourcePolicy: in.ResourcePolicy, ResourceOwner: in.ResourceOwner,
		CallerARN: in.CallerARN, ContextEntries: in.ContextEntries, MaxItems: in.MaxItems, Marker: in.Marker,
	}, false)
}

// iamSimulateCustomPolicy asks what the given policies would allow, and looks at
// nothing else.
func iamSimulateCustomPolicy(c *call, in *simulateCustomInput) (*simulateOutput, error) {
	if err := c.authorize("iam:SimulateCustomPolicy", plain("*")); err != nil {
		return nil, err
	}
	nobody := &identity.Actor{Principal: iam.Principal{Type: iam.User, ARN: "arn:aws:iam::" + c.account + ":user/-", Account: c.account}}
	return c.simulate(nobody, in, true)
}

// policySource judges an action on the user, group or role of an ARN and gives
// the actor that has its policies.
func (c *call) policySource(action, name string) (*identity.Actor, error) {
	parsed, err := arn.Parse(name)
	typ, path := parsed.Split()
	if err != nil || parsed.Service != "iam" || typ != "user" && typ != "group" && typ != "role" {
		return nil, fault.New(fault.InvalidInput, "Invalid Entity Arn: %s does not clearly define entity type and name.", name)
	}
	if err := c.judge(action, plain(name), nil); err != nil {
		return nil, err
	}
	entity := lastPart(path)
	if parsed.Account == c.account {
		switch typ {
		case "user":
			if u, ok := c.home().Users.Find(entity); ok && u.ARN == name {
				return c.actorOf(u.ID)
			}
		case "role":
			if r, ok := c.home().Roles.Find(entity); ok && r.ARN == name {
				return c.actorOf(r.ID)
			}
		case "group":
			if g, ok := c.home().Groups.Find(entity); ok && g.ARN == name {
				return &identity.Actor{Principal: iam.Principal{Type: iam.User, ARN: name, Account: c.account}, Identity: g.Sources()}, nil
			}
		}
	}
	return nil, noSuch(typ, entity)
}

// simulation puts questions to the evaluator that production uses.
type simulation struct {
	as       *call // the caller they are asked for
	given    iam.ContextMap
	keys     []string    // condition keys that the policies ask for
	resource *iam.Policy // instead of the resource's own policy, or nil
	owner    string      // account of the resource, "" = the caller's
	custom   bool        // the state has no say
}

// simulatedWork bounds how many statements one answer looks at: some tenths of a
// second, in which no change of state is decided. Where policies are long, a page is
// short.
const simulatedWork = 250_000

func (s *simulation) page() int {
	statements := 1
	if s.resource != nil {
		statements += s.resource.Statements()
	}
	if b := s.as.actor.Boundary; b != nil {
		statements += b.Policy.Statements()
	}
	for i := range s.as.actor.Identity {
		statements += s.as.actor.Identity[i].Policy.Statements()
	}
	return max(1, simulatedWork/statements)
}

// lastPart is the name at the end of a path.
func lastPart(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func (c *call) simulate(actor *identity.Actor, in *simulateCustomInput, custom bool) (*simulateOutput, error) {
	s, err := c.newSimulation(actor, in, custom)
	if err != nil {
		return nil, err
	}
	resources := in.ResourceARNs
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	limit := in.MaxItems
	if limit == 0 {
		limit = iamPageSize
	}
	from, to, more, err := positions(in.Marker, min(limit, s.page()), len(in.ActionNames)*len(resources))
	if err != nil {
		return nil, err
	}
	out := &simulateOutput{EvaluationResults: make([]evaluationResult, 0, to-from), iamMore: more}
	for i := from; i < to; i++ {
		action := in.ActionNames[i/len(resources)]
		if !strings.Contains(action, ":") {
			return nil, fault.New(fault.InvalidInput, "Invalid action name %s.", action)
		}
		out.EvaluationResults = append(out.EvaluationResults, s.answer(action, resources[i%len(resources)]))
	}
	return out, nil
}

// positions is one page of a list that the request itself determines.
func positions(marker string, limit, n int) (from, to int, more iamMore, err error) {
	if marker != "" {
		if from, err = strconv.Atoi(marker); err != nil || from < 0 || from > n {
			return 0, 0, more, fault.New(fault.ValidationError, "Invalid Marker.")
		}
	}
	if to = min(from+limit, n); to < n {
		more = iamMore{IsTruncated: true, Marker: strconv.Itoa(to)}
	}
	return from, to, more, nil
}

func (c *call) newSimulation(actor *identity.Actor, in *simulateCustomInput, custom bool) (*simulation, error) {
	s := &simulation{custom: custom, owner: in.ResourceOwner, given: make(iam.ContextMap, len(in.ContextEntries))}
	if a, err := arn.Parse(in.ResourceOwner); err == nil {
		s.owner = a.Account
	}
	for _, e := range in.ContextEntries {
		s.given[e.ContextKeyName] = e.ContextKeyValues
	}
	var asking []iam.Source
	pretended := *actor
	given, err := readPolicies(iam.IdentityPolicy, "PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	pretended.Identity = slices.Concat(actor.Identity, given)
	boundaries, err := readPolicies(iam.BoundaryPolicy, "PermissionsBoundaryPolicyInputList", in.PermissionsBoundaries)
	if err != nil {
		return nil, err
	}
	if len(boundaries) > 0 {
		pretended.Boundary = &boundaries[0]
	}
	if in.CallerARN != "" {
		caller, err := c.simulatedCaller(in.CallerARN)
		if err != nil {
			return nil, err
		}
		pretended.Principal = caller.Principal
	}
	if in.ResourcePolicy != "" {
		read, err := readPolicies(iam.ResourcePolicy, "ResourcePolicy", []string{in.ResourcePolicy})
		if err != nil {
			return nil, err
		}
		ids, _ := c.st.Identities.UniqueIDs(read[0].Policy.Principals())
		s.resource = read[0].Policy.Bind(ids)
		read[0].Policy = s.resource
		asking = append(asking, read...)
	}
	if pretended.Boundary != nil {
		asking = append(asking, *pretended.Boundary)
	}
	s.keys = contextKeysOf(slices.Concat(asking, pretended.Identity)).ContextKeyNames
	s.as = &call{st: c.st, req: &Request{Secure: true}, env: c.env, dec: &Decision{}, service: c.service,
		actor: &pretended, account: pretended.Principal.Account}
	s.as.rec.At = c.rec.At
	return s, nil
}

func readPolicies(kind iam.Kind, name string, documents []string) ([]iam.Source, error) {
	var list []iam.Source
	for i, document := range documents {
		p, err := readPolicy(kind, document)
		if err != nil {
			return nil, fault.New(fault.InvalidInput, "%s", fault.Of(err).Message)
		}
		list = append(list, iam.Source{ID: name + "." + strconv.Itoa(i+1), Policy: p})
	}
	return list, nil
}

// simulatedCaller is the user or role of the account that CallerArn names. One of
// another account would have the simulation read that account's key policies out.
func (c *call) simulatedCaller(name string) (*identity.Actor, error) {
	parsed, _ := arn.Parse(name)
	ids, _ := c.st.Identities.UniqueIDs([]string{name})
	if id := ids[name]; id != "" && parsed.Account == c.account {
		if actor, err := c.actorOf(id); err == nil {
			return actor, nil
		}
	}
	return nil, fault.New(fault.InvalidInput, "Invalid caller ARN %s.", name)
}

// target is the resource as the evaluator is to see it. Only resources of the
// caller's own account have a policy and grants here.
func (s *simulation) target(action, resource string) target {
	on := plain(resource)
	if !s.custom {
		if known, err := s.as.named(resource, action); err == nil {
			on = known
		}
		if on.account != "" && on.account != s.as.account {
			on = plain(resource)
		}
	}
	if s.owner != "" {
		on.account = s.owner
	}
	if s.resource != nil {
		on.policy = iam.Source{ID: "ResourcePolicy", Policy: s.resource}
		switch parsed, _ := arn.Parse(resource); parsed.Service {
		case "kms":
			on.model = iam.ModelKey
		case "iam":
			on.model = iam.ModelTrust
		default:
			on.model = iam.ModelResource
		}
	}
	return on
}

func (s *simulation) answer(action, resource string) evaluationResult {
	on := s.target(action, resource)
	in := s.as.input(action, on, nil)
	context := simulatedContext{s.given, in.Context}
	in.Context = context
	d := iam.Evaluate(&in)

	result := evaluationResult{
		EvalActionName: action, EvalResourceName: resource, EvalDecision: "implicitDeny",
		MatchedStatements: []matchedStatement{}, MissingContextValues: []string{},
	}
	switch {
	case d.Allowed:
		result.EvalDecision = "allowed"
	case d.Road == iam.DeniedExplicit:
		result.EvalDecision = "explicitDeny"
	}
	for i := range d.Matched {
		m := &d.Matched[i]
		if m.Part != iam.PartBoundary && (m.Effect == iam.Allow) == d.Allowed {
			result.MatchedStatements = append(result.MatchedStatements, matchedStatement{m.Source, sourceType(m)})
		}
	}
	if in.Boundary != nil {
		result.PermissionsBoundaryDecisionDetail = &boundaryDetail{
			AllowedByPermissionsBoundary: !slices.ContainsFunc(d.Missing, func(m iam.Missing) bool { return m.Need == iam.NeedBoundary }),
		}
	}
	for _, key := range s.keys {
		name, suffix := iam.SplitKey(key)
		if _, _, ok := context.Lookup(name, suffix); !ok {
			result.MissingContextValues = append(result.MissingContextValues, key)
		}
	}
	return result
}

// simulatedContext is what the request gives, before what production would see.
type simulatedContext struct {
	given iam.ContextMap
	rest  iam.Context
}

func (s simulatedContext) Lookup(name, suffix string) ([]string, bool, bool) {
	if values, multi, ok := s.given.Lookup(name, suffix); ok {
		return values, multi, true
	}
	return s.rest.Lookup(name, suffix)
}

// sourceType is SourcePolicyType for the source of a statement or grant.
func sourceType(m *iam.Match) string {
	switch id := m.Source; {
	case m.Part == iam.PartResource, m.Part == iam.PartDelegation, m.Part == iam.PartGrant:
		return "resource"
	case strings.HasPrefix(id, "PolicyInputList"):
		return "none"
	case strings.HasPrefix(id, "group/"):
		return "group"
	case strings.HasPrefix(id, "aws-policy/"):
		return "aws-managed"
	case strings.HasPrefix(id, "policy/"):
		return "user-managed"
	}
	return "user"
}
