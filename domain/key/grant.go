package key

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/iam"
)

// Grant allows one principal some operations on one key. Its fields are for
// reading.
type Grant struct {
	ID             string // 64 hex digits
	Key            *Key
	Name           string
	Grantee        string // ARN as it was given
	GranteeID      string // unique id the ARN stood for; "" for an account root
	Retiring       string
	RetiringID     string
	Operations     []string // in the order they were given
	ContextEquals  map[string]string
	ContextSubset  map[string]string
	IssuingAccount string // of the caller that made the grant
	Created        time.Time

	reference string // "grant/" and the id, whose bytes it shares
	serial    uint64
}

// Index is what finds a grant by its grantee or retiring principal: the account
// id of a root, the ARN of a role session, and else the unique id, so that a user
// made anew under an old name inherits nothing.
func Index(principalARN, id string) string {
	if a, err := arn.Parse(principalARN); err == nil {
		switch {
		case a.Service == "iam" && a.Resource == "root":
			return a.Account
		case a.Service == "sts":
			return principalARN
		}
	}
	if id != "" {
		return id
	}
	return principalARN
}

// indexes lists what a caller may be found by: the reverse of Index.
func indexes(p *iam.Principal) [5]string {
	return [...]string{p.UniqueID, p.Account, p.UserID, p.ARN, p.RoleARN}
}

// GrantsFor is the grants of the key that may name the principal as grantee: by
// unique id, ARN, role of a session, or account root. It costs a few look-ups
// however many grants the key has. Not to be changed.
func (s *Store) GrantsFor(k *Key, p iam.Principal) []iam.Grant {
	if k.grants == nil {
		return nil
	}
	var found []iam.Grant
	shared := true // found is a list of the index itself
	names := indexes(&p)
	for i, name := range names {
		if name == "" || slices.Contains(names[:i], name) {
			continue
		}
		switch more := k.grants.byGrantee[name]; {
		case len(more) == 0:
		case found == nil:
			found = more
		default:
			if shared {
				found, shared = slices.Clone(found), false
			}
			found = append(found, more...)
		}
	}
	return found
}

// compile gives the grant to iam under the name that records have for it.
func (g *Grant) compile() iam.Grant {
	return iam.Grant{
		ID: g.reference, Grantee: g.Grantee, GranteeID: g.GranteeID, Operations: g.Operations,
		ContextEquals: g.ContextEquals, ContextSubset: g.ContextSubset,
	}
}

// GrantID takes the grant id out of the name that decisions and records have for
// a grant; false if reference is not one.
func GrantID(reference string) (string, bool) { return strings.CutPrefix(reference, grantPrefix) }

const grantPrefix = "grant/"

// grantSet is the grants of one key. Keys without grants have none.
type grantSet struct {
	list      []*Grant // in order of creation
	byGrantee map[string][]iam.Grant
}

// Grant finds a grant of any key by its id.
func (s *Store) Grant(id string) (*Grant, bool) {
	g, ok := s.grants[id]
	return g, ok
}

// Serial orders grants by their creation; 1 or more, and stable over replays.
func (g *Grant) Serial() uint64 { return g.serial }

// Reference is the grant as decisions and records name it: "grant/" and its id.
func (g *Grant) Reference() string { return g.reference }

// Allows reports whether the grant names the operation.
func (g *Grant) Allows(operation string) bool { return slices.Contains(g.Operations, operation) }

// GrantCount is the number of the key's grants.
func (k *Key) GrantCount() int {
	if k.grants == nil {
		return 0
	}
	return len(k.grants.list)
}

// GrantsAfter is the key's grants made after the one with the serial, in order
// of creation; not to be changed.
func (k *Key) GrantsAfter(serial uint64) []*Grant {
	if k.grants == nil {
		return nil
	}
	return grantsAfter(k.grants.list, serial)
}

