package iam

import (
	"strings"
	"unicode/utf8"
)

// shortWork is the number of steps, tokens times bytes, up to which matching by
// trial is the fastest way. Beyond it trial and error is quadratic, and the
// author of a session policy could make each of its requests cost milliseconds.
const shortWork = 1 << 14

// matchText reports whether s as a whole matches the tokens, none of which is a
// variable any more.
func matchText(tokens []token, s string) bool {
	if len(tokens)*len(s) <= shortWork {
		return matchTokens(tokens, s, strings.HasPrefix)
	}
	return matchParallel(tokens, s)
}

// matchParallel follows all ways to match at once, one bit for each position of
// the pattern: O(len(s)*len(pattern)/64) steps whatever the two say.
func matchParallel(tokens []token, s string) bool {
	size := 0
	for _, t := range tokens {
		switch t.kind {
		case literal:
			size += utf8.RuneCountInString(t.text)
		case anyOne:
			size++
		}
	}
	words := size/64 + 1
	stays := make([]uint64, words)    // positions with "*": any character keeps them
	anything := make([]uint64, words) // positions with "?": any character passes them
	passes := map[rune][]uint64{}     // positions that this character passes, "?" left out
	at := 0
	for _, t := range tokens {
		switch t.kind {
		case anyRun:
			stays[at/64] |= 1 << (at % 64)
		case anyOne:
			anything[at/64] |= 1 << (at % 64)
			at++
		case literal:
			for rest := t.text; rest != ""; at++ {
				r, n := symbol(rest)
				if passes[r] == nil {
					passes[r] = make([]uint64, words)
				}
				passes[r][at/64] |= 1 << (at % 64)
				rest = rest[n:]
			}
		}
	}
	alive := make([]uint64, words)
	alive[0] = 1
	for s != "" {
		r, n := symbol(s)
		s = s[n:]
		literals := passes[r]
		carry := uint64(0)
		for w := range alive {
			pass := anything[w]
			if literals != nil {
				pass |= literals[w]
			}
			moved := alive[w] & pass
			alive[w] = moved<<1 | carry | alive[w]&stays[w]
			carry = moved >> 63
		}
	}
	return alive[size/64]>>(size%64)&1 == 1
}

// symbol is the first character of s; a byte that is not UTF-8 is one by itself
// and equals no other.
func symbol(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 {
		r = -rune(s[0])
	}
	return r, n
}

// matchTokens goes back to the last "*" alone, which suffices: whatever an
// earlier one could still take, the last one can take too.
func matchTokens(tokens []token, s string, starts func(s, prefix string) bool) bool {
	t, i := 0, 0
	star, mark := -1, 0
	for {
		if t == len(tokens) {
			if i == len(s) {
				return true
			}
		} else {
			switch tok := &tokens[t]; {
			case tok.kind == anyRun:
				if t == len(tokens)-1 {
					return true
				}
				star, mark = t, i
				t++
				continue
			case tok.kind == anyOne && i < len(s):
				i += runeWidth(s[i:])
				t++
				continue
			case tok.kind == literal && starts(s[i:], tok.text):
				i += len(tok.text)
				t++
				continue
			}
		}
		if star < 0 || mark >= len(s) {
			return false
		}
		mark += runeWidth(s[mark:])
		t, i = star+1, mark
	}
}

func runeWidth(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// hasPrefixFold reports whether s begins with lower, a lower-case ASCII text,
// without regard to the case of s.
func hasPrefixFold(s, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := 0; i < len(lower); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
