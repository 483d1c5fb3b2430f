package iam

import "strings"

// pattern is a text with wildcards and policy variables, compiled. The common
// shapes are told apart so that they cost one comparison.
type pattern struct {
	shape  shape
	text   string  // of exact and prefix
	tokens []token // of glob and variables
}

type shape uint8

const (
	exact shape = iota // text, the whole of it
	anything
	prefix // text, then anything
	glob
	variables // glob with policy variables still to be put in
)

type token struct {
	kind tokenKind
	text string // of literal
	ref  *variable
}

type tokenKind uint8

const (
	literal  tokenKind = iota
	anyRun             // *
	anyOne             // ?
	fromHere           // the value of a policy variable, which is literal text
)

// variable is ${name} or ${name, 'fallback'}.
type variable struct {
	key          string // as written
	name, suffix string
	fallback     string
	hasFallback  bool
}

// value resolves the variable. A missing key, and a key with several values,
// leave it without one.
func (v *variable) value(ctx Context) (string, bool) {
	if values, multi, ok := ctx.Lookup(v.name, v.suffix); ok && !multi && len(values) == 1 {
		return values[0], true
	}
	return v.fallback, v.hasFallback
}

type syntax uint8

const (
	withWildcards syntax = 1 << iota
	withVariables
)

func compilePattern(s string, allow syntax) pattern {
	var tokens []token
	var text strings.Builder // of the literal at hand
	add := func(t token) {
		if text.Len() > 0 {
			tokens = append(tokens, token{kind: literal, text: text.String()})
			text.Reset()
		}
		if t.kind != literal {
			tokens = append(tokens, t)
		}
	}
	hasVariable := false
	closing := -1 // bytes that are left of s at its last "}"
	if i := strings.LastIndexByte(s, '}'); i >= 0 {
		closing = len(s) - i
	}
	for s != "" {
		switch {
		case s[0] == '*' && allow&withWildcards != 0:
			if n := len(tokens); n == 0 || tokens[n-1].kind != anyRun || text.Len() > 0 {
				add(token{kind: anyRun})
			}
			s = s[1:]
		case s[0] == '?' && allow&withWildcards != 0:
			add(token{kind: anyOne})
			s = s[1:]
		case allow&withVariables != 0 && len(s) > closing && closing > 0 && strings.HasPrefix(s, "${"):
			inside, rest, _ := strings.Cut(s[2:], "}")
			if inside == "*" || inside == "?" || inside == "$" {
				text.WriteString(inside)
			} else {
				add(token{kind: fromHere, ref: parseVariable(inside)})
				hasVariable = true
			}
			s = rest
		default:
			n := strings.IndexAny(s[1:], "*?$") + 1
			if n == 0 {
				n = len(s)
			}
			text.WriteString(s[:n])
			s = s[n:]
		}
	}
	add(token{kind: literal})
	for i := range tokens {
		tokens[i].text = intern(tokens[i].text)
	}
	switch {
	case hasVariable:
		return pattern{shape: variables, tokens: tokens}
	case len(tokens) == 0:
		return pattern{shape: exact}
	case len(tokens) == 1 && tokens[0].kind == literal:
		return pattern{shape: exact, text: tokens[0].text}
	case len(tokens) == 1 && tokens[0].kind == anyRun:
		return pattern{shape: anything}
	case len(tokens) == 2 && tokens[0].kind == literal && tokens[1].kind == anyRun:
		return pattern{shape: prefix, text: tokens[0].text}
	}
	return pattern{shape: glob, tokens: tokens}
}

func parseVariable(inside string) *variable {
	key, fallback, has := strings.Cut(inside, ",")
	name, suffix := SplitKey(strings.TrimSpace(key))
	fallback = strings.TrimSpace(fallback)
	if n := len(fallback); n >= 2 && fallback[0] == '\'' && fallback[n-1] == '\'' {
		fallback = fallback[1 : n-1]
	}
	return &variable{key: intern(strings.TrimSpace(key)), name: intern(name), suffix: intern(suffix), fallback: fallback, hasFallback: has}
}

// match reports whether s as a whole matches. A pattern with a variable that
// has no value is the null pattern: no text equals it or is like it.
func (p *pattern) match(s string, ctx Context) bool {
	switch p.shape {
	case exact:
		return s == p.text
	case anything:
		return true
	case prefix:
		return strings.HasPrefix(s, p.text)
	case glob:
		return matchText(p.tokens, s)
	}
	var room [12]token
	resolved := room[:0]
	for _, t := range p.tokens {
		if t.kind == fromHere {
			value, ok := t.ref.value(ctx)
			if !ok {
				return false
			}
			t = token{kind: literal, text: value}
		}
		resolved = append(resolved, t)
	}
	return matchText(resolved, s)
}

// matchFold is match for action names: ASCII letters without regard to case.
// The pattern's own text is lower-case already, and holds no variables.
func (p *pattern) matchFold(s string) bool {
	switch p.shape {
	case exact:
		return len(s) == len(p.text) && hasPrefixFold(s, p.text)
	case anything:
		return true
	case prefix:
		return hasPrefixFold(s, p.text)
	}
	return matchTokens(p.tokens, s, hasPrefixFold)
}

// expand is the text of a pattern without wildcards.
func (p *pattern) expand(ctx Context) (string, bool) {
	if p.shape == exact {
		return p.text, true
	}
	var b strings.Builder
	for _, t := range p.tokens {
		text := t.text
		if t.kind == fromHere {
			value, ok := t.ref.value(ctx)
			if !ok {
				return "", false
			}
			text = value
		}
		b.WriteString(text)
	}
	return b.String(), true
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 0x20
		}
		return r
	}, s)
}

// source is the pattern as text again, lower-case for actions.
func (p *pattern) source() string {
	switch p.shape {
	case exact:
		return p.text
	case anything:
		return "*"
	case prefix:
		return p.text + "*"
	}
	var b strings.Builder
	for _, t := range p.tokens {
		switch t.kind {
		case literal:
			b.WriteString(t.text)
		case anyRun:
			b.WriteByte('*')
		case anyOne:
			b.WriteByte('?')
		case fromHere:
			b.WriteString("${" + joinKey(t.ref.name, t.ref.suffix) + "}")
		}
	}
	return b.String()
}
