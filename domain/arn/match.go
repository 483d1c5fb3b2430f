package arn

import (
	"strings"
	"unicode/utf8"
)

// Match reports whether the name s matches the pattern, as the Resource element
// and the ARN condition operators do: each of the six parts on its own, so a
// wildcard before the fifth colon never crosses one, while the resource part
// takes the rest. The pattern "*" matches every text. A pattern with fewer than
// six parts is completed with "*". Letter case counts.
func Match(pattern, s string) bool {
	if pattern == "*" {
		return true
	}
	head, resource, ok := cut(s)
	if !ok {
		return false
	}
	for i := range head {
		part, rest, more := strings.Cut(pattern, ":")
		if !Glob(part, head[i]) {
			return false
		}
		if !more {
			return true
		}
		pattern = rest
	}
	return Glob(pattern, resource)
}

// Glob reports whether s as a whole matches the pattern, in which "*" stands
// for any run of characters, also none, and "?" for exactly one. It takes
// O(len(pattern)*len(s)) steps at worst and never recurses.
func Glob(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0 // the last "*" in pattern, and where in s its run ends
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			i += width(s[i:])
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			mark += width(s[mark:])
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

func width(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}
