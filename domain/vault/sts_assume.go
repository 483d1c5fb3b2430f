package vault

import (
	"slices"
	"strconv"
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
)

func init() {
	define("sts", "AssumeRole", use, stsAssumeRole)
}

const (
	defaultSession = 3600 // seconds
	longestChained = 3600 // of a session that another session begins
)

type policyDescriptor struct {
	ARN string `json:"arn" aws:"min=20,max=2048"`
}

type assumeRoleInput struct {
	RoleARN           string             `json:"RoleArn" aws:"required,min=20,max=2048"`
	RoleSessionName   string             `json:"RoleSessionName" aws:"required,min=2,max=64,pattern=[\\w+=,.@-]*"`
	PolicyARNs        []policyDescriptor `json:"PolicyArns" aws:"max=10"`
	Policy            string             `json:"Policy" aws:"min=1,max=2048"`
	DurationSeconds   int                `json:"DurationSeconds" aws:"min=900,max=43200"`
	Tags              []iamTag           `json:"Tags" aws:"max=50"`
	TransitiveTagKeys []string           `json:"TransitiveTagKeys" aws:"max=50,each.min=1,each.max=128"`
	ExternalID        string             `json:"ExternalId" aws:"min=2,max=1224,pattern=[\\w+=,.@:\\/-]*"`
	SerialNumber      string             `json:"SerialNumber" aws:"min=9,max=256"`
	TokenCode         string             `json:"TokenCode" aws:"min=6,max=6,pattern=[\\d]*" audit:"-"`
	SourceIdentity    string             `json:"SourceIdentity" aws:"min=2,max=64,pattern=[\\w+=,.@-]*"`
}

type assumeRoleOutput struct {
	credentials
	role           *identity.Role
	packed         int // percent
	sourceIdentity string
}

func (o *assumeRoleOutput) assumed() (id, name string) {
	return o.role.ID + ":" + o.session.Name, arn.AssumedRole(o.role.Account, o.role.Name, o.session.Name).String()
}

// AppendJSON appends the reply.
func (o *assumeRoleOutput) AppendJSON(dst []byte) []byte {
	id, name := o.assumed()
	dst = o.appendJSON(append(slices.Grow(dst, 1024+len(o.token)), '{'))
	dst = event.AppendString(append(dst, `,"AssumedRoleUser":{"AssumedRoleId":`...), id)
	dst = event.AppendString(append(dst, `,"Arn":`...), name)
	dst = append(dst, '}')
	if o.packed > 0 {
		dst = strconv.AppendInt(append(dst, `,"PackedPolicySize":`...), int64(o.packed), 10)
	}
	if o.sourceIdentity != "" {
		dst = event.AppendString(append(dst, `,"SourceIdentity":`...), o.sourceIdentity)
	}
	return append(dst, '}')
}

func (o *assumeRoleOutput) responseElements() any {
	id, name := o.assumed()
	elements := map[string]any{"credentials": o.element(), "assumedRoleUser": map[string]any{"assumedRoleId": id, "arn": name}}
	if o.packed > 0 {
		elements["packedPolicySize"] = o.packed
	}
	if o.sourceIdentity != "" {
		elements["sourceIdentity"] = o.sourceIdentity
	}
	return elements
}

// stsAssumeRole changes no state: the session is stateless, and lives in its
// token and in this record.
func stsAssumeRole(c *call, in *assumeRoleInput) (*assumeRoleOutput, error) {
	parsed, err := arn.Parse(in.RoleARN)
	if err != nil || parsed.Service != "iam" || !strings.HasPrefix(parsed.Resource, "role/") {
		return nil, fault.New(fault.ValidationError, "%s is invalid", in.RoleARN)
	}
	c.resource(in.RoleARN)
	if err := noMFA(in.SerialNumber, in.TokenCode); err != nil {
		return nil, err
	}
	s, err := c.sessionTags(in)
	if err != nil {
		return nil, err
	}
	r := c.st.Identities.RoleByARN(in.RoleARN)
	if err := c.mayAssume(in, parsed.Account, r, s); err != nil {
		return nil, err
	}
	seconds, err := c.sessionSeconds(in.DurationSeconds, r)
	if err != nil {
		return nil, err
	}
	if err := c.sessionPolicies(in.Policy, in.PolicyARNs, r.Account, s); err != nil {
		return nil, err
	}
	s.Account, s.Principal, s.Name = r.Account, r.ID, in.RoleSessionName
	made, err := c.issue(s, seconds)
	if err != nil {
		return nil, err
	}
	return &assumeRoleOutput{made, r, percent(s.Packed()), s.SourceIdentity}, nil
}

// percent of the space for policies and tags in a token, rounded up.
func percent(packed int) int { return (packed*100 + identity.MaxPacked - 1) / identity.MaxPacked }

