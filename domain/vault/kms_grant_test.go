package vault_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func TestGrantAllowsAtOnceAndOnlyWhatItSays(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	reader := v.Role("reader")
	id, arn := newKey(admin, nil)
	blue := encrypt(admin, id, "blue", m{"tenant": "blue", "stage": "x"})
	red := encrypt(admin, id, "red", m{"tenant": "red"})
	use := func(blob string, context m) *vaulttest.Outcome {
		return reader.Call("kms:Decrypt", m{"CiphertextBlob": blob, "EncryptionContext": context, "KeyId": arn})
	}
	use(blue, m{"tenant": "blue", "stage": "x"}).Fails(fault.AccessDeniedException, "kms:Decrypt")

	in := m{
		"KeyId": id, "GranteePrincipal": vaulttest.RoleARN("reader"), "RetiringPrincipal": admin.ARN, "Operations": []string{"Decrypt"},
		"Constraints": m{"EncryptionContextSubset": m{"tenant": "blue"}}, "Name": "reader-grant",
	}
	o := admin.Call("kms:CreateGrant", in)
	grant, token := o.OK()["GrantId"].(string), o.OK()["GrantToken"].(string)
	if len(grant) != 64 || strings.Contains(o.Line(), token) {
		t.Errorf("grant %q, record %s", grant, o.Line())
	}
	if got, want := string(o.Record().Response), fmt.Sprintf(`{"grantId":"%s","keyId":"%s"}`, grant, arn); got != want {
		t.Errorf("response %s, want %s", got, want)
	}
	if got := string(o.Record().Params); got != fmt.Sprintf(`{"keyId":"%s","granteePrincipal":"%s","retiringPrincipal":"%s","operations":["Decrypt"],"constraints":{"encryptionContextSubset":{"tenant":"blue"}},"name":"reader-grant"}`, id, vaulttest.RoleARN("reader"), admin.ARN) {
		t.Errorf("params %s", got)
	}
	allowed := use(blue, m{"tenant": "blue", "stage": "x"})
	allowed.OK()
	if check := allowed.Record().Decision.Checks[0]; check.Road != "grant" || !slices.Contains(check.By, "grant/"+grant) {
		t.Errorf("decided by %+v", check)
	}
	use(red, m{"tenant": "red"}).Fails(fault.AccessDeniedException, "")
	reader.Call("kms:Encrypt", m{"KeyId": arn, "Plaintext": "eA==", "EncryptionContext": m{"tenant": "blue"}}).Fails(fault.AccessDeniedException, "")
	reader.Call("kms:Decrypt", m{"CiphertextBlob": red, "EncryptionContext": m{"tenant": "red"}, "GrantTokens": []string{token}}).Fails(fault.AccessDeniedException, "")

	again := admin.Call("kms:CreateGrant", in).OK()
	if again["GrantId"] != grant || again["GrantToken"] == token {
		t.Errorf("the same grant again: %v", again)
	}
	in["Name"] = "another"
	if other := admin.Call("kms:CreateGrant", in).OK(); other["GrantId"] == grant {
		t.Error("another name gives the same grant")
	}
	list := admin.Call("kms:ListGrants", m{"KeyId": id, "GrantId": grant}).OK()["Grants"].([]any)
	if len(list) != 1 {
		t.Fatalf("%v", list)
	}
	g := list[0].(m)
	if g["Constraints"].(m)["EncryptionContextSubset"].(m)["tenant"] != "blue" || g["GranteePrincipal"] != vaulttest.RoleARN("reader") ||
		g["IssuingAccount"] != "arn:aws:iam::111122223333:root" || g["GrantToken"] != nil || g["RetiringPrincipal"] != admin.ARN {
		t.Errorf("listed as %v", g)
	}
	v.Rebuild()
	use(blue, m{"tenant": "blue", "stage": "x"}).OK()
}

