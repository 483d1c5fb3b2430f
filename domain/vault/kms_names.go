package vault

import (
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

// names says which names of a key an operation accepts. Where AWS takes a key id
// or key ARN only, an alias is refused rather than followed, so that moving an
// alias never changes whom an administrator's command hits.
type names uint8

const (
	keysOnly     names = 0
	aliasesToo   names = 1 << 0 // alias names and alias ARNs as well
	otherAccount names = 1 << 1 // usable on another account's key, named by ARN
)

// namedKey is a key as a request named it.
type namedKey struct {
	*key.Key
	alias string // "alias/…" when it was named by alias
}

// conds gives the conditions of a judgement on the key, with kms:RequestAlias when the key
// was named by an alias.
func (k *namedKey) conds(more ...cond) []cond {
	if k.alias != "" {
		more = append(more, when("kms:requestalias", k.alias))
	}
	return more
}

// findKey finds the key that a request names by key id, key ARN, alias name or
// alias ARN. A key whose deletion window has ended does not exist.
func (c *call) findKey(id string, accept names) (namedKey, error) {
	var none namedKey
	account, resource := c.account, id
	if strings.HasPrefix(id, "arn:") {
		a, err := arn.Parse(id)
		if err != nil || a.Partition != arn.Partition || a.Service != "kms" {
			return none, fault.New(fault.InvalidArnException, "Invalid arn %s", id)
		}
		if a.Region != c.st.Region {
			return none, fault.New(fault.NotFoundException, "Invalid arn %s", a.Region)
		}
		account, resource = a.Account, a.Resource
		if rest, ok := strings.CutPrefix(resource, "key/"); ok {
			return c.keyByID(account, rest, id)
		}
		if !strings.HasPrefix(resource, "alias/") {
			return none, fault.New(fault.InvalidArnException, "Invalid arn %s", id)
		}
	}
	if !strings.HasPrefix(resource, "alias/") {
		return c.keyByID(account, resource, id)
	}
	if accept&aliasesToo == 0 {
		if resource != id {
			return none, fault.New(fault.InvalidArnException, "Invalid arn %s: an alias does not name a key here", id)
		}
		return none, fault.New(fault.NotFoundException, "Invalid keyId '%s'", id)
	}
	a, ok := c.st.Keys.Alias(account, resource)
	if !ok || a.Key.Gone(c.now()) {
		return none, fault.New(fault.NotFoundException, "Alias %s is not found.", arn.Alias(c.st.Region, account, resource))
	}
	return namedKey{a.Key, resource}, nil
}

func (c *call) keyByID(account, id, given string) (namedKey, error) {
	k := c.st.Keys.Get(id)
	if k != nil && k.Account == account && !k.Gone(c.now()) {
		return namedKey{Key: k}, nil
	}
	if _, ok := key.ParseID(id); !ok {
		return namedKey{}, fault.New(fault.NotFoundException, "Invalid keyId '%s'", given)
	}
	return namedKey{}, key.NotFound(arn.Key(c.st.Region, account, id).String())
}

// openKey finds the key that a request names, judges the action ("kms:Decrypt")
// on it, and checks that its state permits the operation of that name.
func (c *call) openKey(id string, accept names, action string, conds ...cond) (namedKey, error) {
	k, err := c.findKey(id, accept)
	if err != nil {
		return namedKey{}, err
	}
	if err := c.mayUse(&k, accept, action, conds...); err != nil {
		return namedKey{}, err
	}
	return k, k.Permits(strings.TrimPrefix(action, "kms:"), c.now())
}

// mayUse judges the action on a key and leaves the key in the record.
func (c *call) mayUse(k *namedKey, accept names, action string, conds ...cond) error {
	c.resource(k.ARN)
	on := onKey(k.Key)
	if accept&otherAccount == 0 && k.Account != c.account {
		// No policy opens these operations to another account: identity policies
		// alone are asked, and they do not reach there.
		on = plain(k.ARN)
		on.account = k.Account
	}
	return c.authorize(action, on, k.conds(conds...)...)
}

// changeKey is openKey for an operation that changes a key of the caller's own
// account. Keys that AWS services manage are refused, whatever a policy says.
func (c *call) changeKey(id, action string, conds ...cond) (namedKey, error) {
	k, err := c.openKey(id, keysOnly, action, conds...)
	if err != nil {
		return k, err
	}
	return k, customerManaged(k.Key)
}

func customerManaged(k *key.Key) error {
	if k.Manager == key.ManagerCustomer {
		return nil
	}
	return fault.New(fault.AccessDeniedException, "%s is an AWS managed key: its policy, aliases, state, tags and rotation cannot be changed.", k.ARN)
}

// dryRun is the end of a call that would have succeeded.
func dryRun(asked bool) error {
	if !asked {
		return nil
	}
	return fault.New(fault.DryRunOperationException, "The request would have succeeded, but the DryRun option is set.")
}

// wrongUsage is the fault of an operation that the key's usage does not cover.
func wrongUsage(k *key.Key, operation string) error {
	return fault.New(fault.InvalidKeyUsageException, "%s key usage is %s which is not valid for %s.", k.ARN, k.Usage, operation)
}

// algorithmFits checks that a key of the usage can be asked for the algorithm.
func algorithmFits(k *key.Key, usage, operation, algorithm string) error {
	if k.Usage != usage {
		return wrongUsage(k, operation)
	}
	if !k.Can(algorithm) {
		return fault.New(fault.InvalidKeyUsageException, "Algorithm %s is incompatible with key spec %s.", algorithm, k.Spec)
	}
	return nil
}

// kmsInternal marks a defect of ours or of the keyring, on the way to a caller of
// KMS who is told nothing of it.
func kmsInternal(err error) error {
	return fault.New(fault.KMSInternalException, "The request was rejected because an internal exception occurred. The request can be retried.").Because(err)
}
