package vault

import (
	"bytes"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/key"
)

// The alias of an AWS managed key is there before its key: it is listed without
// one, and describing it makes the key, as on AWS. Tools that look the alias up
// work on a vault that has no secret yet.

// mayMakeManagedKey reports whether the request may be one that makes the managed
// key: it is then decided like a change.
func mayMakeManagedKey(req *Request) bool {
	return req.Service == "kms" && req.Operation == "DescribeKey" && bytes.Contains(req.Body, []byte("secretsmanager"))
}

// makeDescribed makes the managed key of the caller's account when its alias is
// described first. Whoever may not describe it makes nothing.
func (c *call) makeDescribed(id string) error {
	name := arn.Alias(c.st.Region, c.account, managedAlias).String()
	if c.kind != change || id != managedAlias && id != name {
		return nil
	}
	if _, there := c.st.Keys.Alias(c.account, managedAlias); there {
		return nil
	}
	text := managedKeyPolicy(c.account, c.st.Region)
	p, err := c.readKeyPolicy(text)
	if err != nil {
		return kmsInternal(err)
	}
	on := onKey(&key.Key{
		ARN: arn.Key(c.st.Region, c.account, "*").String(), Account: c.account, Manager: key.ManagerAWS, Spec: key.SymmetricDefault,
		Usage: key.EncryptDecrypt, Origin: key.OriginKMS, State: key.Enabled,
	})
	on.policy.Policy = p.policy
	if !c.try("kms:DescribeKey", on, when("kms:requestalias", managedAlias)).Allowed {
		return nil
	}
	_, err = createManagedKey(c, managedAlias, managedDescription, text)
	return err
}

// predefinedAlias is the entry of the alias that has no key yet, nil when it has or
// does not come after the name.
func (c *call) predefinedAlias(after string) *AliasEntry {
	if _, there := c.st.Keys.Alias(c.account, managedAlias); there || managedAlias <= after {
		return nil
	}
	return &AliasEntry{AliasName: managedAlias, AliasArn: c.aliasARN(managedAlias)}
}
