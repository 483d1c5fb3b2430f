package vault

import (
	"iter"
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	defineIAM("CreatePolicy", change, iamCreatePolicy)
	defineIAM("GetPolicy", use, iamGetPolicy)
	defineIAM("ListPolicies", use, iamListPolicies)
	defineIAM("DeletePolicy", change, iamDeletePolicy)
	defineIAM("ListEntitiesForPolicy", use, iamListEntitiesForPolicy)
}

// policyView is a managed policy as IAM shows it.
type policyView struct {
	PolicyName                    string
	PolicyID                      string `json:"PolicyId"`
	ARN                           string `json:"Arn"`
	Path                          string
	DefaultVersionID              string `json:"DefaultVersionId"`
	AttachmentCount               int
	PermissionsBoundaryUsageCount int
	IsAttachable                  bool
	Description                   string `json:",omitempty"`
	CreateDate                    shape.Timestamp
	UpdateDate                    shape.Timestamp
	Tags                          *[]iamTag `json:",omitempty"`
}

// viewPolicy is the policy with its description and tags, even if it has none; a
// listing shows neither.
func (c *call) viewPolicy(m *identity.ManagedPolicy) policyView {
	v := c.listedPolicy(m)
	tags := iamTags(m.Tags)
	v.Description, v.Tags = m.Description, &tags
	return v
}

func (c *call) listedPolicy(m *identity.ManagedPolicy) policyView {
	used := c.home().Usage(m)
	return policyView{
		PolicyName: m.Name, PolicyID: m.ID, ARN: m.ARN, Path: m.Path, DefaultVersionID: m.Default().ID,
		AttachmentCount: used.Attachments, PermissionsBoundaryUsageCount: used.Boundaries, IsAttachable: true,
		CreateDate: shape.At(m.Created), UpdateDate: shape.At(m.Updated),
	}
}

