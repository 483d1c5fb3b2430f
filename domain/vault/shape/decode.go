package shape

import (
	"bytes"
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
)

// decoder reads one body. It goes over the text once: a member is validated as soon
// as it is read, and what fails is kept until the whole body has proved to be of the
// right form, since a wrong form outranks a violated limit.
type decoder struct {
	scanner
	path   [maxPlanDepth]step
	deep   int // steps of path in use
	failed *ValidationError
}

// step is one struct-valued member on the way to the member at hand.
type step struct {
	name  string
	index int // from 1 within a list, else 0
}

func decode(body []byte, root *structure, v reflect.Value) error {
	if len(body) > MaxBody {
		return errTooLarge
	}
	d := decoder{scanner: scanner{data: body}}
	if d.space(); d.pos == len(body) {
		d.data, d.pos = []byte("{}"), 0
	}
	switch d.peek() {
	case '{':
	case '[':
		return errList
	default: // AWS has no text for a bare scalar
		return errMalformed
	}
	if err := d.structure(root, v); err != nil {
		return err
	}
	if d.space(); d.pos != len(d.data) {
		return errMalformed
	}
	if d.failed != nil {
		return d.failed
	}
	return nil
}

func (d *decoder) structure(s *structure, v reflect.Value) error {
	if err := d.open(); err != nil {
		return err
	}
	var sent, present uint64
	next := 0 // most bodies name the members in the order of their declaration
	for first := true; ; first = false {
		more, err := d.more('}', first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		raw, escaped, err := d.name()
		if err != nil {
			return err
		}
		i, known := s.find(raw, escaped, next)
		if !known {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		next = i + 1
		bit := uint64(1) << i
		if sent&bit != 0 {
			return errTwice
		}
		sent |= bit
		if d.peek() == 'n' {
			if err := d.literal("null"); err != nil {
				return err
			}
			continue
		}
		present |= bit
		m := &s.members[i]
		if err := d.member(m, v.Field(m.field)); err != nil {
			return err
		}
	}
	if missing := s.needed &^ present; missing != 0 {
		for i := range s.members {
			if missing&(1<<i) != 0 {
				d.violate(&s.members[i], "null", notNull)
			}
		}
	}
	return nil
}

func (s *structure) find(raw []byte, escaped bool, next int) (int, bool) {
	if escaped {
		raw = appendUnescaped(nil, raw)
	}
	if next < len(s.members) && s.members[next].name == string(raw) {
		return next, true
	}
	i, ok := s.index[string(raw)]
	return i, ok
}

// member reads the value at pos, which is not null, into field f of m.
func (d *decoder) member(m *member, f reflect.Value) error {
	c := d.peek()
	if !m.kind.begins(c) {
		return mismatch(c, m.kind)
	}
	switch m.kind {
	case stringKind:
		return d.str(m, f)
	case integerKind:
		raw, err := d.number()
		if err != nil {
			return err
		}
		n := integer(raw, m.bits)
		target(m, f).SetInt(n)
		d.checkInteger(m, n)
		return nil
	case booleanKind:
		word := "true"
		if c == 'f' {
			word = "false"
		}
		target(m, f).SetBool(c == 't')
		return d.literal(word)
	case blobKind, textKind:
		return d.bytes(m, f)
	case timestampKind:
		t, err := d.timestamp()
		if err != nil {
			return err
		}
		*target(m, f).Addr().Interface().(*Timestamp) = t
		return nil
	case structKind:
		return d.nested(m, 0, target(m, f))
	case stringListKind:
		return d.strings(m, f)
	case structListKind:
		return d.structures(m, f)
	default:
		return d.stringMap(m, f)
	}
}

// target is where the value goes: the field, or what a pointer field then points to.
func target(m *member, f reflect.Value) reflect.Value {
	if !m.pointer {
		return f
	}
	p := reflect.New(m.elem)
	f.Set(p)
	return p.Elem()
}

func (d *decoder) str(m *member, f reflect.Value) error {
	s, err := d.text(m.limits)
	if err != nil {
		return err
	}
	target(m, f).SetString(s)
	d.checkString(m, s)
	return nil
}

// text reads a string. A value of l's enum is the plan's own string, not a copy.
func (d *decoder) text(l *limits) (string, error) {
	raw, escaped, err := d.quoted()
	if err != nil {
		return "", err
	}
	if escaped {
		return string(appendUnescaped(make([]byte, 0, len(raw)), raw)), nil
	}
	for _, value := range l.enum {
		if value == string(raw) {
			return value, nil
		}
	}
	return string(raw), nil
}

// bytes reads a blob. Whatever held bytes of it and is not the field is wiped.
func (d *decoder) bytes(m *member, f reflect.Value) error {
	raw, escaped, err := d.quoted()
	if err != nil {
		return err
	}
	if escaped {
		raw = appendUnescaped(make([]byte, 0, len(raw)), raw)
	} else if m.kind == textKind {
		raw = append(make([]byte, 0, len(raw)), raw...) // not nil, even when empty
	}
	if m.kind == textKind {
		f.SetBytes(raw)
		d.checkLength(m, characters(m.limits, raw), f)
		return nil
	}
	blob := make([]byte, base64.StdEncoding.DecodedLen(len(raw)))
	n, err := base64.StdEncoding.Decode(blob, raw)
	if escaped {
		clear(raw)
	}
	if err != nil {
		clear(blob)
		return mismatch('"', blobKind)
	}
	f.SetBytes(blob[:n])
	d.checkLength(m, int64(n), f)
	return nil
}

func (d *decoder) strings(m *member, f reflect.Value) error {
	if err := d.open(); err != nil {
		return err
	}
	list, allowed := []string{}, true
	for first := true; ; first = false {
		more, err := d.more(']', first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		s, isNull, err := d.entry(m.each)
		if err != nil {
			return err
		}
		if len(list) == maxEntries {
			return errTooMany
		}
		allowed = allowed && !isNull && m.each.admits(s)
		list = append(list, s)
	}
	if f.Type() == stringsType {
		*f.Addr().Interface().(*[]string) = list
	} else {
		named := reflect.MakeSlice(f.Type(), len(list), len(list))
		for i, s := range list {
			named.Index(i).SetString(s)
		}
		f.Set(named)
	}
	d.checkLength(m, int64(len(list)), f)
	if !allowed {
		d.violate(m, echo(m, f), "Member must satisfy constraint: "+m.each.allText)
	}
	return nil
}

// entry reads a string of a list or map. AWS takes null there for a limit that is
// not kept, not for a wrong form.
func (d *decoder) entry(l *limits) (s string, isNull bool, err error) {
	switch c := d.peek(); c {
	case '"':
		s, err = d.text(l)
		return s, false, err
	case 'n':
		return "", true, d.literal("null")
	default:
		return "", false, mismatch(c, stringKind)
	}
}

func (d *decoder) structures(m *member, f reflect.Value) error {
	if err := d.open(); err != nil {
		return err
	}
	list, n, allowed := reflect.MakeSlice(f.Type(), 0, 4), 0, true
	for first := true; ; first = false {
		more, err := d.more(']', first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if n == maxEntries {
			return errTooMany
		}
		list = reflect.Append(list, reflect.Zero(m.elem))
		f.Set(list) // so that a failure below leaves nothing that Wipe cannot reach
		n++
		switch c := d.peek(); c {
		case '{':
			err = d.nested(m, n, f.Index(n-1))
		case 'n':
			allowed, err = false, d.literal("null")
		default:
			err = mismatch(c, structKind)
		}
		if err != nil {
			return err
		}
	}
	f.Set(list)
	d.checkLength(m, int64(n), f)
	if !allowed {
		d.violate(m, "", "Member must satisfy constraint: "+m.each.allText)
	}
	return nil
}

// nested reads the struct at pos into v, as the index-th of a list or, if 0, alone.
func (d *decoder) nested(m *member, index int, v reflect.Value) error {
	d.path[d.deep] = step{m.path, index}
	d.deep++
	err := d.structure(m.children, v)
	d.deep--
	return err
}

func (d *decoder) stringMap(m *member, f reflect.Value) error {
	if err := d.open(); err != nil {
		return err
	}
	entries := map[string]string{}
	keysAllowed, valuesAllowed := true, true
	for first := true; ; first = false {
		more, err := d.more('}', first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		raw, escaped, err := d.name()
		if err != nil {
			return err
		}
		if escaped {
			raw = appendUnescaped(nil, raw)
		}
		if _, twice := entries[string(raw)]; twice {
			return errTwice
		}
		if len(entries) == maxEntries {
			return errTooMany
		}
		value, isNull, err := d.entry(m.each)
		if err != nil {
			return err
		}
		key := string(raw)
		entries[key] = value
		keysAllowed = keysAllowed && m.key.admits(key)
		valuesAllowed = valuesAllowed && !isNull && m.each.admits(value)
	}
	*f.Addr().Interface().(*map[string]string) = entries
	d.checkLength(m, int64(len(entries)), f)
	if !keysAllowed {
		d.violate(m, echo(m, f), "Map keys must satisfy constraint: "+m.key.allText)
	}
	if !valuesAllowed {
		d.violate(m, echo(m, f), "Map value must satisfy constraint: "+m.each.allText)
	}
	return nil
}

// integer reads a JSON number. As on AWS a fraction is cut off, and what is out of
// the type's range is taken for the range's end, so that a limit refuses it.
func integer(number []byte, bits int) int64 {
	lowest, highest := int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits)
	digits, negative := number, false
	if digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	var n int64 // minus the magnitude: the negative range is the wider one
	for i, c := range digits {
		if !isDigit(c) {
			if exponent(digits[i:]) {
				f, _ := strconv.ParseFloat(string(number), 64) // out of range is an infinity
				return saturate(f, lowest, highest)
			}
			break
		}
		digit := int64(c - '0')
		if n < (math.MinInt64+digit)/10 {
			n = math.MinInt64
			break
		}
		n = n*10 - digit
	}
	if !negative {
		if n == math.MinInt64 {
			return highest
		}
		n = -n
	}
	return min(max(n, lowest), highest)
}

// exponent tells whether the rest of a number, from its point on, has one.
func exponent(rest []byte) bool { return bytes.ContainsAny(rest, "eE") }

func saturate(f float64, lowest, highest int64) int64 {
	switch {
	case f <= float64(lowest):
		return lowest
	case f >= float64(highest):
		return highest
	}
	return int64(f)
}
