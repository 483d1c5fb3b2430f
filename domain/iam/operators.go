package iam

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

type operator struct {
	compile func(values []string, allow syntax) (test, error)
	negated bool
}

// operators by their lower-cased names; Null is apart, since it looks at the
// key and not at its values.
var operators = map[string]operator{
	"stringequals":              {compile: compileEquals},
	"stringnotequals":           {compile: compileEquals, negated: true},
	"stringequalsignorecase":    {compile: compileEqualsFold},
	"stringnotequalsignorecase": {compile: compileEqualsFold, negated: true},
	"stringlike":                {compile: compileLike},
	"stringnotlike":             {compile: compileLike, negated: true},
	"arnequals":                 {compile: compileARNTest},
	"arnlike":                   {compile: compileARNTest},
	"arnnotequals":              {compile: compileARNTest, negated: true},
	"arnnotlike":                {compile: compileARNTest, negated: true},
	"numericequals":             {compile: compileNumeric(equal)},
	"numericnotequals":          {compile: compileNumeric(equal), negated: true},
	"numericlessthan":           {compile: compileNumeric(less)},
	"numericlessthanequals":     {compile: compileNumeric(lessOrEqual)},
	"numericgreaterthan":        {compile: compileNumeric(greater)},
	"numericgreaterthanequals":  {compile: compileNumeric(greaterOrEqual)},
	"dateequals":                {compile: compileDate(equal)},
	"datenotequals":             {compile: compileDate(equal), negated: true},
	"datelessthan":              {compile: compileDate(less)},
	"datelessthanequals":        {compile: compileDate(lessOrEqual)},
	"dategreaterthan":           {compile: compileDate(greater)},
	"dategreaterthanequals":     {compile: compileDate(greaterOrEqual)},
	"bool":                      {compile: compileBool},
	"binaryequals":              {compile: compileBinary},
	"ipaddress":                 {compile: compileIP},
	"notipaddress":              {compile: compileIP, negated: true},
}

// equalsTest is StringEquals without variables, the commonest test.
type equalsTest []string

func (t equalsTest) match(value string, _ Context) bool {
	for _, want := range t {
		if value == want {
			return true
		}
	}
	return false
}

type likeTest []pattern

func (t likeTest) match(value string, ctx Context) bool {
	for i := range t {
		if t[i].match(value, ctx) {
			return true
		}
	}
	return false
}

func (t likeTest) patterns(each func(*pattern)) {
	for i := range t {
		each(&t[i])
	}
}

func compileEquals(values []string, allow syntax) (test, error) {
	like := compileTexts(values, allow)
	plain := make(equalsTest, 0, len(like))
	for i := range like {
		if like[i].shape != exact {
			return like, nil
		}
		plain = append(plain, like[i].text)
	}
	return plain, nil
}

func compileLike(values []string, allow syntax) (test, error) {
	return compileTexts(values, allow|withWildcards), nil
}

func compileTexts(values []string, allow syntax) likeTest {
	t := make(likeTest, len(values))
	for i, v := range values {
		t[i] = compilePattern(v, allow)
	}
	return t
}

type foldTest struct{ likeTest }

func compileEqualsFold(values []string, allow syntax) (test, error) {
	return foldTest{compileTexts(values, allow)}, nil
}

func (t foldTest) match(value string, ctx Context) bool {
	for i := range t.likeTest {
		if want, ok := t.likeTest[i].expand(ctx); ok && strings.EqualFold(value, want) {
			return true
		}
	}
	return false
}

// arnTest serves ArnEquals and ArnLike alike: AWS gives both wildcards.
type arnTest []arnPattern

func compileARNTest(values []string, allow syntax) (test, error) {
	t := make(arnTest, len(values))
	for i, v := range values {
		t[i] = compileARN(v, allow|withWildcards)
	}
	return t, nil
}

func (t arnTest) match(value string, ctx Context) bool {
	for i := range t {
		if t[i].match(value, ctx) {
			return true
		}
	}
	return false
}

func (t arnTest) patterns(each func(*pattern)) {
	for i := range t {
		each(&t[i].last)
	}
}

