package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func TestCreateAndDescribeKey(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	o := admin.Call("kms:CreateKey", m{"Description": "d", "Tags": []m{{"TagKey": "b", "TagValue": "2"}, {"TagKey": "a", "TagValue": ""}}})
	md := o.OK()["KeyMetadata"].(m)
	for name, want := range (m{
		"AWSAccountId": vaulttest.Account, "Arn": "arn:aws:kms:us-east-1:111122223333:key/" + md["KeyId"].(string), "Enabled": true,
		"Description": "d", "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": "Enabled", "Origin": "AWS_KMS", "KeyManager": "CUSTOMER",
		"CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "KeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": false, "CreationDate": 1795456800.123,
	}) {
		if md[name] != want {
			t.Errorf("%s is %v, want %v", name, md[name], want)
		}
	}
	if _, has := md["DeletionDate"]; has {
		t.Error("a new key has a DeletionDate")
	}
	r := o.Record()
	if len(r.Resources) != 1 || r.Resources[0] != md["Arn"] || !strings.Contains(string(r.Response), `"creationDate":"Nov 23, 2026, 6:00:00 PM"`) {
		t.Errorf("resources %v, response %s", r.Resources, r.Response)
	}
	created := r.Events[0].(*event.KeyCreated)
	if !v.Ring.Has(created.Material.Ring) {
		t.Error("the material is not in the keyring")
	}
	if tags := admin.Call("kms:ListResourceTags", m{"KeyId": md["KeyId"]}).OK()["Tags"].([]any); len(tags) != 2 || tags[0].(m)["TagKey"] != "a" {
		t.Errorf("tags %v", tags)
	}
	again := admin.Call("kms:DescribeKey", m{"KeyId": md["Arn"]}).OK()["KeyMetadata"].(m)
	v.Rebuild()
	rebuilt := admin.Call("kms:DescribeKey", m{"KeyId": md["Arn"]}).OK()["KeyMetadata"].(m)
	if fmt.Sprint(md) != fmt.Sprint(again) || fmt.Sprint(md) != fmt.Sprint(rebuilt) {
		t.Errorf("created %v\ndescribed %v\nrebuilt %v", md, again, rebuilt)
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	for _, tc := range []struct {
		name string
		in   m
		code fault.Code
	}{
		{"two specs", m{"KeySpec": "RSA_2048", "CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, fault.ValidationException},
		{"an asymmetric key without usage", m{"KeySpec": "RSA_2048"}, fault.ValidationException},
		{"a usage that does not fit", m{"KeyUsage": "SIGN_VERIFY"}, fault.ValidationException},
		{"an unknown spec", m{"KeySpec": "DES"}, fault.ValidationException},
		{"a spec the vault cannot make", m{"KeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY"}, fault.UnsupportedOperationException},
		{"imported material of another kind", m{"Origin": "EXTERNAL", "KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE"}, fault.UnsupportedOperationException},
		{"the origin of a key store", m{"Origin": "EXTERNAL_KEY_STORE"}, fault.UnsupportedOperationException},
		{"a custom key store", m{"CustomKeyStoreId": "cks-1"}, fault.UnsupportedOperationException},
		{"a reserved tag", m{"Tags": []m{{"TagKey": "aws:x", "TagValue": ""}}}, fault.TagException},
		{"a tag twice", m{"Tags": []m{{"TagKey": "x", "TagValue": ""}, {"TagKey": "x", "TagValue": ""}}}, fault.TagException},
		{"a description too long", m{"Description": strings.Repeat("x", 8193)}, fault.ValidationException},
		{"a policy that is no JSON", m{"Policy": "{"}, fault.MalformedPolicyDocumentException},
		{"a policy too long", m{"Policy": strings.Repeat(" ", 32769)}, fault.LimitExceededException},
		{"a policy with other characters", m{"Policy": "{\"Version\":\"2012-10-17\",\"Id\":\"\u2014\",\"Statement\":[]}"}, fault.MalformedPolicyDocumentException},
	} {
		t.Run(tc.name, func(t *testing.T) { admin.Call("kms:CreateKey", tc.in).Fails(tc.code, "") })
	}
	v.User("bob").Call("kms:CreateKey", nil).Fails(fault.AccessDeniedException, "kms:CreateKey on resource: *")
	tagger := v.User("tagger", vaulttest.Allow("kms:CreateKey"))
	tagger.Call("kms:CreateKey", m{"Tags": []m{{"TagKey": "x", "TagValue": "y"}}}).Fails(fault.AccessDeniedException, "kms:TagResource")
	tagger.Call("kms:CreateKey", nil).OK()
}

func TestCreateKeyConditionKeys(t *testing.T) {
	v := vaulttest.New(t)
	for i, tc := range []struct {
		condition string
		allowed   bool
	}{
		{`"StringEquals":{"kms:KeySpec":"HMAC_256","kms:KeyUsage":"GENERATE_VERIFY_MAC","kms:KeyOrigin":"AWS_KMS"}`, true},
		{`"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT"}`, false},
		{`"Bool":{"kms:MultiRegion":"true"}`, true},
		{`"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`, false},
		{`"StringEquals":{"aws:RequestTag/team":"red"}`, true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}`, false},
	} {
		user := v.User(fmt.Sprintf("u%d", i), fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{%s}}}`, tc.condition))
		o := user.Call("kms:CreateKey", m{"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC", "MultiRegion": true, "Tags": []m{{"TagKey": "team", "TagValue": "red"}}})
		if tc.allowed {
			if id := o.OK()["KeyMetadata"].(m)["KeyId"].(string); !strings.HasPrefix(id, "mrk-") {
				t.Errorf("a multi-Region key has the id %s", id)
			}
		} else {
			o.Fails(fault.AccessDeniedException, "")
		}
	}
}

func policyFor(principal, action string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"%s","Resource":"*"}]}`, principal, action)
}

func TestKeyPolicyLockout(t *testing.T) {
	v := vaulttest.New(t)
	admin, bob := v.User("admin", vaulttest.Administrator), v.User("bob")
	id, _ := newKey(admin, nil)
	const text = "The new key policy will not allow you to update the key policy in the future."
	lockout := policyFor(bob.ARN, "kms:*")
	admin.Call("kms:PutKeyPolicy", m{"KeyId": id, "Policy": lockout}).Fails(fault.MalformedPolicyDocumentException, text)
	admin.Call("kms:CreateKey", m{"Policy": lockout}).Fails(fault.MalformedPolicyDocumentException, text)
	admin.Call("kms:PutKeyPolicy", m{"KeyId": id, "Policy": policyFor(admin.ARN, "kms:Put*")}).OK()
	admin.Call("kms:DescribeKey", m{"KeyId": id}).Fails(fault.AccessDeniedException, "because no resource-based policy allows the kms:DescribeKey action")
	o := admin.Call("kms:PutKeyPolicy", m{"KeyId": id, "Policy": lockout, "BypassPolicyLockoutSafetyCheck": true})
	o.OK()
	if want := fmt.Sprintf(`{"keyId":"%s","policy":%q,"bypassPolicyLockoutSafetyCheck":true}`, id, lockout); string(o.Record().Params) != want {
		t.Errorf("params %s\nwant   %s", o.Record().Params, want)
	}
	admin.Call("kms:PutKeyPolicy", m{"KeyId": id, "Policy": lockout}).Fails(fault.AccessDeniedException, "kms:PutKeyPolicy")
	bob.Call("kms:PutKeyPolicy", m{"KeyId": id, "Policy": policyFor(vaulttest.Account, "kms:*"), "BypassPolicyLockoutSafetyCheck": true}).OK()

	careful := v.User("careful", vaulttest.Allow("kms:*"), `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}}}}`)
	careful.Call("kms:PutKeyPolicy", m{"KeyId": id, "Policy": lockout, "BypassPolicyLockoutSafetyCheck": true}).Fails(fault.AccessDeniedException, "explicit deny")
	admin.Call("kms:PutKeyPolicy", m{"KeyId": id, "PolicyName": "other", "Policy": lockout}).Fails(fault.NotFoundException, "No such policy exists")
}

func TestKeyPolicyWithForAllValuesOnAContextPair(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	statement := `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}`
	condition := `{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{"%s:StringEquals":{"%s":"x"}}}`
	for _, tc := range []struct {
		operator, key string
		refused       bool
	}{
		{"ForAllValues", "kms:EncryptionContext:tenant", true},
		{"forallvalues", "KMS:encryptioncontext:tenant", true},
		{"ForAnyValue", "kms:EncryptionContext:tenant", false},
		{"ForAllValues", "kms:EncryptionContextKeys", false},
	} {
		text := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[`+statement+`,`+condition+`]}`, tc.operator, tc.key)
		o := admin.Call("kms:CreateKey", m{"Policy": text})
		if !tc.refused {
			o.OK()
			continue
		}
		o.Fails(fault.MalformedPolicyDocumentException, "OverlyPermissiveCondition")
		single := fmt.Sprintf(`{"Version":"2012-10-17","Statement":`+condition+`}`, tc.operator, tc.key)
		admin.Call("kms:CreateKey", m{"Policy": single, "BypassPolicyLockoutSafetyCheck": true}).Fails(fault.MalformedPolicyDocumentException, "OverlyPermissiveCondition")
	}
}

