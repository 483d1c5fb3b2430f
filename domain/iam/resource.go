package iam

import "strings"

// arnPattern is a resource name with wildcards, each of the six parts matched
// on its own. Where the first five are literal, as they mostly are, they are
// one prefix to compare.
type arnPattern struct {
	any  bool        // "*"
	head *[5]pattern // nil when before is all there is to compare
	// before is "arn:aws:kms:us-east-1:111122223333:", the five literal parts
	// with their colons.
	before string
	last   pattern
}

// compileARN completes a name of fewer than six parts with "*", as AWS does.
// Variables are variables only after the fifth colon.
func compileARN(s string, allow syntax) arnPattern {
	if strings.Trim(s, "*") == "" && s != "" {
		return arnPattern{any: true}
	}
	parts := strings.SplitN(s, ":", 6)
	for len(parts) < 6 {
		parts = append(parts, "*")
	}
	p := arnPattern{last: compilePattern(parts[5], allow)}
	var head [5]pattern
	isLiteral := true
	for i := range head {
		head[i] = compilePattern(parts[i], allow&^withVariables)
		isLiteral = isLiteral && head[i].shape == exact
	}
	if isLiteral {
		p.before = intern(strings.Join(parts[:5], ":") + ":")
	} else {
		p.head = &head
	}
	return p
}

func (p *arnPattern) match(s string, ctx Context) bool {
	if p.any {
		return true
	}
	if p.head == nil {
		return strings.HasPrefix(s, p.before) && p.last.match(s[len(p.before):], ctx)
	}
	for i := range p.head {
		part, rest, ok := strings.Cut(s, ":")
		if !ok || !p.head[i].match(part, ctx) {
			return false
		}
		s = rest
	}
	return p.last.match(s, ctx)
}

// resolvable reports whether every variable of the pattern has a value.
func (p *arnPattern) resolvable(ctx Context) bool {
	if p.last.shape != variables {
		return true
	}
	for _, t := range p.last.tokens {
		if t.kind == fromHere {
			if _, ok := t.ref.value(ctx); !ok {
				return false
			}
		}
	}
	return true
}
