package vault_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// FuzzDecryptBlob: bytes that the vault did not make open under no key, and only
// with the faults that AWS documents.
func FuzzDecryptBlob(f *testing.F) {
	v := vaulttest.New(f)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := newKey(admin, nil)
	made := encrypt(admin, id, "text", nil)
	raw, err := base64.StdEncoding.DecodeString(made)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:60])
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, blob []byte) {
		v.For(t)
		v.Lines = v.Lines[:0]
		o := admin.Call("kms:Decrypt", m{"CiphertextBlob": blob})
		if base64.StdEncoding.EncodeToString(blob) == made {
			o.OK()
			return
		}
		switch {
		case o.Reply.Fault == nil:
			t.Fatalf("opened %x", blob)
		case o.Reply.Fault.Code == fault.InvalidCiphertextException, o.Reply.Fault.Code == fault.AccessDeniedException,
			o.Reply.Fault.Code == fault.ValidationException && (len(blob) == 0 || len(blob) > 6144):
		default:
			t.Fatalf("%x: %v", blob, o.Reply.Fault)
		}
	})
}

// FuzzKeyName: no name but the key's own reaches the key.
func FuzzKeyName(f *testing.F) {
	v := vaulttest.New(f)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := newKey(admin, nil)
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/a", "TargetKeyId": id}).OK()
	own := map[string]bool{id: true, arn: true, "alias/a": true, strings.Replace(arn, "key/"+id, "alias/a", 1): true}
	for name := range own {
		f.Add(name)
	}
	f.Add("arn:aws:kms:us-east-1:111122223333:key/")
	f.Add("arn:aws:kms:us-east-1:111122223333:alias/")
	f.Fuzz(func(t *testing.T, name string) {
		v.For(t)
		v.Lines = v.Lines[:0]
		o := admin.Call("kms:DescribeKey", m{"KeyId": name})
		if (o.Reply.Fault == nil) != own[name] {
			t.Fatalf("%q: %v", name, o.Reply.Fault)
		}
		if f := o.Reply.Fault; f != nil && f.Code != fault.NotFoundException && f.Code != fault.InvalidArnException && f.Code != fault.ValidationException {
			t.Fatalf("%q: %v", name, f)
		}
	})
}

func FuzzGrantToken(f *testing.F) {
	v := vaulttest.New(f)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := newKey(admin, nil)
	token := admin.Call("kms:CreateGrant", m{"KeyId": id, "GranteePrincipal": admin.ARN, "Operations": []string{"Decrypt"}}).OK()["GrantToken"].(string)
	f.Add(token)
	f.Add(token[1:])
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if _, grant, ok := vault.ParseGrantToken(token); ok != (len(grant) == 64) {
			t.Errorf("%q: %q, %v", token, grant, ok)
		}
	})
}
