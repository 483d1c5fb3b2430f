package identity

import (
	"maps"

	"github.com/keytrail/keytrail/domain/iam"
)

// document is a compiled policy that all who have the same text share: thousands
// of roles tend to have a handful of trust policies, and a compiled policy is
// larger than the role.
type document struct {
	policy     *iam.Policy
	principals map[string]string // what it is bound to; of trust policies alone
	uses       int
}

type documentKey struct {
	kind iam.Kind
	text string
}

// documents finds documents by their text. Texts that name principals which have
// been created anew since share a list.
type documents map[documentKey][]*document

func (d documents) acquire(kind iam.Kind, text string, principals map[string]string) (*document, error) {
	key := documentKey{kind, text}
	for _, have := range d[key] {
		if maps.Equal(have.principals, principals) {
			have.uses++
			return have, nil
		}
	}
	policy, err := iam.Restore(kind, []byte(text))
	if err != nil {
		return nil, err
	}
	if len(principals) > 0 {
		policy = policy.Bind(principals)
	}
	made := &document{policy: policy, principals: principals, uses: 1}
	d[documentKey{kind, policy.Document()}] = append(d[key], made)
	return made, nil
}

func (d documents) release(doc *document) {
	if doc.uses--; doc.uses > 0 {
		return
	}
	key := documentKey{doc.policy.Kind(), doc.policy.Document()}
	rest := d[key]
	for i := range rest {
		if rest[i] == doc {
			rest[i] = rest[len(rest)-1]
			rest = rest[:len(rest)-1]
			break
		}
	}
	if len(rest) == 0 {
		delete(d, key)
	} else {
		d[key] = rest
	}
}
