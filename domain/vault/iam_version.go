package vault

import (
	"fmt"
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	defineIAM("CreatePolicyVersion", change, iamCreatePolicyVersion)
	defineIAM("GetPolicyVersion", use, iamGetPolicyVersion)
	defineIAM("ListPolicyVersions", use, iamListPolicyVersions)
	defineIAM("SetDefaultPolicyVersion", change, iamSetDefaultPolicyVersion)
	defineIAM("DeletePolicyVersion", change, iamDeletePolicyVersion)
}

// versionView is a version of a managed policy as IAM shows it. Document is
// plain JSON, and absent from listings.
type versionView struct {
	Document         string `json:",omitempty"`
	VersionID        string `json:"VersionId"`
	IsDefaultVersion bool
	CreateDate       shape.Timestamp
}

func viewVersion(m *identity.ManagedPolicy, v *identity.PolicyVersion) versionView {
	return versionView{VersionID: v.ID, IsDefaultVersion: v == m.Default(), CreateDate: shape.At(v.Created)}
}

type versionOutput struct {
	PolicyVersion versionView
}

func (o *versionOutput) responseElements() any {
	v := &o.PolicyVersion
	return map[string]any{"policyVersion": map[string]any{
		"versionId": v.VersionID, "isDefaultVersion": v.IsDefaultVersion, "createDate": trailTime(v.CreateDate),
	}}
}

type createVersionInput struct {
	PolicyARN      string `json:"PolicyArn" aws:"required,min=20,max=2048"`
	PolicyDocument string `json:"PolicyDocument" aws:"required,min=1,max=131072,pattern=[\\t\\n\\r\\x20-\\x{FF}]+"`
	SetAsDefault   bool   `json:"SetAsDefault"`
}

func iamCreatePolicyVersion(c *call, in *createVersionInput) (*versionOutput, error) {
	m, err := c.onOwnPolicy("iam:CreatePolicyVersion", in.PolicyARN)
	if err != nil {
		return nil, err
	}
	if err := managedDocument(in.PolicyDocument); err != nil {
		return nil, err
	}
	if len(m.Versions()) >= identity.MaxVersions {
		return nil, fault.New(fault.LimitExceeded, "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", identity.MaxVersions)
	}
	id := m.NextVersion()
	c.emit(&event.PolicyVersionCreated{Policy: m.ARN, Version: id, Document: in.PolicyDocument, Default: in.SetAsDefault, At: c.now()})
	return &versionOutput{viewVersion(m, m.Version(id))}, nil
}

type versionInput struct {
	PolicyARN string `json:"PolicyArn" aws:"required,min=20,max=2048"`
	VersionID string `json:"VersionId" aws:"required,pattern=v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?"`
}

func noVersion(in *versionInput) error {
	return fault.New(fault.NoSuchEntity, "Policy %s version %s does not exist or is not attachable.", in.PolicyARN, in.VersionID)
}

// version finds what a request names, a policy that does not exist being missed as
// its version is.
func (in *versionInput) version(c *call, action string, find func(*call, string, string, ...cond) (*identity.ManagedPolicy, error)) (*identity.ManagedPolicy, *identity.PolicyVersion, error) {
	m, err := find(c, action, in.PolicyARN)
	if fault.Is(err, fault.NoSuchEntity) {
		return nil, nil, noVersion(in)
	}
	if err != nil {
		return nil, nil, err
	}
	v := m.Version(in.VersionID)
	if v == nil {
		return nil, nil, noVersion(in)
	}
	return m, v, nil
}

func iamGetPolicyVersion(c *call, in *versionInput) (*versionOutput, error) {
	m, v, err := in.version(c, "iam:GetPolicyVersion", (*call).onPolicy)
	if err != nil {
		return nil, err
	}
	view := viewVersion(m, v)
	view.Document = v.Policy().Document()
	return &versionOutput{view}, nil
}

type policyPageInput struct {
	PolicyARN string `json:"PolicyArn" aws:"required,min=20,max=2048"`
	Marker    string `json:"Marker" aws:"min=1,max=320"`
	MaxItems  int    `json:"MaxItems" aws:"min=1,max=1000"`
}

type listVersionsOutput struct {
	Versions []versionView
	iamMore
}

// iamListPolicyVersions shows the newest first.
func iamListPolicyVersions(c *call, in *policyPageInput) (*listVersionsOutput, error) {
	m, err := c.onPolicy("iam:ListPolicyVersions", in.PolicyARN)
	if err != nil {
		return nil, err
	}
	newest := slices.Clone(m.Versions())
	slices.Reverse(newest)
	// Ids count up, so what is left of them to a bound sorts the newest first.
	key := func(v *identity.PolicyVersion) string { return fmt.Sprintf("%09d", 999_999_999-v.Number) }
	versions, more, err := iamPage(in.Marker, in.MaxItems, behind(newest, key), key, func(v *identity.PolicyVersion) versionView { return viewVersion(m, v) })
	return &listVersionsOutput{versions, more}, err
}

func iamSetDefaultPolicyVersion(c *call, in *versionInput) (*struct{}, error) {
	m, v, err := in.version(c, "iam:SetDefaultPolicyVersion", (*call).onOwnPolicy)
	if err != nil {
		return nil, err
	}
	if v != m.Default() {
		c.emit(&event.PolicyDefaultVersionSet{Policy: m.ARN, Version: v.ID, At: c.now()})
	}
	return nil, nil
}

func iamDeletePolicyVersion(c *call, in *versionInput) (*struct{}, error) {
	m, v, err := in.version(c, "iam:DeletePolicyVersion", (*call).onOwnPolicy)
	if err != nil {
		return nil, err
	}
	if v == m.Default() {
		return nil, fault.New(fault.DeleteConflict, "Cannot delete the default version of a policy.")
	}
	c.emit(&event.PolicyVersionDeleted{Policy: m.ARN, Version: v.ID})
	return nil, nil
}
