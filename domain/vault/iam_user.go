package vault

import (
	"cmp"
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	defineIAM("CreateUser", change, iamCreateUser)
	defineIAM("GetUser", use, iamGetUser)
	defineIAM("ListUsers", use, iamListUsers)
	defineIAM("UpdateUser", change, iamUpdateUser)
	defineIAM("DeleteUser", change, iamDeleteUser)
}

// userView is a user as IAM shows it.
type userView struct {
	Path                string
	UserName            string `json:",omitempty"`
	UserID              string `json:"UserId"`
	ARN                 string `json:"Arn"`
	CreateDate          shape.Timestamp
	PermissionsBoundary *boundaryView `json:",omitempty"`
	Tags                []iamTag      `json:",omitempty"`
}

type boundaryView struct {
	PermissionsBoundaryType string
	PermissionsBoundaryARN  string `json:"PermissionsBoundaryArn"`
}

func viewBoundary(p *identity.Permissions) *boundaryView {
	if p.Boundary() == nil {
		return nil
	}
	return &boundaryView{"Policy", p.Boundary().ARN}
}

// viewUser is the user with its tags and boundary; a listing shows neither.
func viewUser(u *identity.User) userView {
	v := listedUser(u)
	v.PermissionsBoundary, v.Tags = viewBoundary(&u.Permissions), iamTags(u.Tags)
	return v
}

func listedUser(u *identity.User) userView {
	return userView{Path: u.Path, UserName: u.Name, UserID: u.ID, ARN: u.ARN, CreateDate: shape.At(u.Created)}
}

type createUserInput struct {
	Path                string   `json:"Path" aws:"min=1,max=512,pattern=(/)|(/[\\x21-\\x7E]+/)"`
	UserName            string   `json:"UserName" aws:"required,min=1,max=64,pattern=[\\w+=,.@-]+"`
	PermissionsBoundary string   `json:"PermissionsBoundary" aws:"min=20,max=2048"`
	Tags                []iamTag `json:"Tags" aws:"max=50"`
}

type userOutput struct {
	User userView
}

func (o *userOutput) responseElements() any {
	return map[string]any{"user": map[string]any{
		"path": o.User.Path, "userName": o.User.UserName, "userId": o.User.UserID, "arn": o.User.ARN,
		"createDate": trailTime(o.User.CreateDate),
	}}
}

func iamCreateUser(c *call, in *createUserInput) (*userOutput, error) {
	path := pathOf(in.Path)
	name := arn.User(c.account, path, in.UserName).String()
	tags, conds, err := creation(in.Tags, identity.PrincipalTags, in.PermissionsBoundary)
	if err != nil {
		return nil, err
	}
	if err := c.judge("iam:CreateUser", plain(name), conds); err != nil {
		return nil, err
	}
	if _, taken := c.home().Users.Find(in.UserName); taken {
		return nil, alreadyExists("User", in.UserName)
	}
	boundary, err := c.scope(in.PermissionsBoundary)
	if err != nil {
		return nil, err
	}
	id, err := c.uniqueID(identity.UserPrefix)
	if err != nil {
		return nil, err
	}
	c.emit(&event.UserCreated{User: id, Account: c.account, Name: in.UserName, Path: path, Tags: tags, At: c.now()})
	if boundary != nil {
		c.emit(&event.BoundarySet{Principal: id, Policy: boundary.ARN})
	}
	return &userOutput{viewUser(c.st.Identities.User(id))}, nil
}

// creation gives the tags of a new user, role or policy, and the conditions that its
// creation is judged with.
func creation(in []iamTag, keys identity.TagKey, boundary string) ([]event.Tag, []cond, error) {
	tags, err := newIAMTags(in, keys)
	if err != nil {
		return nil, nil, err
	}
	conds := []cond{withRequestTags(tags)}
	if boundary != "" {
		conds = append(conds, when("iam:permissionsboundary", boundary))
	}
	return tags, conds, nil
}

func pathOf(given string) string { return cmp.Or(given, "/") }

