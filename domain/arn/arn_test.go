package arn_test

import (
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/arn"
)

func TestConstructors(t *testing.T) {
	const account, region = "111122223333", "us-east-1"
	for want, got := range map[string]arn.ARN{
		"arn:aws:kms:us-east-1:111122223333:key/1234":                        arn.Key(region, account, "1234"),
		"arn:aws:kms:us-east-1:111122223333:alias/aws/secretsmanager":        arn.Alias(region, account, "alias/aws/secretsmanager"),
		"arn:aws:secretsmanager:us-east-1:111122223333:secret:app/db-AbCdEf": arn.Secret(region, account, "app/db", "AbCdEf"),
		"arn:aws:iam::111122223333:user/alice":                               arn.User(account, "/", "alice"),
		"arn:aws:iam::111122223333:user/eng/alice":                           arn.User(account, "/eng/", "alice"),
		"arn:aws:iam::111122223333:role/reader":                              arn.Role(account, "", "reader"),
		"arn:aws:iam::111122223333:group/readers":                            arn.Group(account, "/", "readers"),
		"arn:aws:iam::111122223333:policy/read":                              arn.Policy(account, "/", "read"),
		"arn:aws:iam::aws:policy/AdministratorAccess":                        arn.Policy("aws", "/", "AdministratorAccess"),
		"arn:aws:iam::111122223333:root":                                     arn.Root(account),
		"arn:aws:sts::111122223333:assumed-role/reader/build-7":              arn.AssumedRole(account, "reader", "build-7"),
	} {
		if got.String() != want {
			t.Errorf("got %q, want %q", got, want)
		}
		back, err := arn.Parse(want)
		if err != nil || back != got {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", want, back, err, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"", "*", "arn", "arn:aws:kms", "arn:aws:kms:us-east-1:111122223333", "arn:aws:kms:us-east-1:111122223333:",
		"urn:aws:kms:us-east-1:111122223333:key/1", "arn::kms:us-east-1:111122223333:key/1", "arn:aws::us-east-1:111122223333:key/1",
		"arn:aws:kms:us-east-1:1111:key/1", "arn:aws:kms:us-east-1:11112222333x:key/1",
		"arn:aws:kms:us-east-1:111122223333:key/\n", "arn:aws:iam::111122223333:user/" + strings.Repeat("a", arn.MaxLength),
	} {
		if a, err := arn.Parse(s); err == nil {
			t.Errorf("Parse(%.60q) = %+v, want an error", s, a)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ resource, typ, id string }{
		{"key/1234", "key", "1234"}, {"alias/aws/x", "alias", "aws/x"}, {"secret:a/b-123456", "secret", "a/b-123456"}, {"root", "root", ""},
	} {
		if typ, id := (arn.ARN{Resource: c.resource}).Split(); typ != c.typ || id != c.id {
			t.Errorf("Split(%q) = %q, %q", c.resource, typ, id)
		}
	}
}

func TestMatch(t *testing.T) {
	const key = "arn:aws:kms:us-east-1:111122223333:key/1234"
	const secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:app/db-AbCdEf"
	for _, c := range []struct {
		rule, pattern, s string
		want             bool
	}{
		{"a star alone matches everything", "*", "not an arn", true},
		{"equal text", key, key, true},
		{"case counts", "arn:aws:kms:us-east-1:111122223333:KEY/1234", key, false},
		{"star in the resource part", "arn:aws:kms:us-east-1:111122223333:key/*", key, true},
		{"star crosses slashes and colons of the resource", "arn:aws:secretsmanager:us-east-1:111122223333:s*Ef", secret, true},
		{"star as a whole part", "arn:aws:kms:*:*:key/1234", key, true},
		{"a part's star does not cross a colon", "arn:aws:kms:*:key/1234", key, false},
		{"the last part takes the rest, so a literal must be whole", "arn:aws:secretsmanager:us-east-1:111122223333:secret", secret, false},
		{"question mark is one character", "arn:aws:secretsmanager:us-east-1:111122223333:secret:app/db-??????", secret, true},
		{"question mark is not none", "arn:aws:kms:us-east-1:111122223333:key/1234?", key, false},
		{"question mark is one character, not one byte", "arn:aws:iam::111122223333:user/?", "arn:aws:iam::111122223333:user/é", true},
		{"missing parts are stars", "arn:aws:kms", key, true},
		{"missing parts are stars, given parts still count", "arn:aws:secretsmanager", key, false},
		{"text that is no name matches only the star", "arn:aws:kms:*:*:*", "key/1234", false},
	} {
		if got := arn.Match(c.pattern, c.s); got != c.want {
			t.Errorf("%s: Match(%q, %q) = %v", c.rule, c.pattern, c.s, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"arn:aws:kms:us-east-1:111122223333:key/1", "arn:aws:iam::aws:policy/x", "arn:::::", "arn:a:b:c::d:e", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := arn.Parse(s)
		if err != nil {
			return
		}
		if a.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, a)
		}
		if !arn.Match("arn:*:*:*:*:*", s) || !arn.Match("*", s) {
			t.Errorf("%q does not match the pattern of six stars", s)
		}
	})
}

// slowGlob is the definition of a wildcard match, exponential and obvious.
func slowGlob(p, s []rune) bool {
	if len(p) == 0 {
		return len(s) == 0
	}
	switch p[0] {
	case '*':
		return slowGlob(p[1:], s) || len(s) > 0 && slowGlob(p, s[1:])
	case '?':
		return len(s) > 0 && slowGlob(p[1:], s[1:])
	}
	return len(s) > 0 && p[0] == s[0] && slowGlob(p[1:], s[1:])
}

func FuzzGlob(f *testing.F) {
	for _, c := range [][2]string{{"a*b", "axxb"}, {"*?é", "aé"}, {"**a?", "ba"}, {"", ""}, {"*", ""}, {"?*?", "é"}, {"*ab*", "aab"}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, p, s string) {
		p, s = strings.ToValidUTF8(p, "x"), strings.ToValidUTF8(s, "x")
		if len(s) > 12 || len(p) > 10 {
			t.Skip()
		}
		if got, want := arn.Glob(p, s), slowGlob([]rune(p), []rune(s)); got != want {
			t.Errorf("Glob(%q, %q) = %v, want %v", p, s, got, want)
		}
	})
}
