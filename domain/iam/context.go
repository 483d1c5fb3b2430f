package iam

import (
	"sort"
	"strings"
)

// Context gives the values of condition keys for one request. name is the
// lower-cased key up to its tag or context separator, suffix what follows it as
// written in the policy: ("aws:principaltag", "Dept"),
// ("kms:encryptioncontext", "SecretARN"), ("aws:username", ""). Key names are
// not case-sensitive on AWS, the suffix included; a Context decides how it
// treats the suffix.
//
// ok is false when the request has no such key. multi marks a key that is a set
// by nature (aws:TagKeys), whatever number of values it has here; such a key
// cannot be a policy variable. Lookup must not change what it returned before
// and is called from one goroutine at a time.
type Context interface {
	Lookup(name, suffix string) (values []string, multi, ok bool)
}

// SplitKey divides a condition key, as written in a policy, into the name and
// suffix that Context.Lookup takes.
func SplitKey(key string) (name, suffix string) {
	for _, family := range keyFamilies {
		if len(key) >= len(family) && strings.EqualFold(key[:len(family)], family) {
			return family[:len(family)-1], key[len(family):]
		}
	}
	return strings.ToLower(key), ""
}

// keyFamilies are the keys that are completed by a tag key or an
// encryption-context key. Others with a slash, such as
// secretsmanager:resource/AllowRotationLambdaArn, are plain keys.
var keyFamilies = []string{
	"aws:principaltag/", "aws:requesttag/", "aws:resourcetag/",
	"kms:encryptioncontext:", "kms:recipientattestation:",
	"secretsmanager:resourcetag/", "iam:resourcetag/",
}

// setKeys are the keys that hold a set by nature.
var setKeys = map[string]bool{
	"aws:calledvia": true, "aws:tagkeys": true, "aws:principalorgpaths": true, "aws:resourceorgpaths": true,
	"aws:principalservicenameslist": true, "kms:encryptioncontextkeys": true, "kms:grantoperations": true,
	"kms:resourcealiases": true, "secretsmanager:addreplicaregions": true, "sts:transitivetagkeys": true,
}

// IsSetKey reports whether the condition key of that name (as SplitKey gives
// it) holds a set of values.
func IsSetKey(name string) bool { return setKeys[name] }

// ContextMap is a ready Context for tests and simulations: condition keys as
// written in a policy, to their values. Keys are looked up without regard to
// case, in time linear in the size of the map.
type ContextMap map[string][]string

// Lookup implements Context.
func (m ContextMap) Lookup(name, suffix string) (values []string, multi, ok bool) {
	for key, values := range m {
		n, s := SplitKey(key)
		if n == name && strings.EqualFold(s, suffix) {
			return values, setKeys[name] || len(values) > 1, true
		}
	}
	return nil, setKeys[name], false
}

type emptyContext struct{}

func (emptyContext) Lookup(string, string) ([]string, bool, bool) { return nil, false, false }

// ContextKeys lists the condition keys whose values p asks for, in conditions
// and as variables: as written, sorted, each once whatever its case.
func ContextKeys(p *Policy) []string {
	set := map[string]string{} // by the key in lower case
	note := func(key string) {
		lower := strings.ToLower(key)
		if have, ok := set[lower]; !ok || key < have {
			set[lower] = key
		}
	}
	fromPattern := func(q *pattern) {
		for _, t := range q.tokens {
			if t.kind == fromHere {
				note(t.ref.key)
			}
		}
	}
	for i := range p.statements {
		st := &p.statements[i]
		for j := range st.resources {
			fromPattern(&st.resources[j].last)
		}
		for j := range st.conditions {
			c := &st.conditions[j]
			note(c.key)
			if t, ok := c.test.(interface{ patterns(func(*pattern)) }); ok {
				t.patterns(fromPattern)
			}
		}
	}
	keys := make([]string, 0, len(set))
	for _, key := range set {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func joinKey(name, suffix string) string {
	if suffix == "" {
		return name
	}
	if strings.HasSuffix(name, "tag") {
		return name + "/" + suffix
	}
	return name + ":" + suffix
}
