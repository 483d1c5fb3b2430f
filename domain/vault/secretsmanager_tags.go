package vault

import (
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/secret"
)

func init() {
	define("secretsmanager", "TagResource", change, tagSecret)
	define("secretsmanager", "UntagResource", change, untagSecret)
}

// TagSecretInput is the request of secretsmanager:TagResource.
type TagSecretInput struct {
	SecretID string      `json:"SecretId" aws:"required,min=1,max=2048"`
	Tags     []SecretTag `json:"Tags" aws:"required"`
}

func tagSecret(c *call, in *TagSecretInput) (*struct{}, error) {
	tags, err := newSecretTags(in.Tags)
	if err != nil {
		return nil, err
	}
	s, err := c.openActive(in.SecretID, "secretsmanager:TagResource", withRequestTags(tags))
	if err != nil {
		return nil, err
	}
	total := len(s.Tags)
	for _, t := range tags {
		if !slices.ContainsFunc(s.Tags, func(have event.Tag) bool { return have.Key == t.Key }) {
			total++
		}
	}
	if total > secret.MaxTags {
		return nil, tooManyTags()
	}
	if len(tags) > 0 {
		c.emit(&event.SecretTagged{Secret: s.ARN, Tags: tags, At: c.now()})
	}
	return nil, nil
}

// UntagSecretInput is the request of secretsmanager:UntagResource.
type UntagSecretInput struct {
	SecretID string   `json:"SecretId" aws:"required,min=1,max=2048"`
	TagKeys  []string `json:"TagKeys" aws:"required,each.min=1,each.max=128"`
}

func untagSecret(c *call, in *UntagSecretInput) (*struct{}, error) {
	s, err := c.openActive(in.SecretID, "secretsmanager:UntagResource", condMulti("aws:tagkeys", in.TagKeys...))
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, t := range s.Tags {
		if slices.Contains(in.TagKeys, t.Key) {
			keys = append(keys, t.Key)
		}
	}
	if len(keys) > 0 {
		c.emit(&event.SecretUntagged{Secret: s.ARN, Keys: keys, At: c.now()})
	}
	return nil, nil
}
