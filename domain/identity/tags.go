package identity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
)

// tagged puts tags into a list sorted by key. Keys are unique without regard to
// case, as IAM has it for principals: a tag replaces the one that differs from it
// in case alone.
func tagged(have []event.Tag, add []event.Tag) []event.Tag {
	if len(add) == 0 {
		return have
	}
	tags := slices.Clone(have)
	for _, t := range add {
		i, found := findTag(tags, t.Key)
		if found {
			tags[i] = t
		} else {
			tags = slices.Insert(tags, i, t)
		}
	}
	return slices.Clip(tags)
}

func untagged(have []event.Tag, keys []string) []event.Tag {
	var tags []event.Tag
	for _, t := range have {
		if !slices.ContainsFunc(keys, func(key string) bool { return strings.EqualFold(key, t.Key) }) {
			tags = append(tags, t)
		}
	}
	return tags
}

func findTag(sorted []event.Tag, key string) (int, bool) {
	return slices.BinarySearchFunc(sorted, key, func(t event.Tag, key string) int { return strings.Compare(fold(t.Key), fold(key)) })
}

func (s *Store) tagsOf(id string) (*[]event.Tag, error) {
	if u := s.users[id]; u != nil {
		return &u.Tags, nil
	}
	if r := s.roles[id]; r != nil {
		return &r.Tags, nil
	}
	if p := s.policies[id]; p != nil && !p.AWS() {
		return &p.Tags, nil
	}
	return nil, fmt.Errorf("user, role or policy %s is unknown", id)
}

func (s *Store) tagged(e *event.PrincipalTagged) error {
	tags, err := s.tagsOf(e.Principal)
	if err != nil {
		return err
	}
	*tags = tagged(*tags, e.Tags)
	return nil
}

func (s *Store) untagged(e *event.PrincipalUntagged) error {
	tags, err := s.tagsOf(e.Principal)
	if err != nil {
		return err
	}
	*tags = untagged(*tags, e.Keys)
	return nil
}
