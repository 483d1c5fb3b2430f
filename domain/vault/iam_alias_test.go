package vault_test

import (
	"fmt"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestAccountAlias: an account has one, and no other account has the same.
func TestAccountAlias(t *testing.T) {
	v, admin := iamVault(t)
	stranger := v.UserOf(vaulttest.Other, "stranger", vaulttest.Administrator)
	listed := func(as *vaulttest.Caller) string {
		v.Rebuild()
		return fmt.Sprint(as.Call("iam:ListAccountAliases", nil).OK())
	}
	if got := listed(admin); got != "map[AccountAliases:[] IsTruncated:false]" {
		t.Errorf("listed %s", got)
	}
	if o := admin.Call("iam:CreateAccountAlias", m{"AccountAlias": "first-1"}); events(o) != "AccountAliasSet" {
		t.Errorf("events %s", events(o))
	}
	stranger.Call("iam:CreateAccountAlias", m{"AccountAlias": "first-1"}).Fails(fault.EntityAlreadyExists, "The account alias first-1 already exists.")
	if o := admin.Call("iam:CreateAccountAlias", m{"AccountAlias": "first-1"}); events(o) != "" {
		t.Errorf("events of the same one again %s", events(o))
	}
	admin.Call("iam:CreateAccountAlias", m{"AccountAlias": "second"}).OK()
	if got := listed(admin); got != "map[AccountAliases:[second] IsTruncated:false]" {
		t.Errorf("listed %s", got)
	}
	stranger.Call("iam:CreateAccountAlias", m{"AccountAlias": "first-1"}).OK()
	admin.Call("iam:DeleteAccountAlias", m{"AccountAlias": "first-1"}).Fails(fault.NoSuchEntity, "The account alias with name first-1 cannot be found.")
	admin.Call("iam:DeleteAccountAlias", m{"AccountAlias": "second"}).OK()
	if got := listed(admin); got != "map[AccountAliases:[] IsTruncated:false]" {
		t.Errorf("listed %s", got)
	}
	if got := listed(stranger); got != "map[AccountAliases:[first-1] IsTruncated:false]" {
		t.Errorf("the other account has %s", got)
	}
	for _, alias := range []string{"-ab", "ab-", "a--b", "Ab1", "a_b"} {
		admin.Call("iam:CreateAccountAlias", m{"AccountAlias": alias}).Fails(fault.ValidationError, "The specified value for accountAlias is invalid.")
	}
	admin.Call("iam:CreateAccountAlias", m{"AccountAlias": "ab"}).Fails(fault.ValidationError, "greater than or equal to 3")
}
