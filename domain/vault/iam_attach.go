package vault

import (
	"strings"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
)

func init() {
	defineIAM("AttachUserPolicy", change, func(c *call, in *userARN) (*struct{}, error) {
		return c.attach(userOwner, ownedARN(*in))
	})
	defineIAM("AttachGroupPolicy", change, func(c *call, in *groupARN) (*struct{}, error) {
		return c.attach(groupOwner, ownedARN(*in))
	})
	defineIAM("AttachRolePolicy", change, func(c *call, in *roleARN) (*struct{}, error) {
		return c.attach(roleOwner, ownedARN(*in))
	})
	defineIAM("DetachUserPolicy", change, func(c *call, in *userARN) (*struct{}, error) {
		return c.detach(userOwner, ownedARN(*in))
	})
	defineIAM("DetachGroupPolicy", change, func(c *call, in *groupARN) (*struct{}, error) {
		return c.detach(groupOwner, ownedARN(*in))
	})
	defineIAM("DetachRolePolicy", change, func(c *call, in *roleARN) (*struct{}, error) {
		return c.detach(roleOwner, ownedARN(*in))
	})
	defineIAM("ListAttachedUserPolicies", use, func(c *call, in *userPage) (*listAttachedOutput, error) {
		return c.listAttached(userOwner, ownedPage(*in))
	})
	defineIAM("ListAttachedGroupPolicies", use, func(c *call, in *groupPage) (*listAttachedOutput, error) {
		return c.listAttached(groupOwner, ownedPage(*in))
	})
	defineIAM("ListAttachedRolePolicies", use, func(c *call, in *rolePage) (*listAttachedOutput, error) {
		return c.listAttached(roleOwner, ownedPage(*in))
	})
	defineIAM("PutUserPermissionsBoundary", change, func(c *call, in *userBoundary) (*struct{}, error) {
		return c.putBoundary(userOwner, ownedBoundary(*in))
	})
	defineIAM("PutRolePermissionsBoundary", change, func(c *call, in *roleBoundary) (*struct{}, error) {
		return c.putBoundary(roleOwner, ownedBoundary(*in))
	})
	defineIAM("DeleteUserPermissionsBoundary", change, func(c *call, in *namedUserInput) (*struct{}, error) {
		return c.deleteBoundary(userOwner, in.UserName)
	})
	defineIAM("DeleteRolePermissionsBoundary", change, func(c *call, in *namedRoleInput) (*struct{}, error) {
		return c.deleteBoundary(roleOwner, in.RoleName)
	})
}

// attachment judges attaching or detaching, with the policy as iam:PolicyARN.
func (c *call) attachment(k *ownerKind, verb string, in ownedARN) (owner, *identity.ManagedPolicy, error) {
	parsed, err := policyARN(in.PolicyARN)
	if err != nil {
		return owner{}, nil, err
	}
	o, err := c.onOwner(k, "iam:"+verb+k.action+"Policy", in.Owner, when("iam:policyarn", in.PolicyARN))
	if err != nil {
		return owner{}, nil, err
	}
	return o, c.policy(parsed), nil
}

func (c *call) attach(k *ownerKind, in ownedARN) (*struct{}, error) {
	o, m, err := c.attachment(k, "Attach", in)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, fault.New(fault.NoSuchEntity, "Policy %s does not exist or is not attachable.", in.PolicyARN)
	case o.permissions.HasAttached(m):
		return nil, nil
	case len(o.permissions.Attached()) >= identity.MaxAttached:
		return nil, overQuota("PoliciesPer"+k.action, identity.MaxAttached)
	}
	c.emit(&event.PolicyAttached{Principal: o.id, Policy: m.ARN})
	return nil, nil
}

func (c *call) detach(k *ownerKind, in ownedARN) (*struct{}, error) {
	o, m, err := c.attachment(k, "Detach", in)
	switch {
	case err != nil:
		return nil, err
	case m == nil || !o.permissions.HasAttached(m):
		return nil, fault.New(fault.NoSuchEntity, "Policy %s was not found.", in.PolicyARN)
	}
	c.emit(&event.PolicyDetached{Principal: o.id, Policy: m.ARN})
	return nil, nil
}

type attachedView struct {
	PolicyName string
	PolicyARN  string `json:"PolicyArn"`
}

func viewAttached(m *identity.ManagedPolicy) attachedView { return attachedView{m.Name, m.ARN} }

type listAttachedOutput struct {
	AttachedPolicies []attachedView
	iamMore
}

func (c *call) listAttached(k *ownerKind, in ownedPage) (*listAttachedOutput, error) {
	o, err := c.onOwner(k, "iam:ListAttached"+k.action+"Policies", in.Owner)
	if err != nil {
		return nil, err
	}
	under := where(behind(o.permissions.Attached(), policyKey), func(m *identity.ManagedPolicy) bool {
		return strings.HasPrefix(m.Path, in.PathPrefix)
	})
	list, more, err := iamPage(in.Marker, in.MaxItems, under, policyKey, viewAttached)
	return &listAttachedOutput{list, more}, err
}

func policyKey(m *identity.ManagedPolicy) string { return m.ARN }

// scope finds the managed policy that shall be a permissions boundary; nil for
// none named.
func (c *call) scope(name string) (*identity.ManagedPolicy, error) {
	if name == "" {
		return nil, nil
	}
	parsed, err := policyARN(name)
	if err != nil {
		return nil, err
	}
	if m := c.policy(parsed); m != nil {
		return m, nil
	}
	return nil, fault.New(fault.NoSuchEntity, "Scope ARN: %s does not exist or is not attachable.", name)
}

// putBoundary is judged with the new boundary as iam:PermissionsBoundary: that is
// how an administrator lets others create principals that cannot outgrow it.
func (c *call) putBoundary(k *ownerKind, in ownedBoundary) (*struct{}, error) {
	o, err := c.onOwner(k, "iam:Put"+k.action+"PermissionsBoundary", in.Owner, when("iam:permissionsboundary", in.PermissionsBoundary))
	if err != nil {
		return nil, err
	}
	m, err := c.scope(in.PermissionsBoundary)
	if err != nil {
		return nil, err
	}
	if o.permissions.Boundary() != m {
		c.emit(&event.BoundarySet{Principal: o.id, Policy: m.ARN})
	}
	return nil, nil
}

func (c *call) deleteBoundary(k *ownerKind, name string) (*struct{}, error) {
	o, err := c.onOwner(k, "iam:Delete"+k.action+"PermissionsBoundary", name)
	if err != nil {
		return nil, err
	}
	if o.permissions.Boundary() != nil {
		c.emit(&event.BoundaryRemoved{Principal: o.id})
	}
	return nil, nil
}