func TestKeyPolicyBindsPrincipals(t *testing.T) {
	v := vaulttest.New(t)
	admin, bob := v.User("admin", vaulttest.Administrator), v.User("bob")
	both := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::%s:root","%s"]},"Action":"kms:*","Resource":"*"}]}`, vaulttest.Account, bob.ARN)
	id, _ := newKey(admin, m{"Policy": both})
	admin.Call("kms:CreateKey", m{"Policy": strings.ReplaceAll(both, "user/bob", "user/nobody")}).
		Fails(fault.MalformedPolicyDocumentException, "Policy contains a statement with one or more invalid principals.")
	bob.Call("kms:DescribeKey", m{"KeyId": id}).OK()
	get := func() string { return admin.Call("kms:GetKeyPolicy", m{"KeyId": id}).OK()["Policy"].(string) }
	if get() != both {
		t.Errorf("policy reads %s", get())
	}
	v.Given(&event.UserRenamed{User: bob.ID, Name: "robert", Path: "/"})
	bob.Call("kms:DescribeKey", m{"KeyId": id}).OK()
	if want := strings.ReplaceAll(both, "user/bob", "user/robert"); get() != want {
		t.Errorf("after a new name the policy reads %s", get())
	}
	v.Given(&event.InlinePolicyPut{Principal: bob.ID, Name: "p", Document: vaulttest.Administrator})
	v.Given(&event.InlinePolicyDeleted{Principal: bob.ID, Name: "p"}, &event.AccessKeyDeleted{AccessKey: bob.Credential.AccessKey}, &event.UserDeleted{User: bob.ID})
	if want := strings.ReplaceAll(both, bob.ARN, bob.ID); get() != want {
		t.Errorf("after the user is gone the policy reads %s", get())
	}
	v.User("bob").Call("kms:DescribeKey", m{"KeyId": id}).Fails(fault.AccessDeniedException, "")
	v.Rebuild()
	if want := strings.ReplaceAll(both, bob.ARN, bob.ID); get() != want {
		t.Errorf("after a rebuild the policy reads %s", get())
	}
	if names := admin.Call("kms:ListKeyPolicies", m{"KeyId": id}).OK(); fmt.Sprint(names["PolicyNames"]) != "[default]" || names["Truncated"] != false {
		t.Errorf("policies %v", names)
	}
}

