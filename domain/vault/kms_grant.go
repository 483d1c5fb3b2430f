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
	KeyID           string            `json:"KeyId" aws:"required,min=1,max=2048"`
	Grantee         string            `json:"GranteePrincipal" aws:"required,min=1,max=256,pattern=^[\\w+=,.@:/-]+$"`
	Retiring        string            `json:"RetiringPrincipal" aws:"min=1,max=256,pattern=^[\\w+=,.@:/-]+$"`
	Operations      []string          `json:"Operations" aws:"required"`
	Constraints     *GrantConstraints `json:"Constraints"`
	GrantTokens     []string          `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	Name            string            `json:"Name" aws:"min=1,max=256,pattern=^[a-zA-Z0-9:/_-]+$"`
	DryRun          bool              `json:"DryRun"`
	GranteeService  string            `json:"GranteeServicePrincipal" aws:"min=1,max=256"`
	RetiringService string            `json:"RetiringServicePrincipal" aws:"min=1,max=256"`
}

// newGrant is a grant on its way: as it was asked for, and what has been found
// about it.
type newGrant struct {
	*CreateGrantInput
	granteeID, retiringID string
	equals, subset        map[string]string // the constraint; one of them at most
	constraintKind        string            // as kms:GrantConstraintType has it, "" without
}

// constraintContext is the pairs that the constraint binds to.
func (g *newGrant) constraintContext() map[string]string {
	if g.equals != nil {
		return g.equals
	}
	return g.subset
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
	asked := &newGrant{CreateGrantInput: in}
	if err := asked.readConstraints(); err != nil {
		return nil, err
	}
	k, err := c.findKey(in.KeyID, otherAccount)
	if err != nil {
		return nil, err
	}
	c.resource(k.ARN)
	if err := c.mayGrant(k.Key, asked); err != nil {
		return nil, err
	}
	if err := k.Permits("CreateGrant", c.now()); err != nil {
		return nil, err
	}
	if err := c.checkGrant(k.Key, asked); err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	id, err := c.grantID(k.Key, asked)
	if err != nil {
		return nil, err
	}
	token, err := c.newGrantToken(id)
	if err != nil {
		return nil, kmsInternal(err)
	}
	if _, exists := c.st.Keys.Grant(id); !exists {
		c.emit(&event.GrantCreated{
			Grant: id, Key: k.ID, Name: in.Name, Grantee: in.Grantee, GranteeID: asked.granteeID,
			Retiring: in.Retiring, RetiringID: asked.retiringID, Operations: in.Operations,
			ContextEquals: asked.equals, ContextSubset: asked.subset, IssuingAccount: c.account, At: c.now(),
		})
	}
	return &CreateGrantOutput{GrantID: id, GrantToken: token, keyARN: k.ARN}, nil
}

// readConstraints takes the constraint apart. An empty one is refused: it would
// look like a limit and be none.
func (g *newGrant) readConstraints() error {
	if g.Constraints == nil || g.Constraints.Equals == nil && g.Constraints.Subset == nil {
		return nil
	}
	g.equals, g.subset = g.Constraints.Equals, g.Constraints.Subset
	if g.equals != nil && g.subset != nil {
		return fault.New(fault.ValidationException, "A grant takes one of EncryptionContextEquals and EncryptionContextSubset, not both.")
	}
	g.constraintKind = "EncryptionContextEquals"
	if g.subset != nil {
		g.constraintKind = "EncryptionContextSubset"
	}
	if n := len(g.constraintContext()); n == 0 || n > key.MaxConstraintPairs {
		return fault.New(fault.ValidationException, "A grant constraint has 1 to %d pairs.", key.MaxConstraintPairs)
	}
	for _, value := range g.constraintContext() {
		if utf8.RuneCountInString(value) > key.MaxConstraintValue {
			return fault.New(fault.ValidationException, "A value of a grant constraint has at most %d characters.", key.MaxConstraintValue)
		}
	}
	return nil
}

// mayGrant judges kms:CreateGrant. Who may make grants only by a grant passes on
// no more than that grant allows.
func (c *call) mayGrant(k *key.Key, g *newGrant) error {
	conds := []cond{
		condMulti("kms:grantoperations", g.Operations...), when("kms:granteeprincipal", g.Grantee),
		whenBool("kms:grantisforawsresource", false), withContext(g.constraintContext()),
	}
	if g.Retiring != "" {
		conds = append(conds, when("kms:retiringprincipal", g.Retiring))
	}
	if g.constraintKind != "" {
		conds = append(conds, when("kms:grantconstrainttype", g.constraintKind))
	}
	const action = "kms:CreateGrant"
	d := c.try(action, onKey(k), conds...)
	if d.Allowed && onlyBy(&d, iam.RoadGrant) && !c.covered(&d, g) {
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
func (c *call) covered(d *iam.Decision, g *newGrant) bool {
	return slices.ContainsFunc(d.Matched, func(m iam.Match) bool {
		id, ok := key.GrantID(m.Source)
		if !ok || m.Part != iam.PartGrant {
			return false
		}
		parent, ok := c.st.Keys.Grant(id)
		return ok && parent.Covers(g.Operations, g.equals, g.subset)
	})
}

// checkGrant validates what the grant says against the key, and binds its
// principals.
func (c *call) checkGrant(k *key.Key, g *newGrant) error {
	if len(g.Operations) == 0 {
		return fault.New(fault.ValidationException, "A grant names at least one operation.")
	}
	takesContext := false
	for i, op := range g.Operations {
		if !key.Grantable(op) {
			return fault.New(fault.ValidationException, "1 validation error detected: Value '%s' at 'operations' failed to satisfy constraint: Member must satisfy enum value set of the operations that can be granted", g.Operations)
		}
		if !k.Performs(op) {
			return fault.New(fault.ValidationException, "Operation %s is not valid for %s with key spec %s and key usage %s.", op, k.ARN, k.Spec, k.Usage)
		}
		if slices.Contains(g.Operations[:i], op) {
			return fault.New(fault.ValidationException, "Operation %s is given twice.", op)
		}
		takesContext = takesContext || key.TakesContext(op)
	}
	if g.constraintKind != "" && (k.Spec != key.SymmetricDefault || !takesContext) {
		return fault.New(fault.ValidationException, "A grant constraint needs a symmetric encryption key and an operation that takes an encryption context.")
	}
	var err error
	if g.granteeID, err = c.bindPrincipal(g.Grantee); err != nil {
		return err
	}
	if g.Retiring == "" {
		return nil
	}
	g.retiringID, err = c.bindPrincipal(g.Retiring)
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
func (c *call) grantID(k *key.Key, g *newGrant) (string, error) {
	if g.Name != "" {
		if have := k.GrantNamed(g.Name, func(have *key.Grant) bool { return g.makes(have, c.account) }); have != nil {
			return have.ID, nil
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

// makes reports whether the request would make the very grant again.
func (g *newGrant) makes(have *key.Grant, account string) bool {
	return have.Grantee == g.Grantee && have.GranteeID == g.granteeID &&
		have.Retiring == g.Retiring && have.RetiringID == g.retiringID && have.IssuingAccount == account &&
		slices.Equal(slices.Sorted(slices.Values(have.Operations)), slices.Sorted(slices.Values(g.Operations))) &&
		maps.Equal(have.ContextEquals, g.equals) && maps.Equal(have.ContextSubset, g.subset)
}
