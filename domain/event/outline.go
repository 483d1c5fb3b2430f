package event

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Outline is what counting needs of a stored line. Its slices are the line's own
// bytes, still with JSON's escapes: they last as long as the line, and Unquote
// gives their text.
type Outline struct {
	At        []byte
	Request   []byte
	Op        []byte
	Outcome   []byte
	Message   []byte
	Internal  bool // the call was made by the vault itself
	resources []byte
	decision  []byte
	events    []byte
	repeats   *repeats
}

var (
	internalWho = []byte(`{"type":"AWSService"`)
	refused     = []byte(`"allowed":false`)
	quote       = []byte(`"`)
)

// ReadOutline reads the outline of a stored line into o, which may be used again:
// the lines of one log are read into the same one, which costs a third of reading
// each into its own, and allocates nothing.
func ReadOutline(line []byte, o *Outline) error {
	if o.repeats == nil {
		o.repeats = &repeats{}
	}
	*o = Outline{repeats: o.repeats}
	var n bool
	err := o.repeats.members(line, func(name, value []byte) bool {
		switch string(name) {
		case "n":
			n = true
		case "at":
			o.At = text(value)
		case "req":
			o.Request = text(value)
		case "op":
			o.Op = text(value)
		case "who":
			o.Internal = bytes.HasPrefix(value, internalWho)
		case "outcome":
			o.Outcome = text(value)
		case "message":
			o.Message = text(value)
		case "resources":
			o.resources = value
		case "decision":
			o.decision = value
		case "events":
			o.events = value
		}
		return true
	})
	if err != nil {
		return err
	}
	if !n || len(o.Op) == 0 || len(o.Outcome) == 0 {
		return fmt.Errorf("%w: n, op or outcome is missing", ErrMalformed)
	}
	return nil
}

// OK reports whether the call was carried out.
func (o *Outline) OK() bool { return string(o.Outcome) == OutcomeOK }

// Resources yields the ARNs that the call was about, in order.
func (o *Outline) Resources(yield func(arn []byte) bool) {
	for rest := o.resources; ; {
		_, after, found := bytes.Cut(rest, quote)
		arn, after, ended := bytes.Cut(after, quote) // an ARN has no escapes
		if !found || !ended || !yield(arn) {
			return
		}
		rest = after
	}
}

// Refused lists the checks that did not allow what they judged; nil when all did.
func (o *Outline) Refused() ([]Check, error) {
	if !bytes.Contains(o.decision, refused) {
		return nil, nil
	}
	var d storedDecision
	if err := json.Unmarshal(o.decision, &d); err != nil {
		return nil, fmt.Errorf("%w: decision: %w", ErrMalformed, err)
	}
	var found []Check
	for _, c := range d.Checks {
		if !c.Allowed {
			found = append(found, Check(c))
		}
	}
	return found, nil
}

// Events calls yield with the type and the stored bytes of each event of the
// line, in order, until yield returns false.
func (o *Outline) Events(yield func(eventType, raw []byte) bool) error {
	if len(o.events) == 0 || string(o.events) == "null" {
		return nil
	}
	s := scanner{b: o.events}
	if !s.eat('[') {
		return fmt.Errorf("%w: events is not a list", ErrMalformed)
	}
	first := true
	for s.space(); !s.eat(']'); s.space() {
		if !first && !s.eat(',') {
			return fmt.Errorf("%w: events", ErrMalformed)
		}
		first = false
		s.space()
		raw, ok := s.value()
		if !ok {
			return fmt.Errorf("%w: events", ErrMalformed)
		}
		name := Member(raw, "type") // the first one
		if len(name) == 0 {
			return fmt.Errorf("%w: event without type", ErrMalformed)
		}
		if !yield(name, raw) {
			return nil
		}
	}
	return nil
}

// Member finds a string among the members of a stored event: its bytes as they
// stand in the line, nil when there is none of the name.
func Member(raw []byte, name string) []byte {
	var found []byte
	_ = members(raw, func(key, value []byte) bool { // what is no object has no members
		if string(key) == name {
			found = text(value)
		}
		return found == nil
	})
	return found
}

// Unquote is the text of a string whose bytes an Outline or Member gave.
func Unquote(inner []byte) string {
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	quoted := append(append([]byte{'"'}, inner...), '"')
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return string(inner)
	}
	return s
}

// text is what stands between the quotes of a string, nil for another value.
func text(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return nil
	}
	return value[1 : len(value)-1]
}

// members cuts an object into its members.
func members(object []byte, yield func(name, value []byte) bool) error {
	return (*repeats)(nil).members(object, yield)
}
