package vault_test

import (
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func due(v *vaulttest.Vault) []vault.Request { return vault.DueKeys(v.State, v.Env.Now) }

func TestScheduledDeletionDestroysTheKey(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, nil)
	admin.Call("kms:RotateKeyOnDemand", m{"KeyId": id}).OK()
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/gone", "TargetKeyId": id}).OK()
	grant := admin.Call("kms:CreateGrant", m{"KeyId": id, "GranteePrincipal": admin.ARN, "RetiringPrincipal": admin.ARN, "Operations": []string{"Decrypt"}}).OK()
	blob := encrypt(admin, id, "x", nil)
	var rings []string
	for ring := range v.State.Keys.RingIDs() {
		rings = append(rings, ring)
	}
	if len(rings) != 2 {
		t.Fatalf("rings %v", rings)
	}

	for _, days := range []int{1, 6, 31, 366} {
		admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id, "PendingWindowInDays": days}).Fails(fault.ValidationException, "")
	}
	out := admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id, "PendingWindowInDays": 7}).OK()
	if out["KeyState"] != "PendingDeletion" || out["KeyId"] != arn || out["DeletionDate"] != float64(v.Env.Now.AddDate(0, 0, 7).UnixMilli())/1000 {
		t.Errorf("%v", out)
	}
	admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).Fails(fault.KMSInvalidStateException, arn+" is pending deletion.")
	if md := admin.Call("kms:DescribeKey", m{"KeyId": id}).OK()["KeyMetadata"].(m); md["DeletionDate"] != out["DeletionDate"] || md["Enabled"] != false {
		t.Errorf("%v", md)
	}
	admin.Call("kms:CancelKeyDeletion", m{"KeyId": id}).OK()
	if md := admin.Call("kms:DescribeKey", m{"KeyId": id}).OK()["KeyMetadata"].(m); md["KeyState"] != "Disabled" || md["DeletionDate"] != nil {
		t.Errorf("after the cancellation %v", md)
	}
	admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id, "PendingWindowInDays": 7}).OK()
	v.Days(7)
	v.Wait(-time.Microsecond)
	if early := due(v); len(early) != 0 {
		t.Fatalf("due before its time: %v", early)
	}
	admin.Call("kms:DescribeKey", m{"KeyId": id}).OK()
	v.Wait(time.Microsecond)

	// From this moment the key is gone, whether the timer has run or not.
	gone := func() {
		t.Helper()
		for name, text := range map[string]string{id: "Key '" + arn + "' does not exist", arn: "does not exist", "alias/gone": "alias/gone is not found."} {
			admin.Call("kms:DescribeKey", m{"KeyId": name}).Fails(fault.NotFoundException, text)
		}
		admin.Call("kms:CancelKeyDeletion", m{"KeyId": id}).Fails(fault.NotFoundException, "")
		admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).Fails(fault.AccessDeniedException, "that does not exist")
		admin.Call("kms:RetireGrant", m{"GrantToken": grant["GrantToken"]}).Fails(fault.NotFoundException, "")
		for _, op := range []string{"ListKeys", "ListAliases"} {
			out := admin.Call("kms:"+op, nil).OK()
			for _, member := range []string{"Keys", "Aliases"} {
				list, _ := out[member].([]any)
				for _, shown := range list {
					if shown.(m)["AliasName"] != "alias/aws/secretsmanager" { // which is always there
						t.Errorf("%s shows %v", op, shown)
					}
				}
			}
		}
		if list := admin.Call("kms:ListRetirableGrants", m{"RetiringPrincipal": admin.ARN}).OK()["Grants"].([]any); len(list) != 0 {
			t.Errorf("retirable %v", list)
		}
	}
	gone()
	o := v.Tick(due(v))
	if len(o) != 1 {
		t.Fatalf("%d calls are due", len(o))
	}
	o[0].OK()
	r := o[0].Record()
	if e, ok := r.Events[0].(*event.KeyDeleted); !ok || e.Key != id || r.Op != "kms:DeleteKey" || r.Who.Type != "AWSService" || r.Resources[0] != arn {
		t.Errorf("record %s", o[0].Line())
	}
	gone()
	for _, ring := range rings {
		if v.Ring.Has(ring) {
			t.Errorf("material %s is still in the keyring", ring)
		}
	}
	for ring := range v.State.Keys.RingIDs() {
		t.Errorf("the state still refers to %s", ring)
	}
	if again := due(v); len(again) != 0 {
		t.Errorf("still due: %v", again)
	}
	v.Rebuild()
	gone()
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/gone", "TargetKeyId": func() string { id, _ := newKey(admin, nil); return id }()}).OK()
}

