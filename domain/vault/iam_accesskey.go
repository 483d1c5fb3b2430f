package vault

import (
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	defineIAM("CreateAccessKey", change, iamCreateAccessKey)
	defineIAM("ListAccessKeys", use, iamListAccessKeys)
	defineIAM("UpdateAccessKey", change, iamUpdateAccessKey)
	defineIAM("DeleteAccessKey", change, iamDeleteAccessKey)
}

const (
	keyActive   = "Active"
	keyInactive = "Inactive"
)

func keyStatus(k *identity.AccessKey) string {
	if k.Active {
		return keyActive
	}
	return keyInactive
}

// keyOwner is whose access keys a request is about: a user's or, when the root
// speaks of its own, the account's.
type keyOwner struct {
	user *identity.User
	keys []*identity.AccessKey
}

func (o *keyOwner) name() string {
	if o.user == nil {
		return ""
	}
	return o.user.Name
}

func (o *keyOwner) find(id string) (*identity.AccessKey, error) {
	for _, k := range o.keys {
		if k.ID == id {
			return k, nil
		}
	}
	return nil, fault.New(fault.NoSuchEntity, "The Access Key with id %s cannot be found.", id)
}

// onKeyOwner judges an action on the owner that a request names or, when it
// names none, on the caller.
func (c *call) onKeyOwner(action, given string) (keyOwner, error) {
	name, isUser, err := c.callerName(given)
	if err != nil {
		return keyOwner{}, err
	}
	if !isUser {
		return keyOwner{keys: c.home().RootKeys()}, c.judge(action, plain(c.home().RootARN()), nil)
	}
	u, err := c.onUser(action, name)
	if err != nil {
		return keyOwner{}, err
	}
	return keyOwner{user: u, keys: u.AccessKeys()}, nil
}

type keyOwnerInput struct {
	UserName string `json:"UserName" aws:"min=1,max=128,pattern=[\\w+=,.@-]+"`
}

// createKeyOutput shows a new access key: the only time that its secret leaves.
type createKeyOutput struct {
	userName string
	key      *identity.AccessKey
	secret   identity.SecretKey
}

func (o *createKeyOutput) wipe() { o.secret.Zero() }

// AppendJSON appends the reply. encoding/json would leave the secret in buffers
// that it keeps.
func (o *createKeyOutput) AppendJSON(dst []byte) []byte {
	dst = append(slices.Grow(dst, 512), `{"AccessKey":`...)
	return append(appendAccessKey(dst, o.userName, o.key, o.secret), '}')
}

func appendAccessKey(dst []byte, userName string, k *identity.AccessKey, secret identity.SecretKey) []byte {
	dst = event.AppendString(append(dst, `{"UserName":`...), userName)
	dst = event.AppendString(append(dst, `,"AccessKeyId":`...), k.ID)
	dst = event.AppendString(append(dst, `,"Status":`...), keyStatus(k))
	dst = append(append(append(dst, `,"SecretAccessKey":"`...), secret.Expose()...), `","CreateDate":`...)
	return append(shape.At(k.Created).AppendJSON(dst), '}')
}

func (o *createKeyOutput) responseElements() any {
	return map[string]any{"accessKey": map[string]any{
		"userName": o.userName, "accessKeyId": o.key.ID, "status": keyStatus(o.key), "createDate": trailTime(shape.At(o.key.Created)),
	}}
}

func iamCreateAccessKey(c *call, in *keyOwnerInput) (*createKeyOutput, error) {
	o, err := c.onKeyOwner("iam:CreateAccessKey", in.UserName)
	if err != nil {
		return nil, err
	}
	if len(o.keys) >= identity.MaxAccessKeys {
		return nil, overQuota("AccessKeysPerUser", identity.MaxAccessKeys)
	}
	userID := ""
	if o.user != nil {
		userID = o.user.ID
	}
	made, secret, err := c.newAccessKey(c.account, userID)
	if err != nil {
		return nil, err
	}
	c.emit(made)
	return &createKeyOutput{o.name(), c.st.Identities.AccessKey(made.AccessKey), secret}, nil
}

