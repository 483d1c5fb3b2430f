package vault

import (
	"cmp"
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	defineIAM("CreateGroup", change, iamCreateGroup)
	defineIAM("GetGroup", use, iamGetGroup)
	defineIAM("ListGroups", use, iamListGroups)
	defineIAM("UpdateGroup", change, iamUpdateGroup)
	defineIAM("DeleteGroup", change, iamDeleteGroup)
	defineIAM("AddUserToGroup", change, iamAddUserToGroup)
	defineIAM("RemoveUserFromGroup", change, iamRemoveUserFromGroup)
	defineIAM("ListGroupsForUser", use, iamListGroupsForUser)
}

// groupView is a group as IAM shows it.
type groupView struct {
	Path       string
	GroupName  string
	GroupID    string `json:"GroupId"`
	ARN        string `json:"Arn"`
	CreateDate shape.Timestamp
}

func viewGroup(g *identity.Group) groupView {
	return groupView{Path: g.Path, GroupName: g.Name, GroupID: g.ID, ARN: g.ARN, CreateDate: shape.At(g.Created)}
}

func groupKey(g *identity.Group) string { return g.Name }

type createGroupInput struct {
	Path      string `json:"Path" aws:"min=1,max=512,pattern=(/)|(/[\\x21-\\x7E]+/)"`
	GroupName string `json:"GroupName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
}

type groupOutput struct {
	Group groupView
}

func (o *groupOutput) responseElements() any {
	return map[string]any{"group": map[string]any{
		"path": o.Group.Path, "groupName": o.Group.GroupName, "groupId": o.Group.GroupID, "arn": o.Group.ARN,
		"createDate": trailTime(o.Group.CreateDate),
	}}
}

func iamCreateGroup(c *call, in *createGroupInput) (*groupOutput, error) {
	path := pathOf(in.Path)
	if err := c.judge("iam:CreateGroup", plain(arn.Group(c.account, path, in.GroupName).String()), nil); err != nil {
		return nil, err
	}
	if _, taken := c.home().Groups.Find(in.GroupName); taken {
		return nil, alreadyExists("Group", in.GroupName)
	}
	id, err := c.uniqueID(identity.GroupPrefix)
	if err != nil {
		return nil, err
	}
	c.emit(&event.GroupCreated{Group: id, Account: c.account, Name: in.GroupName, Path: path, At: c.now()})
	return &groupOutput{viewGroup(c.st.Identities.Group(id))}, nil
}

type groupPageInput struct {
	GroupName string `json:"GroupName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	Marker    string `json:"Marker" aws:"min=1,max=320"`
	MaxItems  int    `json:"MaxItems" aws:"min=1,max=1000"`
}

type getGroupOutput struct {
	Group groupView
	Users []userView
	iamMore
}

func iamGetGroup(c *call, in *groupPageInput) (*getGroupOutput, error) {
	g, err := c.onGroup("iam:GetGroup", in.GroupName)
	if err != nil {
		return nil, err
	}
	key := func(u *identity.User) string { return strings.ToLower(u.Name) }
	users, more, err := iamPage(in.Marker, in.MaxItems, behind(g.Members(), key), key, listedUser)
	return &getGroupOutput{viewGroup(g), users, more}, err
}

type listGroupsOutput struct {
	Groups []groupView
	iamMore
}

func iamListGroups(c *call, in *pathPageInput) (*listGroupsOutput, error) {
	if err := c.authorize("iam:ListGroups", c.listed("group", in.PathPrefix)); err != nil {
		return nil, err
	}
	under := where(c.home().Groups.After, func(g *identity.Group) bool { return strings.HasPrefix(g.Path, in.PathPrefix) })
	groups, more, err := iamPage(in.Marker, in.MaxItems, under, groupKey, viewGroup)
	return &listGroupsOutput{groups, more}, err
}