func TestNothingWithoutTheKeyPolicy(t *testing.T) {
	v := vaulttest.New(t)
	admin, bob, root := v.User("admin", vaulttest.Administrator), v.User("bob"), v.Root(vaulttest.Account)
	id, _ := newKey(admin, m{"Policy": policyFor(bob.ARN, "kms:*"), "BypassPolicyLockoutSafetyCheck": true})
	for _, c := range []*vaulttest.Caller{admin, root} {
		c.Call("kms:DescribeKey", m{"KeyId": id}).Fails(fault.AccessDeniedException, "no resource-based policy allows")
		c.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}).Fails(fault.AccessDeniedException, "no resource-based policy allows")
	}
	bob.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}).OK()
	bob.Allow(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}}`)
	bob.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}).Fails(fault.AccessDeniedException, "with an explicit deny in an identity-based policy")
}

func TestOtherAccounts(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	foreign, powerless := v.UserOf(vaulttest.Other, "foreign", vaulttest.Administrator), v.UserOf(vaulttest.Other, "powerless")
	id, arn := newKey(admin, m{"Policy": fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["%s","%s"]},"Action":"kms:*","Resource":"*"}]}`, vaulttest.Account, vaulttest.Other)})
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/shared", "TargetKeyId": id}).OK()
	text := m{"KeyId": arn, "Plaintext": "eA=="}

	blob := foreign.Call("kms:Encrypt", text).OK()["CiphertextBlob"]
	foreign.Call("kms:Decrypt", m{"CiphertextBlob": blob}).OK()
	foreign.Call("kms:Encrypt", m{"KeyId": "arn:aws:kms:us-east-1:111122223333:alias/shared", "Plaintext": "eA=="}).OK()
	powerless.Call("kms:Encrypt", text).Fails(fault.AccessDeniedException, "no identity-based policy allows")
	foreign.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}).Fails(fault.NotFoundException, "Key 'arn:aws:kms:us-east-1:444455556666:key/"+id+"' does not exist")
	for _, op := range []string{"DescribeKey", "GetKeyRotationStatus", "ListGrants"} {
		foreign.Call("kms:"+op, m{"KeyId": arn}).OK()
	}
	for _, op := range []string{"EnableKey", "DisableKey", "GetKeyPolicy", "ListKeyPolicies", "ScheduleKeyDeletion", "CancelKeyDeletion",
		"EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand", "ListKeyRotations", "ListResourceTags"} {
		o := foreign.Call("kms:"+op, m{"KeyId": arn})
		o.Fails(fault.AccessDeniedException, "kms:"+op)
		if o.Record().Decision == nil || o.Record().Decision.Allowed {
			t.Errorf("%s from another account leaves no denial in the record", op)
		}
	}
	foreign.Call("kms:PutKeyPolicy", m{"KeyId": arn, "Policy": policyFor(vaulttest.Other, "kms:*")}).Fails(fault.AccessDeniedException, "")
	foreign.Call("kms:TagResource", m{"KeyId": arn, "Tags": []m{}}).Fails(fault.AccessDeniedException, "")
	foreign.Call("kms:CreateAlias", m{"AliasName": "alias/mine", "TargetKeyId": arn}).Fails(fault.AccessDeniedException, "")
}