type createPolicyInput struct {
	PolicyName     string   `json:"PolicyName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	Path           string   `json:"Path" aws:"min=1,max=512,pattern=((/[A-Za-z0-9.,+@=_-]+)*)/"`
	PolicyDocument string   `json:"PolicyDocument" aws:"required,min=1,max=131072,pattern=[\\t\\n\\r\\x20-\\x{FF}]+"`
	Description    string   `json:"Description" aws:"max=1000"`
	Tags           []iamTag `json:"Tags" aws:"max=50"`
}

type policyOutput struct {
	Policy policyView
}

func (o *policyOutput) responseElements() any {
	p := &o.Policy
	return map[string]any{"policy": map[string]any{
		"policyName": p.PolicyName, "policyId": p.PolicyID, "arn": p.ARN, "path": p.Path,
		"defaultVersionId": p.DefaultVersionID, "attachmentCount": p.AttachmentCount, "isAttachable": p.IsAttachable,
		"createDate": trailTime(p.CreateDate), "updateDate": trailTime(p.UpdateDate),
	}}
}

func iamCreatePolicy(c *call, in *createPolicyInput) (*policyOutput, error) {
	path := pathOf(in.Path)
	name := arn.Policy(c.account, path, in.PolicyName).String()
	tags, conds, err := creation(in.Tags, identity.PolicyTags, "")
	if err != nil {
		return nil, err
	}
	if err := c.judge("iam:CreatePolicy", plain(name), conds); err != nil {
		return nil, err
	}
	if _, taken := c.home().Policies.Find(in.PolicyName); taken {
		return nil, fault.New(fault.EntityAlreadyExists, "A policy called %s already exists. Duplicate names are not allowed.", in.PolicyName)
	}
	if err := managedDocument(in.PolicyDocument); err != nil {
		return nil, err
	}
	id, err := c.uniqueID(identity.PolicyPrefix)
	if err != nil {
		return nil, err
	}
	c.emit(&event.PolicyCreated{
		Policy: name, ID: id, Account: c.account, Name: in.PolicyName, Path: path, Description: in.Description,
		Document: in.PolicyDocument, Tags: tags, At: c.now(),
	})
	made := c.listedPolicy(c.st.Identities.Policy(name))
	if len(in.Tags) > 0 {
		made.Tags = &in.Tags
	}
	return &policyOutput{made}, nil
}

func managedDocument(document string) error {
	if _, err := readPolicy(iam.IdentityPolicy, document); err != nil {
		return err
	}
	if policySize(document) > identity.MaxManagedDocument {
		return overQuota("PolicySize", identity.MaxManagedDocument)
	}
	return nil
}

type policyARNInput struct {
	PolicyARN string `json:"PolicyArn" aws:"required,min=20,max=2048"`
}

func iamGetPolicy(c *call, in *policyARNInput) (*policyOutput, error) {
	m, err := c.onPolicy("iam:GetPolicy", in.PolicyARN)
	if err != nil {
		return nil, err
	}
	return &policyOutput{c.viewPolicy(m)}, nil
}

type listPoliciesInput struct {
	Scope             string `json:"Scope" aws:"enum=All|AWS|Local"`
	OnlyAttached      bool   `json:"OnlyAttached"`
	PathPrefix        string `json:"PathPrefix" aws:"min=1,max=512,pattern=((/[A-Za-z0-9.,+@=_-]+)*)/"`
	PolicyUsageFilter string `json:"PolicyUsageFilter" aws:"enum=PermissionsPolicy|PermissionsBoundary"`
	Marker            string `json:"Marker" aws:"min=1,max=320"`
	MaxItems          int    `json:"MaxItems" aws:"min=1,max=1000"`
}

type listPoliciesOutput struct {
	Policies []policyView
	iamMore
}

func iamListPolicies(c *call, in *listPoliciesInput) (*listPoliciesOutput, error) {
	if err := c.authorize("iam:ListPolicies", plain("*")); err != nil {
		return nil, err
	}
	fits := func(m *identity.ManagedPolicy) bool {
		used := c.home().Usage(m)
		switch {
		case in.Scope == "Local" && m.AWS(), in.Scope == "AWS" && !m.AWS(),
			in.OnlyAttached && used.Attachments == 0 && in.PolicyUsageFilter != "PermissionsBoundary",
			in.OnlyAttached && used.Boundaries == 0 && in.PolicyUsageFilter == "PermissionsBoundary",
			in.PolicyUsageFilter == "PermissionsBoundary" && used.Boundaries == 0,
			!strings.HasPrefix(m.Path, in.PathPrefix):
			return false
		}
		return true
	}
	list, more, err := iamPage(in.Marker, in.MaxItems, where(c.policiesAfter, fits), policyListKey, c.listedPolicy)
	return &listPoliciesOutput{list, more}, err
}

// policyListKey puts the account's own policies before those of AWS.
func policyListKey(m *identity.ManagedPolicy) string {
	if m.AWS() {
		return "aws:" + m.Name
	}
	return "own:" + m.Name
}

func (c *call) policiesAfter(key string) iter.Seq[*identity.ManagedPolicy] {
	return func(yield func(*identity.ManagedPolicy) bool) {
		own, isOwn := strings.CutPrefix(key, "own:")
		if isOwn || key == "" {
			for m := range c.home().Policies.After(own) {
				if !yield(m) {
					return
				}
			}
		}
		last, _ := strings.CutPrefix(key, "aws:")
		for _, m := range c.st.Identities.AWSPolicies() {
			if (isOwn || strings.ToLower(m.Name) > strings.ToLower(last)) && !yield(m) {
				return
			}
		}
	}
}

func iamDeletePolicy(c *call, in *policyARNInput) (*struct{}, error) {
	m, err := c.onOwnPolicy("iam:DeletePolicy", in.PolicyARN)
	if err != nil {
		return nil, err
	}
	switch {
	case c.home().Usage(m) != (identity.Usage{}):
		return nil, fault.New(fault.DeleteConflict, "Cannot delete a policy attached to entities.")
	case len(m.Versions()) > 1:
		return nil, fault.New(fault.DeleteConflict, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	c.emit(&event.PolicyDeleted{Policy: m.ARN})
	return nil, nil
}

type listEntitiesInput struct {
	PolicyARN         string `json:"PolicyArn" aws:"required,min=20,max=2048"`
	EntityFilter      string `json:"EntityFilter" aws:"enum=User|Role|Group|LocalManagedPolicy|AWSManagedPolicy"`
	PathPrefix        string `json:"PathPrefix" aws:"min=1,max=512,pattern=/[\\x21-\\x7F]*"`
	PolicyUsageFilter string `json:"PolicyUsageFilter" aws:"enum=PermissionsPolicy|PermissionsBoundary"`
	Marker            string `json:"Marker" aws:"min=1,max=320"`
	MaxItems          int    `json:"MaxItems" aws:"min=1,max=1000"`
}

type policyGroup struct {
	GroupName string
	GroupID   string `json:"GroupId"`
}

type policyUser struct {
	UserName string
	UserID   string `json:"UserId"`
}

type policyRole struct {
	RoleName string
	RoleID   string `json:"RoleId"`
}

type listEntitiesOutput struct {
	PolicyGroups []policyGroup
	PolicyUsers  []policyUser
	PolicyRoles  []policyRole
	iamMore
}

func iamListEntitiesForPolicy(c *call, in *listEntitiesInput) (*listEntitiesOutput, error) {
	m, err := c.onPolicy("iam:ListEntitiesForPolicy", in.PolicyARN)
	if err != nil {
		return nil, err
	}
	fits := func(e entityOf) bool {
		p := e.permissions()
		attached := p.HasAttached(m) && in.PolicyUsageFilter != "PermissionsBoundary"
		bounding := p.Boundary() == m && in.PolicyUsageFilter != "PermissionsPolicy"
		return (attached || bounding) && strings.HasPrefix(e.path(), in.PathPrefix) && (in.EntityFilter == "" || in.EntityFilter == e.kind())
	}
	list, more, err := iamPage(in.Marker, in.MaxItems, where(c.entitiesAfter, fits), entityOf.key, func(e entityOf) entityOf { return e })
	if err != nil {
		return nil, err
	}
	out := &listEntitiesOutput{PolicyGroups: []policyGroup{}, PolicyUsers: []policyUser{}, PolicyRoles: []policyRole{}, iamMore: more}
	for _, e := range list {
		switch {
		case e.group != nil:
			out.PolicyGroups = append(out.PolicyGroups, policyGroup{e.group.Name, e.group.ID})
		case e.user != nil:
			out.PolicyUsers = append(out.PolicyUsers, policyUser{e.user.Name, e.user.ID})
		case e.role != nil:
			out.PolicyRoles = append(out.PolicyRoles, policyRole{e.role.Name, e.role.ID})
		}
	}
	return out, nil
}