func TestInternalOperationsAreNobodys(t *testing.T) {
	v := vaulttest.New(t)
	root := v.Root(vaulttest.Account)
	id, _ := newKey(root, nil)
	for _, op := range []string{"kms:DeleteKey", "kms:RotateKey"} {
		root.Call(op, m{"KeyId": id}).Fails(fault.UnknownOperationException, "")
	}
	root.Call("kms:EnableKeyRotation", m{"KeyId": id}).OK()
	early := v.Tick([]vault.Request{
		{Service: "kms", Operation: "DeleteKey", Body: []byte(`{"KeyId":"` + id + `"}`), Credential: identity.Credential{}},
		{Service: "kms", Operation: "RotateKey", Body: []byte(`{"KeyId":"` + id + `"}`)},
	})
	for _, o := range early {
		o.Fails(fault.KMSInvalidStateException, "not due")
	}
}

func materials(c *vaulttest.Caller, id string) (ids, types []string) {
	for _, r := range c.Call("kms:ListKeyRotations", m{"KeyId": id, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"}).OK()["Rotations"].([]any) {
		e := r.(m)
		kind, _ := e["RotationType"].(string)
		ids, types = append(ids, e["KeyMaterialId"].(string)), append(types, kind)
	}
	return ids, types
}

func TestRotationKeepsOldCiphertextReadable(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, nil)
	var blobs []string
	for i := range 4 {
		if i > 0 {
			o := admin.Call("kms:RotateKeyOnDemand", m{"KeyId": id})
			if o.OK()["KeyId"] != arn {
				t.Errorf("%v", o.OK())
			}
		}
		blobs = append(blobs, encrypt(admin, id, "x", nil))
	}
	v.Rebuild()
	ids, types := materials(admin, id)
	if len(ids) != 4 || types[0] != "" || types[3] != "ON_DEMAND" {
		t.Fatalf("materials %v %v", ids, types)
	}
	for i, blob := range blobs {
		if got := admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).OK()["KeyMaterialId"]; got != ids[i] {
			t.Errorf("blob %d opened under %v, want %s", i, got, ids[i])
		}
	}
	moved := admin.Call("kms:ReEncrypt", m{"CiphertextBlob": blobs[0], "DestinationKeyId": id}).OK()
	if moved["SourceKeyMaterialId"] != ids[0] || moved["DestinationKeyMaterialId"] != ids[3] {
		t.Errorf("%v", moved)
	}
	page := admin.Call("kms:ListKeyRotations", m{"KeyId": id, "Limit": 2}).OK()
	rest := admin.Call("kms:ListKeyRotations", m{"KeyId": id, "Limit": 2, "Marker": page["NextMarker"]}).OK()
	if len(page["Rotations"].([]any)) != 2 || len(rest["Rotations"].([]any)) != 1 || rest["Rotations"].([]any)[0].(m)["KeyMaterialState"] != "CURRENT" {
		t.Errorf("pages %v and %v", page, rest)
	}
	for range 22 {
		admin.Call("kms:RotateKeyOnDemand", m{"KeyId": id}).OK()
	}
	admin.Call("kms:RotateKeyOnDemand", m{"KeyId": id}).Fails(fault.LimitExceededException, "limit has been reached")
}

