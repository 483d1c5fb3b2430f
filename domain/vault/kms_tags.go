package vault

import (
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

func init() {
	define("kms", "TagResource", change, kmsTagResource)
	define("kms", "UntagResource", change, kmsUntagResource)
	define("kms", "ListResourceTags", use, kmsListResourceTags)
}

// newTags checks tags as a request brings them.
func newTags(in []Tag) ([]event.Tag, error) {
	if len(in) > key.MaxTagsPerKey {
		return nil, fault.New(fault.TagException, "Too many tags")
	}
	tags := make([]event.Tag, 0, len(in))
	for _, t := range in {
		if strings.HasPrefix(strings.ToLower(t.TagKey), "aws:") {
			return nil, fault.New(fault.TagException, "Tags beginning with aws: are reserved")
		}
		if slices.ContainsFunc(tags, func(have event.Tag) bool { return have.Key == t.TagKey }) {
			return nil, fault.New(fault.TagException, "Duplicate tag keys")
		}
		tags = append(tags, event.Tag{Key: t.TagKey, Value: t.TagValue})
	}
	return tags, nil
}

// TagResourceInput is the request of kms:TagResource.
type TagResourceInput struct {
	KeyID string `json:"KeyId" aws:"required,min=1,max=2048"`
	Tags  []Tag  `json:"Tags" aws:"required"`
}

func kmsTagResource(c *call, in *TagResourceInput) (*struct{}, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	k, err := c.changeKey(in.KeyID, "kms:TagResource", withRequestTags(tags))
	if err != nil {
		return nil, err
	}
	total := len(k.Tags)
	for _, t := range tags {
		if !slices.ContainsFunc(k.Tags, func(have event.Tag) bool { return have.Key == t.Key }) {
			total++
		}
	}
	if total > key.MaxTagsPerKey {
		return nil, fault.New(fault.LimitExceededException, "%s would have %d tags, more than %d.", k.ARN, total, key.MaxTagsPerKey)
	}
	if len(tags) > 0 {
		c.emit(&event.KeyTagged{Key: k.ID, Tags: tags})
	}
	return nil, nil
}

// UntagResourceInput is the request of kms:UntagResource.
type UntagResourceInput struct {
	KeyID   string   `json:"KeyId" aws:"required,min=1,max=2048"`
	TagKeys []string `json:"TagKeys" aws:"required,each.min=1,each.max=128"`
}

func kmsUntagResource(c *call, in *UntagResourceInput) (*struct{}, error) {
	k, err := c.changeKey(in.KeyID, "kms:UntagResource", condMulti("aws:tagkeys", in.TagKeys...))
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(k.Tags, func(have event.Tag) bool { return slices.Contains(in.TagKeys, have.Key) }) {
		c.emit(&event.KeyUntagged{Key: k.ID, Keys: in.TagKeys})
	}
	return nil, nil
}

// ListResourceTagsInput is the request of kms:ListResourceTags.
type ListResourceTagsInput struct {
	KeyID  string `json:"KeyId" aws:"required,min=1,max=2048"`
	Limit  int    `json:"Limit" aws:"min=1,max=50"`
	Marker string `json:"Marker" aws:"min=1,max=1024"`
}

// ListResourceTagsOutput is the reply of kms:ListResourceTags, sorted by key.
type ListResourceTagsOutput struct {
	Tags       []Tag
	NextMarker string `json:",omitempty"`
	Truncated  bool
}

func kmsListResourceTags(c *call, in *ListResourceTagsInput) (*ListResourceTagsOutput, error) {
	k, err := c.openKey(in.KeyID, keysOnly, "kms:ListResourceTags")
	if err != nil {
		return nil, err
	}
	after, err := markedName(in.Marker)
	if err != nil {
		return nil, err
	}
	limit := in.Limit
	if limit == 0 {
		limit = 50
	}
	out := &ListResourceTagsOutput{Tags: []Tag{}}
	for _, t := range k.Tags {
		if in.Marker != "" && t.Key <= after {
			continue
		}
		if len(out.Tags) == limit {
			out.Truncated, out.NextMarker = true, nameMarker(out.Tags[limit-1].TagKey)
			break
		}
		out.Tags = append(out.Tags, Tag{TagKey: t.Key, TagValue: t.Value})
	}
	return out, nil
}
