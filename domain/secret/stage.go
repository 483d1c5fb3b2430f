package secret

import (
	"fmt"
	"slices"

	"github.com/keytrail/keytrail/domain/event"
)

// regularStages are the labels that almost every secret has; a version keeps them
// as bits. Any other label is kept with the secret.
var regularStages = [...]string{Current, Pending, Previous}

// ownStage is a label that users chose, and the version that carries it.
type ownStage struct{ name, version string }

func regularBit(stage string) uint8 {
	for i, name := range regularStages {
		if name == stage {
			return 1 << i
		}
	}
	return 0
}

// Staged is the version that carries the label, nil if none does.
func (s *Secret) Staged(stage string) *Version {
	if bit := regularBit(stage); bit != 0 {
		for i := range s.versions {
			if s.versions[i].regular&bit != 0 {
				return &s.versions[i]
			}
		}
		return nil
	}
	if s.rare != nil {
		for _, own := range s.rare.stages {
			if own.name == stage {
				return s.Version(own.version)
			}
		}
	}
	return nil
}

// Stages is the labels of the version, sorted; nil for a deprecated version.
func (s *Secret) Stages(v *Version) []string {
	var stages []string
	for i, name := range regularStages {
		if v.regular&(1<<i) != 0 {
			stages = append(stages, name)
		}
	}
	if s.rare != nil {
		for _, own := range s.rare.stages {
			if own.version == v.ID() {
				stages = append(stages, own.name)
			}
		}
		slices.Sort(stages)
	}
	return stages
}

// Deprecated reports whether the version has no label.
func (s *Secret) Deprecated(v *Version) bool {
	if v.regular != 0 {
		return false
	}
	return s.rare == nil || !slices.ContainsFunc(s.rare.stages, func(own ownStage) bool { return own.version == v.ID() })
}

// StageCount is the number of labels over all versions.
func (s *Secret) StageCount() int {
	n := 0
	for i := range s.versions {
		for bits := s.versions[i].regular; bits != 0; bits &= bits - 1 {
			n++
		}
	}
	if s.rare != nil {
		n += len(s.rare.stages)
	}
	return n
}

func (s *Secret) moveStage(e *event.SecretStageMoved) error {
	if e.Stage == "" {
		return fmt.Errorf("a staging label without a name")
	}
	holder := ""
	if v := s.Staged(e.Stage); v != nil {
		holder = v.ID()
	}
	if holder != e.From {
		return fmt.Errorf("label %s is on version %q, not on %q", e.Stage, holder, e.From)
	}
	to := s.Version(e.To)
	if e.To != "" && to == nil {
		return fmt.Errorf("label %s moves to the unknown version %q", e.Stage, e.To)
	}
	if bit := regularBit(e.Stage); bit != 0 {
		if from := s.Version(e.From); from != nil {
			from.regular &^= bit
		}
		if to != nil {
			to.regular |= bit
		}
		return nil
	}
	r := s.makeRare()
	r.stages = slices.DeleteFunc(r.stages, func(own ownStage) bool { return own.name == e.Stage })
	if to != nil {
		r.stages = append(r.stages, ownStage{e.Stage, to.ID()})
	}
	s.dropRare()
	return nil
}
