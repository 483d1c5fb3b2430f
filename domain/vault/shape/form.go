package shape

import (
	"slices"
	"strconv"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
)

// AppendForm appends the AWS JSON body of an AWS Query form, so that Decode reads
// and validates both protocols alike. form holds the decoded parameters, each
// once. Lists are Name.member.N, in the order of N whatever its gaps; structures
// are Name.Member; a list that is named with an empty value is empty. Members
// that the shape does not have are left out, as Decode does. What is not of its
// member's type goes along as a string, for Decode to refuse.
//
// Query inputs that Keytrail has are without maps, and a map member is left out.
func (s *Shape) AppendForm(dst []byte, form map[string]string) []byte {
	f := formReader{values: form, names: make([]string, 0, len(form))}
	for name := range form {
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	return f.structure(dst, s.root, "")
}

type formReader struct {
	values map[string]string
	names  []string // sorted, so that what has a prefix in common lies together
}

func (f *formReader) structure(dst []byte, s *structure, prefix string) []byte {
	dst = append(dst, '{')
	for i := range s.members {
		m := &s.members[i]
		mark := len(dst)
		if dst[mark-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(event.AppendString(dst, m.name), ':')
		var present bool
		if dst, present = f.member(dst, m, prefix+m.name); !present {
			dst = dst[:mark]
		}
	}
	return append(dst, '}')
}

// member appends the value of m, which the form calls name.
func (f *formReader) member(dst []byte, m *member, name string) (_ []byte, present bool) {
	switch m.kind {
	case structKind:
		if len(f.under(name+".")) == 0 {
			return dst, false
		}
		return f.structure(dst, m.children, name+"."), true
	case stringListKind, structListKind:
		return f.list(dst, m, name)
	case mapKind:
		return dst, false
	}
	value, ok := f.values[name]
	if !ok {
		return dst, false
	}
	if m.bare(value) {
		return append(dst, value...), true
	}
	return event.AppendString(dst, value), true
}

// bare tells whether the value stands in JSON without quotes.
func (m *member) bare(value string) bool {
	switch m.kind {
	case booleanKind:
		return value == "true" || value == "false"
	case integerKind, timestampKind:
		s := scanner{data: []byte(value)}
		_, err := s.number()
		return err == nil && s.pos == len(s.data)
	}
	return false
}

func (f *formReader) list(dst []byte, m *member, name string) (_ []byte, present bool) {
	prefix := name + ".member."
	under := f.under(prefix)
	if len(under) == 0 {
		_, empty := f.values[name]
		return append(dst, "[]"...), empty
	}
	var positions []int
	for _, full := range under {
		digits, _, _ := strings.Cut(full[len(prefix):], ".")
		n, err := strconv.ParseUint(digits, 10, 31)
		if err == nil && n > 0 && digits[0] != '0' {
			positions = append(positions, int(n))
		}
	}
	slices.Sort(positions)
	dst = append(dst, '[')
	for i, n := range slices.Compact(positions) {
		if i > 0 {
			dst = append(dst, ',')
		}
		entry := prefix + strconv.Itoa(n)
		if m.kind == structListKind {
			dst = f.structure(dst, m.children, entry+".")
		} else {
			dst = event.AppendString(dst, f.values[entry])
		}
	}
	return append(dst, ']'), true
}

// under gives the names that begin with prefix.
func (f *formReader) under(prefix string) []string {
	from, _ := slices.BinarySearch(f.names, prefix)
	rest := f.names[from:]
	to, _ := slices.BinarySearchFunc(rest, prefix, func(name, prefix string) int {
		if strings.HasPrefix(name, prefix) {
			return -1
		}
		return 1
	})
	return rest[:to]
}
