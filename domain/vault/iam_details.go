package vault

import (
	"slices"

	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	defineIAM("GetAccountAuthorizationDetails", use, iamGetAccountAuthorizationDetails)
	defineIAM("GetAccountSummary", use, iamGetAccountSummary)
}

type detailsInput struct {
	Filter   []string `json:"Filter" aws:"each.enum=User|Role|Group|LocalManagedPolicy|AWSManagedPolicy"`
	Marker   string   `json:"Marker" aws:"min=1,max=320"`
	MaxItems int      `json:"MaxItems" aws:"min=1,max=1000"`
}

type inlineDetail struct {
	PolicyName     string
	PolicyDocument string
}

type userDetail struct {
	Path                    string
	UserName                string
	UserID                  string `json:"UserId"`
	ARN                     string `json:"Arn"`
	CreateDate              shape.Timestamp
	UserPolicyList          []inlineDetail
	GroupList               []string
	AttachedManagedPolicies []attachedView
	PermissionsBoundary     *boundaryView `json:",omitempty"`
	Tags                    []iamTag
}

type groupDetail struct {
	Path                    string
	GroupName               string
	GroupID                 string `json:"GroupId"`
	ARN                     string `json:"Arn"`
	CreateDate              shape.Timestamp
	GroupPolicyList         []inlineDetail
	AttachedManagedPolicies []attachedView
}

type roleDetail struct {
	Path                     string
	RoleName                 string
	RoleID                   string `json:"RoleId"`
	ARN                      string `json:"Arn"`
	CreateDate               shape.Timestamp
	AssumeRolePolicyDocument string
	RolePolicyList           []inlineDetail
	AttachedManagedPolicies  []attachedView
	PermissionsBoundary      *boundaryView `json:",omitempty"`
	Tags                     []iamTag
	InstanceProfileList      []struct{}
	RoleLastUsed             *lastUsedView
}

type policyDetail struct {
	policyView
	PolicyVersionList []versionView
}

type detailsOutput struct {
	UserDetailList  []userDetail
	GroupDetailList []groupDetail
	RoleDetailList  []roleDetail
	Policies        []policyDetail
	iamMore
}

// iamGetAccountAuthorizationDetails shows who may do what, all of it; of AWS's
// policies those that are in use.
func iamGetAccountAuthorizationDetails(c *call, in *detailsInput) (*detailsOutput, error) {
	if err := c.authorize("iam:GetAccountAuthorizationDetails", plain("*")); err != nil {
		return nil, err
	}
	fits := func(e entityOf) bool {
		if e.policy != nil && e.policy.AWS() && c.home().Usage(e.policy) == (identity.Usage{}) {
			return false
		}
		return len(in.Filter) == 0 || slices.Contains(in.Filter, e.kind())
	}
	list, more, err := iamPage(in.Marker, in.MaxItems, where(c.entitiesAfter, fits), entityOf.key, func(e entityOf) entityOf { return e })
	if err != nil {
		return nil, err
	}
	out := &detailsOutput{
		UserDetailList: []userDetail{}, GroupDetailList: []groupDetail{}, RoleDetailList: []roleDetail{}, Policies: []policyDetail{},
		iamMore: more,
	}
	for _, e := range list {
		switch {
		case e.user != nil:
			out.UserDetailList = append(out.UserDetailList, detailUser(e.user))
		case e.group != nil:
			out.GroupDetailList = append(out.GroupDetailList, detailGroup(e.group))
		case e.role != nil:
			out.RoleDetailList = append(out.RoleDetailList, c.detailRole(e.role))
		case e.policy != nil:
			out.Policies = append(out.Policies, c.detailPolicy(e.policy))
		}
	}
	return out, nil
}

func detailInline(p *identity.Permissions) []inlineDetail {
	list := make([]inlineDetail, 0, len(p.Inline()))
	for _, i := range p.Inline() {
		list = append(list, inlineDetail{i.Name, i.Policy().Document()})
	}
	return list
}

func detailAttached(p *identity.Permissions) []attachedView {
	list := make([]attachedView, 0, len(p.Attached()))
	for _, m := range p.Attached() {
		list = append(list, viewAttached(m))
	}
	return list
}

