package iam

import (
	"strings"
	"testing"
)

// obvious is the definition of a wildcard match, exponential and plain.
func obvious(p, s []rune) bool {
	if len(p) == 0 {
		return len(s) == 0
	}
	switch p[0] {
	case '*':
		return obvious(p[1:], s) || len(s) > 0 && obvious(p, s[1:])
	case '?':
		return len(s) > 0 && obvious(p[1:], s[1:])
	}
	return len(s) > 0 && p[0] == s[0] && obvious(p[1:], s[1:])
}

// FuzzGlob: both ways of matching agree with the definition.
func FuzzGlob(f *testing.F) {
	for _, c := range [][2]string{{"a*b", "axxb"}, {"*?é", "aé"}, {"**a?", "ba"}, {"", ""}, {"*", ""}, {"?*?", "é"}, {"*ab*", "aab"}, {"a?", "a"}, {"*a?a", "aaba"}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		pattern, s = strings.ToValidUTF8(pattern, "x"), strings.ToValidUTF8(s, "x")
		if len(pattern) > 10 || len(s) > 12 {
			t.Skip()
		}
		want := obvious([]rune(pattern), []rune(s))
		p := compilePattern(pattern, withWildcards)
		if got := p.match(s, emptyContext{}); got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, s, got, want)
		}
		tokens := p.tokens
		if p.shape != glob {
			return
		}
		if got := matchParallel(tokens, s); got != want {
			t.Errorf("in parallel %q matches %q: %v, want %v", pattern, s, got, want)
		}
	})
}

// TestLongPatterns: beyond one word of positions, where the two ways must agree
// as well.
func TestLongPatterns(t *testing.T) {
	long := strings.Repeat("a", 8000)
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"*" + strings.Repeat("a?", 900) + "b", long, false},
		{"*" + strings.Repeat("a?", 900) + "b", long + "b", true},
		{"*" + strings.Repeat("?", 1900), long, true},
		{strings.Repeat("?", 1900), long, false},
		{strings.Repeat("?", 64) + "*", long, true},
		{strings.Repeat("?a", 32) + "*b*" + strings.Repeat("a", 64), strings.Repeat("éa", 500) + "b" + long, true},
		{strings.Repeat("?a", 32) + "*b*" + strings.Repeat("a", 64), strings.Repeat("éa", 500) + "c" + long, false},
	} {
		p := compilePattern(c.pattern, withWildcards)
		if got := matchText(p.tokens, c.s); got != c.want {
			t.Errorf("%.20q… matches %.20q…: %v", c.pattern, c.s, got)
		}
	}
}

func BenchmarkHostilePattern(b *testing.B) {
	p := compilePattern("*"+strings.Repeat("a?", 950)+"b", withWildcards)
	s := strings.Repeat("a", 8192)
	for b.Loop() {
		p.match(s, emptyContext{})
	}
}
