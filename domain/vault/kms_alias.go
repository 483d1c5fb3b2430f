package vault

import (
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("kms", "CreateAlias", change, kmsCreateAlias)
	define("kms", "UpdateAlias", change, kmsUpdateAlias)
	define("kms", "DeleteAlias", change, kmsDeleteAlias)
	define("kms", "ListAliases", use, kmsListAliases)
}

// AliasInput is the request of kms:CreateAlias and kms:UpdateAlias. The target is
// a key id or key ARN of the caller's own account.
type AliasInput struct {
	AliasName   string `json:"AliasName" aws:"required,min=1,max=256,pattern=^[a-zA-Z0-9:/_-]+$"`
	TargetKeyID string `json:"TargetKeyId" aws:"required,min=1,max=2048"`
}

func validAliasName(name string) error {
	rest, ok := strings.CutPrefix(name, "alias/")
	if !ok || rest == "" {
		return fault.New(fault.ValidationException, "Invalid identifier")
	}
	if strings.ContainsRune(rest, ':') {
		return fault.New(fault.ValidationException, "%s contains invalid characters for an alias", name)
	}
	return nil
}

// reservedAlias: names under alias/aws/ are those of AWS managed keys. AWS says no
// more than the code.
func reservedAlias(name string) error {
	if strings.HasPrefix(name, "alias/aws/") {
		return fault.New(fault.NotAuthorizedException, "")
	}
	return nil
}

func (c *call) aliasARN(name string) string { return arn.Alias(c.st.Region, c.account, name).String() }

// changeAlias judges the action on the alias, which has no policy of its own.
func (c *call) changeAlias(name, action string) error {
	aliasARN := c.aliasARN(name)
	c.resource(aliasARN)
	if err := c.authorize(action, plain(aliasARN)); err != nil {
		return err
	}
	return reservedAlias(name)
}

// aliasTarget: an alias names a key by its id or ARN, never by another alias.
func aliasTarget(in *AliasInput) error {
	_, resource, _ := strings.Cut(in.TargetKeyID, ":alias/")
	if resource != "" || strings.HasPrefix(in.TargetKeyID, "alias/") {
		return fault.New(fault.ValidationException, "Aliases must refer to keys. Not aliases")
	}
	return nil
}

func kmsCreateAlias(c *call, in *AliasInput) (*struct{}, error) {
	if !strings.HasPrefix(in.AliasName, "alias/") {
		return nil, fault.New(fault.ValidationException,
			`Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`)
	}
	if err := validAliasName(in.AliasName); err != nil {
		return nil, err
	}
	if err := aliasTarget(in); err != nil {
		return nil, err
	}
	if err := c.changeAlias(in.AliasName, "kms:CreateAlias"); err != nil {
		return nil, err
	}
	k, err := c.changeKey(in.TargetKeyID, "kms:CreateAlias")
	if err != nil {
		return nil, err
	}
	if _, taken := c.st.Keys.Alias(c.account, in.AliasName); taken {
		return nil, fault.New(fault.AlreadyExistsException, "An alias with the name %s already exists", c.aliasARN(in.AliasName))
	}
	if err := roomForAlias(k.Key); err != nil {
		return nil, err
	}
	c.emit(&event.AliasCreated{Alias: in.AliasName, Account: c.account, Key: k.ID, At: c.now()})
	return nil, nil
}

func roomForAlias(k *key.Key) error {
	if len(k.Aliases()) < key.MaxAliasesPerKey {
		return nil
	}
	return fault.New(fault.LimitExceededException, "%s has %d aliases, the most it can have.", k.ARN, key.MaxAliasesPerKey)
}

// existingAlias finds an alias of the caller's account. One of a key that is past
// its deletion date is gone with it.
func (c *call) existingAlias(name string) (*key.Alias, error) {
	a, ok := c.st.Keys.Alias(c.account, name)
	if !ok || a.Key.Gone(c.now()) {
		return nil, fault.New(fault.NotFoundException, "Alias %s is not found.", c.aliasARN(name))
	}
	return a, nil
}

