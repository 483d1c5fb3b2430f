package iam

import (
	"errors"
	"strings"
)

// condition is one operator on one key. A statement's conditions are ANDed, the
// values of one of them ORed (and for a negated operator none may match).
type condition struct {
	operator     string // as written, for people
	key          string // likewise
	name, suffix string
	test         test
	negated      bool
	ifExists     bool
	set          qualifier
	null         nullTest
}

// test compares one value of the request with the values of the policy. For a
// negated operator it is the test of the positive one.
type test interface {
	match(value string, ctx Context) bool
}

type qualifier uint8

const (
	single qualifier = iota
	forAllValues
	forAnyValue
)

type nullTest uint8

const (
	notNull     nullTest = 0
	wantAbsent  nullTest = 1 << 0
	wantPresent nullTest = 1 << 1
)

// holds applies the rules for missing keys and for sets of values; a key with
// no values counts as missing.
func (c *condition) holds(ctx Context) bool {
	values, _, ok := ctx.Lookup(c.name, c.suffix)
	ok = ok && len(values) > 0
	if c.null != notNull {
		if ok {
			return c.null&wantPresent != 0
		}
		return c.null&wantAbsent != 0
	}
	if !ok {
		switch {
		case c.ifExists, c.set == forAllValues:
			return true
		case c.set == forAnyValue:
			return false
		}
		return c.negated
	}
	switch c.set {
	case forAllValues:
		for _, v := range values {
			if c.test.match(v, ctx) == c.negated {
				return false
			}
		}
		return true
	case forAnyValue:
		for _, v := range values {
			if c.test.match(v, ctx) != c.negated {
				return true
			}
		}
		return false
	}
	for _, v := range values {
		if c.test.match(v, ctx) {
			return !c.negated
		}
	}
	return c.negated
}

var (
	errOperator       = errors.New("iam: unknown condition operator")
	errConditionValue = errors.New("iam: condition value does not fit its operator")
)

// operatorName takes an operator apart: the set qualifier before it and
// IfExists after it. Operator names are not case-sensitive.
func operatorName(s string) (base string, set qualifier, ifExists bool) {
	base = strings.ToLower(s)
	if rest, ok := strings.CutPrefix(base, "forallvalues:"); ok {
		base, set = rest, forAllValues
	} else if rest, ok := strings.CutPrefix(base, "foranyvalue:"); ok {
		base, set = rest, forAnyValue
	}
	base, ifExists = strings.CutSuffix(base, "ifexists")
	return base, set, ifExists
}

func knownOperator(s string) bool {
	base, set, ifExists := operatorName(s)
	if base == "null" {
		return set == single && !ifExists
	}
	_, ok := operators[base]
	return ok
}

// compileCondition compiles one operator, key and list of values. Variables are
// recognised in string and ARN values where the policy's version has them.
func compileCondition(operator, key string, values []string, allow syntax) (condition, error) {
	c := condition{operator: intern(operator), key: intern(key)}
	c.name, c.suffix = SplitKey(key)
	c.name, c.suffix = intern(c.name), intern(c.suffix)
	var base string
	base, c.set, c.ifExists = operatorName(operator)
	if base == "null" {
		for _, v := range values {
			switch strings.ToLower(v) {
			case "true":
				c.null |= wantAbsent
			case "false":
				c.null |= wantPresent
			default:
				return condition{}, errConditionValue
			}
		}
		return c, nil
	}
	op, ok := operators[base]
	if !ok {
		return condition{}, errOperator
	}
	test, err := op.compile(values, allow&withVariables)
	if err != nil {
		return condition{}, err
	}
	c.test, c.negated = test, op.negated
	return c, nil
}
