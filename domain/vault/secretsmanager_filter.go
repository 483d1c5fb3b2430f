package vault

import (
	"iter"
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/secret"
)

// SecretFilter selects secrets. Values are alternatives, and one with ! before it fits
// what it does not fit without; filters must hold all together.
type SecretFilter struct {
	Key    string   `json:"Key" aws:"enum=description|name|tag-key|tag-value|primary-region|owning-service|all"`
	Values []string `json:"Values" aws:"min=1,max=10,each.max=512,each.pattern=^\\!?[a-zA-Z0-9 :_@\\/\\+\\=\\.\\-\\!]*$"`
}

// filter is a SecretFilter made ready for many secrets.
type filter struct {
	key    string
	values []filterValue
}

type filterValue struct {
	text  string
	words []string // of text, for the keys that compare words
	not   bool
}

func readFilters(in []SecretFilter) ([]filter, error) {
	filters := make([]filter, 0, len(in))
	for _, f := range in {
		switch {
		case f.Key == "":
			return nil, invalid("Invalid filter key")
		case len(f.Values) == 0:
			return nil, invalid("Invalid filter values for key: %s", f.Key)
		}
		read := filter{key: f.Key}
		for _, value := range f.Values {
			text, not := strings.CutPrefix(value, "!")
			read.values = append(read.values, filterValue{text: text, words: slices.Collect(words(text)), not: not})
		}
		filters = append(filters, read)
	}
	return filters, nil
}

func (f *filter) fits(s *secret.Secret, region string) bool {
	for i := range f.values {
		if v := &f.values[i]; v.fits(f.key, s, region) != v.not {
			return true
		}
	}
	return false
}

// fits compares prefixes, letter case included, but for descriptions and "all": there
// each word of the value must begin a word of the secret, in any letter case.
func (v *filterValue) fits(key string, s *secret.Secret, region string) bool {
	switch key {
	case "name":
		return strings.HasPrefix(s.Name, v.text)
	case "tag-key":
		for _, t := range s.Tags {
			if strings.HasPrefix(t.Key, v.text) {
				return true
			}
		}
	case "tag-value":
		for _, t := range s.Tags {
			if strings.HasPrefix(t.Value, v.text) {
				return true
			}
		}
	case "primary-region":
		return strings.HasPrefix(region, v.text)
	case "description":
		return v.everyWord(func(word string) bool { return hasWord(s.Description(), word) })
	case "all":
		return v.everyWord(func(word string) bool {
			if hasWord(s.Name, word) || hasWord(s.Description(), word) {
				return true
			}
			for _, t := range s.Tags {
				if hasWord(t.Key, word) || hasWord(t.Value, word) {
					return true
				}
			}
			return false
		})
	}
	return false // owning-service: no other service owns a secret here
}

// everyWord reports whether has holds for each word; without a word, as in "+", there
// is nothing to find.
func (v *filterValue) everyWord(has func(word string) bool) bool {
	for _, word := range v.words {
		if !has(word) {
			return false
		}
	}
	return len(v.words) > 0
}

func hasWord(text, begin string) bool {
	for word := range words(text) {
		if len(word) >= len(begin) && strings.EqualFold(word[:len(begin)], begin) {
			return true
		}
	}
	return false
}

// words splits text as Secrets Manager does for its search: at spaces and signs, and
// before a capital or a digit that small letters follow. "prod/MyDB_2nd" has the words
// prod, My, DB and 2nd.
func words(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t\n/_+=.@-:!", r) }) {
			begin := 0
			for i := 0; i < len(part); i++ {
				if isSmall(part[i]) || i+1 == len(part) || !isSmall(part[i+1]) {
					continue
				}
				if i > begin && !yield(part[begin:i]) {
					return
				}
				begin = i
				for i+1 < len(part) && isSmall(part[i+1]) {
					i++
				}
				if !yield(part[begin : i+1]) {
					return
				}
				begin = i + 1
			}
			if begin < len(part) && !yield(part[begin:]) {
				return
			}
		}
	}
}

func isSmall(c byte) bool { return 'a' <= c && c <= 'z' }
