package shape

import (
	"unicode/utf8"

	"github.com/keytrail/keytrail/domain/event"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. What JSON demands is escaped and no
// more; a byte that is not valid UTF-8 becomes U+FFFD, so the result is always
// valid, and always on one line.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n := event.PlainPrefix(s)
		dst = append(dst, s[:n]...)
		if s = s[n:]; s == "" {
			return append(dst, '"')
		}
		if c := s[0]; c < utf8.RuneSelf {
			dst = appendEscape(dst, c)
			s = s[1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		dst = utf8.AppendRune(dst, r) // RuneError, for a bad byte, is U+FFFD
		s = s[size:]
	}
}

// appendEscape appends the escape of a quote, a backslash or a control character.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
