package shape

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
)

// kind is what a member's JSON value is read into.
type kind uint8

const (
	stringKind kind = iota
	integerKind
	booleanKind
	blobKind // []byte from base64
	textKind // []byte from a JSON string as it stands
	timestampKind
	structKind
	stringListKind
	structListKind
	mapKind // map[string]string
)

// structure is the plan of one struct type. The same type below a secret member
// and elsewhere has two plans.
type structure struct {
	members []member
	index   map[string]int // wire name -> position in members
	needed  uint64         // bit i: members[i] is required
	wipes   bool           // a secret []byte lies at some depth
}

// member is the plan of one field.
type member struct {
	name     string // on the wire
	path     string // in error texts: first letter in lower case
	audit    []byte // `"keyId":`
	field    int
	kind     kind
	pointer  bool
	secret   bool // audit:"-" here or above
	bits     int  // of an integer
	elem     reflect.Type
	limits   *limits
	each     *limits
	key      *limits
	children *structure
}

var (
	timestampType = reflect.TypeFor[Timestamp]()
	bytesType     = reflect.TypeFor[[]byte]()
	stringsType   = reflect.TypeFor[[]string]()
	mapType       = reflect.TypeFor[map[string]string]()
)

// maxMembers is the width of the set of members seen; maxPlanDepth that of the path
// of the member at hand. AWS's inputs need about 20 and 4.
const (
	maxMembers   = 64
	maxPlanDepth = 8
)

func compile(t reflect.Type) (*structure, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%v is not a struct", t)
	}
	return compileStruct(t, false, 1)
}

func compileStruct(t reflect.Type, secret bool, depth int) (*structure, error) {
	if depth > maxPlanDepth {
		return nil, fmt.Errorf("%v is nested too deep, or in itself", t)
	}
	s := &structure{index: map[string]int{}}
	audited := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || name == "" && !f.IsExported() && !f.Anonymous {
			continue
		}
		m, err := compileMember(f, name, secret, depth)
		if err != nil {
			return nil, fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
		_, twice := s.index[name]
		if twice || audited[string(m.audit)] {
			return nil, fmt.Errorf("%v.%s: a second member of that name", t, f.Name)
		}
		audited[string(m.audit)] = true
		s.index[name] = len(s.members)
		if m.limits.required {
			s.needed |= 1 << len(s.members)
		}
		s.wipes = s.wipes || m.wipes()
		s.members = append(s.members, m)
	}
	if len(s.members) > maxMembers {
		return nil, fmt.Errorf("%v has more than %d members", t, maxMembers)
	}
	return s, nil
}

func compileMember(f reflect.StructField, name string, secret bool, depth int) (member, error) {
	switch {
	case name == "":
		return member{}, errors.New("no json tag")
	case !f.IsExported() || f.Anonymous:
		return member{}, errors.New("a member must be exported and not embedded")
	}
	// reflect takes a tag that it cannot read for one that is not there. Here that
	// would drop a limit, or put a secret into the trail.
	for _, key := range []string{"aws", "audit"} {
		if _, ok := f.Tag.Lookup(key); !ok && strings.Contains(string(f.Tag), key+":") {
			return member{}, fmt.Errorf("the %s tag cannot be read", key)
		}
	}
	lower := strings.ToLower(name[:1]) + name[1:]
	m := member{name: name, path: lower, field: f.Index[0], secret: secret}
	audit, renamed := f.Tag.Lookup("audit")
	switch {
	case audit == "-":
		m.secret = true
	case renamed && audit == "":
		return member{}, errors.New("empty audit tag")
	case renamed:
		lower = audit
	}
	m.audit = append(event.AppendString(nil, lower), ':')
	l, err := parseTag(f.Tag.Get("aws"))
	if err != nil {
		return member{}, fmt.Errorf("aws tag: %w", err)
	}
	m.limits, m.each, m.key = &l.self, &l.each, &l.key
	if err := m.classify(f.Type, l.text, depth); err != nil {
		return member{}, err
	}
	quantity := "length"
	if m.kind == integerKind {
		quantity = "value"
	}
	m.limits.word(quantity)
	m.each.word("length")
	m.key.word("length")
	return m, m.checkTag(l)
}

// classify finds the member's kind from its type, and plans what lies below it.
func (m *member) classify(t reflect.Type, text bool, depth int) (err error) {
	m.elem = t
	if t.Kind() == reflect.Pointer {
		m.pointer, m.elem = true, t.Elem()
	}
	switch e := m.elem; {
	case e == timestampType:
		m.kind = timestampKind
	case e.Kind() == reflect.String:
		m.kind = stringKind
	case e.Kind() == reflect.Bool:
		m.kind = booleanKind
	case e.Kind() == reflect.Int, e.Kind() == reflect.Int32, e.Kind() == reflect.Int64:
		m.kind, m.bits = integerKind, e.Bits()
	case e.Kind() == reflect.Struct:
		m.kind = structKind
		m.children, err = compileStruct(e, m.secret, depth+1)
	case m.pointer:
		return fmt.Errorf("a member cannot be a %v", t)
	case t == bytesType && text:
		m.kind = textKind
	case t == bytesType:
		m.kind = blobKind
	case t == mapType:
		m.kind = mapKind
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		m.kind, m.elem = stringListKind, t.Elem()
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && t.Elem() != timestampType:
		m.kind, m.elem = structListKind, t.Elem()
		m.children, err = compileStruct(m.elem, m.secret, depth+1)
	default:
		return fmt.Errorf("a member cannot be a %v", t)
	}
	return err
}

// checkTag refuses options that have no meaning for the member's kind.
func (m *member) checkTag(l tag) error {
	is := func(kinds ...kind) bool {
		for _, k := range kinds {
			if k == m.kind {
				return true
			}
		}
		return false
	}
	switch {
	case l.text && !is(textKind):
		return errors.New("text is for []byte")
	case l.self.sized() && is(booleanKind, timestampKind, structKind):
		return errors.New("min and max are for what has a length or is a number")
	case l.self.worded() && !is(stringKind):
		return errors.New("enum and pattern are for strings")
	case !l.each.none() && !is(stringListKind, mapKind):
		return errors.New("each is for lists of strings and for maps")
	case !l.key.none() && !is(mapKind):
		return errors.New("key is for maps")
	}
	return nil
}

func (m *member) wipes() bool {
	if m.children != nil {
		return m.children.wipes
	}
	return m.secret && (m.kind == blobKind || m.kind == textKind)
}

// wipe zeroes the secret blobs of v, a struct of this plan.
func (s *structure) wipe(v reflect.Value) {
	if !s.wipes {
		return
	}
	for i := range s.members {
		m := &s.members[i]
		if !m.wipes() {
			continue
		}
		f := v.Field(m.field)
		switch {
		case m.pointer && f.IsNil():
		case m.pointer:
			m.children.wipe(f.Elem())
		case m.kind == structKind:
			m.children.wipe(f)
		case m.kind == structListKind:
			for j := range f.Len() {
				m.children.wipe(f.Index(j))
			}
		default:
			clear(f.Bytes())
		}
	}
}
