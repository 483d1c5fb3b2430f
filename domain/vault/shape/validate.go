package shape

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

func (d *decoder) checkString(m *member, s string) {
	if l := m.limits; !l.admits(s) {
		n := characters(l, s)
		value := ""
		if !m.secret {
			value = quote(s)
		}
		d.checkSize(m, n, func() string { return value })
		if l.pattern != nil && !l.pattern.MatchString(s) {
			d.violate(m, value, l.patternText)
		}
		if l.enum != nil && !slices.Contains(l.enum, s) {
			d.violate(m, value, l.enumText)
		}
	}
}

func (d *decoder) checkInteger(m *member, n int64) {
	d.checkSize(m, n, func() string {
		if m.secret {
			return ""
		}
		return quote(strconv.FormatInt(n, 10))
	})
}

// checkLength holds the length n of f, a blob, list or map, against m's limits.
func (d *decoder) checkLength(m *member, n int64, f reflect.Value) {
	d.checkSize(m, n, func() string { return echo(m, f) })
}

func (d *decoder) checkSize(m *member, n int64, value func() string) {
	if m.limits.tooMuch(n) {
		d.violate(m, value(), m.limits.maxText)
	}
	if m.limits.tooLittle(n) {
		d.violate(m, value(), m.limits.minText)
	}
}

func (d *decoder) violate(m *member, value, constraint string) {
	if d.failed == nil {
		d.failed = &ValidationError{}
	}
	d.failed.Total++
	if len(d.failed.Violations) < maxViolations {
		d.failed.Violations = append(d.failed.Violations, Violation{d.pathOf(m), value, constraint})
	}
}

func (d *decoder) pathOf(m *member) string {
	var b strings.Builder
	for _, s := range d.path[:d.deep] {
		b.WriteString(s.name)
		if s.index > 0 {
			b.WriteString("." + strconv.Itoa(s.index) + ".member")
		}
		b.WriteByte('.')
	}
	b.WriteString(m.path)
	return b.String()
}

// maxEcho bounds, in bytes, the value shown in an error text, which is recorded.
const maxEcho = 8 << 10

// echo is how an error text shows f, or nothing where m is secret, is a blob or
// consists of structs, which may have secret members.
func echo(m *member, f reflect.Value) string {
	if m.secret {
		return ""
	}
	var b strings.Builder
	switch m.kind {
	case stringListKind:
		for i := 0; i < f.Len() && b.Len() <= maxEcho; i++ {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(f.Index(i).String())
		}
		return quote("[" + b.String() + "]")
	case mapKind:
		entries := *f.Addr().Interface().(*map[string]string)
		for i, key := range slices.Sorted(maps.Keys(entries)) {
			if b.Len() > maxEcho {
				break
			}
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(key + "=" + entries[key])
		}
		return quote("{" + b.String() + "}")
	}
	return ""
}

func quote(s string) string {
	if len(s) > maxEcho {
		s = strings.ToValidUTF8(s[:maxEcho], "") + "..."
	}
	return "'" + s + "'"
}