// GrantNamed is the first of the key's grants that has the name and satisfies
// same; nil if none.
func (k *Key) GrantNamed(name string, same func(*Grant) bool) *Grant {
	if k.grants == nil {
		return nil
	}
	for _, g := range k.grants.list {
		if g.Name == name && same(g) {
			return g
		}
	}
	return nil
}

// RetirableAfter is the grants that name the principal (a unique id, or the ARN
// of an account root) as retiring principal and were made after the one with the
// serial, in order of creation; not to be changed.
func (s *Store) RetirableAfter(principal string, serial uint64) []*Grant {
	return grantsAfter(s.retirable[principal], serial)
}

func grantsAfter(list []*Grant, serial uint64) []*Grant {
	return list[sort.Search(len(list), func(i int) bool { return list[i].serial > serial }):]
}

func removeGrant(list []*Grant, g *Grant) []*Grant {
	i := sort.Search(len(list), func(i int) bool { return list[i].serial >= g.serial })
	return slices.Delete(list, i, i+1)
}

func (s *Store) grantCreated(e *event.GrantCreated) error {
	k, err := s.known(e.Key)
	if err != nil {
		return err
	}
	if _, exists := s.grants[e.Grant]; exists || e.Grant == "" {
		return fmt.Errorf("grant %q exists", e.Grant)
	}
	for _, op := range e.Operations {
		if !Grantable(op) {
			return fmt.Errorf("grant %s: operation %q cannot be granted", e.Grant, op)
		}
	}
	s.serial++
	reference := grantPrefix + e.Grant
	g := &Grant{
		ID: reference[len(grantPrefix):], reference: reference, Key: k, Name: e.Name, Grantee: e.Grantee, GranteeID: e.GranteeID,
		Retiring: e.Retiring, RetiringID: e.RetiringID, Operations: internOperations(e.Operations),
		ContextEquals: e.ContextEquals, ContextSubset: e.ContextSubset,
		IssuingAccount: e.IssuingAccount, Created: e.At, serial: s.serial,
	}
	s.grants[g.ID] = g
	if k.grants == nil {
		k.grants = &grantSet{byGrantee: map[string][]iam.Grant{}}
	}
	k.grants.list = append(k.grants.list, g)
	grantee := Index(g.Grantee, g.GranteeID)
	k.grants.byGrantee[grantee] = append(k.grants.byGrantee[grantee], g.compile())
	if g.Retiring != "" {
		retiring := Index(g.Retiring, g.RetiringID)
		s.retirable[retiring] = append(s.retirable[retiring], g)
	}
	return nil
}

// grantGone applies a retirement or a revocation.
func (s *Store) grantGone(keyID, id string) error {
	g, ok := s.grants[id]
	if !ok || g.Key.ID != keyID {
		return fmt.Errorf("grant %s of key %s is unknown", id, keyID)
	}
	k := g.Key
	k.grants.list = removeGrant(k.grants.list, g)
	grantee := Index(g.Grantee, g.GranteeID)
	rest := slices.DeleteFunc(k.grants.byGrantee[grantee], func(have iam.Grant) bool { return have.ID == g.reference })
	if len(rest) == 0 {
		delete(k.grants.byGrantee, grantee)
	} else {
		k.grants.byGrantee[grantee] = rest
	}
	if len(k.grants.list) == 0 {
		k.grants = nil
	}
	s.forget(g)
	return nil
}

func (s *Store) dropGrants(k *Key) {
	if k.grants == nil {
		return
	}
	for _, g := range k.grants.list {
		s.forget(g)
	}
	k.grants = nil
}

// forget takes the grant out of the store, not out of its key.
func (s *Store) forget(g *Grant) {
	delete(s.grants, g.ID)
	if g.Retiring == "" {
		return
	}
	retiring := Index(g.Retiring, g.RetiringID)
	if rest := removeGrant(s.retirable[retiring], g); len(rest) > 0 {
		s.retirable[retiring] = rest
	} else {
		delete(s.retirable, retiring)
	}
}

