package vault_test

import (
	"fmt"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestPredefinedAlias looks the alias of Secrets Manager up before there is any
// secret, as tools do that manage them.
func TestPredefinedAlias(t *testing.T) {
	const alias = "alias/aws/secretsmanager"
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := newKey(admin, nil)
	for _, name := range []string{"alias/a", "alias/b"} {
		admin.Call("kms:CreateAlias", m{"AliasName": name, "TargetKeyId": id}).OK()
	}
	list := func(in m) (names []string) {
		t.Helper()
		in["Limit"] = 1
		for {
			page := admin.Call("kms:ListAliases", in).OK()
			for _, a := range page["Aliases"].([]any) {
				a := a.(m)
				names = append(names, fmt.Sprint(a["AliasName"], a["TargetKeyId"] != nil))
			}
			if page["NextMarker"] == nil {
				return names
			}
			in["Marker"] = page["NextMarker"]
		}
	}

	// Given an account without secrets, then the alias is listed without a key.
	if got := fmt.Sprint(list(m{})); got != "[alias/atrue "+alias+"false alias/btrue]" {
		t.Errorf("listed %s", got)
	}
	if got := fmt.Sprint(list(m{"KeyId": id})); got != "[alias/atrue alias/btrue]" {
		t.Errorf("listed of a key %s", got)
	}

	// When somebody describes it who may not, then there is nothing, and no key.
	nobody := v.User("nobody")
	o := nobody.Call("kms:DescribeKey", m{"KeyId": alias})
	o.Fails(fault.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:"+alias+" is not found.")
	if len(o.Records) != 1 {
		t.Errorf("a refused look made %d records", len(o.Records))
	}
	admin.Call("kms:DescribeKey", m{"KeyId": "arn:aws:kms:us-east-1:444455556666:" + alias}).Fails(fault.NotFoundException, "")
	admin.Call("kms:GetKeyPolicy", m{"KeyId": alias}).Fails(fault.NotFoundException, "")

	// When somebody does who may, then the key is made, once.
	o = admin.Call("kms:DescribeKey", m{"KeyId": alias})
	made := o.OK()["KeyMetadata"].(m)
	if made["KeyManager"] != "AWS" || made["KeyState"] != "Enabled" || len(o.Records) != 2 || o.Records[0].Op != "kms:CreateKey" {
		t.Errorf("made %v in %d records", made, len(o.Records))
	}
	v.Rebuild()
	o = admin.Call("kms:DescribeKey", m{"KeyId": "arn:aws:kms:us-east-1:111122223333:" + alias})
	if again := o.OK()["KeyMetadata"].(m); again["KeyId"] != made["KeyId"] || len(o.Records) != 1 {
		t.Errorf("described again %v in %d records", again, len(o.Records))
	}
	if got := fmt.Sprint(list(m{})); got != "[alias/atrue "+alias+"true alias/btrue]" {
		t.Errorf("listed %s", got)
	}

	// Then secrets use that very key, and nobody uses it directly.
	arn := admin.Call("secretsmanager:CreateSecret", m{"Name": "s", "SecretString": "v"})
	if used := arn.OK(); used["Name"] != "s" || arn.Records[0].Resources[0] != made["Arn"] {
		t.Errorf("created with %v", arn.Records[0].Resources)
	}
	admin.Call("kms:Encrypt", m{"KeyId": alias, "Plaintext": b64("x")}).Fails(fault.AccessDeniedException, "")
}
