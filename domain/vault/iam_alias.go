package vault

import (
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
)

func init() {
	defineIAM("CreateAccountAlias", change, iamCreateAccountAlias)
	defineIAM("DeleteAccountAlias", change, iamDeleteAccountAlias)
	defineIAM("ListAccountAliases", use, iamListAccountAliases)
}

type accountAliasInput struct {
	AccountAlias string `json:"AccountAlias" aws:"required,min=3,max=63,pattern=[a-z0-9]+(-[a-z0-9]+)*"`
}

// iamCreateAccountAlias names the account. It has one alias: a new one takes the
// place of the old.
func iamCreateAccountAlias(c *call, in *accountAliasInput) (*struct{}, error) {
	if err := c.authorize("iam:CreateAccountAlias", plain("*")); err != nil {
		return nil, err
	}
	switch c.st.Identities.AccountByAlias(in.AccountAlias) {
	case nil:
		c.emit(&event.AccountAliasSet{Account: c.account, Alias: in.AccountAlias})
	case c.home():
	default:
		return nil, fault.New(fault.EntityAlreadyExists, "The account alias %s already exists.", in.AccountAlias)
	}
	return nil, nil
}

func iamDeleteAccountAlias(c *call, in *accountAliasInput) (*struct{}, error) {
	if err := c.authorize("iam:DeleteAccountAlias", plain("*")); err != nil {
		return nil, err
	}
	if c.home().Alias != in.AccountAlias {
		return nil, fault.New(fault.NoSuchEntity, "The account alias with name %s cannot be found.", in.AccountAlias)
	}
	c.emit(&event.AccountAliasRemoved{Account: c.account})
	return nil, nil
}

type aliasPageInput struct {
	Marker   string `json:"Marker" aws:"min=1,max=320"`
	MaxItems int    `json:"MaxItems" aws:"min=1,max=1000"`
}

type accountAliasesOutput struct {
	AccountAliases []string
	iamMore
}

func iamListAccountAliases(c *call, _ *aliasPageInput) (*accountAliasesOutput, error) {
	if err := c.authorize("iam:ListAccountAliases", plain("*")); err != nil {
		return nil, err
	}
	out := &accountAliasesOutput{AccountAliases: []string{}}
	if alias := c.home().Alias; alias != "" {
		out.AccountAliases = append(out.AccountAliases, alias)
	}
	return out, nil
}