func detailUser(u *identity.User) userDetail {
	groups := make([]string, 0, len(u.Groups()))
	for _, g := range u.Groups() {
		groups = append(groups, g.Name)
	}
	return userDetail{
		Path: u.Path, UserName: u.Name, UserID: u.ID, ARN: u.ARN, CreateDate: shape.At(u.Created),
		UserPolicyList: detailInline(&u.Permissions), GroupList: groups, AttachedManagedPolicies: detailAttached(&u.Permissions),
		PermissionsBoundary: viewBoundary(&u.Permissions), Tags: iamTags(u.Tags),
	}
}

func detailGroup(g *identity.Group) groupDetail {
	return groupDetail{
		Path: g.Path, GroupName: g.Name, GroupID: g.ID, ARN: g.ARN, CreateDate: shape.At(g.Created),
		GroupPolicyList: detailInline(&g.Permissions), AttachedManagedPolicies: detailAttached(&g.Permissions),
	}
}

func (c *call) detailRole(r *identity.Role) roleDetail {
	v := c.listedRole(r)
	return roleDetail{
		Path: v.Path, RoleName: v.RoleName, RoleID: v.RoleID, ARN: v.ARN, CreateDate: v.CreateDate,
		AssumeRolePolicyDocument: v.AssumeRolePolicyDocument,
		RolePolicyList:           detailInline(&r.Permissions), AttachedManagedPolicies: detailAttached(&r.Permissions),
		PermissionsBoundary: viewBoundary(&r.Permissions), Tags: iamTags(r.Tags), InstanceProfileList: []struct{}{},
		RoleLastUsed: c.roleLastUsed(r),
	}
}

func (c *call) detailPolicy(m *identity.ManagedPolicy) policyDetail {
	d := policyDetail{policyView: c.listedPolicy(m), PolicyVersionList: make([]versionView, 0, len(m.Versions()))}
	d.Description = m.Description
	for _, v := range slices.Backward(m.Versions()) { // the newest first
		view := viewVersion(m, v)
		view.Document = v.Policy().Document()
		d.PolicyVersionList = append(d.PolicyVersionList, view)
	}
	return d
}

type summaryOutput struct {
	SummaryMap map[string]int
}

func iamGetAccountSummary(c *call, _ *struct{}) (*summaryOutput, error) {
	if err := c.authorize("iam:GetAccountSummary", plain("*")); err != nil {
		return nil, err
	}
	a := c.home()
	versions := 0
	for m := range a.Policies.After("") {
		versions += len(m.Versions())
	}
	rootKeys := 0
	if slices.ContainsFunc(a.RootKeys(), func(k *identity.AccessKey) bool { return k.Active }) {
		rootKeys = 1
	}
	return &summaryOutput{map[string]int{
		"Users": a.Users.Len(), "Groups": a.Groups.Len(), "Roles": a.Roles.Len(), "Policies": a.Policies.Len(),
		"PolicyVersionsInUse": versions, "AccountAccessKeysPresent": rootKeys, "AccountMFAEnabled": 0,
		// What the vault has not got stands at nothing, as in a new account.
		"AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0, "InstanceProfiles": 0, "MFADevices": 0,
		"MFADevicesInUse": 0, "Providers": 0, "ServerCertificates": 0, "GlobalEndpointTokenVersion": 2,
		"AccessKeysPerUserQuota": identity.MaxAccessKeys, "GroupsPerUserQuota": identity.MaxGroupsPerUser,
		"AttachedPoliciesPerUserQuota": identity.MaxAttached, "AttachedPoliciesPerGroupQuota": identity.MaxAttached,
		"AttachedPoliciesPerRoleQuota": identity.MaxAttached, "VersionsPerPolicyQuota": identity.MaxVersions,
		"UserPolicySizeQuota": identity.MaxUserInline, "GroupPolicySizeQuota": identity.MaxGroupInline,
		"RolePolicySizeQuota": identity.MaxRoleInline, "PolicySizeQuota": identity.MaxManagedDocument,
		"AssumeRolePolicySizeQuota": identity.MaxTrustDocument,
	}}, nil
}