// grantable lists the operations that a grant may name, with the key usage that
// they need ("" = any) and whether they take an encryption context.
var grantable = map[string]struct {
	usage     string
	symmetric bool // also needs a symmetric key
	context   bool // on a symmetric key
}{
	"Encrypt":                             {usage: EncryptDecrypt, context: true},
	"Decrypt":                             {usage: EncryptDecrypt, context: true},
	"ReEncryptFrom":                       {usage: EncryptDecrypt, context: true},
	"ReEncryptTo":                         {usage: EncryptDecrypt, context: true},
	"GenerateDataKey":                     {usage: EncryptDecrypt, symmetric: true, context: true},
	"GenerateDataKeyWithoutPlaintext":     {usage: EncryptDecrypt, symmetric: true, context: true},
	"GenerateDataKeyPair":                 {usage: EncryptDecrypt, symmetric: true, context: true},
	"GenerateDataKeyPairWithoutPlaintext": {usage: EncryptDecrypt, symmetric: true, context: true},
	"Sign":                                {usage: SignVerify},
	"Verify":                              {usage: SignVerify},
	"GenerateMac":                         {usage: GenerateVerifyMac},
	"VerifyMac":                           {usage: GenerateVerifyMac},
	"DeriveSharedSecret":                  {usage: KeyAgreement},
	"Encapsulate":                         {usage: Encapsulation},
	"Decapsulate":                         {usage: Encapsulation},
	"GetPublicKey":                        {},
	"DescribeKey":                         {},
	"CreateGrant":                         {context: true},
	"RetireGrant":                         {},
}

// Grantable reports whether a grant may name the operation.
func Grantable(operation string) bool { _, ok := grantable[operation]; return ok }

// Performs reports whether the operation is one that can be granted on the key:
// that its spec and usage can perform.
func (k *Key) Performs(operation string) bool {
	g, ok := grantable[operation]
	switch {
	case !ok, g.usage != "" && g.usage != k.Usage, g.symmetric && k.Spec != SymmetricDefault:
		return false
	case operation == "GetPublicKey":
		return k.Family() == Asymmetric
	}
	return true
}

// TakesContext reports whether the operation on a symmetric key takes an
// encryption context, so that a grant's constraint can apply to it.
func TakesContext(operation string) bool { return grantable[operation].context }

// internOperations shares the operation names with the table above.
func internOperations(operations []string) []string {
	shared := make([]string, len(operations))
	for i, op := range operations {
		shared[i] = op
		if at := slices.Index(operationNames, op); at >= 0 {
			shared[i] = operationNames[at]
		}
	}
	return shared
}

var operationNames = slices.Sorted(maps.Keys(grantable))

// Covers reports whether everything that the child would allow, its parent
// allows: the rule for grants that a grantee makes on the strength of a grant.
// Operations must be a subset and constraints at least as strict. CreateGrant
// with a subset constraint on the parent binds every descendant, as each is held
// to its own parent.
func (g *Grant) Covers(operations []string, equals, subset map[string]string) bool {
	for _, op := range operations {
		if !g.Allows(op) {
			return false
		}
	}
	switch {
	case g.ContextEquals != nil:
		return equals != nil && samePairs(equals, g.ContextEquals)
	case g.ContextSubset != nil:
		return hasPairs(equals, g.ContextSubset) || hasPairs(subset, g.ContextSubset)
	}
	return true
}

// samePairs compares both ways: two keys that differ by case alone must not stand
// for one.
func samePairs(a, b map[string]string) bool {
	return len(a) == len(b) && hasPairs(a, b) && hasPairs(b, a)
}

// hasPairs reports whether every pair of want is among have. Keys compare
// without regard to case, as they do in grant constraints; values by case.
func hasPairs(have, want map[string]string) bool {
	for key, value := range want {
		if got, ok := have[key]; ok {
			if got != value {
				return false
			}
			continue
		}
		if !hasFold(have, key, value) {
			return false
		}
	}
	return true
}

func hasFold(have map[string]string, key, value string) bool {
	for k, v := range have {
		if v == value && strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}