func TestWhoMayRetireAGrant(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	retirer, grantee, stranger := v.User("retirer"), v.User("grantee"), v.User("stranger", vaulttest.Allow("kms:Decrypt"))
	denied := v.User("denied", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:RetireGrant","Resource":"*"}}`)
	policy := v.User("policy", vaulttest.Allow("kms:RetireGrant"))
	foreign := v.UserOf(vaulttest.Other, "foreign", vaulttest.Administrator)
	id, arn := newKey(admin, nil)
	make := func(retiring string, operations ...string) (grant, token string) {
		in := m{"KeyId": id, "GranteePrincipal": grantee.ARN, "Operations": operations}
		if retiring != "" {
			in["RetiringPrincipal"] = retiring
		}
		out := admin.Call("kms:CreateGrant", in).OK()
		return out["GrantId"].(string), out["GrantToken"].(string)
	}
	for _, tc := range []struct {
		name       string
		who        *vaulttest.Caller
		retiring   string
		operations []string
		allowed    bool
	}{
		{"the retiring principal", retirer, retirer.ARN, []string{"Decrypt"}, true},
		{"the retiring principal with an explicit deny", denied, denied.ARN, []string{"Decrypt"}, false},
		{"the grantee of a grant with RetireGrant", grantee, "", []string{"Decrypt", "RetireGrant"}, true},
		{"the grantee of a grant without it", grantee, "", []string{"Decrypt"}, false},
		{"a policy in the issuing account", policy, "", []string{"Decrypt"}, true},
		{"somebody else", stranger, retirer.ARN, []string{"Decrypt", "RetireGrant"}, false},
		{"an administrator of another account", foreign, retirer.ARN, []string{"Decrypt"}, false},
		{"one of another account who is named", foreign, foreign.ARN, []string{"Decrypt"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			grant, token := make(tc.retiring, tc.operations...)
			byID := tc.who.Call("kms:RetireGrant", m{"KeyId": arn, "GrantId": grant, "DryRun": true})
			o := tc.who.Call("kms:RetireGrant", m{"GrantToken": token})
			if strings.Contains(o.Line(), token) {
				t.Errorf("the record holds the token: %s", o.Line())
			}
			if !tc.allowed {
				byID.Fails(fault.AccessDeniedException, "kms:RetireGrant")
				o.Fails(fault.AccessDeniedException, "kms:RetireGrant")
				return
			}
			byID.Fails(fault.DryRunOperationException, "")
			o.OK()
			if e, ok := o.Record().Events[0].(*event.GrantRetired); !ok || e.Grant != grant {
				t.Errorf("events %v", o.Record().Events)
			}
			tc.who.Call("kms:RetireGrant", m{"GrantToken": token}).Fails(fault.NotFoundException, "")
		})
	}
	admin.Call("kms:RetireGrant", m{"GrantToken": "bm9uc2Vuc2U"}).Fails(fault.InvalidGrantTokenException, "")
	admin.Call("kms:RetireGrant", nil).Fails(fault.ValidationException, "")
}

func TestAGrantWithRetireGrantRetiresNoOther(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	grantee := v.User("grantee")
	id, arn := newKey(admin, nil)
	admin.Call("kms:CreateGrant", m{"KeyId": id, "GranteePrincipal": grantee.ARN, "Operations": []string{"RetireGrant", "Decrypt"}}).OK()
	other := admin.Call("kms:CreateGrant", m{"KeyId": id, "GranteePrincipal": admin.ARN, "Operations": []string{"Decrypt"}}).OK()["GrantId"]
	grantee.Call("kms:RetireGrant", m{"KeyId": arn, "GrantId": other}).Fails(fault.AccessDeniedException, "")
}

func TestOnlyTheIssuingAccountRetiresByPolicy(t *testing.T) {
	v := vaulttest.New(t)
	owner, issuer := v.User("owner", vaulttest.Administrator), v.UserOf(vaulttest.Other, "issuer", vaulttest.Administrator)
	_, arn := newKey(owner, m{"Policy": fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["%s","%s"]},"Action":"kms:*","Resource":"*"}]}`, vaulttest.Account, vaulttest.Other)})
	grant := issuer.Call("kms:CreateGrant", m{"KeyId": arn, "GranteePrincipal": issuer.ARN, "Operations": []string{"Decrypt"}}).OK()["GrantId"]
	owner.Call("kms:RetireGrant", m{"KeyId": arn, "GrantId": grant}).Fails(fault.AccessDeniedException, "kms:RetireGrant")
	owner.Call("kms:PutKeyPolicy", m{"KeyId": arn, "Policy": policyFor(vaulttest.Account, "kms:*")}).OK()
	issuer.Call("kms:DescribeKey", m{"KeyId": arn}).Fails(fault.AccessDeniedException, "")
	issuer.Call("kms:RetireGrant", m{"KeyId": arn, "GrantId": grant}).OK()
}

func TestDelegatedGrantsAreSubsets(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	app, bob := v.User("app"), v.User("bob")
	id, arn := newKey(admin, nil)
	admin.Call("kms:CreateGrant", m{
		"KeyId": id, "GranteePrincipal": app.ARN, "Operations": []string{"Decrypt", "Encrypt", "CreateGrant"},
		"Constraints": m{"EncryptionContextSubset": m{"tenant": "blue"}},
	}).OK()
	for _, tc := range []struct {
		name        string
		operations  []string
		constraints m
		allowed     bool
	}{
		{"less, as strict", []string{"Decrypt"}, m{"EncryptionContextSubset": m{"tenant": "blue"}}, true},
		{"less, stricter", []string{"Decrypt"}, m{"EncryptionContextSubset": m{"tenant": "blue", "stage": "x"}}, true},
		{"less, exact", []string{"Decrypt"}, m{"EncryptionContextEquals": m{"Tenant": "blue"}}, true},
		{"an operation it does not have", []string{"GenerateDataKey"}, m{"EncryptionContextSubset": m{"tenant": "blue"}}, false},
		{"no constraint", []string{"Decrypt"}, nil, false},
		{"another constraint", []string{"Decrypt"}, m{"EncryptionContextSubset": m{"tenant": "red"}}, false},
		{"exact and other", []string{"Decrypt"}, m{"EncryptionContextEquals": m{"stage": "x"}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := m{"KeyId": arn, "GranteePrincipal": bob.ARN, "Operations": tc.operations}
			if tc.constraints != nil {
				in["Constraints"] = tc.constraints
			}
			o := app.Call("kms:CreateGrant", in)
			if tc.allowed {
				o.OK()
			} else {
				o.Fails(fault.AccessDeniedException, "kms:CreateGrant")
			}
		})
	}
}

func TestCreateGrantRefuses(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := newKey(admin, nil)
	mac, _ := newKey(admin, m{"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"})
	v.Given(&event.GroupCreated{Group: "AGPA0000000000000001", Account: vaulttest.Account, Name: "g", Path: "/", At: v.Env.Now})
	base := func(more m) m {
		in := m{"KeyId": id, "GranteePrincipal": admin.ARN, "Operations": []string{"Decrypt"}}
		for k, x := range more {
			in[k] = x
		}
		return in
	}
	pairs := func(n int) m {
		p := m{}
		for i := range n {
			p[fmt.Sprint(i)] = "x"
		}
		return p
	}
	for _, tc := range []struct {
		name string
		in   m
		code fault.Code
	}{
		{"an unknown user", base(m{"GranteePrincipal": "arn:aws:iam::111122223333:user/nobody"}), fault.InvalidArnException},
		{"a group", base(m{"GranteePrincipal": "arn:aws:iam::111122223333:group/g"}), fault.InvalidArnException},
		{"everybody", base(m{"GranteePrincipal": "*"}), fault.ValidationException},
		{"nobody", base(m{"GranteePrincipal": "nobody"}), fault.InvalidArnException},
		{"an unknown retiring principal", base(m{"RetiringPrincipal": "arn:aws:iam::111122223333:role/nobody"}), fault.InvalidArnException},
		{"a service", base(m{"GranteeServicePrincipal": "x.amazonaws.com"}), fault.UnsupportedOperationException},
		{"no operation", base(m{"Operations": []string{}}), fault.ValidationException},
		{"an operation that cannot be granted", base(m{"Operations": []string{"PutKeyPolicy"}}), fault.ValidationException},
		{"an operation of another kind of key", base(m{"Operations": []string{"Sign"}}), fault.ValidationException},
		{"both constraints", base(m{"Constraints": m{"EncryptionContextSubset": pairs(1), "EncryptionContextEquals": pairs(1)}}), fault.ValidationException},
		{"an empty constraint", base(m{"Constraints": m{"EncryptionContextEquals": m{}}}), fault.ValidationException},
		{"nine pairs", base(m{"Constraints": m{"EncryptionContextEquals": pairs(9)}}), fault.ValidationException},
		{"a long value", base(m{"Constraints": m{"EncryptionContextEquals": m{"a": strings.Repeat("x", 385)}}}), fault.ValidationException},
		{"a constraint on a MAC", base(m{"KeyId": mac, "Operations": []string{"GenerateMac"}, "Constraints": m{"EncryptionContextEquals": pairs(1)}}), fault.ValidationException},
		{"a bad name", base(m{"Name": "a b"}), fault.ValidationException},
		{"a dry run", base(m{"DryRun": true}), fault.DryRunOperationException},
		{"an unknown key", base(m{"KeyId": "00000000-0000-4000-8000-000000000000"}), fault.NotFoundException},
		{"an alias", base(m{"KeyId": "alias/x"}), fault.NotFoundException},
	} {
		t.Run(tc.name, func(t *testing.T) { admin.Call("kms:CreateGrant", tc.in).Fails(tc.code, "") })
	}
	admin.Call("kms:CreateGrant", base(m{"Constraints": m{"EncryptionContextEquals": pairs(8)}})).OK()
}

func TestGrantConditionKeys(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := newKey(admin, nil)
	for i, tc := range []struct {
		condition string
		allowed   bool
	}{
		{`"ForAllValues:StringEquals":{"kms:GrantOperations":["Decrypt","Encrypt"]}`, true},
		{`"ForAllValues:StringEquals":{"kms:GrantOperations":["Encrypt"]}`, false},
		{`"StringEquals":{"kms:GranteePrincipal":"` + admin.ARN + `"}`, true},
		{`"StringEquals":{"kms:RetiringPrincipal":"` + admin.ARN + `"}`, true},
		{`"StringEquals":{"kms:GrantConstraintType":"EncryptionContextSubset"}`, true},
		{`"StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"}`, false},
		{`"Bool":{"kms:GrantIsForAWSResource":"true"}`, false},
		{`"StringEquals":{"kms:EncryptionContext:a":"b"}`, true},
	} {
		user := v.User(fmt.Sprintf("u%d", i), fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{%s}}}`, tc.condition))
		o := user.Call("kms:CreateGrant", m{
			"KeyId": id, "GranteePrincipal": admin.ARN, "RetiringPrincipal": admin.ARN, "Operations": []string{"Decrypt"},
			"Constraints": m{"EncryptionContextSubset": m{"a": "b"}},
		})
		if tc.allowed {
			o.OK()
		} else {
			o.Fails(fault.AccessDeniedException, "")
		}
	}
}

