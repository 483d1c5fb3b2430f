package secret

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/iam"
)

// Secret is one secret. Its exported fields are for reading; Store.Apply alone
// writes them.
type Secret struct {
	ARN     string
	Account string // part of ARN
	Name    string // part of ARN
	Type    string
	Policy  *iam.Policy // compiled and bound, shared between secrets with one policy; nil = none
	Tags    []event.Tag // in the order they came; nil = it never had any

	versions []Version // oldest first
	created  int64     // microseconds since 1970
	changed  int64
	serial   uint64
	key      unique.Handle[string] // id of the key that new versions go under
	given    unique.Handle[string] // KmsKeyId as the client gave it, "" = aws/secretsmanager
	rare     *rare
}

// rare is what most of a million secrets do not have.
type rare struct {
	description string
	stages      []ownStage
	document    *document
	deleted     int64 // when DeleteSecret was called
	deletion    int64 // when the recovery window ends; 0 = not scheduled
	timer       int   // index in Store.timers while scheduled
}

// Created is when the secret was made.
func (s *Secret) Created() time.Time { return fromMicros(s.created) }

// Changed is when anything about the secret was last changed.
func (s *Secret) Changed() time.Time { return fromMicros(s.changed) }

// Serial orders secrets by their creation; 1 or more, and stable over replays.
func (s *Secret) Serial() uint64 { return s.serial }

// Key is the id of the KMS key that new versions are wrapped under.
func (s *Secret) Key() string { return s.key.Value() }

// KmsKeyID is the key as the client named it, "" for aws/secretsmanager.
func (s *Secret) KmsKeyID() string { return s.given.Value() }

// Description is free text of the owner.
func (s *Secret) Description() string {
	if s.rare == nil {
		return ""
	}
	return s.rare.description
}

// PolicyText is the resource policy as it was put, "" without one.
func (s *Secret) PolicyText() string {
	if s.rare == nil || s.rare.document == nil {
		return ""
	}
	return s.rare.document.text
}

// Principals maps each ARN that the policy named to the unique id it stood for;
// not to be changed.
func (s *Secret) Principals() map[string]string {
	if s.rare == nil || s.rare.document == nil {
		return nil
	}
	return s.rare.document.principals
}

// Scheduled reports whether the secret is marked for deletion.
func (s *Secret) Scheduled() bool { return s.rare != nil && s.rare.deletion != 0 }

// Deletion is when DeleteSecret was called and when the recovery window ends;
// zero times unless Scheduled.
func (s *Secret) Deletion() (called, ends time.Time) {
	if s.rare == nil {
		return time.Time{}, time.Time{}
	}
	return fromMicros(s.rare.deleted), fromMicros(s.rare.deletion)
}

// Gone reports whether the recovery window has ended at now. Such a secret is
// treated as deleted even before the deletion itself is in the log.
func (s *Secret) Gone(now time.Time) bool {
	return s.Scheduled() && now.UnixMicro() >= s.rare.deletion
}

// Version finds a version by its id, nil if there is none.
func (s *Secret) Version(id string) *Version {
	for i := len(s.versions) - 1; i >= 0; i-- {
		if s.versions[i].ID() == id {
			return &s.versions[i]
		}
	}
	return nil
}

// Versions is every version, oldest first; not to be changed, and not to be kept
// beyond the next Apply.
func (s *Secret) Versions() []Version { return s.versions }

// Purgeable lists the versions that the writing of one more at now pushes out:
// the oldest of those without a label and older than PurgeAge, as many as
// KeptVersions is exceeded by.
func (s *Secret) Purgeable(now time.Time) []*Version {
	excess := len(s.versions) + 1 - KeptVersions
	var purged []*Version
	for i := range s.versions {
		v := &s.versions[i]
		if len(purged) >= excess {
			break
		}
		if s.Deprecated(v) && now.Sub(v.Created()) > PurgeAge {
			purged = append(purged, v)
		}
	}
	return purged
}

func (s *Secret) makeRare() *rare {
	if s.rare == nil {
		s.rare = &rare{timer: -1}
	}
	return s.rare
}

// dropRare gives the memory back when nothing rare is left.
func (s *Secret) dropRare() {
	r := s.rare
	if r != nil && r.description == "" && len(r.stages) == 0 && r.document == nil && r.deletion == 0 {
		s.rare = nil
	}
}

func (s *Secret) addVersion(e *event.SecretVersionCreated) error {
	if s.Version(e.Version) != nil {
		return fmt.Errorf("version %s exists", e.Version)
	}
	v, err := newVersion(e)
	if err != nil {
		return err
	}
	if len(s.versions) == cap(s.versions) { // append would reserve for more than most secrets ever get
		grown := make([]Version, len(s.versions), len(s.versions)+1+len(s.versions)/4)
		copy(grown, s.versions)
		s.versions = grown
	}
	s.versions = append(s.versions, v)
	s.changed = v.created
	return nil
}

func (s *Secret) purge(id string) error {
	v := s.Version(id)
	if v == nil {
		return fmt.Errorf("version %q is unknown", id)
	}
	if !s.Deprecated(v) {
		return fmt.Errorf("version %s still has the labels %v", id, s.Stages(v))
	}
	s.versions = slices.DeleteFunc(s.versions, func(v Version) bool { return v.ID() == id })
	return nil
}

func (s *Secret) tag(tags []event.Tag) {
	merged := slices.Clone(s.Tags)
	for _, t := range tags {
		i := slices.IndexFunc(merged, func(have event.Tag) bool { return have.Key == t.Key })
		if i >= 0 {
			merged[i].Value = t.Value
		} else {
			merged = append(merged, t)
		}
	}
	s.Tags = slices.Clip(merged)
}

func (s *Secret) untag(keys []string) {
	kept := []event.Tag{}
	for _, t := range s.Tags {
		if !slices.Contains(keys, t.Key) {
			kept = append(kept, t)
		}
	}
	s.Tags = slices.Clip(kept)
}

// name takes the name out of the ARN: what lies between the resource type and
// the suffix. Both strings share the ARN's bytes.
func (s *Secret) cutARN() error {
	const kind = ":secret:"
	i := strings.Index(s.ARN, kind)
	j := strings.LastIndexByte(s.ARN, '-')
	if i < 12 || j != len(s.ARN)-SuffixLength-1 || j <= i+len(kind) {
		return fmt.Errorf("%q is not the ARN of a secret", s.ARN)
	}
	s.Name, s.Account = s.ARN[i+len(kind):j], s.ARN[i-12:i]
	return nil
}
