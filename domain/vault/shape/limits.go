package shape

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// limits is what the service model asks of one value.
type limits struct {
	required       bool
	hasMin, hasMax bool
	min, max       int64
	enum           []string
	pattern        *regexp.Regexp

	// Each limit in AWS's words, and all of them as a list or map words what its
	// entries must satisfy.
	minText, maxText, enumText, patternText, allText string
}

const notNull = "Member must not be null"

func (l *limits) sized() bool  { return l.hasMin || l.hasMax }
func (l *limits) worded() bool { return l.enum != nil || l.pattern != nil }
func (l *limits) none() bool   { return !l.required && !l.sized() && !l.worded() }

// tag is a parsed aws tag.
type tag struct {
	self, each, key limits
	text            bool
}

func parseTag(s string) (tag, error) {
	var t tag
	for s != "" {
		option := s
		if name, _, _ := strings.Cut(s, "="); name == "pattern" || strings.HasSuffix(name, ".pattern") {
			s = ""
		} else {
			option, s, _ = strings.Cut(s, ",")
		}
		if err := t.set(option); err != nil {
			return tag{}, fmt.Errorf("%q: %w", option, err)
		}
	}
	for _, l := range []*limits{&t.self, &t.each, &t.key} {
		if l.hasMin && l.hasMax && l.min > l.max {
			return tag{}, fmt.Errorf("min %d is above max %d", l.min, l.max)
		}
	}
	return t, nil
}

func (t *tag) set(option string) error {
	name, arg, hasArg := strings.Cut(option, "=")
	l := &t.self
	if rest, ok := strings.CutPrefix(name, "each."); ok {
		l, name = &t.each, rest
	} else if rest, ok := strings.CutPrefix(name, "key."); ok {
		l, name = &t.key, rest
	}
	var err error
	switch {
	case option == "required":
		t.self.required = true
	case option == "text":
		t.text = true
	case name == "min" && hasArg:
		l.hasMin = true
		l.min, err = strconv.ParseInt(arg, 10, 64)
	case name == "max" && hasArg:
		l.hasMax = true
		l.max, err = strconv.ParseInt(arg, 10, 64)
	case name == "enum" && arg != "":
		l.enum = strings.Split(arg, "|")
	case name == "pattern" && arg != "":
		// The model's patterns hold for the whole string.
		l.pattern, err = regexp.Compile(`\A(?:` + arg + `)\z`)
		l.patternText = "Member must satisfy regular expression pattern: " + arg
	default:
		err = fmt.Errorf("no such option")
	}
	return err
}

// word puts the limits in AWS's words: quantity is "length" or "value".
func (l *limits) word(quantity string) {
	var all []string
	if l.hasMax {
		l.maxText = fmt.Sprintf("Member must have %s less than or equal to %d", quantity, l.max)
		all = append(all, l.maxText)
	}
	if l.hasMin {
		l.minText = fmt.Sprintf("Member must have %s greater than or equal to %d", quantity, l.min)
		all = append(all, l.minText)
	}
	if l.pattern != nil {
		all = append(all, l.patternText)
	}
	if l.enum != nil {
		l.enumText = "Member must satisfy enum value set: [" + strings.Join(l.enum, ", ") + "]"
		all = append(all, l.enumText)
	}
	l.allText = "[" + strings.Join(append(all, notNull), ", ") + "]"
}

func (l *limits) tooMuch(n int64) bool   { return l.hasMax && n > l.max }
func (l *limits) tooLittle(n int64) bool { return l.hasMin && n < l.min }

// admits tells whether s keeps every limit.
func (l *limits) admits(s string) bool {
	n := characters(l, s)
	return !l.tooMuch(n) && !l.tooLittle(n) &&
		(l.enum == nil || slices.Contains(l.enum, s)) &&
		(l.pattern == nil || l.pattern.MatchString(s))
}

// characters is the length of s in characters, or its length in bytes where that
// lies on the same side of the limits: a character takes one to four bytes, so few
// strings need counting. s is valid UTF-8.
func characters[T string | []byte](l *limits, s T) int64 {
	n := int64(len(s))
	if !l.tooMuch(n) && (!l.hasMin || n >= 4*l.min) {
		return n
	}
	for i := range len(s) {
		if s[i]&0xC0 == 0x80 { // continues a character
			n--
		}
	}
	return n
}