func TestGrantsArePagedAndOutliveTheirGrantee(t *testing.T) {
	v := vaulttest.New(t)
	admin, bob := v.User("admin", vaulttest.Administrator), v.User("bob")
	id, arn := newKey(admin, nil)
	var made []string
	for range 7 {
		made = append(made, admin.Call("kms:CreateGrant", m{"KeyId": id, "GranteePrincipal": bob.ARN, "RetiringPrincipal": bob.ARN, "Operations": []string{"Decrypt"}}).OK()["GrantId"].(string))
	}
	list := func(op string, in m) (ids []string) {
		for {
			out := admin.Call(op, in).OK()
			for _, g := range out["Grants"].([]any) {
				ids = append(ids, g.(m)["GrantId"].(string))
			}
			if out["Truncated"] == false {
				return ids
			}
			in["Marker"] = out["NextMarker"]
			if len(ids) == 3 { // an entry behind the marker goes between two pages
				admin.Call("kms:RevokeGrant", m{"KeyId": id, "GrantId": ids[2]}).OK()
			}
		}
	}
	if got := list("kms:ListGrants", m{"KeyId": arn, "Limit": 3}); fmt.Sprint(got) != fmt.Sprint(made) {
		t.Errorf("listed %v, want %v", got, made)
	}
	rest := append(append([]string{}, made[:2]...), made[3:]...)
	if got := list("kms:ListRetirableGrants", m{"RetiringPrincipal": bob.ARN, "Limit": 4}); fmt.Sprint(got) != fmt.Sprint(rest) {
		t.Errorf("retirable %v, want %v", got, rest)
	}
	admin.Call("kms:ListGrants", m{"KeyId": id, "Marker": "!"}).Fails(fault.InvalidMarkerException, "")
	admin.Call("kms:ListRetirableGrants", m{"RetiringPrincipal": "arn:aws:iam::444455556666:root"}).Fails(fault.InvalidArnException, "")

	v.Given(&event.AccessKeyDeleted{AccessKey: bob.Credential.AccessKey}, &event.UserDeleted{User: bob.ID})
	again := v.User("bob")
	g := admin.Call("kms:ListGrants", m{"KeyId": id}).OK()["Grants"].([]any)[0].(m)
	if g["GranteePrincipal"] != bob.ID {
		t.Errorf("a grantee that is gone appears as %v, want %s", g["GranteePrincipal"], bob.ID)
	}
	again.Call("kms:Decrypt", m{"CiphertextBlob": encrypt(admin, id, "x", nil), "KeyId": id}).Fails(fault.AccessDeniedException, "")
}

func TestRevokeGrant(t *testing.T) {
	v := vaulttest.New(t)
	admin, bob := v.User("admin", vaulttest.Administrator), v.User("bob")
	id, _ := newKey(admin, nil)
	admin.Call("kms:RevokeGrant", m{"KeyId": id, "GrantId": strings.Repeat("0", 64)}).Fails(fault.NotFoundException, "")
	grant := admin.Call("kms:CreateGrant", m{"KeyId": id, "GranteePrincipal": bob.ARN, "Operations": []string{"Encrypt"}}).OK()["GrantId"]
	bob.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}).OK()
	bob.Call("kms:RevokeGrant", m{"KeyId": id, "GrantId": grant}).Fails(fault.AccessDeniedException, "")
	admin.Call("kms:RevokeGrant", m{"KeyId": id, "GrantId": grant}).OK()
	bob.Call("kms:Encrypt", m{"KeyId": id, "Plaintext": "eA=="}).Fails(fault.AccessDeniedException, "")
}
