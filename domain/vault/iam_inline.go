package vault

import (
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
)

func init() {
	defineIAM("PutUserPolicy", change, func(c *call, in *userDocument) (*struct{}, error) {
		return c.putInline(userOwner, ownedDocument(*in))
	})
	defineIAM("PutGroupPolicy", change, func(c *call, in *groupDocument) (*struct{}, error) {
		return c.putInline(groupOwner, ownedDocument(*in))
	})
	defineIAM("PutRolePolicy", change, func(c *call, in *roleDocument) (*struct{}, error) {
		return c.putInline(roleOwner, ownedDocument(*in))
	})
	defineIAM("GetUserPolicy", use, func(c *call, in *userPolicy) (*inlineOutput, error) {
		return c.getInline(userOwner, ownedPolicy(*in))
	})
	defineIAM("GetGroupPolicy", use, func(c *call, in *groupPolicy) (*inlineOutput, error) {
		return c.getInline(groupOwner, ownedPolicy(*in))
	})
	defineIAM("GetRolePolicy", use, func(c *call, in *rolePolicy) (*inlineOutput, error) {
		return c.getInline(roleOwner, ownedPolicy(*in))
	})
	defineIAM("ListUserPolicies", use, func(c *call, in *userPage) (*listInlineOutput, error) {
		return c.listInline(userOwner, ownedPage(*in))
	})
	defineIAM("ListGroupPolicies", use, func(c *call, in *groupPage) (*listInlineOutput, error) {
		return c.listInline(groupOwner, ownedPage(*in))
	})
	defineIAM("ListRolePolicies", use, func(c *call, in *rolePage) (*listInlineOutput, error) {
		return c.listInline(roleOwner, ownedPage(*in))
	})
	defineIAM("DeleteUserPolicy", change, func(c *call, in *userPolicy) (*struct{}, error) {
		return c.deleteInline(userOwner, ownedPolicy(*in))
	})
	defineIAM("DeleteGroupPolicy", change, func(c *call, in *groupPolicy) (*struct{}, error) {
		return c.deleteInline(groupOwner, ownedPolicy(*in))
	})
	defineIAM("DeleteRolePolicy", change, func(c *call, in *rolePolicy) (*struct{}, error) {
		return c.deleteInline(roleOwner, ownedPolicy(*in))
	})
}

// inlineOutput is an inline policy. PolicyDocument is plain JSON.
type inlineOutput struct {
	UserName       string `json:",omitempty"`
	GroupName      string `json:",omitempty"`
	RoleName       string `json:",omitempty"`
	PolicyName     string
	PolicyDocument string
}

type listInlineOutput struct {
	PolicyNames []string
	iamMore
}

func (c *call) putInline(k *ownerKind, in ownedDocument) (*struct{}, error) {
	o, err := c.onOwner(k, "iam:Put"+k.action+"Policy", in.Owner)
	if err != nil {
		return nil, err
	}
	if _, err := readPolicy(iam.IdentityPolicy, in.PolicyDocument); err != nil {
		return nil, err
	}
	size := policySize(in.PolicyDocument)
	for _, have := range o.permissions.Inline() {
		if have.Name != in.PolicyName {
			size += policySize(have.Policy().Document())
		}
	}
	if size > k.inline {
		return nil, fault.New(fault.LimitExceeded, "Maximum policy size of %d bytes exceeded for %s %s", k.inline, k.noun, o.name)
	}
	c.emit(&event.InlinePolicyPut{Principal: o.id, Name: in.PolicyName, Document: in.PolicyDocument})
	return nil, nil
}

func (o *owner) inline(name string) (identity.Inline, error) {
	i, ok := o.permissions.InlinePolicy(name)
	if !ok {
		return i, noSuch(o.kind.noun+" policy", name)
	}
	return i, nil
}

func (c *call) getInline(k *ownerKind, in ownedPolicy) (*inlineOutput, error) {
	o, err := c.onOwner(k, "iam:Get"+k.action+"Policy", in.Owner)
	if err != nil {
		return nil, err
	}
	i, err := o.inline(in.PolicyName)
	if err != nil {
		return nil, err
	}
	out := &inlineOutput{PolicyName: i.Name, PolicyDocument: i.Policy().Document()}
	switch k {
	case userOwner:
		out.UserName = o.name
	case groupOwner:
		out.GroupName = o.name
	case roleOwner:
		out.RoleName = o.name
	}
	return out, nil
}

func (c *call) listInline(k *ownerKind, in ownedPage) (*listInlineOutput, error) {
	o, err := c.onOwner(k, "iam:List"+k.action+"Policies", in.Owner)
	if err != nil {
		return nil, err
	}
	key := func(i identity.Inline) string { return i.Name }
	names, more, err := iamPage(in.Marker, in.MaxItems, behind(o.permissions.Inline(), key), key, key)
	return &listInlineOutput{names, more}, err
}

func (c *call) deleteInline(k *ownerKind, in ownedPolicy) (*struct{}, error) {
	o, err := c.onOwner(k, "iam:Delete"+k.action+"Policy", in.Owner)
	if err != nil {
		return nil, err
	}
	if _, err := o.inline(in.PolicyName); err != nil {
		return nil, err
	}
	c.emit(&event.InlinePolicyDeleted{Principal: o.id, Name: in.PolicyName})
	return nil, nil
}
