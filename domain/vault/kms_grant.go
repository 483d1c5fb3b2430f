package vault

import (
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/key"
)

func init() { define("kms", "CreateGrant", change, kmsCreateGrant) }

// GrantConstraints bind a grant to an encryption context: exactly these pairs, or
// at least these. One of the two.
type GrantConstraints struct {
	Equals map[string]string `json:"EncryptionContextEquals"`
	Subset map[string]string `json:"EncryptionContextSubset"`
}

// CreateGrantInput is the request of kms:CreateGrant.
type CreateGrantInput struct {
	KeyID             string            `json:"KeyId" aws:"required,min=1,max=2048"`
	Grantee           string            `json:"GranteePrincipal" aws:"required,min=1,max=256"`
	Retiring          string            `json:"RetiringPrincipal" aws:"min=1,max=256"`
	Operations        []string          `json:"Operations" aws:"required"`
	Constraints       *GrantConstraints `json:"Constraints"`
	GrantTokens       []string          `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	Name              string            `json:"Name" aws:"min=1,max=256,pattern=^[a-zA-Z0-9:/_-]+$"`
	DryRun            bool              `json:"DryRun"`
	GranteeService    string            `json:"GranteeServicePrincipal" aws:"min=1,max=256"`
	RetiringService   string            `json:"RetiringServicePrincipal" aws:"min=1,max=256"`
	granteeID         string
	retiringID        string
	equals, subset    map[string]string
	constraintKind    string // condition key kms:GrantConstraintType
	constraintContext map[string]string
}

// CreateGrantOutput is the reply of kms:CreateGrant. The token stays out of the
// record.
type CreateGrantOutput struct {
	GrantID    string `json:"GrantId"`
	GrantToken string
	keyARN     string
}

func (o *CreateGrantOutput) responseElements() any {
	return map[string]string{"grantId": o.GrantID, "keyId": o.keyARN}
}

func kmsCreateGrant(c *call, in *CreateGrantInput) (*CreateGrantOutput, error) {
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	if in.GranteeService != "" || in.RetiringService != "" {
		return nil, fault.New(fault.UnsupportedOperationException, "Grants to service principals are not supported.")
	}
	if err := in.readConstraints(); err != nil {
		return nil, err
	}
	k, err := c.findKey(in.KeyID, otherAccount)
	if err != nil {
		return nil, err
	}
	c.resource(k.ARN)
	if err := c.mayGrant(k.Key, in); err != nil {
		return nil, err
	}
	if err := k.Permits("CreateGrant", c.now()); err != nil {
		return nil, err
	}
	if err := c.checkGrant(k.Key, in); err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	id, err := c.grantID(k.Key, in)
	if err != nil {
		return nil, err
	}
	token, err := c.newGrantToken(id)
	if err != nil {
		return nil, kmsInternal(err)
	}
	if _, exists := c.st.Keys.Grant(id); !exists {
		c.emit(&event.GrantCreated{
			Grant: id, Key: k.ID, Name: in.Name, Grantee: in.Grantee, GranteeID: in.granteeID,
			Retiring: in.Retiring, RetiringID: in.retiringID, Operations: in.Operations,
			ContextEquals: in.equals, ContextSubset: in.subset, IssuingAccount: c.account, At: c.now(),
		})
	}
	return &CreateGrantOutput{GrantID: id, GrantToken: token, keyARN: k.ARN}, nil
}

// readConstraints takes the constraint apart. An empty one is refused: it would
// look like a limit and be none.
func (in *CreateGrantInput) readConstraints() error {
	if in.Constraints == nil || in.Constraints.Equals == nil && in.Constraints.Subset == nil {
		return nil
	}
	in.equals, in.subset = in.Constraints.Equals, in.Constraints.Subset
	if in.equals != nil && in.subset != nil {
		return fault.New(fault.ValidationException, "A grant takes one of EncryptionContextEquals and EncryptionContextSubset, not both.")
	}
	in.constraintKind, in.constraintContext = "EncryptionContextEquals", in.equals
	if in.subset != nil {
		in.constraintKind, in.constraintContext = "EncryptionContextSubset", in.subset
	}
	if n := len(in.constraintContext); n == 0 || n > key.MaxConstraintPairs {
		return fault.New(fault.ValidationException, "A grant constraint has 1 to %d pairs.", key.MaxConstraintPairs)
	}
	for _, value := range in.constraintContext {
		if utf8.RuneCountInString(value) > key.MaxConstraintValue {
			return fault.New(fault.ValidationException, "A value of a grant constraint has at most %d characters.", key.MaxConstraintValue)
		}
	}
	return nil
}

// mayGrant judges kms:CreateGrant. Who may make grants only by a grant passes on
// no more than that grant allows.
func (c *call) mayGrant(k *key.Key, in *CreateGrantInput) error {
	conds := []cond{
		condMulti("kms:grantoperations", in.Operations...), when("kms:granteeprincipal", in.Grantee),
		whenBool("kms:grantisforawsresource", false), withContext(in.constraintContext),
	}
	if in.Retiring != "" {
		conds = append(conds, when("kms:retiringprincipal", in.Retiring))
	}
	if in.constraintKind != "" {
		conds = append(conds, when("kms:grantconstrainttype", in.constraintKind))
	}
	const action = "kms:CreateGrant"
	d := c.try(action, onKey(k), conds...)
	if d.Allowed && onlyBy(&d, iam.RoadGrant) && !c.covered(&d, in) {
		d.Allowed, d.Road = false, iam.DeniedImplicit
		d.Missing = []iam.Missing{{Road: iam.RoadGrant, Need: iam.NeedGrant}}
	}
	c.record(action, k.ARN, &d)
	if !d.Allowed {
		return c.denied(action, k.ARN, &d)
	}
	return nil
}

func onlyBy(d *iam.Decision, road iam.Road) bool { return d.Open == 1<<road }

// covered reports whether one of the grants that allow the call covers the new one.
func (c *call) covered(d *iam.Decision, in *CreateGrantInput) bool {
	return slices.ContainsFunc(d.Matched, func(m iam.Match) bool {
		id, ok := key.GrantID(m.Source)
		if !ok || m.Part != iam.PartGrant {
			return false
		}
		parent, ok := c.st.Keys.Grant(id)
		return ok && parent.Covers(in.Operations, in.equals, in.subset)
	})
}

// checkGrant validates what the grant says against the key, and binds its
// principals.
func (c *call) checkGrant(k *key.Key, in *CreateGrantInput) error {
	if len(in.Operations) == 0 {
		return fault.New(fault.ValidationException, "A grant names at least one operation.")
	}
	takesContext := false
	for i, op := range in.Operations {
		if !key.Grantable(op) {
			return fault.New(fault.ValidationException, "1 validation error detected: Value '%s' at 'operations' failed to satisfy constraint: Member must satisfy enum value set of the operations that can be granted", in.Operations)
		}
		if !k.Performs(op) {
			return fault.New(fault.ValidationException, "Operation %s is not valid for %s with key spec %s and key usage %s.", op, k.ARN, k.Spec, k.Usage)
		}
		if slices.Contains(in.Operations[:i], op) {
			return fault.New(fault.ValidationException, "Operation %s is given twice.", op)
		}
		takesContext = takesContext || key.TakesContext(op)
	}
	if in.constraintKind != "" && (k.Spec != key.SymmetricDefault || !takesContext) {
		return fault.New(fault.ValidationException, "A grant constraint needs a symmetric encryption key and an operation that takes an encryption context.")
	}
	var err error
	if in.granteeID, err = c.bindPrincipal(in.Grantee); err != nil {
		return err
	}
	if in.Retiring == "" {
		return nil
	}
	in.retiringID, err = c.bindPrincipal(in.Retiring)
	return err
}

// bindPrincipal checks that an ARN is that of an account root, or of a user, role
// or role session that exists, and gives the unique id that it stands for.
func (c *call) bindPrincipal(principal string) (id string, err error) {
	a, err := arn.Parse(principal)
	valid := err == nil && (a.Service == "iam" && (a.Resource == "root" || strings.HasPrefix(a.Resource, "user/") || strings.HasPrefix(a.Resource, "role/")) ||
		a.Service == "sts" && strings.HasPrefix(a.Resource, "assumed-role/"))
	if valid && a.Resource == "root" {
		if arn.IsAccount(a.Account) {
			return "", nil
		}
		valid = false
	}
	if valid {
		ids, unknown := c.st.Identities.UniqueIDs([]string{principal})
		if len(unknown) == 0 && ids[principal] != "" {
			return ids[principal], nil
		}
	}
	return "", fault.New(fault.InvalidArnException, "ARN does not refer to a valid principal: %s", principal)
}

// grantID is the id of the grant with the same name and parameters, or a new one.
func (c *call) grantID(k *key.Key, in *CreateGrantInput) (string, error) {
	if in.Name != "" {
		if g := k.GrantNamed(in.Name, func(g *key.Grant) bool { return in.asksFor(g, c.account) }); g != nil {
			return g.ID, nil
		}
	}
	if k.Manager == key.ManagerCustomer && k.GrantCount() >= key.MaxGrantsPerKey {
		return "", fault.New(fault.LimitExceededException, "%s has %d grants, the most it can have.", k.ARN, key.MaxGrantsPerKey)
	}
	var raw [32]byte
	if _, err := io.ReadFull(c.env.Entropy, raw[:]); err != nil {
		return "", kmsInternal(err)
	}
	return hex.EncodeToString(raw[:]), nil
}

// asksFor reports whether the request would make the very grant again.
func (in *CreateGrantInput) asksFor(g *key.Grant, account string) bool {
	return g.Grantee == in.Grantee && g.GranteeID == in.granteeID &&
		g.Retiring == in.Retiring && g.RetiringID == in.retiringID && g.IssuingAccount == account &&
		slices.Equal(slices.Sorted(slices.Values(g.Operations)), slices.Sorted(slices.Values(in.Operations))) &&
		maps.Equal(g.ContextEquals, in.equals) && maps.Equal(g.ContextSubset, in.subset)
}