// sessionTags begins the session: tags and source identity, those that the
// caller's own session hands down included.
func (c *call) sessionTags(in *assumeRoleInput) (*identity.Session, error) {
	tags, err := sessionTagList(in.Tags)
	if err != nil {
		return nil, err
	}
	has := func(list []event.Tag, key string) bool {
		return slices.ContainsFunc(list, func(t event.Tag) bool { return strings.EqualFold(t.Key, key) })
	}
	inherited := c.actor.Transitive
	s := &identity.Session{SourceIdentity: in.SourceIdentity}
	for _, t := range inherited {
		if has(tags, t.Key) {
			return nil, fault.New(fault.InvalidParameterValue, "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		s.Transitive = append(s.Transitive, t.Key)
	}
	for _, key := range in.TransitiveTagKeys {
		if !has(tags, key) {
			return nil, fault.New(fault.InvalidParameterValue, "The specified transitive tag key must be included in the requested tags.")
		}
		s.Transitive = append(s.Transitive, key)
	}
	s.Tags = append(slices.Clone(inherited), tags...)
	sortTags(s.Tags)
	if len(s.Tags) > identity.MaxTags {
		return nil, fault.New(fault.InvalidParameterValue, "The number of session tags exceeds %d.", identity.MaxTags)
	}
	if mine := c.actor.SourceIdentity; mine != "" {
		if s.SourceIdentity != "" && s.SourceIdentity != mine {
			return nil, fault.New(fault.AccessDenied, "The source identity of a session cannot be changed when it assumes another role.")
		}
		s.SourceIdentity = mine
	}
	return s, nil
}

// sessionTagList is newIAMTags in the words of STS.
func sessionTagList(in []iamTag) ([]event.Tag, error) {
	tags, err := newIAMTags(in, identity.PrincipalTags)
	if err != nil {
		return nil, fault.New(fault.InvalidParameterValue, "%s", fault.Of(err).Message)
	}
	return tags, nil
}

func sortTags(tags []event.Tag) {
	slices.SortFunc(tags, func(a, b event.Tag) int { return strings.Compare(strings.ToLower(a.Key), strings.ToLower(b.Key)) })
}

// mayAssume judges sts:AssumeRole and, where tags or a source identity go along,
// also by inheritance, the actions for these. A role that does not exist is
// refused in the words for one that may not be assumed.
func (c *call) mayAssume(in *assumeRoleInput, account string, r *identity.Role, s *identity.Session) error {
	switch c.actor.Principal.Type {
	case iam.Root:
		return fault.New(fault.AccessDenied, "Roles may not be assumed by root accounts.")
	case iam.FederatedUser:
		return notWithSession("AssumeRole")
	}
	on := target{arn: in.RoleARN, account: account, model: iam.ModelTrust}
	if r != nil {
		on = onRole(r)
	}
	conds := []cond{when("sts:rolesessionname", in.RoleSessionName), withRequestTags(s.Tags)}
	if in.ExternalID != "" {
		conds = append(conds, when("sts:externalid", in.ExternalID))
	}
	if s.SourceIdentity != "" {
		conds = append(conds, when("sts:sourceidentity", s.SourceIdentity))
	}
	if len(s.Transitive) > 0 {
		conds = append(conds, condMulti("sts:transitivetagkeys", s.Transitive...))
	}
	if in.DurationSeconds > 0 {
		conds = append(conds, when("sts:durationseconds", strconv.Itoa(in.DurationSeconds)))
	}
	actions := []string{"sts:AssumeRole"}
	if len(s.Tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if s.SourceIdentity != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range actions {
		if err := c.authorize(action, on, conds...); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) sessionSeconds(asked int, r *identity.Role) (int, error) {
	chained := c.actor.Principal.Type == iam.RoleSession
	switch {
	case asked == 0:
		return min(defaultSession, r.MaxSession), nil
	case asked > r.MaxSession:
		return 0, fault.New(fault.ValidationError, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case chained && asked > longestChained:
		return 0, fault.New(fault.ValidationError, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return asked, nil
}

// sessionPolicies adds the policies that limit the session: managed ones are those
// of the account that the session is in. With them the session is complete but for
// its principal, and must fit into a token.
func (c *call) sessionPolicies(document string, managed []policyDescriptor, account string, s *identity.Session) error {
	if document != "" {
		if _, err := readPolicy(iam.SessionPolicy, document); err != nil {
			return err
		}
		s.Policy = document
	}
	for _, d := range managed {
		m := c.st.Identities.Policy(d.ARN)
		if m == nil || m.Account != account && !m.AWS() {
			return fault.New(fault.ValidationError, "The policy %s does not exist or is not attachable.", d.ARN)
		}
		s.PolicyARNs = append(s.PolicyARNs, m.ARN)
	}
	if s.Packed() > identity.MaxPacked {
		return fault.New(fault.PackedPolicyTooLarge, "Packed size of session tags and policies consumes %d%% of allotted space.", percent(s.Packed()))
	}
	return nil
}
