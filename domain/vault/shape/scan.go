package shape

import (
	"unicode/utf16"
	"unicode/utf8"

	"github.com/keytrail/keytrail/domain/event"
)

// scanner walks a JSON text once, from left to right. It is strict: RFC 8259, valid
// UTF-8, no half of a surrogate pair. Two spellings that a looser reader would read
// as one (a bad byte, a lone surrogate) would make two encryption contexts equal.
type scanner struct {
	data  []byte
	pos   int
	depth int // arrays and objects open at pos
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// peek is the byte at pos, or 0 at the end, which begins no token.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// open enters the array or object that begins at pos.
func (s *scanner) open() error {
	if s.depth == maxNesting {
		return errTooDeep
	}
	s.depth++
	s.pos++
	return nil
}

// more moves to the next entry of the array or object that ends with closer, and
// reports whether there is one. first is true before the first entry.
func (s *scanner) more(closer byte, first bool) (bool, error) {
	s.space()
	c := s.peek()
	if c == closer {
		s.pos++
		s.depth--
		return false, nil
	}
	if !first {
		if c != ',' {
			return false, errMalformed
		}
		s.pos++
		s.space()
	}
	return true, nil
}

// name reads an object's member name and its colon, and stops at the value.
func (s *scanner) name() (raw []byte, escaped bool, err error) {
	if raw, escaped, err = s.quoted(); err != nil {
		return nil, false, err
	}
	s.space()
	if s.peek() != ':' {
		return nil, false, errMalformed
	}
	s.pos++
	s.space()
	return raw, escaped, nil
}

func (s *scanner) literal(word string) error {
	if end := s.pos + len(word); end <= len(s.data) && string(s.data[s.pos:end]) == word {
		s.pos = end
		return nil
	}
	return errMalformed
}

// quoted reads a string and returns what stands between its quotes, checked; it
// needs appendUnescaped if escaped is true. It aliases the text.
func (s *scanner) quoted() (raw []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, errMalformed
	}
	start := s.pos + 1
	i := start
	for {
		i += event.PlainPrefix(s.data[i:])
		if i == len(s.data) {
			return nil, false, errMalformed
		}
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			return s.data[start:i], escaped, nil
		case c == '\\':
			_, n := escape(s.data[i:])
			if n == 0 {
				return nil, false, errMalformed
			}
			escaped = true
			i += n
		case c < 0x20:
			return nil, false, errMalformed
		default:
			r, n := utf8.DecodeRune(s.data[i:])
			if r == utf8.RuneError && n == 1 {
				return nil, false, errMalformed
			}
			i += n
		}
	}
}

// escape decodes the escape at the head of b, a surrogate pair as one. Its size is
// 0 if it is not a valid escape.
func escape(b []byte) (r rune, size int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		high, ok := hex4(b[2:])
		if !ok {
			return 0, 0
		}
		if !utf16.IsSurrogate(high) {
			return high, 6
		}
		if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
			return 0, 0
		}
		low, ok := hex4(b[8:])
		if r = utf16.DecodeRune(high, low); !ok || r == utf8.RuneError {
			return 0, 0
		}
		return r, 12
	}
	return 0, 0
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendUnescaped appends what raw, as returned by quoted, stands for. That is
// never longer than raw.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		r, n := escape(raw[i:])
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}

// number reads a number by the grammar of JSON and returns it as it stands.
func (s *scanner) number() ([]byte, error) {
	b, i := s.data, s.pos
	digits := func() bool {
		from := i
		for i < len(b) && isDigit(b[i]) {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return nil, errMalformed
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return nil, errMalformed
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return nil, errMalformed
		}
	}
	raw := b[s.pos:i]
	s.pos = i
	return raw, nil
}

// skip reads one value of any form and drops it.
func (s *scanner) skip() error {
	switch c := s.peek(); {
	case c == '"':
		_, _, err := s.quoted()
		return err
	case c == '-' || isDigit(c):
		_, err := s.number()
		return err
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '[':
		return s.skipEntries(']')
	case c == '{':
		return s.skipEntries('}')
	}
	return errMalformed
}

func (s *scanner) skipEntries(closer byte) error {
	if err := s.open(); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := s.more(closer, first)
		if err != nil || !more {
			return err
		}
		if closer == '}' {
			if _, _, err := s.name(); err != nil {
				return err
			}
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}
