package vault

import (
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	defineIAM("CreateRole", change, iamCreateRole)
	defineIAM("GetRole", use, iamGetRole)
	defineIAM("ListRoles", use, iamListRoles)
	defineIAM("UpdateRole", change, iamUpdateRole)
	defineIAM("UpdateRoleDescription", change, iamUpdateRoleDescription)
	defineIAM("UpdateAssumeRolePolicy", change, iamUpdateAssumeRolePolicy)
	defineIAM("DeleteRole", change, iamDeleteRole)
}

// roleView is a role as IAM shows it. AssumeRolePolicyDocument is plain JSON. What
// has just been made is shown without description and session length, and nothing
// is known of its last use.
type roleView struct {
	Path                     string
	RoleName                 string
	RoleID                   string `json:"RoleId"`
	ARN                      string `json:"Arn"`
	CreateDate               shape.Timestamp
	AssumeRolePolicyDocument string
	Description              string        `json:",omitempty"`
	MaxSessionDuration       int           `json:",omitempty"`
	PermissionsBoundary      *boundaryView `json:",omitempty"`
	Tags                     []iamTag      `json:",omitempty"`
	RoleLastUsed             *lastUsedView `json:",omitempty"`
}

// lastUsedView is the last call of a role's sessions; empty when there was none.
type lastUsedView struct {
	LastUsedDate shape.Timestamp `json:",omitzero"`
	Region       string          `json:",omitempty"`
}

func (c *call) roleLastUsed(r *identity.Role) *lastUsedView {
	last, ok := c.accesses().Role(r.ID)
	if !ok {
		return &lastUsedView{}
	}
	return &lastUsedView{shape.At(last.At.Truncate(time.Second)), c.calledRegion(last.Service)}
}

func (c *call) viewRole(r *identity.Role) roleView {
	v := c.listedRole(r)
	v.PermissionsBoundary, v.Tags = viewBoundary(&r.Permissions), iamTags(r.Tags)
	v.RoleLastUsed = c.roleLastUsed(r)
	return v
}

func (c *call) listedRole(r *identity.Role) roleView {
	return roleView{
		Path: r.Path, RoleName: r.Name, RoleID: r.ID, ARN: r.ARN, CreateDate: shape.At(r.Created),
		AssumeRolePolicyDocument: c.st.Identities.Shown(r.Trust.Document(), r.TrustPrincipals()),
		Description:              r.Description, MaxSessionDuration: r.MaxSession,
	}
}

func roleKey(r *identity.Role) string { return r.Name }

type createRoleInput struct {
	Path                     string   `json:"Path" aws:"min=1,max=512,pattern=(/)|(/[\\x21-\\x7E]+/)"`
	RoleName                 string   `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
	AssumeRolePolicyDocument string   `json:"AssumeRolePolicyDocument" aws:"required,min=1,max=131072,pattern=[\\t\\n\\r\\x20-\\x{FF}]+"`
	Description              string   `json:"Description" aws:"max=1000,pattern=[\\t\\n\\r\\x20-\\x7E\\x{A1}-\\x{FF}]*"`
	MaxSessionDuration       int      `json:"MaxSessionDuration" aws:"min=3600,max=43200"`
	PermissionsBoundary      string   `json:"PermissionsBoundary" aws:"min=20,max=2048"`
	Tags                     []iamTag `json:"Tags" aws:"max=50"`
}

type roleOutput struct {
	Role roleView
}

func (o *roleOutput) responseElements() any {
	return map[string]any{"role": map[string]any{
		"path": o.Role.Path, "roleName": o.Role.RoleName, "roleId": o.Role.RoleID, "arn": o.Role.ARN,
		"createDate": trailTime(o.Role.CreateDate), "assumeRolePolicyDocument": o.Role.AssumeRolePolicyDocument,
	}}
}

func iamCreateRole(c *call, in *createRoleInput) (*roleOutput, error) {
	path := pathOf(in.Path)
	tags, conds, err := creation(in.Tags, identity.PrincipalTags, in.PermissionsBoundary)
	if err != nil {
		return nil, err
	}
	if err := c.judge("iam:CreateRole", plain(arn.Role(c.account, path, in.RoleName).String()), conds); err != nil {
		return nil, err
	}
	if _, taken := c.home().Roles.Find(in.RoleName); taken {
		return nil, alreadyExists("Role", in.RoleName)
	}
	principals, err := c.readTrust(in.AssumeRolePolicyDocument)
	if err != nil {
		return nil, err
	}
	boundary, err := c.scope(in.PermissionsBoundary)
	if err != nil {
		return nil, err
	}
	id, err := c.uniqueID(identity.RolePrefix)
	if err != nil {
		return nil, err
	}
	longest := in.MaxSessionDuration
	if longest == 0 {
		longest = identity.MinMaxSession
	}
	c.emit(&event.RoleCreated{
		Role: id, Account: c.account, Name: in.RoleName, Path: path, Description: in.Description, MaxSession: longest,
		Trust: in.AssumeRolePolicyDocument, Principals: principals, Tags: tags, At: c.now(),
	})
	if boundary != nil {
		c.emit(&event.BoundarySet{Principal: id, Policy: boundary.ARN})
	}
	made := c.viewRole(c.st.Identities.Role(id))
	made.Description, made.MaxSessionDuration, made.RoleLastUsed = "", 0, nil
	return &roleOutput{made}, nil
}

type namedRoleInput struct {
	RoleName string `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
}