// newAccessKey makes an access key and stages its sealed secret. The caller
// emits the event, and wipes the secret when the reply is sent.
func (c *call) newAccessKey(account, user string) (*event.AccessKeyCreated, identity.SecretKey, error) {
	none := identity.SecretKey{}
	id, err := c.uniqueID(identity.AccessKeyPrefix)
	if err != nil {
		return nil, none, err
	}
	secret, err := identity.NewSecretKey(c.env.Entropy)
	if err != nil {
		return nil, none, err
	}
	sealed, err := identity.SealSecretKey(c.env.Root, c.env.Entropy, id, secret)
	if err != nil {
		secret.Zero()
		return nil, none, err
	}
	ring, commitment, err := c.seal(sealed)
	if err != nil {
		secret.Zero()
		return nil, none, err
	}
	return &event.AccessKeyCreated{AccessKey: id, Account: account, User: user, Ring: ring, Commitment: commitment, At: c.now()}, secret, nil
}

type listKeysInput struct {
	UserName string `json:"UserName" aws:"min=1,max=128,pattern=[\\w+=,.@-]+"`
	Marker   string `json:"Marker" aws:"min=1,max=320"`
	MaxItems int    `json:"MaxItems" aws:"min=1,max=1000"`
}

type accessKeyView struct {
	UserName    string `json:",omitempty"`
	AccessKeyID string `json:"AccessKeyId"`
	Status      string
	CreateDate  shape.Timestamp
}

type listKeysOutput struct {
	AccessKeyMetadata []accessKeyView
	iamMore
}

func iamListAccessKeys(c *call, in *listKeysInput) (*listKeysOutput, error) {
	o, err := c.onKeyOwner("iam:ListAccessKeys", in.UserName)
	if err != nil {
		return nil, err
	}
	keys := slices.Clone(o.keys)
	slices.SortFunc(keys, func(a, b *identity.AccessKey) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	key := func(k *identity.AccessKey) string { return k.ID }
	view := func(k *identity.AccessKey) accessKeyView {
		return accessKeyView{o.name(), k.ID, keyStatus(k), shape.At(k.Created)}
	}
	list, more, err := iamPage(in.Marker, in.MaxItems, behind(keys, key), key, view)
	return &listKeysOutput{list, more}, err
}

type updateKeyInput struct {
	UserName    string `json:"UserName" aws:"min=1,max=128,pattern=[\\w+=,.@-]+"`
	AccessKeyID string `json:"AccessKeyId" aws:"required,min=16,max=128,pattern=\\w+"`
	Status      string `json:"Status" aws:"required,enum=Active|Inactive"`
}

func iamUpdateAccessKey(c *call, in *updateKeyInput) (*struct{}, error) {
	o, err := c.onKeyOwner("iam:UpdateAccessKey", in.UserName)
	if err != nil {
		return nil, err
	}
	k, err := o.find(in.AccessKeyID)
	switch {
	case err != nil:
		return nil, err
	case in.Status == keyStatus(k):
	case in.Status == keyActive:
		c.emit(&event.AccessKeyActivated{AccessKey: k.ID})
	default:
		c.emit(&event.AccessKeyDeactivated{AccessKey: k.ID})
	}
	return nil, nil
}

type deleteKeyInput struct {
	UserName    string `json:"UserName" aws:"min=1,max=128,pattern=[\\w+=,.@-]+"`
	AccessKeyID string `json:"AccessKeyId" aws:"required,min=16,max=128,pattern=\\w+"`
}

// iamDeleteAccessKey erases the sealed secret too, once the record is on disk.
func iamDeleteAccessKey(c *call, in *deleteKeyInput) (*struct{}, error) {
	o, err := c.onKeyOwner("iam:DeleteAccessKey", in.UserName)
	if err != nil {
		return nil, err
	}
	k, err := o.find(in.AccessKeyID)
	if err != nil {
		return nil, err
	}
	c.emit(&event.AccessKeyDeleted{AccessKey: k.ID})
	c.erase(k.Ring)
	return nil, nil
}