func TestAutomaticRotation(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := newKey(admin, nil)
	status := func() m { return admin.Call("kms:GetKeyRotationStatus", m{"KeyId": id}).OK() }
	count := func() int { ids, _ := materials(admin, id); return len(ids) }
	tick := func() {
		for _, o := range v.Tick(due(v)) {
			o.OK()
		}
	}
	if s := status(); s["KeyRotationEnabled"] != false || s["NextRotationDate"] != nil {
		t.Errorf("%v", s)
	}
	admin.Call("kms:EnableKeyRotation", m{"KeyId": id, "RotationPeriodInDays": 89}).Fails(fault.ValidationException, "")
	admin.Call("kms:EnableKeyRotation", m{"KeyId": id, "RotationPeriodInDays": 90}).OK()
	if s := status(); s["RotationPeriodInDays"] != 90.0 || s["NextRotationDate"] != float64(v.Env.Now.AddDate(0, 0, 90).UnixMilli())/1000 {
		t.Errorf("%v", s)
	}
	v.Days(89)
	tick()
	if count() != 1 {
		t.Fatal("rotated early")
	}
	admin.Call("kms:RotateKeyOnDemand", m{"KeyId": id}).OK() // leaves the schedule alone
	v.Days(1)
	tick()
	if _, types := materials(admin, id); len(types) != 3 || types[2] != "AUTOMATIC" {
		t.Fatalf("rotations %v", types)
	}
	tick()
	if count() != 3 {
		t.Fatal("rotated twice")
	}

	// A key that is not enabled does not rotate; overdue, it does at once when it is.
	admin.Call("kms:DisableKey", m{"KeyId": id}).OK()
	v.Days(200)
	tick()
	if count() != 3 {
		t.Fatal("rotated while disabled")
	}
	v.Rebuild()
	admin.Call("kms:EnableKey", m{"KeyId": id}).OK()
	tick()
	tick()
	if count() != 4 {
		t.Fatalf("%d materials after re-enabling an overdue key", count())
	}
	if s := status(); s["NextRotationDate"] != float64(v.Env.Now.AddDate(0, 0, 90).UnixMilli())/1000 {
		t.Errorf("%v", s)
	}
	admin.Call("kms:DisableKeyRotation", m{"KeyId": id}).OK()
	v.Days(100)
	tick()
	if count() != 4 {
		t.Fatal("rotated after rotation was disabled")
	}
	bounded := v.User("bounded", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"NumericLessThanEquals":{"kms:RotationPeriodInDays":"180","kms:ScheduleKeyDeletionPendingWindowInDays":"180"}}}}`)
	bounded.Call("kms:EnableKeyRotation", m{"KeyId": id, "RotationPeriodInDays": 181}).Fails(fault.AccessDeniedException, "")
	window := v.User("window", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"NumericGreaterThanEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"14"}}}}`)
	window.Call("kms:ScheduleKeyDeletion", m{"KeyId": id, "PendingWindowInDays": 13}).Fails(fault.AccessDeniedException, "")
	window.Call("kms:ScheduleKeyDeletion", m{"KeyId": id, "PendingWindowInDays": 14}).OK()
}

