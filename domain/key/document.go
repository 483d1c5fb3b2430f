package key

import (
	"fmt"
	"maps"

	"github.com/keytrail/keytrail/domain/iam"
)

// document is a key policy as it was put. Keys with the same text and the same
// principals share one: an account with a hundred thousand keys tends to have a
// handful of policies, and a compiled policy is larger than the key it guards.
type document struct {
	principals map[string]string
	policy     *iam.Policy
	keys       int // that have it
}

// documents finds documents by their text. Texts that name principals which have
// been created anew since share a list.
type documents map[string][]*document

func (d documents) acquire(text string, principals map[string]string) (*document, error) {
	for _, have := range d[text] {
		if maps.Equal(have.principals, principals) {
			have.keys++
			return have, nil
		}
	}
	policy, err := iam.Restore(iam.KeyPolicy, []byte(text))
	if err != nil {
		return nil, err
	}
	if len(principals) > 0 {
		policy = policy.Bind(principals)
	}
	made := &document{principals: principals, policy: policy, keys: 1}
	d[policy.Document()] = append(d[policy.Document()], made)
	return made, nil
}

func (d documents) release(doc *document) {
	if doc.keys--; doc.keys > 0 {
		return
	}
	text := doc.policy.Document()
	rest := d[text]
	for i := range rest {
		if rest[i] == doc {
			rest[i] = rest[len(rest)-1]
			rest = rest[:len(rest)-1]
			break
		}
	}
	// The map's key may be the text of the document that goes: set it anew.
	delete(d, text)
	if len(rest) > 0 {
		d[rest[0].policy.Document()] = rest
	}
}

func (s *Store) setPolicy(k *Key, text string, principals map[string]string) error {
	doc, err := s.documents.acquire(text, principals)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	if k.document != nil {
		s.documents.release(k.document)
	}
	k.document, k.Policy = doc, doc.policy
	return nil
}
