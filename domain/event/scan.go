package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// ParseEvents reads the events of a stored line and nothing else of it: what a
// replay of state needs of a million lines. It reads every line that AppendLine
// writes to the same events as ParseLine; of the other members it asks no more
// than that those of every record are there.
func ParseEvents(line []byte) ([]Event, error) {
	raw, err := eventsMember(line)
	if err != nil || raw == nil {
		return nil, err
	}
	var events []Event
	s := scanner{b: raw}
	if !s.eat('[') {
		return nil, fmt.Errorf("%w: events is not a list", ErrMalformed)
	}
	for s.space(); !s.eat(']'); s.space() {
		if len(events) > 0 && !s.eat(',') {
			return nil, fmt.Errorf("%w: events", ErrMalformed)
		}
		s.space()
		one, ok := s.value()
		if !ok {
			return nil, fmt.Errorf("%w: events", ErrMalformed)
		}
		e, err := parseEvent(one)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// eventsMember finds the events of a line, nil when it has none.
func eventsMember(line []byte) ([]byte, error) {
	var found []byte
	var n, op, outcome bool
	err := members(line, func(name, value []byte) bool {
		switch string(name) {
		case "n":
			n = true
		case "op":
			op = true
		case "outcome":
			outcome = true
		case "events":
			found = value
		}
		return true
	})
	switch {
	case err != nil:
		return nil, err
	case !n || !op || !outcome:
		return nil, fmt.Errorf("%w: n, op or outcome is missing", ErrMalformed)
	case string(found) == "null":
		return nil, nil
	}
	return found, nil
}

// head reads the type and version that appendEvent writes first. ok is false for
// an event whose members stand in another order.
func head(raw []byte) (name string, v int, ok bool) {
	rest, ok := bytes.CutPrefix(raw, []byte(`{"type":"`))
	if !ok {
		return "", 0, false
	}
	i := bytes.IndexByte(rest, '"')
	if i < 1 || bytes.IndexByte(rest[:i], '\\') >= 0 {
		return "", 0, false
	}
	name = string(rest[:i])
	rest, ok = bytes.CutPrefix(rest[i:], []byte(`","v":`))
	if !ok {
		return "", 0, false
	}
	i = bytes.IndexAny(rest, ",}")
	if i < 1 {
		return "", 0, false
	}
	v, err := strconv.Atoi(string(rest[:i]))
	return name, v, err == nil
}

// scanner cuts JSON into values. It checks no more than it needs to find their
// ends: what is taken out is decoded, and so checked, afterwards.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\n' || s.b[s.i] == '\r') {
		s.i++
	}
}

func (s *scanner) eat(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// value cuts the value that begins here.
func (s *scanner) value() (v json.RawMessage, ok bool) {
	start, depth := s.i, 0
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case '"':
			if !s.text() {
				return nil, false
			}
			if depth == 0 {
				return s.b[start:s.i], true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return s.b[start:s.i], s.i > start
			}
			depth--
			if depth == 0 {
				s.i++
				return s.b[start:s.i], true
			}
		case ',', ':':
			if depth == 0 {
				return s.b[start:s.i], s.i > start
			}
		}
		s.i++
	}
	return nil, false
}

// text moves over a string.
func (s *scanner) text() bool {
	s.i++
	for s.i < len(s.b) {
		j := bytes.IndexByte(s.b[s.i:], '"')
		if j < 0 {
			return false
		}
		end := s.i + j
		escapes := 0
		for k := end - 1; k >= s.i && s.b[k] == '\\'; k-- {
			escapes++
		}
		s.i = end + 1
		if escapes%2 == 0 {
			return true
		}
	}
	return false
}
