package vault

import (
	"fmt"
	"io"
	"slices"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("keytrail", "CreateAccount", change, keytrailCreateAccount)
	define("keytrail", "ListAccounts", use, keytrailListAccounts)
}

// AdministratorName is the user that every account begins with.
const AdministratorName = "admin"

var administratorAccess = arn.Policy("aws", "/", "AdministratorAccess").String()

// Administrator is the first user of an account with its access key, whose
// secret is seen this once. Wipe it with Secret.Zero.
type Administrator struct {
	Account   string
	UserName  string
	AccessKey string
	Secret    identity.SecretKey
}

// foundAccount emits an account with its administrator: a user with
// AdministratorAccess, and not the root, which nobody needs from day to day.
func (c *call) foundAccount(account, name string) (Administrator, error) {
	user, err := c.uniqueID(identity.UserPrefix)
	if err != nil {
		return Administrator{}, err
	}
	made, secret, err := c.newAccessKey(account, user)
	if err != nil {
		return Administrator{}, err
	}
	c.emit(&event.AccountCreated{Account: account, Name: name, At: c.now()})
	c.emit(&event.UserCreated{User: user, Account: account, Name: AdministratorName, Path: "/", At: c.now()})
	c.emit(&event.PolicyAttached{Principal: user, Policy: administratorAccess})
	c.emit(made)
	return Administrator{Account: account, UserName: AdministratorName, AccessKey: made.AccessKey, Secret: secret}, nil
}

type createAccountInput struct {
	AccountID   string `json:"AccountId" aws:"pattern=[0-9]{12}"` // random if absent
	AccountName string `json:"AccountName" aws:"required,min=1,max=50,pattern=[\\x20-\\x7E]+"`
}

type createAccountOutput struct {
	account *identity.Account
	admin   Administrator
	key     *identity.AccessKey
}

func (o *createAccountOutput) wipe() { o.admin.Secret.Zero() }

// AppendJSON appends the reply: the account, and the credentials of its
// administrator as iam:CreateAccessKey shows them.
func (o *createAccountOutput) AppendJSON(dst []byte) []byte {
	dst = event.AppendString(append(slices.Grow(dst, 768), `{"Account":{"Id":`...), o.account.ID)
	dst = event.AppendString(append(dst, `,"Name":`...), o.account.Name)
	dst = shape.At(o.account.Created).AppendJSON(append(dst, `,"CreateDate":`...))
	dst = appendAccessKey(append(dst, `},"AccessKey":`...), o.admin.UserName, o.key, o.admin.Secret)
	return append(dst, '}')
}

func (o *createAccountOutput) responseElements() any {
	return map[string]any{
		"account":   map[string]any{"id": o.account.ID, "name": o.account.Name},
		"accessKey": map[string]any{"userName": o.admin.UserName, "accessKeyId": o.key.ID},
	}
}

// fromManagement judges an action that only the installation's first account may
// take, whatever the policies of others say.
func (c *call) fromManagement(action string) error {
	if m := c.st.Identities.Management(); c.account != m.ID {
		return fault.New(fault.AccessDeniedException, "%s is for principals of the management account %s.", action, m.ID)
	}
	return c.authorize(action, plain("*"))
}

func keytrailCreateAccount(c *call, in *createAccountInput) (*createAccountOutput, error) {
	if err := c.fromManagement("keytrail:CreateAccount"); err != nil {
		return nil, err
	}
	id := in.AccountID
	if id == "" {
		var err error
		if id, err = c.accountID(); err != nil {
			return nil, err
		}
	}
	if c.st.Identities.Account(id) != nil {
		return nil, fault.New(fault.AlreadyExistsException, "The account %s exists already.", id)
	}
	c.resource(arn.Root(id).String())
	admin, err := c.foundAccount(id, in.AccountName)
	if err != nil {
		return nil, err
	}
	return &createAccountOutput{c.st.Identities.Account(id), admin, c.st.Identities.AccessKey(admin.AccessKey)}, nil
}

// accountID draws twelve digits that no account has, the first not a zero.
func (c *call) accountID() (string, error) {
	for {
		var b [12]byte
		if _, err := io.ReadFull(c.env.Entropy, b[:]); err != nil {
			return "", fmt.Errorf("draw an account id: %w", err)
		}
		b[0] = '1' + b[0]%9
		for i := 1; i < len(b); i++ {
			b[i] = '0' + b[i]%10
		}
		if id := string(b[:]); c.st.Identities.Account(id) == nil {
			return id, nil
		}
	}
}

type listAccountsInput struct {
	MaxResults int    `json:"MaxResults" aws:"min=1,max=1000"`
	NextToken  string `json:"NextToken" aws:"pattern=[0-9]{12}"`
}

type accountView struct {
	ID         string `json:"Id"`
	Name       string `json:",omitempty"`
	CreateDate shape.Timestamp
}

type listAccountsOutput struct {
	Accounts  []accountView
	NextToken string `json:",omitempty"`
}

func keytrailListAccounts(c *call, in *listAccountsInput) (*listAccountsOutput, error) {
	if err := c.fromManagement("keytrail:ListAccounts"); err != nil {
		return nil, err
	}
	limit := in.MaxResults
	if limit == 0 {
		limit = iamPageSize
	}
	out := &listAccountsOutput{Accounts: []accountView{}}
	for a := range c.st.Identities.Accounts() {
		if a.ID <= in.NextToken {
			continue
		}
		if len(out.Accounts) == limit {
			out.NextToken = out.Accounts[limit-1].ID
			break
		}
		out.Accounts = append(out.Accounts, accountView{a.ID, a.Name, shape.At(a.Created)})
	}
	return out, nil
}
