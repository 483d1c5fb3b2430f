package vault

import (
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/key"
)

func init() {
	define("kms", "RetireGrant", change, kmsRetireGrant)
	define("kms", "RevokeGrant", change, kmsRevokeGrant)
}

// RetireGrantInput is the request of kms:RetireGrant: a token, or key ARN and
// grant id.
type RetireGrantInput struct {
	GrantToken string `json:"GrantToken" aws:"min=1,max=8192" audit:"-"`
	KeyID      string `json:"KeyId" aws:"min=1,max=2048"`
	GrantID    string `json:"GrantId" aws:"min=1,max=128"`
	DryRun     bool   `json:"DryRun"`
}

func kmsRetireGrant(c *call, in *RetireGrantInput) (*struct{}, error) {
	g, err := c.grantToRetire(in)
	if err != nil {
		return nil, err
	}
	c.resource(g.Key.ARN)
	if err := c.mayRetire(g); err != nil {
		return nil, err
	}
	if err := g.Key.Permits("RetireGrant", c.now()); err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	c.emit(&event.GrantRetired{Grant: g.ID, Key: g.Key.ID})
	return nil, nil
}

func (c *call) grantToRetire(in *RetireGrantInput) (*key.Grant, error) {
	byID := in.KeyID != "" && in.GrantID != ""
	switch {
	case in.GrantToken != "" && (in.KeyID != "" || in.GrantID != ""), in.GrantToken == "" && !byID:
		return nil, fault.New(fault.ValidationException, "Specify either a grant token, or a key ARN and a grant ID.")
	case in.GrantToken != "":
		return c.grantByToken(in.GrantToken)
	}
	k, err := c.findKey(in.KeyID, otherAccount)
	if err != nil {
		return nil, err
	}
	g, ok := c.st.Keys.Grant(in.GrantID)
	if !ok || g.Key != k.Key {
		return nil, noSuchGrant(in.GrantID, k.Key)
	}
	return g, nil
}

func noSuchGrant(id string, k *key.Key) error {
	return fault.New(fault.NotFoundException, "Grant ID %s not found for key %s", id, k.ARN)
}

// mayRetire judges kms:RetireGrant, to which the grant itself is the first title:
// its retiring principal may, and its grantee if RetireGrant is among the
// operations. To iam both are one grant of this one right, so that boundaries,
// session policies and explicit denials hold. Policies are a title in the account
// that made the grant only.
func (c *call) mayRetire(g *key.Grant) error {
	const action = "kms:RetireGrant"
	on := onKey(g.Key)
	var title []iam.Grant
	if g.Retiring != "" {
		title = append(title, iam.Grant{ID: g.Reference(), Grantee: g.Retiring, GranteeID: g.RetiringID, Operations: []string{"RetireGrant"}})
	}
	if g.Allows("RetireGrant") {
		title = append(title, iam.Grant{ID: g.Reference(), Grantee: g.Grantee, GranteeID: g.GranteeID, Operations: []string{"RetireGrant"}})
	}
	d := c.tryGrants(action, on, title)
	if d.Allowed && !d.Open.Has(iam.RoadGrant) && c.account != g.IssuingAccount {
		d.Allowed, d.Road = false, iam.DeniedImplicit
		d.Missing = []iam.Missing{{Road: iam.RoadGrant, Need: iam.NeedGrant}}
	}
	if !d.Allowed && d.Road != iam.DeniedExplicit && c.account == g.IssuingAccount {
		// The issuing account may, whether the key is its own or not.
		if own := c.try(action, plain(g.Key.ARN)); own.Allowed {
			d = own
		}
	}
	c.record(action, g.Key.ARN, &d)
	if !d.Allowed {
		return c.denied(action, g.Key.ARN, &d)
	}
	return nil
}

// tryGrants judges the action with these grants in the place of the key's.
func (c *call) tryGrants(action string, on target, grants []iam.Grant) iam.Decision {
	in := c.input(action, on, nil)
	in.Grants = grants
	return iam.Evaluate(&in)
}

// RevokeGrantInput is the request of kms:RevokeGrant.
type RevokeGrantInput struct {
	KeyID   string `json:"KeyId" aws:"required,min=1,max=2048"`
	GrantID string `json:"GrantId" aws:"required,min=1,max=128"`
	DryRun  bool   `json:"DryRun"`
}

func kmsRevokeGrant(c *call, in *RevokeGrantInput) (*struct{}, error) {
	k, err := c.openKey(in.KeyID, otherAccount, "kms:RevokeGrant", whenBool("kms:grantisforawsresource", false))
	if err != nil {
		return nil, err
	}
	g, ok := c.st.Keys.Grant(in.GrantID)
	if !ok || g.Key != k.Key {
		return nil, noSuchGrant(in.GrantID, k.Key)
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	c.emit(&event.GrantRevoked{Grant: g.ID, Key: k.ID})
	return nil, nil
}