func TestKeyNames(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, nil)
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/a", "TargetKeyId": arn}).OK()
	for _, name := range []string{id, arn, "alias/a", "arn:aws:kms:us-east-1:111122223333:alias/a"} {
		admin.Call("kms:DescribeKey", m{"KeyId": name}).OK()
	}
	for name, code := range map[string]fault.Code{
		"nonsense": fault.NotFoundException, strings.ToUpper(id): fault.NotFoundException, "alias/b": fault.NotFoundException, "alias/": fault.NotFoundException,
		"arn:aws:kms:us-east-1:111122223333:alias/A": fault.NotFoundException, "arn:aws:kms:eu-west-1:111122223333:key/" + id: fault.NotFoundException,
		"arn:aws:s3:::bucket": fault.InvalidArnException, "arn:aws:kms:us-east-1:111122223333:store/x": fault.InvalidArnException, "arn:": fault.InvalidArnException,
		"": fault.ValidationException,
	} {
		admin.Call("kms:DescribeKey", m{"KeyId": name}).Fails(code, "")
	}
	admin.Call("kms:DisableKey", m{"KeyId": "alias/a"}).Fails(fault.NotFoundException, "Invalid keyId 'alias/a'")
	admin.Call("kms:DisableKey", m{"KeyId": "arn:aws:kms:us-east-1:111122223333:alias/a"}).Fails(fault.InvalidArnException, "")
}

func TestAliases(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	one, oneARN := newKey(admin, nil)
	two, _ := newKey(admin, nil)
	mac, _ := newKey(admin, m{"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"})
	for _, name := range []string{"c", "a", "b"} {
		o := admin.Call("kms:CreateAlias", m{"AliasName": "alias/" + name, "TargetKeyId": one})
		o.OK()
		if want := "[arn:aws:kms:us-east-1:111122223333:alias/" + name + " " + oneARN + "]"; fmt.Sprint(o.Record().Resources) != want {
			t.Errorf("resources %v, want %s", o.Record().Resources, want)
		}
	}
	list := func(in m) (names []string) {
		for {
			out := admin.Call("kms:ListAliases", in).OK()
			for _, a := range out["Aliases"].([]any) {
				names = append(names, a.(m)["AliasName"].(string))
			}
			if out["Truncated"] == false {
				return names
			}
			in["Marker"] = out["NextMarker"]
		}
	}
	if got := list(m{"Limit": 2}); fmt.Sprint(got) != "[alias/a alias/aws/secretsmanager alias/b alias/c]" {
		t.Errorf("aliases %v", got)
	}
	admin.Call("kms:UpdateAlias", m{"AliasName": "alias/b", "TargetKeyId": two}).OK()
	if got := list(m{"KeyId": one}); fmt.Sprint(got) != "[alias/a alias/c]" {
		t.Errorf("aliases of the first key %v", got)
	}
	if got := list(m{"KeyId": two}); fmt.Sprint(got) != "[alias/b]" {
		t.Errorf("aliases of the second key %v", got)
	}
	admin.Call("kms:UpdateAlias", m{"AliasName": "alias/b", "TargetKeyId": mac}).Fails(fault.ValidationException, "types or usages differ")
	rsa, _ := newKey(admin, m{"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"})
	admin.Call("kms:UpdateAlias", m{"AliasName": "alias/b", "TargetKeyId": rsa}).Fails(fault.ValidationException, "types or usages differ")
	admin.Call("kms:UpdateAlias", m{"AliasName": "alias/x", "TargetKeyId": one}).Fails(fault.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:alias/x is not found.")
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/a", "TargetKeyId": two}).Fails(fault.AlreadyExistsException, "An alias with the name arn:aws:kms:us-east-1:111122223333:alias/a already exists")
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/aws/x", "TargetKeyId": two}).Fails(fault.NotAuthorizedException, "")
	for _, name := range []string{"a", "alias/", "alias/a b", "alias/ä"} {
		admin.Call("kms:CreateAlias", m{"AliasName": name, "TargetKeyId": two}).Fails(fault.ValidationException, "")
	}
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/a:b", "TargetKeyId": two}).Fails(fault.ValidationException, "alias/a:b contains invalid characters for an alias")
	admin.Call("kms:DeleteAlias", m{"AliasName": "alias/a"}).OK()
	admin.Call("kms:DeleteAlias", m{"AliasName": "alias/a"}).Fails(fault.NotFoundException, "is not found")
	for i := range 49 {
		admin.Call("kms:CreateAlias", m{"AliasName": fmt.Sprintf("alias/n%d", i), "TargetKeyId": two}).OK()
	}
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/n49", "TargetKeyId": two}).Fails(fault.LimitExceededException, "")

	keyOnly := v.User("key-only", fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"%s"}}`, oneARN))
	keyOnly.Call("kms:CreateAlias", m{"AliasName": "alias/k", "TargetKeyId": one}).Fails(fault.AccessDeniedException, "alias/k")
	aliasOnly := v.User("alias-only", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:us-east-1:111122223333:alias/*"}}`)
	aliasOnly.Call("kms:CreateAlias", m{"AliasName": "alias/k", "TargetKeyId": one}).Fails(fault.AccessDeniedException, oneARN)
	aliasOnly.Call("kms:Encrypt", m{"KeyId": "alias/c", "Plaintext": "eA=="}).Fails(fault.AccessDeniedException, oneARN)
}

