package iam

import (
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
)

// Grant is a KMS grant as far as a decision needs it. Grants only allow.
type Grant struct {
	ID      string
	Grantee string // ARN of a user, role, role session or root; an account id; a unique id
	// GranteeID is the unique id (AIDA…, AROA…) that Grantee had when the grant
	// was made. When set, it is matched and the ARN is not, except the ARN of a
	// role session, where both must fit.
	GranteeID  string
	Operations []string // such as "Decrypt", without "kms:"
	// ContextEquals demands exactly these pairs in the encryption context,
	// ContextSubset at least these; nil demands nothing. Keys are compared
	// without regard to case, values with. Both apply only to operations that
	// take an encryption context.
	ContextEquals, ContextSubset map[string]string
}

// naming says whether the grant is in effect for the request and how it names
// the caller.
func (g *Grant) naming(in *Input) naming {
	operation, ok := grantOperation(in.Action)
	if !ok || !g.permits(operation) {
		return notNamed
	}
	if takesEncryptionContext(operation) && !g.constraintsMet(in.EncryptionContext) {
		return notNamed
	}
	return g.granteeNaming(&in.Principal)
}

func (g *Grant) granteeNaming(p *Principal) naming {
	if account, ok := granteeAccount(g.Grantee); ok {
		switch {
		case account != p.Account || p.Type == Federated || p.Type == Service:
			return notNamed
		case p.Type == Root:
			return namedDirectly
		}
		return namedByAccount
	}
	n := named{text: g.Grantee, id: g.GranteeID}
	switch {
	case p.Type == Service:
		if g.Grantee == p.ARN {
			return namedDirectly
		}
		return notNamed
	case strings.HasPrefix(g.Grantee, "AIDA"), strings.HasPrefix(g.Grantee, "AROA"):
		n.form = idForm
	case strings.Contains(g.Grantee, ":assumed-role/"):
		n.form = sessionForm
	case strings.Contains(g.Grantee, ":federated-user/"):
		n.form = federatedUserForm
	case strings.Contains(g.Grantee, ":role/"):
		n.form = roleForm
	default:
		n.form = userForm
	}
	return n.naming(p)
}

// granteeAccount is accountOf without taking the ARN apart, since grants are
// compared at each request.
func granteeAccount(grantee string) (string, bool) {
	if arn.IsAccount(grantee) {
		return grantee, true
	}
	rest, ok := strings.CutSuffix(grantee, ":root")
	if !ok || len(rest) < 12 || !arn.IsAccount(rest[len(rest)-12:]) {
		return "", false
	}
	return rest[len(rest)-12:], true
}

func (g *Grant) permits(operation string) bool {
	for _, o := range g.Operations {
		if strings.EqualFold(o, operation) {
			return true
		}
	}
	return false
}

// constraintsMet compares in both directions for ContextEquals, so that two
// pairs whose keys differ only by case cannot hide a pair that was not asked for.
func (g *Grant) constraintsMet(context map[string]string) bool {
	if g.ContextEquals != nil &&
		(len(context) != len(g.ContextEquals) || !containsPairs(context, g.ContextEquals) || !containsPairs(g.ContextEquals, context)) {
		return false
	}
	return containsPairs(context, g.ContextSubset)
}

func containsPairs(have, want map[string]string) bool {
	for key, value := range want {
		if have[key] == value {
			if _, ok := have[key]; ok {
				continue
			}
		}
		found := false
		for k, v := range have {
			if v == value && strings.EqualFold(k, key) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// grantOperation takes the operation out of a kms action.
func grantOperation(action string) (string, bool) {
	if !hasPrefixFold(action, "kms:") {
		return "", false
	}
	return action[len("kms:"):], true
}

// withContext are the cryptographic operations of symmetric keys. To others
// grant constraints do not apply.
var withContext = []string{
	"Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
	"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
}

func takesEncryptionContext(operation string) bool {
	for _, o := range withContext {
		if strings.EqualFold(o, operation) {
			return true
		}
	}
	return false
}

// otherGrantable are the operations beside withContext that a grant can hold.
var otherGrantable = []string{
	"Sign", "Verify", "GenerateMac", "VerifyMac", "GetPublicKey", "DeriveSharedSecret", "Encapsulate",
	"Decapsulate", "DescribeKey", "CreateGrant", "RetireGrant",
}

// grantable reports whether a grant can give the action at all.
func grantable(action string) bool {
	operation, ok := grantOperation(action)
	if !ok {
		return false
	}
	if takesEncryptionContext(operation) {
		return true
	}
	for _, o := range otherGrantable {
		if strings.EqualFold(o, operation) {
			return true
		}
	}
	return false
}
