package vault_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func TestCreateAccount(t *testing.T) {
	v, admin := iamVault(t)
	o := admin.Call("keytrail:CreateAccount", m{"AccountName": "second"})
	out := o.OK()
	account, key := out["Account"].(m)["Id"].(string), out["AccessKey"].(m)
	secret := key["SecretAccessKey"].(string)
	if events(o) != "AccountCreated UserCreated PolicyAttached AccessKeyCreated" || strings.Contains(o.Line(), secret) {
		t.Errorf("record %s", o.Line())
	}
	v.Rebuild()
	credential, actor, err := vault.Authenticate(v.State, &v.Env, key["AccessKeyId"].(string), secret, "")
	if err != nil || actor.Principal.ARN != "arn:aws:iam::"+account+":user/admin" {
		t.Fatalf("%v, %v", actor, err)
	}
	second := *admin
	second.Credential = credential
	second.Call("iam:CreateUser", m{"UserName": "admin2"}).OK()
	second.Call("keytrail:CreateAccount", m{"AccountName": "third"}).Fails(fault.AccessDeniedException, "management account "+vaulttest.Account)
	second.Call("keytrail:ListAccounts", nil).Fails(fault.AccessDeniedException, "management account")
	admin.Call("keytrail:CreateAccount", m{"AccountName": "x", "AccountId": account}).Fails(fault.AlreadyExistsException, account)
	v.User("nobody").Call("keytrail:CreateAccount", m{"AccountName": "x"}).Fails(fault.AccessDeniedException, "keytrail:CreateAccount")
	var ids []string
	in := m{"MaxResults": 1}
	for {
		page := admin.Call("keytrail:ListAccounts", in).OK()
		for _, a := range page["Accounts"].([]any) {
			ids = append(ids, a.(m)["Id"].(string))
		}
		if page["NextToken"] == nil {
			break
		}
		in["NextToken"] = page["NextToken"]
	}
	if len(ids) != 3 || !strings.Contains(strings.Join(ids, " "), account) {
		t.Errorf("accounts %v", ids)
	}
}

func TestBootstrap(t *testing.T) {
	v := vaulttest.New(t)
	env := v.Env
	env.Entropy = rand.NewChaCha8([32]byte{2})
	d, admin, err := vault.Bootstrap(vault.Founding{Region: "eu-central-1", Account: "000000000000"}, &env)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Records) != 1 || len(d.Seals) != 1 || !d.Changed {
		t.Fatalf("%d records, %d seals", len(d.Records), len(d.Seals))
	}
	line, err := d.Records[0].AppendLine(nil)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(line, admin.Secret.Expose()) {
		t.Errorf("the secret is in the record: %s", line)
	}
	st := vault.NewState()
	if err := st.Apply(d.Records[0].Events); err != nil {
		t.Fatal(err)
	}
	v.Ring.Put(d.Seals[0].Ring, d.Seals[0].Sealed)
	_, actor, err := vault.Authenticate(st, &env, admin.AccessKey, string(admin.Secret.Expose()), "")
	if err != nil || actor.Principal.ARN != "arn:aws:iam::000000000000:user/admin" || st.Region != "eu-central-1" {
		t.Fatalf("%v, %v", actor, err)
	}
	if len(actor.Identity) != 1 || actor.Identity[0].ID != "aws-policy/AdministratorAccess" {
		t.Errorf("the administrator has %v", actor.Identity)
	}
	again, other, _ := vault.Bootstrap(vault.Founding{Region: "eu-central-1", Account: "000000000000"}, &env)
	if other.AccessKey == admin.AccessKey || again.Records[0].Request == d.Records[0].Request {
		t.Error("entropy is used twice")
	}
	for _, f := range []vault.Founding{{"eu-central-1", "1"}, {"", "000000000000"}, {"EU", "000000000000"}, {`a"b`, "000000000000"}} {
		if _, _, err := vault.Bootstrap(f, &env); err == nil {
			t.Errorf("%v is accepted", f)
		}
	}
}