// relation is a set of the results of cmp.Compare, shifted to bits 0, 1, 2.
type relation uint8

const (
	less           relation = 1 << 0
	equal          relation = 1 << 1
	greater        relation = 1 << 2
	lessOrEqual             = less | equal
	greaterOrEqual          = greater | equal
)

func (r relation) of(order int) bool { return r&(1<<(order+1)) != 0 }

type numericTest struct {
	relation relation
	values   []float64
}

func compileNumeric(r relation) func([]string, syntax) (test, error) {
	return func(values []string, _ syntax) (test, error) {
		t := numericTest{relation: r}
		for _, v := range values {
			n, ok := parseNumber(v)
			if !ok {
				return nil, errConditionValue
			}
			t.values = append(t.values, n)
		}
		return t, nil
	}
}

func (t numericTest) match(value string, _ Context) bool {
	n, ok := parseNumber(value)
	if !ok {
		return false
	}
	for _, want := range t.values {
		if t.relation.of(cmp.Compare(n, want)) {
			return true
		}
	}
	return false
}

// parseNumber takes decimal integers and fractions; the infinities, not-a-number
// and the hexadecimal forms of Go are no numbers of the policy language.
func parseNumber(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

type dateTest struct {
	relation relation
	values   []time.Time
}

func compileDate(r relation) func([]string, syntax) (test, error) {
	return func(values []string, _ syntax) (test, error) {
		t := dateTest{relation: r}
		for _, v := range values {
			at, ok := parseDate(v)
			if !ok {
				return nil, errConditionValue
			}
			t.values = append(t.values, at)
		}
		return t, nil
	}
}

func (t dateTest) match(value string, _ Context) bool {
	at, ok := parseDate(value)
	if !ok {
		return false
	}
	for _, want := range t.values {
		if t.relation.of(at.Compare(want)) {
			return true
		}
	}
	return false
}

// dateLayouts are the forms of the W3C profile of ISO 8601; one without a zone
// is taken as UTC.
var dateLayouts = []string{
	time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02", "2006-01",
}

// parseDate also takes seconds since 1970, written in digits alone.
func parseDate(s string) (time.Time, bool) {
	if s != "" && strings.Trim(s, "0123456789") == "" {
		seconds, err := strconv.ParseInt(s, 10, 64)
		return time.Unix(seconds, 0), err == nil
	}
	for _, layout := range dateLayouts {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

type boolTest struct{ wantTrue, wantFalse bool }

func compileBool(values []string, _ syntax) (test, error) {
	var t boolTest
	for _, v := range values {
		switch {
		case strings.EqualFold(v, "true"):
			t.wantTrue = true
		case strings.EqualFold(v, "false"):
			t.wantFalse = true
		default:
			return nil, errConditionValue
		}
	}
	return t, nil
}

func (t boolTest) match(value string, _ Context) bool {
	return t.wantTrue && strings.EqualFold(value, "true") || t.wantFalse && strings.EqualFold(value, "false")
}

// binaryTest compares bytes; both sides are written in base64.
type binaryTest [][]byte

func compileBinary(values []string, _ syntax) (test, error) {
	var t binaryTest
	for _, v := range values {
		b, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			return nil, errConditionValue
		}
		t = append(t, b)
	}
	return t, nil
}

func (t binaryTest) match(value string, _ Context) bool {
	b, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return false
	}
	for _, want := range t {
		if bytes.Equal(b, want) {
			return true
		}
	}
	return false
}

type ipTest []netip.Prefix

func compileIP(values []string, _ syntax) (test, error) {
	t := make(ipTest, 0, len(values))
	for _, v := range values {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			addr, err := netip.ParseAddr(v)
			if err != nil || addr.Zone() != "" {
				return nil, errConditionValue
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		t = append(t, p.Masked())
	}
	return t, nil
}

func (t ipTest) match(value string, _ Context) bool {
	addr, err := netip.ParseAddr(value)
	if err != nil {
		return false
	}
	addr = addr.WithZone("").Unmap() // a prefix contains no address with a zone
	for _, p := range t {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
