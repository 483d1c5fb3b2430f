package vault

import (
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
)

func init() {
	defineIAM("TagUser", change, iamTagUser)
	defineIAM("UntagUser", change, iamUntagUser)
	defineIAM("ListUserTags", use, iamListUserTags)
	defineIAM("TagRole", change, iamTagRole)
	defineIAM("UntagRole", change, iamUntagRole)
	defineIAM("ListRoleTags", use, iamListRoleTags)
	defineIAM("TagPolicy", change, iamTagPolicy)
	defineIAM("UntagPolicy", change, iamUntagPolicy)
	defineIAM("ListPolicyTags", use, iamListPolicyTags)
}

type tagUserInput struct {
	UserName string   `json:"UserName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	Tags     []iamTag `json:"Tags" aws:"required,max=50"`
}

type tagRoleInput struct {
	RoleName string   `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
	Tags     []iamTag `json:"Tags" aws:"required,max=50"`
}

type tagPolicyInput struct {
	PolicyARN string   `json:"PolicyArn" aws:"required,min=20,max=2048"`
	Tags      []iamTag `json:"Tags" aws:"required,max=50"`
}

type untagUserInput struct {
	UserName string   `json:"UserName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	TagKeys  []string `json:"TagKeys" aws:"required,max=50,each.min=1,each.max=128,each.pattern=[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+"`
}

type untagRoleInput struct {
	RoleName string   `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
	TagKeys  []string `json:"TagKeys" aws:"required,max=50,each.min=1,each.max=128,each.pattern=[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+"`
}

type untagPolicyInput struct {
	PolicyARN string   `json:"PolicyArn" aws:"required,min=20,max=2048"`
	TagKeys   []string `json:"TagKeys" aws:"required,max=50,each.min=1,each.max=128,each.pattern=[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+"`
}

type rolePageInput struct {
	RoleName string `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
	Marker   string `json:"Marker" aws:"min=1,max=320"`
	MaxItems int    `json:"MaxItems" aws:"min=1,max=1000"`
}

type tagsOutput struct {
	Tags []iamTag
	iamMore
}

// retag adds tags to something that has some. id is what the event calls it.
func (c *call) retag(id string, have, add []event.Tag, keys identity.TagKey) (*struct{}, error) {
	n := len(have)
	for _, t := range add {
		if !slices.ContainsFunc(have, func(h event.Tag) bool { return keys.Same(h.Key, t.Key) }) {
			n++
		}
	}
	if n > identity.MaxTags {
		return nil, fault.New(fault.LimitExceeded, "The number of tags has reached the maximum limit.")
	}
	if len(add) > 0 {
		c.emit(&event.PrincipalTagged{Principal: id, Tags: add})
	}
	return nil, nil
}

// untag removes those of the keys that are there.
func (c *call) untag(id string, have []event.Tag, gone []string, keys identity.TagKey) (*struct{}, error) {
	var there []string
	for _, t := range have {
		if slices.ContainsFunc(gone, func(key string) bool { return keys.Same(key, t.Key) }) {
			there = append(there, t.Key)
		}
	}
	if len(there) > 0 {
		c.emit(&event.PrincipalUntagged{Principal: id, Keys: there})
	}
	return nil, nil
}

func tagKeys(keys []string) cond { return condMulti("aws:tagkeys", keys...) }

func listTags(tags []event.Tag, keys identity.TagKey, marker string, limit int) (*tagsOutput, error) {
	key := func(t event.Tag) string { return keys(t.Key) }
	list, more, err := iamPage(marker, limit, behind(tags, key), key, func(t event.Tag) iamTag { return iamTag{t.Key, t.Value} })
	return &tagsOutput{list, more}, err
}

func iamTagUser(c *call, in *tagUserInput) (*struct{}, error) {
	tags, err := newIAMTags(in.Tags, identity.PrincipalTags)
	if err != nil {
		return nil, err
	}
	u, err := c.onUser("iam:TagUser", in.UserName, withRequestTags(tags))
	if err != nil {
		return nil, err
	}
	return c.retag(u.ID, u.Tags, tags, identity.PrincipalTags)
}

func iamUntagUser(c *call, in *untagUserInput) (*struct{}, error) {
	u, err := c.onUser("iam:UntagUser", in.UserName, tagKeys(in.TagKeys))
	if err != nil {
		return nil, err
	}
	return c.untag(u.ID, u.Tags, in.TagKeys, identity.PrincipalTags)
}

func iamListUserTags(c *call, in *userPageInput) (*tagsOutput, error) {
	u, err := c.onUser("iam:ListUserTags", in.UserName)
	if err != nil {
		return nil, err
	}
	return listTags(u.Tags, identity.PrincipalTags, in.Marker, in.MaxItems)
}

func iamTagRole(c *call, in *tagRoleInput) (*struct{}, error) {
	tags, err := newIAMTags(in.Tags, identity.PrincipalTags)
	if err != nil {
		return nil, err
	}
	r, err := c.onIAMRole("iam:TagRole", in.RoleName, withRequestTags(tags))
	if err != nil {
		return nil, err
	}
	return c.retag(r.ID, r.Tags, tags, identity.PrincipalTags)
}

func iamUntagRole(c *call, in *untagRoleInput) (*struct{}, error) {
	r, err := c.onIAMRole("iam:UntagRole", in.RoleName, tagKeys(in.TagKeys))
	if err != nil {
		return nil, err
	}
	return c.untag(r.ID, r.Tags, in.TagKeys, identity.PrincipalTags)
}

func iamListRoleTags(c *call, in *rolePageInput) (*tagsOutput, error) {
	r, err := c.onIAMRole("iam:ListRoleTags", in.RoleName)
	if err != nil {
		return nil, err
	}
	return listTags(r.Tags, identity.PrincipalTags, in.Marker, in.MaxItems)
}

func iamTagPolicy(c *call, in *tagPolicyInput) (*struct{}, error) {
	tags, err := newIAMTags(in.Tags, identity.PolicyTags)
	if err != nil {
		return nil, err
	}
	m, err := c.onOwnPolicy("iam:TagPolicy", in.PolicyARN, withRequestTags(tags))
	if err != nil {
		return nil, err
	}
	return c.retag(m.ARN, m.Tags, tags, identity.PolicyTags)
}

func iamUntagPolicy(c *call, in *untagPolicyInput) (*struct{}, error) {
	m, err := c.onOwnPolicy("iam:UntagPolicy", in.PolicyARN, tagKeys(in.TagKeys))
	if err != nil {
		return nil, err
	}
	return c.untag(m.ARN, m.Tags, in.TagKeys, identity.PolicyTags)
}

func iamListPolicyTags(c *call, in *policyPageInput) (*tagsOutput, error) {
	m, err := c.onPolicy("iam:ListPolicyTags", in.PolicyARN)
	if err != nil {
		return nil, err
	}
	return listTags(m.Tags, identity.PolicyTags, in.Marker, in.MaxItems)
}