func kmsUpdateAlias(c *call, in *AliasInput) (*struct{}, error) {
	if err := validAliasName(in.AliasName); err != nil {
		return nil, err
	}
	if err := aliasTarget(in); err != nil {
		return nil, err
	}
	a, err := c.existingAlias(in.AliasName)
	if err != nil {
		return nil, err
	}
	if err := c.changeAlias(in.AliasName, "kms:UpdateAlias"); err != nil {
		return nil, err
	}
	from := namedKey{Key: a.Key}
	if err := c.mayUse(&from, keysOnly, "kms:UpdateAlias"); err != nil {
		return nil, err
	}
	k, err := c.changeKey(in.TargetKeyID, "kms:UpdateAlias")
	if err != nil {
		return nil, err
	}
	if k.Key == a.Key {
		return nil, nil
	}
	if k.Family() != a.Key.Family() || k.Usage != a.Key.Usage {
		return nil, fault.New(fault.ValidationException, "Alias %s cannot be changed from key %s to key %s: their types or usages differ.", c.aliasARN(a.Name), a.Key.ARN, k.ARN)
	}
	if err := roomForAlias(k.Key); err != nil {
		return nil, err
	}
	c.emit(&event.AliasMoved{Alias: a.Name, Account: c.account, Key: k.ID, At: c.now()})
	return nil, nil
}

// DeleteAliasInput is the request of kms:DeleteAlias.
type DeleteAliasInput struct {
	AliasName string `json:"AliasName" aws:"required,min=1,max=256,pattern=^[a-zA-Z0-9:/_-]+$"`
}

func kmsDeleteAlias(c *call, in *DeleteAliasInput) (*struct{}, error) {
	if err := validAliasName(in.AliasName); err != nil {
		return nil, err
	}
	a, err := c.existingAlias(in.AliasName)
	if err != nil {
		return nil, err
	}
	if err := c.changeAlias(in.AliasName, "kms:DeleteAlias"); err != nil {
		return nil, err
	}
	k := namedKey{Key: a.Key}
	if err := c.mayUse(&k, keysOnly, "kms:DeleteAlias"); err != nil {
		return nil, err
	}
	c.emit(&event.AliasDeleted{Alias: a.Name, Account: c.account})
	return nil, nil
}

// ListAliasesInput is the request of kms:ListAliases.
type ListAliasesInput struct {
	KeyID  string `json:"KeyId" aws:"min=1,max=2048"`
	Limit  int    `json:"Limit" aws:"min=1,max=100"`
	Marker string `json:"Marker" aws:"min=1,max=1024"`
}

// ListAliasesOutput is the reply of kms:ListAliases, sorted by name.
type ListAliasesOutput struct {
	Aliases    []AliasEntry
	NextMarker string `json:",omitempty"`
	Truncated  bool
}

// AliasEntry is one alias of a listing.
type AliasEntry struct {
	AliasName       string
	AliasArn        string
	TargetKeyID     string          `json:"TargetKeyId,omitempty"` // absent for a predefined alias without a key
	CreationDate    shape.Timestamp `json:",omitzero"`
	LastUpdatedDate shape.Timestamp `json:",omitzero"`
}

func kmsListAliases(c *call, in *ListAliasesInput) (*ListAliasesOutput, error) {
	if err := c.authorize("kms:ListAliases", plain("*")); err != nil {
		return nil, err
	}
	after, err := markedName(in.Marker)
	if err != nil {
		return nil, err
	}
	aliases, predefined := c.st.Keys.AliasesAfter(c.account, after), c.predefinedAlias(after)
	if in.KeyID != "" {
		k, err := c.findKey(in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if k.Account != c.account {
			return nil, key.NotFound(k.ARN)
		}
		aliases, predefined = k.AliasesAfter(after), nil
	}
	limit := in.Limit
	if limit == 0 {
		limit = 50
	}
	out := &ListAliasesOutput{Aliases: []AliasEntry{}}
	add := func(e AliasEntry) bool {
		if len(out.Aliases) == limit {
			out.Truncated, out.NextMarker = true, nameMarker(out.Aliases[limit-1].AliasName)
			return false
		}
		out.Aliases = append(out.Aliases, e)
		return true
	}
	for _, a := range aliases {
		if a.Key.Gone(c.now()) {
			continue
		}
		if predefined != nil && predefined.AliasName < a.Name {
			if !add(*predefined) {
				return out, nil
			}
			predefined = nil
		}
		if !add(AliasEntry{
			AliasName: a.Name, AliasArn: c.aliasARN(a.Name), TargetKeyID: a.Key.ID,
			CreationDate: shape.At(a.Created), LastUpdatedDate: shape.At(a.Updated),
		}) {
			return out, nil
		}
	}
	if predefined != nil {
		add(*predefined)
	}
	return out, nil
}
