package vault_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"hash"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

var (
	bright = bytes.Repeat([]byte("CANARY-1"), 4) // key material of 32 bytes
	dark   = bytes.Repeat([]byte("CANARY-2"), 4)
)

// wrap is what a client does with material and the parameters of an import.
func wrap(t testing.TB, algorithm string, parameters m, material []byte) string {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(parameters["PublicKey"].(string))
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	var h hash.Hash = sha256.New()
	if strings.HasSuffix(algorithm, "_SHA_1") {
		h = sha1.New()
	}
	seal := func(b []byte) []byte {
		sealed, err := rsa.EncryptOAEP(h, rand.Reader, public.(*rsa.PublicKey), b, nil)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	if !strings.HasPrefix(algorithm, "RSA_AES") {
		return base64.StdEncoding.EncodeToString(seal(material))
	}
	transport := bytes.Repeat([]byte{3}, 32)
	return base64.StdEncoding.EncodeToString(append(seal(transport), wrapPadded(t, transport, material)...))
}

const oaep = "RSAES_OAEP_SHA_256"

func parameters(c *vaulttest.Caller, id string) m {
	return c.Call("kms:GetParametersForImport", m{"KeyId": id, "WrappingAlgorithm": oaep, "WrappingKeySpec": "RSA_2048"}).OK()
}

// imports gives the request of an import that does not expire.
func imports(t testing.TB, c *vaulttest.Caller, id string, material []byte) m {
	t.Helper()
	p := parameters(c, id)
	return m{"KeyId": id, "ImportToken": p["ImportToken"], "EncryptedKeyMaterial": wrap(t, oaep, p, material), "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
}

func external(c *vaulttest.Caller) (id, arn string) { return newKey(c, m{"Origin": "EXTERNAL"}) }

func describe(c *vaulttest.Caller, id string) m {
	return c.Call("kms:DescribeKey", m{"KeyId": id}).OK()["KeyMetadata"].(m)
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

func TestImportKeyMaterial(t *testing.T) {
	for _, algorithm := range []string{"RSAES_OAEP_SHA_1", oaep, "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"} {
		t.Run(algorithm, func(t *testing.T) {
			v := vaulttest.New(t)
			admin := v.User("admin", vaulttest.Administrator)
			id, arn := external(admin)
			if md := describe(admin, id); md["KeyState"] != "PendingImport" || md["Enabled"] != false || md["Origin"] != "EXTERNAL" || md["CurrentKeyMaterialId"] != nil || md["ExpirationModel"] != nil {
				t.Errorf("before the import %v", md)
			}
			asked := admin.Call("kms:GetParametersForImport", m{"KeyId": id, "WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048"})
			p := asked.OK()
			if p["KeyId"] != arn || p["ParametersValidTo"] != seconds(v.Env.Now.Add(24*time.Hour)) || len(decode(t, p["ImportToken"])) > 6144 {
				t.Errorf("%v", p)
			}
			v.Rebuild()
			wrapped := wrap(t, algorithm, p, bright)
			to := v.Env.Now.AddDate(0, 0, 365).Truncate(time.Second)
			o := admin.Call("kms:ImportKeyMaterial", m{"KeyId": arn, "ImportToken": p["ImportToken"], "EncryptedKeyMaterial": wrapped, "ValidTo": to.Unix()})
			material, _ := o.OK()["KeyMaterialId"].(string)
			if len(material) != 64 || o.OK()["KeyId"] != arn || string(o.Record().Response) != `{"keyId":"`+arn+`","keyMaterialId":"`+material+`"}` {
				t.Errorf("%v, record %s", o.OK(), o.Line())
			}
			for _, line := range v.Lines {
				for _, secret := range []string{"CANARY", p["ImportToken"].(string), wrapped, base64.StdEncoding.EncodeToString(bright), p["PublicKey"].(string)} {
					if strings.Contains(string(line), secret) {
						t.Errorf("the record holds %q: %s", secret, line)
					}
				}
			}
			for range 2 {
				md := describe(admin, id)
				if md["KeyState"] != "Enabled" || md["Enabled"] != true || md["CurrentKeyMaterialId"] != material || md["ExpirationModel"] != "KEY_MATERIAL_EXPIRES" || md["ValidTo"] != float64(to.Unix()) {
					t.Errorf("after the import %v", md)
				}
				v.Rebuild()
			}
			blob := encrypt(admin, id, "text", m{"a": "b"})
			if got := admin.Call("kms:Decrypt", m{"CiphertextBlob": blob, "EncryptionContext": m{"a": "b"}}).OK(); got["Plaintext"] != b64("text") || got["KeyMaterialId"] != material {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestTheSameMaterialComesBack(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := external(admin)
	first := admin.Call("kms:ImportKeyMaterial", imports(t, admin, id, bright))
	material := first.OK()["KeyMaterialId"]
	ring := first.Record().Events[0].(*event.KeyMaterialImported).Material.Ring
	blob := encrypt(admin, id, "text", nil)
	admin.Call("kms:DeleteImportedKeyMaterial", m{"KeyId": id, "KeyMaterialId": strings.Repeat("0", 64)}).Fails(fault.NotFoundException, "")
	o := admin.Call("kms:DeleteImportedKeyMaterial", m{"KeyId": id, "KeyMaterialId": material})
	if o.OK()["KeyId"] != arn || o.OK()["KeyMaterialId"] != material || *o.Record().Events[0].(*event.KeyMaterialDeleted) != (event.KeyMaterialDeleted{Key: id, Material: material.(string)}) {
		t.Errorf("record %s", o.Line())
	}
	if v.Ring.Has(ring) || len(slices.Collect(v.State.RingIDs())) != 1 { // the administrator's access key
		t.Error("the material is still in the keyring")
	}
	for range 2 {
		if md := describe(admin, id); md["KeyState"] != "PendingImport" || md["CurrentKeyMaterialId"] != nil || md["ExpirationModel"] != nil {
			t.Errorf("%v", md)
		}
		admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).Fails(fault.KMSInvalidStateException, arn+" is pending import.")
		again := admin.Call("kms:DeleteImportedKeyMaterial", m{"KeyId": id})
		if again.OK(); len(again.Record().Events) != 0 || len(again.Decision.Erase) != 0 {
			t.Errorf("a deletion of nothing: %s", again.Line())
		}
		v.Rebuild()
	}
	admin.Call("kms:ImportKeyMaterial", imports(t, admin, id, dark)).Fails(fault.IncorrectKeyMaterialException, arn)
	in := imports(t, admin, id, bright)
	in["ImportType"] = "NEW_KEY_MATERIAL"
	admin.Call("kms:ImportKeyMaterial", in).Fails(fault.UnsupportedOperationException, "")
	in["ImportType"], in["KeyMaterialId"] = "EXISTING_KEY_MATERIAL", strings.Repeat("0", 64)
	admin.Call("kms:ImportKeyMaterial", in).Fails(fault.IncorrectKeyMaterialException, "")
	in["KeyMaterialId"] = material
	if got := admin.Call("kms:ImportKeyMaterial", in).OK()["KeyMaterialId"]; got != material {
		t.Errorf("the same material has another id %v", got)
	}
	if got := admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).OK()["Plaintext"]; got != b64("text") {
		t.Errorf("%v", got)
	}

	// Imported over itself, to change its expiry, the key stays as it is.
	admin.Call("kms:DisableKey", m{"KeyId": id}).OK()
	delete(in, "ExpirationModel")
	in["ValidTo"] = v.Env.Now.AddDate(0, 0, 1).Unix()
	over := admin.Call("kms:ImportKeyMaterial", in)
	over.OK()
	if len(over.Decision.Erase) != 1 || v.Ring.Has(over.Decision.Erase[0]) || !v.Ring.Has(over.Record().Events[0].(*event.KeyMaterialImported).Material.Ring) {
		t.Errorf("erased %v", over.Decision.Erase)
	}
	if md := describe(admin, id); md["KeyState"] != "Disabled" || md["ValidTo"] != float64(in["ValidTo"].(int64)) {
		t.Errorf("%v", md)
	}
	v.Rebuild()
	admin.Call("kms:EnableKey", m{"KeyId": id}).OK()
	admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).OK()
}

func TestImportedMaterialExpires(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	id, arn := external(admin)
	in := imports(t, admin, id, bright)
	delete(in, "ExpirationModel")
	to := v.Env.Now.Add(10 * time.Hour).Truncate(time.Second)
	in["ValidTo"] = to.Unix()
	first := admin.Call("kms:ImportKeyMaterial", in)
	material := first.OK()["KeyMaterialId"].(string)
	ring := first.Record().Events[0].(*event.KeyMaterialImported).Material.Ring
	blob := encrypt(admin, id, "text", nil)
	tick := func(operation string) *vaulttest.Outcome {
		t.Helper()
		calls := due(v)
		if operation == "" && len(calls) == 0 {
			return nil
		}
		if len(calls) != 1 || calls[0].Operation != operation {
			t.Fatalf("due: %v, want %q", calls, operation)
		}
		return v.Tick(calls)[0]
	}
	early := v.Tick([]vault.Request{{Service: "kms", Operation: "DeleteExpiredKeyMaterial", Body: []byte(`{"KeyId":"` + id + `"}`)}})
	early[0].Fails(fault.KMSInvalidStateException, arn)
	admin.Call("kms:DeleteExpiredKeyMaterial", m{"KeyId": id}).Fails(fault.UnknownOperationException, "")
	v.Env.Now = to.Add(-time.Microsecond)
	tick("")
	admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).OK()
	v.Env.Now = to

	// From this moment the material is gone, whether the timer has run or not.
	gone := func() {
		t.Helper()
		admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).Fails(fault.KMSInvalidStateException, arn+" is pending import.")
		admin.Call("kms:DisableKey", m{"KeyId": id}).Fails(fault.KMSInvalidStateException, "pending import")
		if md := describe(admin, id); md["KeyState"] != "PendingImport" || md["Enabled"] != false || md["CurrentKeyMaterialId"] != nil || md["ValidTo"] != nil || md["ExpirationModel"] != nil {
			t.Errorf("%v", md)
		}
	}
	gone()
	o := tick("DeleteExpiredKeyMaterial")
	o.OK()
	r := o.Record()
	if *r.Events[0].(*event.KeyMaterialExpired) != (event.KeyMaterialExpired{Key: id, Material: material}) || r.Who.Type != "AWSService" || r.Resources[0] != arn || string(r.Extra) != `{"keyMaterialId":"`+material+`"}` {
		t.Errorf("record %s", o.Line())
	}
	if v.Ring.Has(ring) {
		t.Error("the material is still in the keyring")
	}
	gone()
	tick("")
	v.Rebuild()
	gone()

	// Imported again, with a new time; a key that is to be deleted loses its
	// material in time all the same, and is deleted in its turn.
	in["ValidTo"] = v.Env.Now.AddDate(0, 0, 3).Unix()
	in["ImportToken"], in["EncryptedKeyMaterial"] = func() (any, any) {
		again := imports(t, admin, id, bright)
		return again["ImportToken"], again["EncryptedKeyMaterial"]
	}()
	admin.Call("kms:ImportKeyMaterial", in).OK()
	admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).OK()
	admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id, "PendingWindowInDays": 7}).OK()
	v.Days(3)
	admin.Call("kms:Decrypt", m{"CiphertextBlob": blob}).Fails(fault.KMSInvalidStateException, "pending deletion")
	tick("DeleteExpiredKeyMaterial").OK()
	if md := describe(admin, id); md["KeyState"] != "PendingDeletion" {
		t.Errorf("%v", md)
	}
	v.Rebuild()
	admin.Call("kms:CancelKeyDeletion", m{"KeyId": id}).OK()
	if md := describe(admin, id); md["KeyState"] != "PendingImport" {
		t.Errorf("a cancelled deletion leads to %v", md["KeyState"])
	}
	admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id, "PendingWindowInDays": 7}).OK()
	v.Days(7)
	tick("DeleteKey").OK()
	admin.Call("kms:DescribeKey", m{"KeyId": id}).Fails(fault.NotFoundException, "")
}