func iamGetRole(c *call, in *namedRoleInput) (*roleOutput, error) {
	r, err := c.onIAMRole("iam:GetRole", in.RoleName)
	if err != nil {
		return nil, err
	}
	return &roleOutput{c.viewRole(r)}, nil
}

type listRolesOutput struct {
	Roles []roleView
	iamMore
}

func iamListRoles(c *call, in *pathPageInput) (*listRolesOutput, error) {
	if err := c.authorize("iam:ListRoles", c.listed("role", in.PathPrefix)); err != nil {
		return nil, err
	}
	under := where(c.home().Roles.After, func(r *identity.Role) bool { return strings.HasPrefix(r.Path, in.PathPrefix) })
	roles, more, err := iamPage(in.Marker, in.MaxItems, under, roleKey, c.listedRole)
	return &listRolesOutput{roles, more}, err
}

type updateRoleInput struct {
	RoleName           string  `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
	Description        *string `json:"Description" aws:"max=1000,pattern=[\\t\\n\\r\\x20-\\x7E\\x{A1}-\\x{FF}]*"`
	MaxSessionDuration int     `json:"MaxSessionDuration" aws:"min=3600,max=43200"`
}

func iamUpdateRole(c *call, in *updateRoleInput) (*struct{}, error) {
	r, err := c.onIAMRole("iam:UpdateRole", in.RoleName)
	if err != nil {
		return nil, err
	}
	description, longest := r.Description, r.MaxSession
	if in.Description != nil {
		description = *in.Description
	}
	if in.MaxSessionDuration != 0 {
		longest = in.MaxSessionDuration
	}
	if description != r.Description || longest != r.MaxSession {
		c.emit(&event.RoleSettingsChanged{Role: r.ID, Description: description, MaxSession: longest})
	}
	return nil, nil
}

type roleDescriptionInput struct {
	RoleName    string  `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
	Description *string `json:"Description" aws:"required,max=1000,pattern=[\\t\\n\\r\\x20-\\x7E\\x{A1}-\\x{FF}]*"`
}

func iamUpdateRoleDescription(c *call, in *roleDescriptionInput) (*roleOutput, error) {
	r, err := c.onIAMRole("iam:UpdateRoleDescription", in.RoleName)
	if err != nil {
		return nil, err
	}
	if *in.Description != r.Description {
		c.emit(&event.RoleSettingsChanged{Role: r.ID, Description: *in.Description, MaxSession: r.MaxSession})
	}
	updated := c.listedRole(r)
	updated.MaxSessionDuration = 0
	return &roleOutput{updated}, nil
}

type updateTrustInput struct {
	RoleName       string `json:"RoleName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
	PolicyDocument string `json:"PolicyDocument" aws:"required,min=1,max=131072,pattern=[\\t\\n\\r\\x20-\\x{FF}]+"`
}

func iamUpdateAssumeRolePolicy(c *call, in *updateTrustInput) (*struct{}, error) {
	r, err := c.onIAMRole("iam:UpdateAssumeRolePolicy", in.RoleName)
	if err != nil {
		return nil, err
	}
	principals, err := c.readTrust(in.PolicyDocument)
	if err != nil {
		return nil, err
	}
	c.emit(&event.RoleTrustReplaced{Role: r.ID, Trust: in.PolicyDocument, Principals: principals})
	return nil, nil
}

func iamDeleteRole(c *call, in *namedRoleInput) (*struct{}, error) {
	r, err := c.onIAMRole("iam:DeleteRole", in.RoleName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(r.Attached()) > 0:
		return nil, deleteConflict("detach all policies")
	case len(r.Inline()) > 0:
		return nil, deleteConflict("delete policies")
	}
	c.emit(&event.RoleDeleted{Role: r.ID})
	return nil, nil
}
