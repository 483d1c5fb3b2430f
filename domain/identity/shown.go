package identity

import (
	"encoding/json"
	"strings"
)

// Shown is a bound policy document as people are to see it now: in its Principal
// elements a principal that was renamed stands under its new ARN, and one that
// no longer exists as its unique id. principals is what the document was bound
// to. Role sessions keep their ARN while the role exists.
func (s *Store) Shown(document string, principals map[string]string) string {
	var names map[string]string
	for was, id := range principals {
		now, exists := s.ARNOf(id)
		if exists && (now == was || strings.Contains(was, ":assumed-role/")) {
			continue
		}
		if !exists {
			now = id
		}
		if names == nil {
			names = map[string]string{}
		}
		names[was] = now
	}
	if names == nil {
		return document
	}
	r := renaming{names: names, document: document, dec: json.NewDecoder(strings.NewReader(document))}
	if r.value(false) != nil {
		return document
	}
	return r.out.String() + document[r.copied:]
}

// renaming copies a document and puts other names into its Principal elements,
// leaving every other byte as it is: a condition on an ARN speaks of that ARN,
// whoever has it.
type renaming struct {
	names    map[string]string
	document string
	dec      *json.Decoder
	out      strings.Builder
	copied   int // bytes of document
}

// value reads one value. Nothing but a statement has a member of these names:
// condition keys have a colon.
func (r *renaming) value(principal bool) error {
	before := r.dec.InputOffset()
	token, err := r.dec.Token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case string:
		if now, ok := r.names[token]; ok && principal {
			start := int(before) + strings.IndexByte(r.document[before:], '"')
			r.out.WriteString(r.document[r.copied:start])
			r.out.WriteString(`"` + now + `"`) // ids and ARNs of IAM need no escape
			r.copied = int(r.dec.InputOffset())
		}
	case json.Delim:
		for r.dec.More() {
			inside := principal
			if token == '{' {
				key, err := r.dec.Token()
				if err != nil {
					return err
				}
				inside = principal || key == "Principal" || key == "NotPrincipal"
			}
			if err := r.value(inside); err != nil {
				return err
			}
		}
		_, err = r.dec.Token()
	}
	return err
}
