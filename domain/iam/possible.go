package iam

import "slices"

// Possibility says what a principal can do whatever its request looks like.
type Possibility struct {
	Always Decision // as if no condition on a free key favoured the request
	Best   Decision // as if every condition on a free key did
}

// Never reports that no values of the free keys can open a road.
func (p *Possibility) Never() bool { return !p.Best.Allowed }

// Possible decides a request of which only a part is known: free tells of a
// condition key whether the request decides its value. Always allows when the
// request is allowed for all values of the free keys, and Best denies when it is
// denied for all. Between the two lies "can, if": see Conditional. A grant that
// is bound to an encryption context counts as conditional when free says so of
// kms:encryptioncontext.
func Possible(in *Input, free func(name, suffix string) bool) Possibility {
	worst, best := *in, *in
	worst.supposing(free, false)
	best.supposing(free, true)
	if free("kms:encryptioncontext", "") {
		if operation, ok := grantOperation(in.Action); ok && takesEncryptionContext(operation) {
			worst.Grants = slices.DeleteFunc(slices.Clone(in.Grants), func(g Grant) bool { return g.constrained() })
			best.Grants = slices.Clone(in.Grants)
			for i := range best.Grants {
				best.Grants[i].ContextEquals, best.Grants[i].ContextSubset = nil, nil
			}
		}
	}
	return Possibility{Always: Evaluate(&worst), Best: Evaluate(&best)}
}

func (g *Grant) constrained() bool { return g.ContextEquals != nil || g.ContextSubset != nil }

func (in *Input) supposing(free func(name, suffix string) bool, favourable bool) {
	suppose := func(list []Source) []Source {
		list = slices.Clone(list)
		for i := range list {
			list[i].Policy = list[i].Policy.supposing(free, favourable)
		}
		return list
	}
	one := func(s *Source) *Source {
		if s == nil {
			return nil
		}
		return &Source{ID: s.ID, Policy: s.Policy.supposing(free, favourable)}
	}
	in.Identity, in.Session = suppose(in.Identity), suppose(in.Session)
	in.Boundary, in.ResourcePolicy = one(in.Boundary), one(in.ResourcePolicy)
}

// supposing is the policy with its conditions on free keys decided: in favour of
// the request, the Allows have none of them and the Denies with any never apply;
// against it, the other way round.
func (p *Policy) supposing(free func(name, suffix string) bool, favourable bool) *Policy {
	isFree := func(c condition) bool { return free(c.name, c.suffix) }
	if p == nil || !slices.ContainsFunc(p.statements, func(st statement) bool { return slices.ContainsFunc(st.conditions, isFree) }) {
		return p
	}
	supposed := *p
	supposed.statements = slices.Clone(p.statements)
	for i := range supposed.statements {
		st := &supposed.statements[i]
		if !slices.ContainsFunc(st.conditions, isFree) {
			continue
		}
		if (st.effect == Allow) == favourable {
			st.conditions = slices.DeleteFunc(slices.Clone(st.conditions), isFree)
		} else {
			st.inert = true
		}
	}
	return &supposed
}

// Conditional is a statement, or a grant bound to an encryption context, on which
// it depends whether a request that is possible is allowed.
type Conditional struct {
	Match
	Conditions                   []InspectedCondition // on free keys, without Got and Holds
	ContextEquals, ContextSubset map[string]string    // of a grant
}

// Conditionals lists what Possible left open: the Allows that Best counts with and
// Always does not, and the Denies the other way round, in the order of Evaluate.
// Enough of the Allows must hold, and none of the Denies.
func (p *Possibility) Conditionals(in *Input, free func(name, suffix string) bool) []Conditional {
	var list []Conditional
	add := func(from, other *Decision, effect Effect) {
		for _, m := range from.Matched {
			if m.Effect == effect && !slices.Contains(other.Matched, m) {
				if c, ok := in.conditional(m, free); ok {
					list = append(list, c)
				}
			}
		}
	}
	add(&p.Best, &p.Always, Allow)
	add(&p.Always, &p.Best, Deny)
	return list
}

func (in *Input) conditional(m Match, free func(name, suffix string) bool) (Conditional, bool) {
	c := Conditional{Match: m}
	if m.Statement < 0 {
		for i := range in.Grants {
			if g := &in.Grants[i]; g.ID == m.Source {
				c.ContextEquals, c.ContextSubset = g.ContextEquals, g.ContextSubset
				return c, true
			}
		}
		return c, false
	}
	src := in.source(m)
	if src == nil || m.Statement >= len(src.Policy.statements) {
		return c, false
	}
	text := src.Policy.statementTexts()[m.Statement]
	for i := range src.Policy.statements[m.Statement].conditions {
		if x := &src.Policy.statements[m.Statement].conditions[i]; free(x.name, x.suffix) {
			c.Conditions = append(c.Conditions, InspectedCondition{Operator: x.operator, Key: joinKey(x.name, x.suffix), Wanted: wanted(text, x)})
		}
	}
	return c, true
}

// source is the policy that a statement of a decision stands in.
func (in *Input) source(m Match) *Source {
	find := func(list []Source) *Source {
		if i := slices.IndexFunc(list, func(s Source) bool { return s.ID == m.Source }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	switch m.Part {
	case PartIdentity:
		return find(in.Identity)
	case PartSession:
		return find(in.Session)
	case PartBoundary:
		return in.Boundary
	case PartResource, PartDelegation:
		return in.ResourcePolicy
	}
	return nil
}
