package vault

import (
	"cmp"
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/iam"
)

func init() {
	defineIAM("GetContextKeysForCustomPolicy", use, iamGetContextKeysForCustomPolicy)
	defineIAM("GetContextKeysForPrincipalPolicy", use, iamGetContextKeysForPrincipalPolicy)
}

type contextKeysCustomInput struct {
	PolicyInputList []string `json:"PolicyInputList" aws:"required,each.min=1,each.max=131072"`
}

type contextKeysPrincipalInput struct {
	PolicySourceARN string   `json:"PolicySourceArn" aws:"required,min=20,max=2048"`
	PolicyInputList []string `json:"PolicyInputList" aws:"each.min=1,each.max=131072"`
}

type contextKeysOutput struct {
	ContextKeyNames []string
}

func iamGetContextKeysForCustomPolicy(c *call, in *contextKeysCustomInput) (*contextKeysOutput, error) {
	if err := c.authorize("iam:GetContextKeysForCustomPolicy", plain("*")); err != nil {
		return nil, err
	}
	sources, err := readPolicies(iam.IdentityPolicy, "PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return contextKeysOf(sources), nil
}

func iamGetContextKeysForPrincipalPolicy(c *call, in *contextKeysPrincipalInput) (*contextKeysOutput, error) {
	actor, err := c.policySource("iam:GetContextKeysForPrincipalPolicy", in.PolicySourceARN)
	if err != nil {
		return nil, err
	}
	given, err := readPolicies(iam.IdentityPolicy, "PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return contextKeysOf(slices.Concat(actor.Identity, given)), nil
}

func contextKeysOf(sources []iam.Source) *contextKeysOutput {
	keys := []string{}
	for _, s := range sources {
		keys = append(keys, iam.ContextKeys(s.Policy)...)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
	})
	return &contextKeysOutput{slices.CompactFunc(keys, strings.EqualFold)}
}
