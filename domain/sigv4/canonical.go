package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"strings"
)

// appendCanonical appends the canonical request.
func (s *Signature) appendCanonical(b []byte, r *Request, body [sha256.Size]byte) []byte {
	b = append(append(b, r.Method...), '\n')
	b = append(appendPath(b, r.Path), '\n')
	b = append(appendQuery(b, r.Query, s.Presigned), '\n')
	for name := range strings.SplitSeq(s.signed, ";") {
		b = append(append(b, name...), ':')
		if name == "host" {
			b = appendTrimmed(b, r.Host)
		} else {
			for i, value := range headerValues(r.Header, name) {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendTrimmed(b, value)
			}
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(append(b, s.signed...), '\n')
	return hex.AppendEncode(b, body[:])
}

// headerValues finds a header by its name in lower case. net/http spells the
// names of valid headers with a capital at the beginning and after each hyphen,
// and leaves others as they are.
func headerValues(header map[string][]string, name string) []string {
	var buffer [64]byte
	spelt := append(buffer[:0], name...)
	capital := true
	for i, c := range spelt {
		if capital && c >= 'a' && c <= 'z' {
			spelt[i] = c - 'a' + 'A'
		}
		capital = c == '-'
	}
	return header[string(spelt)]
}

// appendTrimmed drops white space at both ends and makes one space of several.
func appendTrimmed(b []byte, value string) []byte {
	begun, space := false, false
	for i := range len(value) {
		switch c := value[i]; c {
		case ' ', '\t', '\n', '\r':
			space = begun
		default:
			if space {
				b = append(b, ' ')
			}
			begun, space = true, false
			b = append(b, c)
		}
	}
	return b
}

// appendPath normalises the path and escapes it once more than it was sent.
func appendPath(b []byte, path string) []byte {
	if path == "" || path == "/" {
		return append(b, '/')
	}
	var kept []string
	slash := strings.HasSuffix(path, "/")
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	for _, segment := range kept {
		b = appendEscaped(append(b, '/'), segment)
	}
	if slash || len(kept) == 0 {
		b = append(b, '/')
	}
	return b
}

const upperHex = "0123456789ABCDEF"

// appendEscaped escapes all but the unreserved characters of RFC 3986.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

// appendQuery appends the parameters, escaped anew and sorted, without the
// signature of a presigned request.
func appendQuery(b []byte, query string, presigned bool) []byte {
	if query == "" {
		return b
	}
	type pair struct{ name, value string }
	var all []pair
	for name, value := range parameters(query) {
		if presigned && name == "X-Amz-Signature" {
			continue
		}
		all = append(all, pair{string(appendEscaped(nil, name)), string(appendEscaped(nil, value))})
	}
	slices.SortFunc(all, func(a, b pair) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	for i, p := range all {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(append(append(b, p.name...), '='), p.value...)
	}
	return b
}

// parameters yields the parameters of a query, unescaped. A plus sign stands for
// itself, as signers have it, and a broken escape too.
func parameters(query string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for part := range strings.SplitSeq(query, "&") {
			if part == "" {
				continue
			}
			name, value, _ := strings.Cut(part, "=")
			if !yield(unescape(name), unescape(value)) {
				return
			}
		}
	}
}

func hasQuery(query, name string) bool {
	if query == "" {
		return false
	}
	for have := range parameters(query) {
		if have == name {
			return true
		}
	}
	return false
}

func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, hexValue(s[i+1])<<4|hexValue(s[i+2]))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
