package iam

import (
	"slices"
	"strings"
)

// IsPublic reports whether the policy opens its resource to everybody: an Allow
// for any principal, or for all but some, without a condition that holds only
// for given callers or places. It is the test of BlockPublicPolicy and errs on
// the side of calling a policy public.
func (p *Policy) IsPublic() bool {
	for i := range p.statements {
		st := &p.statements[i]
		if st.effect != Allow || st.inert || st.principals == nil || !st.principals.everyone && !st.principals.not {
			continue
		}
		if !st.restricted() {
			return true
		}
	}
	return false
}

// restrictingKeys are the keys that tell callers apart by who or where they are.
var restrictingKeys = []string{
	"aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:sourceaccount",
	"aws:sourcearn", "aws:sourceip", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce", "aws:userid", "aws:username", "kms:calleraccount",
}

func (st *statement) restricted() bool {
	for i := range st.conditions {
		c := &st.conditions[i]
		if c.negated || c.ifExists || c.null != notNull || c.set == forAllValues || !slices.Contains(restrictingKeys, c.name) {
			continue
		}
		if fixed, ok := c.test.(interface{ fixed() bool }); ok && fixed.fixed() {
			return true
		}
	}
	return false
}

// fixed reports whether the values are given texts, without wildcards or variables.

func (t equalsTest) fixed() bool { return len(t) > 0 }

func (t likeTest) fixed() bool {
	for i := range t {
		if t[i].shape != exact {
			return false
		}
	}
	return len(t) > 0
}

// fixed demands a given account, or a name without any wildcard.
func (t arnTest) fixed() bool {
	for i := range t {
		p := &t[i]
		switch {
		case p.any:
			return false
		case p.head != nil:
			if p.head[4].shape != exact || p.head[4].text == "" {
				return false
			}
		case strings.HasSuffix(p.before, "::") && p.last.shape != exact:
			return false
		}
	}
	return len(t) > 0
}

// fixed demands a network smaller than the halves of the address space.
func (t ipTest) fixed() bool {
	for _, p := range t {
		if p.Bits() < 8 {
			return false
		}
	}
	return len(t) > 0
}
