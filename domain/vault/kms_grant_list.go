package vault

import (
	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("kms", "ListGrants", use, kmsListGrants)
	define("kms", "ListRetirableGrants", use, kmsListRetirableGrants)
}

// ListGrantsInput is the request of kms:ListGrants.
type ListGrantsInput struct {
	KeyID   string `json:"KeyId" aws:"required,min=1,max=2048"`
	GrantID string `json:"GrantId" aws:"min=1,max=128"`
	Grantee string `json:"GranteePrincipal" aws:"min=1,max=256"`
	Service string `json:"GranteeServicePrincipal" aws:"min=1,max=256"`
	Limit   int    `json:"Limit" aws:"min=1,max=100"`
	Marker  string `json:"Marker" aws:"min=1,max=1024"`
}

// ListGrantsOutput is the reply of kms:ListGrants and kms:ListRetirableGrants, in
// order of creation. Tokens are never listed.
type ListGrantsOutput struct {
	Grants     []GrantEntry
	NextMarker string `json:",omitempty"`
	Truncated  bool
}

// GrantEntry is one grant of a listing. A principal that is gone appears by its
// unique id.
type GrantEntry struct {
	KeyID             string `json:"KeyId"`
	GrantID           string `json:"GrantId"`
	Name              string
	CreationDate      shape.Timestamp
	GranteePrincipal  string
	RetiringPrincipal string `json:",omitempty"`
	IssuingAccount    string
	Operations        []string
	Constraints       *constraintEntry `json:",omitempty"`
}

type constraintEntry struct {
	EncryptionContextEquals map[string]string `json:",omitempty"`
	EncryptionContextSubset map[string]string `json:",omitempty"`
}

func kmsListGrants(c *call, in *ListGrantsInput) (*ListGrantsOutput, error) {
	k, err := c.openKey(in.KeyID, otherAccount, "kms:ListGrants", whenBool("kms:grantisforawsresource", false))
	if err != nil {
		return nil, err
	}
	p, err := serialPage(in.Limit, 50, in.Marker)
	if err != nil {
		return nil, err
	}
	if in.GrantID != "" && !validGrantID(in.GrantID) {
		return nil, fault.New(fault.InvalidGrantIDException, "The grant ID %s is not valid.", in.GrantID)
	}
	return c.listGrants(k.GrantsAfter(p.after), p, func(g *key.Grant) bool {
		return (in.GrantID == "" || g.ID == in.GrantID) && in.Service == "" &&
			(in.Grantee == "" || c.nameOf(g.Grantee, g.GranteeID) == in.Grantee)
	}), nil
}

func validGrantID(id string) bool {
	for _, r := range id {
		if !('0' <= r && r <= '9' || 'a' <= r && r <= 'f') {
			return false
		}
	}
	return len(id) == 64
}

func (c *call) listGrants(grants []*key.Grant, p page, wanted func(*key.Grant) bool) *ListGrantsOutput {
	out := &ListGrantsOutput{Grants: []GrantEntry{}}
	for _, g := range grants {
		if !wanted(g) {
			continue
		}
		if len(out.Grants) == p.limit {
			out.Truncated, out.NextMarker = true, p.marker()
			break
		}
		out.Grants = append(out.Grants, c.grantEntry(g))
		p.after = g.Serial()
	}
	return out
}

func (c *call) grantEntry(g *key.Grant) GrantEntry {
	e := GrantEntry{
		KeyID: g.Key.ARN, GrantID: g.ID, Name: g.Name, CreationDate: shape.At(g.Created),
		GranteePrincipal: c.nameOf(g.Grantee, g.GranteeID), IssuingAccount: arn.Root(g.IssuingAccount).String(), Operations: g.Operations,
	}
	if g.Retiring != "" {
		e.RetiringPrincipal = c.nameOf(g.Retiring, g.RetiringID)
	}
	if g.ContextEquals != nil || g.ContextSubset != nil {
		e.Constraints = &constraintEntry{g.ContextEquals, g.ContextSubset}
	}
	return e
}

// nameOf shows a principal that was bound when it was named: by its ARN of today,
// or by its unique id when it is gone. The ARN of a role session stays while the
// role exists.
func (c *call) nameOf(principal, id string) string {
	if id == "" {
		return principal
	}
	today, exists := c.st.Identities.ARNOf(id)
	if !exists {
		return id
	}
	if a, err := arn.Parse(principal); err == nil && a.Service == "sts" {
		return principal
	}
	return today
}

// ListRetirableGrantsInput is the request of kms:ListRetirableGrants.
type ListRetirableGrantsInput struct {
	Retiring string `json:"RetiringPrincipal" aws:"required,min=1,max=256"`
	Service  string `json:"RetiringServicePrincipal" aws:"min=1,max=256"`
	Limit    int    `json:"Limit" aws:"min=1,max=100"`
	Marker   string `json:"Marker" aws:"min=1,max=1024"`
}

// kmsListRetirableGrants lists the grants, on keys of any account, that a
// principal of the caller's account is named to retire.
func kmsListRetirableGrants(c *call, in *ListRetirableGrantsInput) (*ListGrantsOutput, error) {
	if err := c.authorize("kms:ListRetirableGrants", plain("*")); err != nil {
		return nil, err
	}
	p, err := serialPage(in.Limit, 50, in.Marker)
	if err != nil {
		return nil, err
	}
	id, err := c.bindPrincipal(in.Retiring)
	if err != nil {
		return nil, err
	}
	if a, err := arn.Parse(in.Retiring); err != nil || a.Account != c.account {
		return nil, fault.New(fault.InvalidArnException, "ARN is not that of a principal of account %s: %s", c.account, in.Retiring)
	}
	return c.listGrants(c.st.Keys.RetirableAfter(key.Index(in.Retiring, id), p.after), p, func(g *key.Grant) bool {
		return !g.Key.Gone(c.now())
	}), nil
}
