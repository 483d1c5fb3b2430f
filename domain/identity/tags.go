package identity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
)

// TagKey is what of a tag's key counts when keys are compared. The tags of users,
// roles and sessions are of one key if they differ in case alone, those of
// policies are not.
type TagKey func(key string) string

// The two ways of IAM to compare the keys of tags.
var (
	PrincipalTags TagKey = fold
	PolicyTags    TagKey = func(key string) string { return key }
)

// Same reports whether two keys are one.
func (k TagKey) Same(a, b string) bool { return k(a) == k(b) }

// tagged puts tags into a list sorted by key; one replaces that of the same key.
func tagged(have []event.Tag, add []event.Tag, key TagKey) []event.Tag {
	if len(add) == 0 {
		return have
	}
	tags := slices.Clone(have)
	for _, t := range add {
		i, found := slices.BinarySearchFunc(tags, key(t.Key), func(have event.Tag, want string) int { return strings.Compare(key(have.Key), want) })
		if found {
			tags[i] = t
		} else {
			tags = slices.Insert(tags, i, t)
		}
	}
	return slices.Clip(tags)
}

func untagged(have []event.Tag, keys []string, key TagKey) []event.Tag {
	var tags []event.Tag
	for _, t := range have {
		if !slices.ContainsFunc(keys, func(gone string) bool { return key.Same(gone, t.Key) }) {
			tags = append(tags, t)
		}
	}
	return tags
}

func (s *Store) tagsOf(id string) (*[]event.Tag, TagKey, error) {
	if u := s.users[id]; u != nil {
		return &u.Tags, PrincipalTags, nil
	}
	if r := s.roles[id]; r != nil {
		return &r.Tags, PrincipalTags, nil
	}
	if p := s.policies[id]; p != nil && !p.AWS() {
		return &p.Tags, PolicyTags, nil
	}
	return nil, nil, fmt.Errorf("user, role or policy %s is unknown", id)
}

func (s *Store) tagged(e *event.PrincipalTagged) error {
	tags, key, err := s.tagsOf(e.Principal)
	if err != nil {
		return err
	}
	*tags = tagged(*tags, e.Tags, key)
	return nil
}

func (s *Store) untagged(e *event.PrincipalUntagged) error {
	tags, key, err := s.tagsOf(e.Principal)
	if err != nil {
		return err
	}
	*tags = untagged(*tags, e.Keys, key)
	return nil
}
