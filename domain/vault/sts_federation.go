package vault

import (
	"slices"
	"strconv"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/identity"
)

func init() {
	define("sts", "GetFederationToken", use, stsGetFederationToken)
}

type federationTokenInput struct {
	Name            string             `json:"Name" aws:"required,min=2,max=32,pattern=[\\w+=,.@-]*"`
	Policy          string             `json:"Policy" aws:"min=1,max=2048"`
	PolicyARNs      []policyDescriptor `json:"PolicyArns" aws:"max=10"`
	DurationSeconds int                `json:"DurationSeconds" aws:"min=900,max=129600"`
	Tags            []iamTag           `json:"Tags" aws:"max=50"`
}

type federationTokenOutput struct {
	credentials
	packed int // percent
}

func (o *federationTokenOutput) federated() (id, name string) {
	return o.session.Account + ":" + o.session.Name, arn.FederatedUser(o.session.Account, o.session.Name).String()
}

// AppendJSON appends the reply.
func (o *federationTokenOutput) AppendJSON(dst []byte) []byte {
	id, name := o.federated()
	dst = o.appendJSON(append(slices.Grow(dst, 1024+len(o.token)), '{'))
	dst = event.AppendString(append(dst, `,"FederatedUser":{"FederatedUserId":`...), id)
	dst = event.AppendString(append(dst, `,"Arn":`...), name)
	return append(strconv.AppendInt(append(dst, `},"PackedPolicySize":`...), int64(o.packed), 10), '}')
}

func (o *federationTokenOutput) responseElements() any {
	id, name := o.federated()
	return map[string]any{
		"credentials": o.element(), "federatedUser": map[string]any{"federatedUserId": id, "arn": name}, "packedPolicySize": o.packed,
	}
}

// stsGetFederationToken gives credentials to somebody whom the caller knows by a
// name of its own. They can do what the policies passed here and those of the
// caller both allow; without any passed, only what policies of resources give them.
func stsGetFederationToken(c *call, in *federationTokenInput) (*federationTokenOutput, error) {
	if !c.actor.Issued.IsZero() {
		return nil, notWithSession("GetFederationToken")
	}
	tags, err := sessionTagList(in.Tags)
	if err != nil {
		return nil, err
	}
	on := plain(arn.FederatedUser(c.account, in.Name).String())
	actions := []string{"sts:GetFederationToken"}
	if len(tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	for _, action := range actions {
		if err := c.judge(action, on, []cond{withRequestTags(tags)}); err != nil {
			return nil, err
		}
	}
	s := &identity.Session{Account: c.account, Principal: c.actor.Principal.UniqueID, Name: in.Name, Tags: tags}
	sortTags(s.Tags)
	if err := c.sessionPolicies(in.Policy, in.PolicyARNs, c.account, s); err != nil {
		return nil, err
	}
	made, err := c.issue(s, c.userSessionSeconds(in.DurationSeconds))
	if err != nil {
		return nil, err
	}
	return &federationTokenOutput{made, percent(s.Packed())}, nil
}
