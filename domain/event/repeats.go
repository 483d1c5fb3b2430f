package event

import (
	"bytes"
	"fmt"
)

// repeats cuts lines into members, and remembers what stood in the line before at
// the same place. The lines of a log are much alike: the same callers, decided by
// the same statements, on the same resources. A value that begins with the whole
// value before it is that value, and need not be scanned.
//
// That holds for strings, objects and lists, whose last byte says that they end;
// a number may go on, and is not remembered. The bytes are copies: a line's memory
// is used again. A nil *repeats remembers nothing.
type repeats struct {
	names, values [maxRepeats][]byte
}

const (
	maxRepeats = 20      // members of a line
	maxRepeat  = 4 << 10 // bytes of a value that is remembered
)

// members calls yield for every member of the object, in order, until it returns
// false.
func (r *repeats) members(object []byte, yield func(name, value []byte) bool) error {
	s := scanner{b: object}
	s.space()
	if !s.eat('{') {
		return fmt.Errorf("%w: not an object", ErrMalformed)
	}
	for place := 0; ; place++ {
		s.space()
		if s.eat('}') {
			return nil
		}
		if place > 0 && !s.eat(',') {
			return fmt.Errorf("%w: after a member", ErrMalformed)
		}
		s.space()
		name, err := r.name(&s, place)
		if err != nil {
			return err
		}
		value, err := r.value(&s, place)
		if err != nil {
			return fmt.Errorf("%w: member %s", err, name)
		}
		if !yield(name, value) {
			return nil
		}
	}
}

// name cuts the name of the member that begins here, and its colon.
func (r *repeats) name(s *scanner, place int) ([]byte, error) {
	var before *[]byte
	if r != nil && place < maxRepeats {
		before = &r.names[place]
	}
	key, ok := s.repeated(before)
	if !ok || key[0] != '"' {
		return nil, fmt.Errorf("%w: no member name", ErrMalformed)
	}
	s.space()
	if !s.eat(':') {
		return nil, fmt.Errorf("%w: after a member name", ErrMalformed)
	}
	s.space()
	return text(key), nil
}

// value cuts the value that begins here.
func (r *repeats) value(s *scanner, place int) ([]byte, error) {
	var before *[]byte
	if r != nil && place < maxRepeats {
		before = &r.values[place]
	}
	value, ok := s.repeated(before)
	if !ok {
		return nil, fmt.Errorf("%w: a value", ErrMalformed)
	}
	return value, nil
}

// repeated cuts the value that begins here, which is likely the one before.
func (s *scanner) repeated(before *[]byte) (v []byte, ok bool) {
	if before == nil {
		return s.value()
	}
	if n := len(*before); n > 0 && bytes.HasPrefix(s.b[s.i:], *before) {
		v = s.b[s.i : s.i+n]
		s.i += n
		return v, true
	}
	v, ok = s.value()
	if ok && len(v) <= maxRepeat && (v[0] == '"' || v[0] == '{' || v[0] == '[') {
		*before = append((*before)[:0], v...)
	}
	return v, ok
}
