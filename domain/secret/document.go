package secret

import (
	"fmt"
	"maps"

	"github.com/keytrail/keytrail/domain/iam"
)

// document is a resource policy as it was put. Secrets with the same text and the
// same principals share one: a compiled policy is larger than the secret it guards.
type document struct {
	text       string
	principals map[string]string
	policy     *iam.Policy
	secrets    int // that have it
}

// documents finds documents by their text. Texts that name principals which have
// been created anew since share a list.
type documents map[string][]*document

func (d documents) acquire(text string, principals map[string]string) (*document, error) {
	for _, have := range d[text] {
		if maps.Equal(have.principals, principals) {
			have.secrets++
			return have, nil
		}
	}
	policy, err := iam.Restore(iam.ResourcePolicy, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("resource policy: %w", err)
	}
	made := &document{text: text, principals: principals, policy: policy.Bind(principals), secrets: 1}
	d[text] = append(d[text], made)
	return made, nil
}

func (d documents) release(doc *document) {
	if doc.secrets--; doc.secrets > 0 {
		return
	}
	rest := d[doc.text]
	for i := range rest {
		if rest[i] == doc {
			rest[i] = rest[len(rest)-1]
			rest = rest[:len(rest)-1]
			break
		}
	}
	if len(rest) == 0 {
		delete(d, doc.text)
	} else {
		d[doc.text] = rest
	}
}

func (s *Store) setPolicy(x *Secret, text string, principals map[string]string) error {
	doc, err := s.documents.acquire(text, principals)
	if err != nil {
		return err
	}
	r := x.makeRare()
	if r.document != nil {
		s.documents.release(r.document)
	}
	r.document, x.Policy = doc, doc.policy
	return nil
}

func (s *Store) removePolicy(x *Secret) error {
	if x.Policy == nil {
		return fmt.Errorf("has no resource policy")
	}
	s.documents.release(x.rare.document)
	x.rare.document, x.Policy = nil, nil
	x.dropRare()
	return nil
}
