package vault_test

import (
	"fmt"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestTheManagedKeyIsNobodys: the key that Secrets Manager makes for itself cannot
// be changed, shared or used directly, by anyone.
func TestTheManagedKeyIsNobodys(t *testing.T) {
	v := vaulttest.New(t)
	admin, root := v.User("admin", vaulttest.Administrator), v.Root(vaulttest.Account)
	o := admin.Call("secretsmanager:CreateSecret", m{"Name": "app-demo", "SecretString": "s"})
	o.OK()
	var created *event.KeyCreated
	for _, r := range o.Records {
		for _, e := range r.Events {
			if e, ok := e.(*event.KeyCreated); ok {
				created = e
				if r.Op != "kms:CreateKey" || r.Via != "secretsmanager" || r.Source != "secretsmanager.amazonaws.com" || r.Who.ARN != admin.ARN {
					t.Errorf("made by %s via %q of %s", r.Op, r.Via, r.Who.ARN)
				}
			}
		}
	}
	if created == nil {
		t.Fatal("the first secret makes no managed key")
	}
	id := created.Key
	own, _ := newKey(admin, nil)
	other, _ := newKey(admin, nil)
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/mine", "TargetKeyId": other}).OK()
	for _, c := range []*vaulttest.Caller{admin, root} {
		for op, in := range map[string]m{
			"PutKeyPolicy":      {"KeyId": id, "Policy": policyFor(vaulttest.Account, "kms:*")},
			"EnableKey":         {"KeyId": id},
			"DisableKey":        {"KeyId": id},
			"CreateAlias":       {"AliasName": "alias/x", "TargetKeyId": id},
			"UpdateAlias":       {"AliasName": "alias/mine", "TargetKeyId": id},
			"DeleteAlias":       {"AliasName": "alias/aws/secretsmanager"},
			"TagResource":       {"KeyId": id, "Tags": []m{{"TagKey": "a", "TagValue": "b"}}},
			"UntagResource":     {"KeyId": id, "TagKeys": []string{"a"}},
			"EnableKeyRotation": {"KeyId": id}, "DisableKeyRotation": {"KeyId": id}, "RotateKeyOnDemand": {"KeyId": id},
			"ScheduleKeyDeletion": {"KeyId": id}, "CancelKeyDeletion": {"KeyId": id},
			"UpdateKeyDescription": {"KeyId": id, "Description": "x"},
			"CreateGrant":          {"KeyId": id, "GranteePrincipal": admin.ARN, "Operations": []string{"Decrypt"}},
			"Encrypt":              {"KeyId": "alias/aws/secretsmanager", "Plaintext": "eA=="},
			"GenerateDataKey":      {"KeyId": id, "KeySpec": "AES_256"},
			"ReEncrypt":            {"CiphertextBlob": encrypt(admin, own, "x", nil), "DestinationKeyId": id},
		} {
			code := fault.AccessDeniedException
			if op == "DeleteAlias" {
				code = fault.NotAuthorizedException
			}
			t.Run(op, func(t *testing.T) { c.Call("kms:"+op, in).Fails(code, "") })
		}
		c.Call("kms:UpdateAlias", m{"AliasName": "alias/aws/secretsmanager", "TargetKeyId": own}).Fails(fault.NotAuthorizedException, "")
		md := c.Call("kms:DescribeKey", m{"KeyId": "alias/aws/secretsmanager"}).OK()["KeyMetadata"].(m)
		if md["KeyManager"] != "AWS" || md["KeyId"] != id {
			t.Errorf("%v", md)
		}
		if list := c.Call("kms:ListGrants", m{"KeyId": id}).OK()["Grants"].([]any); len(list) != 0 {
			t.Errorf("grants %v", list)
		}
		c.Call("kms:RevokeGrant", m{"KeyId": id, "GrantId": fmt.Sprintf("%064d", 0)}).Fails(fault.NotFoundException, "")
	}
	if status := admin.Call("kms:GetKeyRotationStatus", m{"KeyId": id}).OK(); status["KeyRotationEnabled"] != true || status["RotationPeriodInDays"] != 365.0 {
		t.Errorf("%v", status)
	}
	v.Days(365)
	for _, o := range v.Tick(due(v)) {
		o.OK()
	}
	if ids, types := materials(admin, id); len(ids) != 2 || types[1] != "AUTOMATIC" {
		t.Errorf("after a year %v", types)
	}
}
