package vault

import (
	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/identity"
)

// owner is a user, a group or a role as far as the policies go that it has:
// the operations on those are the same for all three.
type owner struct {
	kind        *ownerKind
	id, arn     string
	name        string
	tags        []event.Tag
	permissions *identity.Permissions
}

// ownerKind tells what differs.
type ownerKind struct {
	noun   string // as texts write it
	action string // as it is part of action names
	inline int    // characters of all inline policies together
	find   func(a *identity.Account, name string) (owner, bool)
	arn    func(account, path, name string) arn.ARN
}

var (
	userOwner = &ownerKind{noun: "user", action: "User", inline: identity.MaxUserInline, arn: arn.User,
		find: func(a *identity.Account, name string) (owner, bool) {
			if u, ok := a.Users.Find(name); ok {
				return owner{id: u.ID, arn: u.ARN, name: u.Name, tags: u.Tags, permissions: &u.Permissions}, true
			}
			return owner{}, false
		}}
	groupOwner = &ownerKind{noun: "group", action: "Group", inline: identity.MaxGroupInline, arn: arn.Group,
		find: func(a *identity.Account, name string) (owner, bool) {
			if g, ok := a.Groups.Find(name); ok {
				return owner{id: g.ID, arn: g.ARN, name: g.Name, permissions: &g.Permissions}, true
			}
			return owner{}, false
		}}
	roleOwner = &ownerKind{noun: "role", action: "Role", inline: identity.MaxRoleInline, arn: arn.Role,
		find: func(a *identity.Account, name string) (owner, bool) {
			if r, ok := a.Roles.Find(name); ok {
				return owner{id: r.ID, arn: r.ARN, name: r.Name, tags: r.Tags, permissions: &r.Permissions}, true
			}
			return owner{}, false
		}}
)

// onOwner judges an action on the owner that a request names, with its boundary
// as iam:PermissionsBoundary, and gives the owner.
func (c *call) onOwner(k *ownerKind, action, name string, conds ...cond) (owner, error) {
	o, ok := k.find(c.home(), name)
	on := plain(k.arn(c.account, "/", name).String())
	if ok {
		on = plainTagged(o.arn, o.tags)
		if b := o.permissions.Boundary(); b != nil {
			conds = append(conds, when("iam:permissionsboundary", b.ARN))
		}
	}
	if err := c.judge(action, on, conds); err != nil {
		return owner{}, err
	}
	if !ok {
		return owner{}, noSuch(k.noun, name)
	}
	o.kind = k
	return o, nil
}

// The inputs of one operation for the three kinds differ in the member that
// names the owner, so each converts to what they have in common.
type (
	ownedPolicy struct{ Owner, PolicyName string }
	userPolicy  struct {
		Owner      string `json:"UserName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
		PolicyName string `json:"PolicyName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	}
	groupPolicy struct {
		Owner      string `json:"GroupName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
		PolicyName string `json:"PolicyName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	}
	rolePolicy struct {
		Owner      string `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
		PolicyName string `json:"PolicyName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	}

	ownedDocument struct{ Owner, PolicyName, PolicyDocument string }
	userDocument  struct {
		Owner          string `json:"UserName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
		PolicyName     string `json:"PolicyName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
		PolicyDocument string `json:"PolicyDocument" aws:"required,min=1,max=131072,pattern=[\\t\\n\\r\\x20-\\x{FF}]+"`
	}
	groupDocument struct {
		Owner          string `json:"GroupName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
		PolicyName     string `json:"PolicyName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
		PolicyDocument string `json:"PolicyDocument" aws:"required,min=1,max=131072,pattern=[\\t\\n\\r\\x20-\\x{FF}]+"`
	}
	roleDocument struct {
		Owner          string `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
		PolicyName     string `json:"PolicyName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
		PolicyDocument string `json:"PolicyDocument" aws:"required,min=1,max=131072,pattern=[\\t\\n\\r\\x20-\\x{FF}]+"`
	}

	ownedARN struct{ Owner, PolicyARN string }
	userARN  struct {
		Owner     string `json:"UserName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
		PolicyARN string `json:"PolicyArn" aws:"required,min=20,max=2048"`
	}
	groupARN struct {
		Owner     string `json:"GroupName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
		PolicyARN string `json:"PolicyArn" aws:"required,min=20,max=2048"`
	}
	roleARN struct {
		Owner     string `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
		PolicyARN string `json:"PolicyArn" aws:"required,min=20,max=2048"`
	}

	ownedPage struct {
		Owner, PathPrefix, Marker string
		MaxItems                  int
	}
	userPage struct {
		Owner      string `json:"UserName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
		PathPrefix string `json:"PathPrefix" aws:"min=1,max=512,pattern=/[\\x21-\\x7F]*"`
		Marker     string `json:"Marker" aws:"min=1,max=320"`
		MaxItems   int    `json:"MaxItems" aws:"min=1,max=1000"`
	}
	groupPage struct {
		Owner      string `json:"GroupName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
		PathPrefix string `json:"PathPrefix" aws:"min=1,max=512,pattern=/[\\x21-\\x7F]*"`
		Marker     string `json:"Marker" aws:"min=1,max=320"`
		MaxItems   int    `json:"MaxItems" aws:"min=1,max=1000"`
	}
	rolePage struct {
		Owner      string `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
		PathPrefix string `json:"PathPrefix" aws:"min=1,max=512,pattern=/[\\x21-\\x7F]*"`
		Marker     string `json:"Marker" aws:"min=1,max=320"`
		MaxItems   int    `json:"MaxItems" aws:"min=1,max=1000"`
	}

	ownedBoundary struct{ Owner, PermissionsBoundary string }
	userBoundary  struct {
		Owner               string `json:"UserName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
		PermissionsBoundary string `json:"PermissionsBoundary" aws:"required,min=20,max=2048"`
	}
	roleBoundary struct {
		Owner               string `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
		PermissionsBoundary string `json:"PermissionsBoundary" aws:"required,min=20,max=2048"`
	}
)