type getUserInput struct {
	UserName string `json:"UserName" aws:"min=1,max=128,pattern=[\\w+=,.@-]+"`
}

func iamGetUser(c *call, in *getUserInput) (*userOutput, error) {
	name, isUser, err := c.callerName(in.UserName)
	if err != nil {
		return nil, err
	}
	if !isUser {
		a := c.home()
		if err := c.judge("iam:GetUser", plain(a.RootARN()), nil); err != nil {
			return nil, err
		}
		return &userOutput{userView{Path: "/", UserID: a.ID, ARN: a.RootARN(), CreateDate: shape.At(a.Created)}}, nil
	}
	u, err := c.onUser("iam:GetUser", name)
	if err != nil {
		return nil, err
	}
	return &userOutput{viewUser(u)}, nil
}

// pathPageInput lists what lies under a path.
type pathPageInput struct {
	PathPrefix string `json:"PathPrefix" aws:"min=1,max=512,pattern=/[\\x21-\\x7F]*"`
	Marker     string `json:"Marker" aws:"min=1,max=320"`
	MaxItems   int    `json:"MaxItems" aws:"min=1,max=1000"`
}

// listed is the resource that listing entities of a kind is judged on: AWS
// writes the type and the path prefix.
func (c *call) listed(kind, prefix string) target {
	return plain("arn:aws:iam::" + c.account + ":" + kind + pathOf(prefix))
}

type listUsersOutput struct {
	Users []userView
	iamMore
}

func iamListUsers(c *call, in *pathPageInput) (*listUsersOutput, error) {
	if err := c.authorize("iam:ListUsers", c.listed("user", in.PathPrefix)); err != nil {
		return nil, err
	}
	under := where(c.home().Users.After, func(u *identity.User) bool { return strings.HasPrefix(u.Path, in.PathPrefix) })
	users, more, err := iamPage(in.Marker, in.MaxItems, under, func(u *identity.User) string { return u.Name }, listedUser)
	return &listUsersOutput{users, more}, err
}

type updateUserInput struct {
	UserName    string `json:"UserName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	NewPath     string `json:"NewPath" aws:"min=1,max=512,pattern=(/)|(/[\\x21-\\x7E]+/)"`
	NewUserName string `json:"NewUserName" aws:"min=1,max=64,pattern=[\\w+=,.@-]+"`
}

// iamUpdateUser needs the permission under the old name and under the new one,
// so that nobody moves a user to where policies about paths say otherwise.
func iamUpdateUser(c *call, in *updateUserInput) (*struct{}, error) {
	u, err := c.onUser("iam:UpdateUser", in.UserName)
	if err != nil {
		return nil, err
	}
	name, path := cmp.Or(in.NewUserName, u.Name), cmp.Or(in.NewPath, u.Path)
	if name == u.Name && path == u.Path {
		return nil, nil
	}
	if err := c.judge("iam:UpdateUser", plainTagged(arn.User(c.account, path, name).String(), u.Tags), nil); err != nil {
		return nil, err
	}
	if have, taken := c.home().Users.Find(name); taken && have != u {
		return nil, alreadyExists("User", name)
	}
	c.emit(&event.UserRenamed{User: u.ID, Name: name, Path: path})
	return nil, nil
}

type namedUserInput struct {
	UserName string `json:"UserName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
}

func iamDeleteUser(c *call, in *namedUserInput) (*struct{}, error) {
	u, err := c.onUser("iam:DeleteUser", in.UserName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(u.Attached()) > 0:
		return nil, deleteConflict("detach all policies")
	case len(u.Inline()) > 0:
		return nil, deleteConflict("delete policies")
	case len(u.AccessKeys()) > 0:
		return nil, deleteConflict("delete access keys")
	case len(u.Groups()) > 0:
		return nil, deleteConflict("remove users from group")
	}
	c.emit(&event.UserDeleted{User: u.ID})
	return nil, nil
}

// trailTime is a time in responseElements, as CloudTrail writes it.
func trailTime(t shape.Timestamp) string { return t.UTC().Format("Jan 2, 2006, 3:04:05 PM") }