// TestOperationsHoldToTheKeyState asks every operation on a key in every state
// that a key of the vault can be in: what the state table in package key says
// must be what callers meet.
func TestOperationsHoldToTheKeyState(t *testing.T) {
	states := map[string]func(admin *vaulttest.Caller, id string){
		"Enabled":         func(*vaulttest.Caller, string) {},
		"Disabled":        func(a *vaulttest.Caller, id string) { a.Call("kms:DisableKey", m{"KeyId": id}).OK() },
		"PendingDeletion": func(a *vaulttest.Caller, id string) { a.Call("kms:ScheduleKeyDeletion", m{"KeyId": id}).OK() },
	}
	const ok = fault.Code("")
	for _, tc := range []struct {
		op   string
		more m
		want [3]fault.Code // Enabled, Disabled, PendingDeletion
	}{
		{"CancelKeyDeletion", nil, [3]fault.Code{fault.KMSInvalidStateException, fault.KMSInvalidStateException, ok}},
		{"CreateAlias", m{"AliasName": "alias/n"}, [3]fault.Code{ok, ok, fault.KMSInvalidStateException}},
		{"UpdateAlias", m{"AliasName": "alias/moving"}, [3]fault.Code{ok, ok, fault.KMSInvalidStateException}},
		{"CreateGrant", m{"Operations": []string{"Decrypt"}}, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"Encrypt", m{"Plaintext": "eA=="}, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"Decrypt", m{}, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"ReEncrypt", m{}, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"GenerateDataKey", m{"KeySpec": "AES_256"}, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"GenerateDataKeyWithoutPlaintext", m{"KeySpec": "AES_256"}, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"GenerateDataKeyPair", m{"KeyPairSpec": "ECC_NIST_P256"}, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"GenerateDataKeyPairWithoutPlaintext", m{"KeyPairSpec": "ECC_NIST_P256"}, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"DescribeKey", nil, [3]fault.Code{}},
		{"GetKeyPolicy", nil, [3]fault.Code{}},
		{"ListKeyPolicies", nil, [3]fault.Code{}},
		{"ListGrants", nil, [3]fault.Code{}},
		{"ListResourceTags", nil, [3]fault.Code{}},
		{"ListAliases", nil, [3]fault.Code{}},
		{"PutKeyPolicy", m{"Policy": policyFor(vaulttest.Account, "kms:*")}, [3]fault.Code{}},
		{"DeleteAlias", m{"AliasName": "alias/own"}, [3]fault.Code{}},
		{"RevokeGrant", m{}, [3]fault.Code{}},
		{"RetireGrant", m{}, [3]fault.Code{}},
		{"DisableKey", nil, [3]fault.Code{ok, ok, fault.KMSInvalidStateException}},
		{"EnableKey", nil, [3]fault.Code{ok, ok, fault.KMSInvalidStateException}},
		{"EnableKeyRotation", nil, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"DisableKeyRotation", nil, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"GetKeyRotationStatus", nil, [3]fault.Code{}},
		{"ListKeyRotations", nil, [3]fault.Code{}},
		{"RotateKeyOnDemand", nil, [3]fault.Code{ok, fault.DisabledException, fault.KMSInvalidStateException}},
		{"ScheduleKeyDeletion", nil, [3]fault.Code{ok, ok, fault.KMSInvalidStateException}},
		{"TagResource", m{"Tags": []m{{"TagKey": "a", "TagValue": "b"}}}, [3]fault.Code{ok, ok, fault.KMSInvalidStateException}},
		{"UntagResource", m{"TagKeys": []string{"a"}}, [3]fault.Code{ok, ok, fault.KMSInvalidStateException}},
		{"UpdateKeyDescription", m{"Description": "new"}, [3]fault.Code{ok, ok, fault.KMSInvalidStateException}},
	} {
		for i, state := range []string{"Enabled", "Disabled", "PendingDeletion"} {
			t.Run(tc.op+"/"+state, func(t *testing.T) {
				v := vaulttest.New(t)
				admin := v.User("admin", vaulttest.Administrator)
				id, arn := newKey(admin, nil)
				elsewhere, _ := newKey(admin, nil)
				admin.Call("kms:CreateAlias", m{"AliasName": "alias/own", "TargetKeyId": id}).OK()
				admin.Call("kms:CreateAlias", m{"AliasName": "alias/moving", "TargetKeyId": elsewhere}).OK()
				grant := admin.Call("kms:CreateGrant", m{"KeyId": id, "GranteePrincipal": admin.ARN, "Operations": []string{"Encrypt"}}).OK()["GrantId"]
				blob := encrypt(admin, id, "x", nil)
				in := m{"KeyId": id}
				for k, x := range tc.more {
					in[k] = x
				}
				switch tc.op {
				case "CreateAlias", "UpdateAlias":
					in["TargetKeyId"] = id
				case "CreateGrant":
					in["GranteePrincipal"] = admin.ARN
				case "Decrypt":
					in["CiphertextBlob"] = blob
				case "ReEncrypt":
					in["CiphertextBlob"], in["DestinationKeyId"] = encrypt(admin, elsewhere, "x", nil), id
				case "RevokeGrant", "RetireGrant":
					in["GrantId"] = grant
				}
				states[state](admin, id)
				o := admin.Call("kms:"+tc.op, in)
				if want := tc.want[i]; want != ok {
					o.Fails(want, arn)
				} else {
					o.OK()
				}
			})
		}
	}
}