func TestTags(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := newKey(admin, nil)
	tag := func(pairs ...string) m {
		var tags []m
		for i := 0; i < len(pairs); i += 2 {
			tags = append(tags, m{"TagKey": pairs[i], "TagValue": pairs[i+1]})
		}
		return m{"KeyId": id, "Tags": tags}
	}
	admin.Call("kms:TagResource", tag("team", "red", "stage", "x")).OK()
	admin.Call("kms:TagResource", tag("stage", "y")).OK()
	admin.Call("kms:UntagResource", m{"KeyId": id, "TagKeys": []string{"team", "never"}}).OK()
	if got := admin.Call("kms:ListResourceTags", m{"KeyId": id}).OK()["Tags"]; fmt.Sprint(got) != "[map[TagKey:stage TagValue:y]]" {
		t.Errorf("tags %v", got)
	}
	admin.Call("kms:TagResource", tag("aws:x", "y")).Fails(fault.TagException, "")
	for i := range 49 {
		admin.Call("kms:TagResource", tag(fmt.Sprintf("k%02d", i), "")).OK()
	}
	admin.Call("kms:TagResource", tag("one-more", "")).Fails(fault.LimitExceededException, "")
	admin.Call("kms:TagResource", tag("k00", "again")).OK()
	out := admin.Call("kms:ListResourceTags", m{"KeyId": id, "Limit": 49}).OK()
	rest := admin.Call("kms:ListResourceTags", m{"KeyId": id, "Marker": out["NextMarker"]}).OK()
	if len(out["Tags"].([]any)) != 49 || len(rest["Tags"].([]any)) != 1 || rest["Truncated"] != false {
		t.Errorf("pages of %d and %v", len(out["Tags"].([]any)), rest)
	}
	byTag := v.User("by-tag", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/stage":"y"}}}}`)
	byTag.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}).OK()
	admin.Call("kms:TagResource", tag("stage", "z")).OK()
	byTag.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}).Fails(fault.AccessDeniedException, "")
}

func TestListKeys(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	foreign := v.UserOf(vaulttest.Other, "foreign", vaulttest.Administrator)
	var made []string
	for range 5 {
		id, _ := newKey(admin, nil)
		made = append(made, id)
		newKey(foreign, nil)
	}
	var got []string
	in := m{"Limit": 2}
	for {
		out := admin.Call("kms:ListKeys", in).OK()
		for _, k := range out["Keys"].([]any) {
			got = append(got, k.(m)["KeyId"].(string))
		}
		if out["Truncated"] == false {
			break
		}
		in["Marker"] = out["NextMarker"]
	}
	if fmt.Sprint(got) != fmt.Sprint(made) {
		t.Errorf("listed %v, want %v", got, made)
	}
}