func TestImportRefuses(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	foreign := v.UserOf(vaulttest.Other, "foreign", vaulttest.Administrator)
	id, arn := external(admin)
	other, _ := external(admin)
	theirs, _ := external(foreign)
	own, _ := newKey(admin, nil)
	good := imports(t, admin, id, bright)
	with := func(more m) m {
		in := m{}
		for _, members := range []m{good, more} {
			for k, x := range members {
				in[k] = x
			}
		}
		return in
	}
	damaged := decode(t, good["ImportToken"])
	damaged[len(damaged)-1] ^= 1
	session := v.Env.Now.Unix()
	for _, tc := range []struct {
		name string
		in   m
		code fault.Code
		text string
	}{
		{"the token of another key", with(m{"ImportToken": parameters(admin, other)["ImportToken"]}), fault.InvalidImportTokenException, ""},
		{"the token of another account", with(m{"ImportToken": parameters(foreign, theirs)["ImportToken"]}), fault.InvalidImportTokenException, ""},
		{"a damaged token", with(m{"ImportToken": damaged}), fault.InvalidImportTokenException, ""},
		{"a made-up token", with(m{"ImportToken": "AAAA"}), fault.InvalidImportTokenException, ""},
		{"material wrapped with another key", with(m{"ImportToken": parameters(admin, id)["ImportToken"]}), fault.InvalidCiphertextException, ""},
		{"material that is not wrapped", with(m{"EncryptedKeyMaterial": bright}), fault.InvalidCiphertextException, ""},
		{"material too short", imports(t, admin, id, bright[:16]), fault.IncorrectKeyMaterialException, "256 bits"},
		{"material too long", imports(t, admin, id, append(bright, 0)), fault.IncorrectKeyMaterialException, "256 bits"},
		{"existing material that never was", with(m{"ImportType": "EXISTING_KEY_MATERIAL"}), fault.IncorrectKeyMaterialException, ""},
		{"other material than named", with(m{"KeyMaterialId": strings.Repeat("0", 64)}), fault.IncorrectKeyMaterialException, ""},
		{"no expiry", with(m{"ExpirationModel": nil}), fault.ValidationException, "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"},
		{"an expiry of what does not expire", with(m{"ValidTo": session + 60}), fault.ValidationException, "must not"},
		{"an expiry in the past", with(m{"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": session}), fault.ValidationException, "future"},
		{"an expiry too far off", with(m{"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": session + 365*86400 + 1}), fault.ValidationException, "365"},
		{"a description of other characters", with(m{"KeyMaterialDescription": "é"}), fault.ValidationException, ""},
		{"a key that makes its own material", with(m{"KeyId": own}), fault.UnsupportedOperationException, "AWS_KMS"},
		{"an alias", with(m{"KeyId": "alias/a"}), fault.NotFoundException, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := admin.Call("kms:ImportKeyMaterial", tc.in)
			o.Fails(tc.code, tc.text)
			if len(o.Decision.Seals) != 0 || strings.Contains(o.Line(), "CANARY") {
				t.Errorf("a refused import stages %d seals; %s", len(o.Decision.Seals), o.Line())
			}
		})
	}
	for name, in := range map[string]m{
		"RSAES_PKCS1_V1_5": {"WrappingAlgorithm": "RSAES_PKCS1_V1_5", "WrappingKeySpec": "RSA_2048"},
		"SM2PKE":           {"WrappingAlgorithm": "SM2PKE", "WrappingKeySpec": "SM2"},
		"SM2":              {"WrappingAlgorithm": oaep, "WrappingKeySpec": "SM2"},
	} {
		in["KeyId"] = id
		admin.Call("kms:GetParametersForImport", in).Fails(fault.UnsupportedOperationException, name)
	}
	admin.Call("kms:GetParametersForImport", m{"KeyId": own, "WrappingAlgorithm": oaep, "WrappingKeySpec": "RSA_2048"}).Fails(fault.UnsupportedOperationException, "AWS_KMS")
	admin.Call("kms:DeleteImportedKeyMaterial", m{"KeyId": own}).Fails(fault.UnsupportedOperationException, "AWS_KMS")

	v.Wait(24*time.Hour - time.Microsecond)
	only := v.User("only", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:ExpirationModel":"KEY_MATERIAL_EXPIRES"},"DateLessThan":{"kms:ValidTo":"`+v.Env.Now.AddDate(0, 1, 0).Format(time.RFC3339)+`"}}}}`)
	only.Call("kms:ImportKeyMaterial", good).Fails(fault.AccessDeniedException, arn)
	only.Call("kms:ImportKeyMaterial", with(m{"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": v.Env.Now.AddDate(0, 2, 0).Unix()})).Fails(fault.AccessDeniedException, arn)
	only.Call("kms:ImportKeyMaterial", with(m{"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": v.Env.Now.AddDate(0, 0, 2).Unix()})).OK()
	wrapper := v.User("wrapper", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:WrappingAlgorithm":"`+oaep+`","kms:WrappingKeySpec":"RSA_2048"}}}}`)
	wrapper.Call("kms:GetParametersForImport", m{"KeyId": id, "WrappingAlgorithm": "RSAES_OAEP_SHA_1", "WrappingKeySpec": "RSA_2048"}).Fails(fault.AccessDeniedException, arn)
	parameters(wrapper, id)
	v.Wait(time.Microsecond)
	admin.Call("kms:ImportKeyMaterial", good).Fails(fault.ExpiredImportTokenException, "")
	v.User("nobody").Call("kms:DeleteImportedKeyMaterial", m{"KeyId": id}).Fails(fault.AccessDeniedException, arn)
}

// TestImportedKeysHoldToTheKeyState: the cells of the state table that are about
// keys of origin EXTERNAL, with material and without.
func TestImportedKeysHoldToTheKeyState(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	const (
		ok = fault.Code("")
		d  = fault.DisabledException
		s  = fault.KMSInvalidStateException
		u  = fault.UnsupportedOperationException
	)
	for operation, want := range map[string][4]fault.Code{ // Enabled, Disabled, PendingDeletion, PendingImport
		"Encrypt":                   {ok, d, s, s},
		"GenerateDataKey":           {ok, d, s, s},
		"CreateGrant":               {ok, d, s, s},
		"EnableKey":                 {ok, ok, s, s},
		"DisableKey":                {ok, ok, s, s},
		"EnableKeyRotation":         {u, u, u, u},
		"DisableKeyRotation":        {u, u, u, u},
		"GetKeyRotationStatus":      {u, u, u, u},
		"ListKeyRotations":          {u, u, u, u},
		"RotateKeyOnDemand":         {u, u, u, s},
		"GetParametersForImport":    {ok, ok, s, ok},
		"ImportKeyMaterial":         {ok, ok, s, ok},
		"DeleteImportedKeyMaterial": {ok, ok, ok, ok},
		"ScheduleKeyDeletion":       {ok, ok, s, ok},
		"CancelKeyDeletion":         {s, s, ok, s},
		"TagResource":               {ok, ok, s, ok},
		"UpdateKeyDescription":      {ok, ok, s, ok},
		"CreateAlias":               {ok, ok, s, ok},
		"DescribeKey":               {},
		"GetKeyPolicy":              {},
	} {
		for i, state := range []string{"Enabled", "Disabled", "PendingDeletion", "PendingImport"} {
			t.Run(operation+"/"+state, func(t *testing.T) {
				id, arn := external(admin)
				in := imports(t, admin, id, bright)
				admin.Call("kms:ImportKeyMaterial", in).OK()
				switch state {
				case "Disabled":
					admin.Call("kms:DisableKey", m{"KeyId": id}).OK()
				case "PendingDeletion":
					admin.Call("kms:ScheduleKeyDeletion", m{"KeyId": id}).OK()
				case "PendingImport":
					admin.Call("kms:DeleteImportedKeyMaterial", m{"KeyId": id}).OK()
				}
				if operation != "ImportKeyMaterial" {
					in = m{"KeyId": id}
				}
				for member, x := range map[string]m{
					"Encrypt": {"Plaintext": "eA=="}, "GenerateDataKey": {"KeySpec": "AES_256"},
					"CreateGrant":            {"GranteePrincipal": admin.ARN, "Operations": []string{"Decrypt"}},
					"GetParametersForImport": {"WrappingAlgorithm": oaep, "WrappingKeySpec": "RSA_2048"},
					"TagResource":            {"Tags": []m{{"TagKey": "a", "TagValue": "b"}}}, "UpdateKeyDescription": {"Description": "new"},
					"CreateAlias": {"AliasName": "alias/" + strings.ToLower(state), "TargetKeyId": id},
				}[operation] {
					in[member] = x
				}
				o := admin.Call("kms:"+operation, in)
				if want[i] != ok {
					o.Fails(want[i], arn)
					return
				}
				o.OK()
			})
		}
	}
	v.Rebuild()
}

// FuzzImportToken: bytes that the vault did not make are no token, and whatever is
// wrapped, nothing is imported but the key's own material. RSA keys differ from one
// fuzzing process to the next, and a token of one opens in the others, so what came
// in is judged by what it was taken for.
func FuzzImportToken(f *testing.F) {
	v := vaulttest.New(f)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := external(admin)
	good := imports(f, admin, id, bright)
	material := admin.Call("kms:ImportKeyMaterial", good).OK()["KeyMaterialId"]
	token, _ := base64.StdEncoding.DecodeString(good["ImportToken"].(string))
	wrapped, _ := base64.StdEncoding.DecodeString(good["EncryptedKeyMaterial"].(string))
	f.Add(token, wrapped)
	f.Add(token, wrapped[:100])
	f.Add(token[:60], wrapped)
	f.Add([]byte{1}, []byte{1})
	f.Fuzz(func(t *testing.T, token, wrapped []byte) {
		v.For(t)
		v.Lines = v.Lines[:0]
		o := admin.Call("kms:ImportKeyMaterial", m{"KeyId": id, "ImportToken": token, "EncryptedKeyMaterial": wrapped, "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"})
		outside := func(b []byte) bool { return len(b) == 0 || len(b) > 6144 }
		switch {
		case o.Reply.Fault == nil:
			if got := o.OK()["KeyMaterialId"]; got != material {
				t.Fatalf("imported %v with %x and %x", got, token, wrapped)
			}
		case o.Reply.Fault.Code == fault.ValidationException && (outside(token) || outside(wrapped)),
			o.Reply.Fault.Code == fault.InvalidCiphertextException, o.Reply.Fault.Code == fault.InvalidImportTokenException:
		default:
			t.Fatalf("%v", o.Reply.Fault)
		}
	})
}