type updateGroupInput struct {
	GroupName    string `json:"GroupName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	NewPath      string `json:"NewPath" aws:"min=1,max=512,pattern=(/)|(/[\\x21-\\x7E]+/)"`
	NewGroupName string `json:"NewGroupName" aws:"min=1,max=128,pattern=[\\w+=,.@-]+"`
}

func iamUpdateGroup(c *call, in *updateGroupInput) (*struct{}, error) {
	g, err := c.onGroup("iam:UpdateGroup", in.GroupName)
	if err != nil {
		return nil, err
	}
	name, path := cmp.Or(in.NewGroupName, g.Name), cmp.Or(in.NewPath, g.Path)
	if name == g.Name && path == g.Path {
		return nil, nil
	}
	if err := c.judge("iam:UpdateGroup", plain(arn.Group(c.account, path, name).String()), nil); err != nil {
		return nil, err
	}
	if have, taken := c.home().Groups.Find(name); taken && have != g {
		return nil, alreadyExists("Group", name)
	}
	c.emit(&event.GroupRenamed{Group: g.ID, Name: name, Path: path})
	return nil, nil
}

type namedGroupInput struct {
	GroupName string `json:"GroupName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
}

func iamDeleteGroup(c *call, in *namedGroupInput) (*struct{}, error) {
	g, err := c.onGroup("iam:DeleteGroup", in.GroupName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(g.Attached()) > 0:
		return nil, deleteConflict("detach all policies")
	case len(g.Inline()) > 0:
		return nil, deleteConflict("delete policies")
	case len(g.Members()) > 0:
		return nil, deleteConflict("remove users from group")
	}
	c.emit(&event.GroupDeleted{Group: g.ID})
	return nil, nil
}

type membershipInput struct {
	GroupName string `json:"GroupName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	UserName  string `json:"UserName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
}

// membership judges a change of a group's members: the group is what guards it.
// Of two that do not exist it is the user that is missed.
func (c *call) membership(action string, in *membershipInput) (u *identity.User, g *identity.Group, member bool, err error) {
	g, err = c.onGroup(action, in.GroupName)
	if err != nil && !fault.Is(err, fault.NoSuchEntity) {
		return nil, nil, false, err
	}
	u, ok := c.home().Users.Find(in.UserName)
	switch {
	case !ok:
		return nil, nil, false, noSuch("user", in.UserName)
	case err != nil:
		return nil, nil, false, err
	}
	for _, have := range u.Groups() {
		member = member || have == g
	}
	return u, g, member, nil
}

func iamAddUserToGroup(c *call, in *membershipInput) (*struct{}, error) {
	u, g, member, err := c.membership("iam:AddUserToGroup", in)
	switch {
	case err != nil || member:
		return nil, err
	case len(u.Groups()) >= identity.MaxGroupsPerUser:
		return nil, overQuota("GroupsPerUser", identity.MaxGroupsPerUser)
	}
	c.emit(&event.UserAddedToGroup{User: u.ID, Group: g.ID})
	return nil, nil
}

func iamRemoveUserFromGroup(c *call, in *membershipInput) (*struct{}, error) {
	u, g, member, err := c.membership("iam:RemoveUserFromGroup", in)
	if err != nil || !member {
		return nil, err
	}
	c.emit(&event.UserRemovedFromGroup{User: u.ID, Group: g.ID})
	return nil, nil
}

type userPageInput struct {
	UserName string `json:"UserName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
	Marker   string `json:"Marker" aws:"min=1,max=320"`
	MaxItems int    `json:"MaxItems" aws:"min=1,max=1000"`
}

func iamListGroupsForUser(c *call, in *userPageInput) (*listGroupsOutput, error) {
	u, err := c.onUser("iam:ListGroupsForUser", in.UserName)
	if err != nil {
		return nil, err
	}
	key := func(g *identity.Group) string { return strings.ToLower(g.Name) }
	groups, more, err := iamPage(in.Marker, in.MaxItems, behind(u.Groups(), key), key, viewGroup)
	return &listGroupsOutput{groups, more}, err
}
