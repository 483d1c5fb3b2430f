package secret

import (
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/fault"
)

// NotFound is the answer for a secret that does not exist.
func NotFound() error {
	return fault.New(fault.ResourceNotFoundException, "Secrets Manager can't find the specified secret.")
}

// Find finds the secret that a caller of the account means by a SecretId: a full
// ARN, also of another account; an ARN without the suffix, or a name, of the
// caller's own. What ends as a full ARN does is one: a secret whose name ends in a
// hyphen and six characters is not found by its partial ARN, as on AWS. The error is
// a ResourceNotFoundException.
//
// A secret whose recovery window has ended is still found until its deletion is in
// the log: see Secret.Gone.
func (s *Store) Find(accountID, secretID string) (*Secret, error) {
	if x := s.find(accountID, secretID); x != nil {
		return x, nil
	}
	return nil, NotFound()
}

func (s *Store) find(accountID, secretID string) *Secret {
	if !IsARN(secretID) {
		return s.byName(accountID, secretID)
	}
	if x := s.byARN(secretID); x != nil {
		return x
	}
	owner, name, ok := splitARN(secretID)
	if !ok || owner != accountID || LooksLikeARN(name) {
		return nil
	}
	// The partial ARN has to agree with the full one in Region and partition too.
	if x := s.byName(owner, name); x != nil && strings.HasPrefix(x.ARN, secretID) {
		return x
	}
	return nil
}

// IsARN reports whether a SecretId is an ARN, full or partial, rather than a name:
// names have no colon.
func IsARN(secretID string) bool { return strings.HasPrefix(secretID, "arn:") }

// Reference is the ARN that a SecretId of the account stands for when no such
// secret exists, and the account that would own it. ok is false for what is
// neither a name nor the ARN of a secret.
func Reference(region, accountID, secretID string) (reference, owner string, ok bool) {
	if IsARN(secretID) {
		owner, name, ok := splitARN(secretID)
		if bare, suffixed := cutSuffix(name); suffixed {
			name = bare
		}
		return secretID, owner, ok && consists(name, nameSigns+"!")
	}
	if !consists(secretID, nameSigns+"!") { // as names of secrets that AWS services make
		return "", "", false
	}
	a := arn.ARN{Partition: arn.Partition, Service: "secretsmanager", Region: region, Account: accountID, Resource: "secret:" + secretID}
	return a.String(), accountID, true
}

// ValidName reports whether name is one that a secret can have: 1 to 512 ASCII
// letters, digits and /_+=.@- characters.
func ValidName(name string) bool { return consists(name, nameSigns) }

const nameSigns = "/_+=.@-"

// consists reports whether a name of permitted length has ASCII letters, digits and
// the signs alone.
func consists(name, signs string) bool {
	if name == "" || len(name) > 512 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(signs, c) >= 0:
		default:
			return false
		}
	}
	return true
}

// LooksLikeARN reports whether a name ends as an ARN does, in a hyphen and six
// letters or digits, so that its partial ARN is taken for the full ARN of another
// secret.
func LooksLikeARN(name string) bool {
	_, ok := cutSuffix(name)
	return ok
}

// byARN finds a secret by its full ARN.
func (s *Store) byARN(secretARN string) *Secret {
	owner, rest, ok := splitARN(secretARN)
	if !ok {
		return nil
	}
	name, ok := cutSuffix(rest)
	if !ok {
		return nil
	}
	if x := s.byName(owner, name); x != nil && x.ARN == secretARN {
		return x
	}
	return nil
}

func (s *Store) byName(accountID, name string) *Secret {
	if a := s.accounts[accountID]; a != nil {
		return a.names[name]
	}
	return nil
}

// splitARN takes the owner and the name, with the suffix if it is there, out of
// the ARN of a secret. It looks at the colons alone and copies nothing.
func splitARN(s string) (owner, name string, ok bool) {
	var part [6]string
	rest := s
	for i := range part {
		var more bool
		part[i], rest, more = strings.Cut(rest, ":")
		if !more {
			return "", "", false
		}
	}
	if part[0] != "arn" || part[2] != "secretsmanager" || part[5] != "secret" || !arn.IsAccount(part[4]) || rest == "" {
		return "", "", false
	}
	return part[4], rest, true
}

func cutSuffix(s string) (name string, ok bool) {
	i := len(s) - SuffixLength - 1
	if i < 1 || s[i] != '-' {
		return "", false
	}
	for _, c := range []byte(s[i+1:]) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return "", false
		}
	}
	return s[:i], true
}
