package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Warning is something AWS accepts and that hardly is what its writer meant.
type Warning struct {
	Code      string // one of the constants below
	Statement int    // counted from 0
	Sid       string
	Text      string
}

// The codes of warnings.
const (
	// UnknownVendor: an action's service prefix is none that exists here, such
	// as "secretmanager:"; the action never applies.
	UnknownVendor = "UnknownVendor"
	// UnknownAction: the service has no such action, as with "kms:ReEncrypt".
	UnknownAction = "UnknownAction"
	// NoEffect: a key policy statement without actions or resources.
	NoEffect = "NoEffect"
	// KeyPolicyResource: a key policy statement whose Resource is not "*".
	KeyPolicyResource = "KeyPolicyResource"
	// AliasResource: an alias ARN beside actions on keys, which it never covers.
	AliasResource = "AliasResource"
	// NotPrincipalAllow: everybody is allowed but those named.
	NotPrincipalAllow = "NotPrincipalAllow"
	// NotPrincipalDeny: spares a principal without its account, whom AWS may
	// then deny all the same.
	NotPrincipalDeny = "NotPrincipalDeny"
	// OverlyPermissiveCondition: ForAllValues on an encryption context key in an
	// Allow holds for a request without any encryption context. KMS refuses it
	// in key policies.
	OverlyPermissiveCondition = "OverlyPermissiveCondition"
	// ForAllValuesAllow: ForAllValues in an Allow holds when the key is missing.
	ForAllValuesAllow = "ForAllValuesAllow"
	// MissingQualifier: a key that holds a set, without ForAllValues or ForAnyValue.
	MissingQualifier = "MissingQualifier"
	// LiteralVariable: ${…} in a document whose version has no variables.
	LiteralVariable = "LiteralVariable"
)

// vendors are the service prefixes that can name something in this vault.
var vendors = []string{"cloudtrail", "iam", "kms", "secretsmanager", "sts"}

// Lint returns what is worth telling the writer of the policy, in the order of
// the statements. An empty list is not a proof that the policy is sound.
func (p *Policy) Lint() []Warning {
	var list []Warning
	for i := range p.statements {
		st := &p.statements[i]
		warn := func(code, format string, args ...any) {
			list = append(list, Warning{Code: code, Statement: i, Sid: st.sid, Text: fmt.Sprintf(format, args...)})
		}
		if st.inert {
			warn(NoEffect, "the statement has no actions or no resources and never applies")
		}
		st.lintActions(warn)
		st.lintResources(p.kind, warn)
		st.lintPrincipals(warn)
		st.lintConditions(warn)
	}
	if !p.variables && strings.Contains(p.document, "${") {
		list = append(list, Warning{Code: LiteralVariable, Text: "policy variables need version 2012-10-17; here ${…} is literal text"})
	}
	return list
}

type warner func(code, format string, args ...any)

func (st *statement) lintActions(warn warner) {
	for i := range st.actions {
		action := st.actions[i].source()
		vendor, name, _ := strings.Cut(action, ":")
		if action == "*" || vendor == "*" {
			continue
		}
		if !slices.Contains(vendors, vendor) {
			if near := nearest(vendor); near != "" {
				warn(UnknownVendor, "%q names no service and never applies; did you mean %q?", action, near+":"+name)
			} else {
				warn(UnknownVendor, "%q names no service of this vault and never applies", action)
			}
		}
		if action == "kms:reencrypt" {
			warn(UnknownAction, `there is no action kms:ReEncrypt; the operation asks for kms:ReEncryptFrom and kms:ReEncryptTo`)
		}
	}
}

// aliasActions are the actions that alias ARNs do cover.
var aliasActions = []string{"kms:createalias", "kms:updatealias", "kms:deletealias"}

func (st *statement) lintResources(kind Kind, warn warner) {
	onAliases := false
	for i := range st.actions {
		for _, a := range aliasActions {
			onAliases = onAliases || st.actions[i].matchFold(a)
		}
	}
	for i := range st.resources {
		r := &st.resources[i]
		if kind == KeyPolicy && !r.any {
			warn(KeyPolicyResource, `the Resource of a key policy is "*", which means this key`)
		} else if !st.notResource && !onAliases && strings.HasPrefix(r.before, "arn:") && strings.Contains(r.before, ":kms:") &&
			strings.HasPrefix(r.last.source(), "alias/") {
			warn(AliasResource, "%s: an alias ARN never gives permission on its key; use the key's ARN, or kms:RequestAlias in a condition", r.before+r.last.source())
		}
	}
}

func (st *statement) lintPrincipals(warn warner) {
	ps := st.principals
	if ps == nil || !ps.not {
		return
	}
	if st.effect == Allow {
		warn(NotPrincipalAllow, "NotPrincipal with Allow allows everybody who is not named")
		return
	}
	for i := range ps.named {
		parts := strings.SplitN(ps.named[i].text, ":", 6)
		if len(parts) == 6 && !slices.Contains(ps.accounts, parts[4]) {
			warn(NotPrincipalDeny, "NotPrincipal names %s without its account; AWS may deny it all the same", ps.named[i].text)
		}
	}
}

func (st *statement) lintConditions(warn warner) {
	for i := range st.conditions {
		c := &st.conditions[i]
		key := joinKey(c.name, c.suffix)
		switch {
		case c.set == forAllValues && st.effect == Allow && strings.HasPrefix(c.name, "kms:encryptioncontext"):
			warn(OverlyPermissiveCondition, "ForAllValues on %s in an Allow also holds for requests without an encryption context", key)
		case c.set == forAllValues && st.effect == Allow:
			warn(ForAllValuesAllow, "ForAllValues on %s in an Allow also holds where the request has no such key", key)
		case c.set == single && c.null == notNull && setKeys[c.name]:
			warn(MissingQualifier, "%s holds a set of values; say ForAllValues or ForAnyValue", key)
		}
	}
}

// nearest is the vendor at the smallest edit distance from the misspelt one, if
// that is at most two.
func nearest(vendor string) string {
	best, at := "", 3
	for _, v := range vendors {
		if d := distance(vendor, v); d < at {
			best, at = v, d
		}
	}
	return best
}

// distance is Levenshtein's, over bytes; vendors are short, and anything much
// longer is not worth the time.
func distance(a, b string) int {
	if len(a) > len(b)+2 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal, row[j] = row[j], min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
