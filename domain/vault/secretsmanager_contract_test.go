package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// tap keeps what is drawn from entropy in pieces of 32 bytes: key material and data
// keys.
type tap struct {
	from io.Reader
	keys [][]byte
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := io.ReadFull(t.from, p)
	if n == 32 {
		t.keys = append(t.keys, bytes.Clone(p))
	}
	return n, err
}

// spelled is a byte string in the ways in which it could get out: raw, in base64 and
// in hexadecimal.
func spelled(b []byte) [][]byte {
	return [][]byte{b, []byte(base64.RawStdEncoding.EncodeToString(b)), []byte(hex.EncodeToString(b)), []byte(strings.ToUpper(hex.EncodeToString(b)))}
}

// No operation of Secrets Manager replies with a stored ciphertext or a wrapped data
// key, and no reply and no record has a data key or, but for the replies that are to
// have it, a value.
func TestNothingSealedComesOut(t *testing.T) {
	v := vaulttest.New(t)
	entropy := &tap{from: v.Env.Entropy}
	v.Env.Entropy = entropy
	admin := v.User("admin", vaulttest.Administrator)
	_, k1 := newKey(admin, nil)
	_, k2 := newKey(admin, nil)

	called := map[string]bool{}
	replies := map[string][]byte{}
	var sealed [][]byte // every ciphertext and wrapped key that ever was
	call := func(operation string, in m) {
		t.Helper()
		o := sm(admin, operation, in)
		if o.Reply.Fault != nil {
			t.Fatalf("%s: %v", operation, o.Reply.Fault)
		}
		called["secretsmanager:"+operation] = true
		replies[fmt.Sprint(len(replies), " ", operation)] = bytes.Clone(o.Reply.Body)
		for _, s := range v.State.Secrets.After(vaulttest.Account, 0) {
			for i := range s.Versions() {
				version := &s.Versions()[i]
				sealed = append(sealed, version.Ciphertext())
				version.Rings(func(ring string) bool {
					wrapped, err := v.Ring.Sealed(ring)
					if err != nil {
						t.Fatalf("%s: %v", operation, err)
					}
					sealed = append(sealed, wrapped)
					return true
				})
			}
		}
	}
	call("CreateSecret", m{"Name": "s", "SecretString": "CANARY-text-0", "ClientRequestToken": versionToken(1), "KmsKeyId": k1})
	call("CreateSecret", m{"Name": "s", "SecretString": "CANARY-text-0", "ClientRequestToken": versionToken(1), "KmsKeyId": k1})
	call("CreateSecret", m{"Name": "b", "SecretBinary": b64("CANARY-bytes-0")})
	call("PutSecretValue", m{"SecretId": "s", "SecretString": "CANARY-text-1", "ClientRequestToken": versionToken(2)})
	call("PutSecretValue", m{"SecretId": "s", "SecretString": "CANARY-text-1", "ClientRequestToken": versionToken(2)})
	call("UpdateSecret", m{"SecretId": "s", "SecretString": "CANARY-text-2", "ClientRequestToken": versionToken(3)})
	call("UpdateSecret", m{"SecretId": "s", "KmsKeyId": k2})
	v.Env.RekeyMode = vault.RekeyAWS
	call("UpdateSecret", m{"SecretId": "s", "KmsKeyId": ""})
	call("UpdateSecretVersionStage", m{"SecretId": "s", "VersionStage": "blue", "MoveToVersionId": versionToken(1)})
	call("GetSecretValue", m{"SecretId": "s"})
	call("GetSecretValue", m{"SecretId": "b"})
	call("BatchGetSecretValue", m{"SecretIdList": []string{"s", "b"}})
	call("DescribeSecret", m{"SecretId": "s"})
	call("ListSecrets", nil)
	call("ListSecretVersionIds", m{"SecretId": "s", "IncludeDeprecated": true})
	call("TagResource", m{"SecretId": "s", "Tags": []m{{"Key": "a", "Value": "b"}}})
	call("UntagResource", m{"SecretId": "s", "TagKeys": []string{"a"}})
	call("PutResourcePolicy", m{"SecretId": "s", "ResourcePolicy": secretPolicy(admin.ARN)})
	call("GetResourcePolicy", m{"SecretId": "s"})
	call("ValidateResourcePolicy", m{"SecretId": "s", "ResourcePolicy": secretPolicy(admin.ARN)})
	call("DeleteResourcePolicy", m{"SecretId": "s"})
	call("GetRandomPassword", nil)
	call("DeleteSecret", m{"SecretId": "s"})
	call("RestoreSecret", m{"SecretId": "s"})
	call("DeleteSecret", m{"SecretId": "s", "ForceDeleteWithoutRecovery": true})

	// The two that never succeed: see TestRotationWithoutFunctions.
	called["secretsmanager:RotateSecret"], called["secretsmanager:CancelRotateSecret"] = true, true
	for _, operation := range vault.Operations() {
		if strings.HasPrefix(operation, "secretsmanager:") && !called[operation] {
			t.Errorf("%s is not put to the test", operation)
		}
	}
	var password struct{ RandomPassword string }
	for name, reply := range replies {
		for _, s := range append(slices.Clone(sealed), entropy.keys...) {
			for _, spelling := range spelled(s) {
				if bytes.Contains(reply, spelling) {
					t.Errorf("reply %s holds %q", name, spelling)
				}
			}
		}
		reads := strings.HasSuffix(name, "GetSecretValue")
		for _, canary := range []string{"CANARY", base64.RawStdEncoding.EncodeToString([]byte("CANARY-bytes"))[:14]} {
			if !reads && bytes.Contains(reply, []byte(canary)) {
				t.Errorf("reply %s holds a value", name)
			}
		}
		if strings.HasSuffix(name, "GetRandomPassword") {
			if err := json.Unmarshal(reply, &password); err != nil || password.RandomPassword == "" {
				t.Fatalf("%q: %v", reply, err)
			}
		}
	}
	if len(sealed) < 20 || len(entropy.keys) < 10 {
		t.Fatalf("%d sealed texts and %d keys were looked for: too few to mean anything", len(sealed), len(entropy.keys))
	}
	for i, line := range v.Lines {
		for _, key := range entropy.keys {
			for _, spelling := range spelled(key) {
				if bytes.Contains(line, spelling) {
					t.Errorf("record %d holds a key: %s", i, line)
				}
			}
		}
		if bytes.Contains(line, []byte("CANARY")) || bytes.Contains(line, []byte(b64("CANARY-bytes-0"))) || bytes.Contains(line, []byte(password.RandomPassword)) {
			t.Errorf("record %d holds a value: %s", i, line)
		}
	}
}

// FuzzSecretID reads a secret by whatever a client calls it: only its names read it,
// and every answer is a record.
func FuzzSecretID(f *testing.F) {
	v, admin := vaultWithAdmin(f)
	arn, _ := newSecret(admin, "app/demo", "x", "")
	for _, id := range []string{"app/demo", arn, arn[:len(arn)-7], "", "app/demo-", "arn:aws:secretsmanager:us-east-1:444455556666:secret:app/demo", "arn:::::secret:x", "\x00", "😀"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		body, err := json.Marshal(m{"SecretId": id})
		if err != nil {
			return
		}
		d := vault.Handle(v.State, &vault.Request{ID: "r", Service: "secretsmanager", Operation: "GetSecretValue", Credential: admin.Credential, Body: body}, &v.Env)
		reply := d.Release(vault.Receipt{})
		if read := reply.Fault == nil; read != (id == "app/demo" || id == arn || id == arn[:len(arn)-7]) {
			t.Fatalf("%q: %v", id, reply.Fault)
		}
		for i := range d.Records {
			if _, err := d.Records[i].AppendLine(nil); err != nil {
				t.Fatal(err)
			}
		}
		if len(d.Records) == 0 {
			t.Fatal("no record")
		}
	})
}

// BenchmarkGetSecretValue is Handle alone, and with the encoding of its two records.
func BenchmarkGetSecretValue(b *testing.B) {
	v, admin := vaultWithAdmin(b)
	arn, _ := newSecret(admin, "app/demo", `{"user":"app","password":"hunter2"}`, "")
	reader := v.Role("reader", policyOn("secretsmanager:GetSecretValue", arn))
	req := &vault.Request{
		ID: "00000000-0000-4000-8000-000000000000", Service: "secretsmanager", Operation: "GetSecretValue", Credential: reader.Credential,
		Body: []byte(fmt.Sprintf(`{"SecretId":%q}`, arn)), Source: "192.0.2.44", Agent: "bench", Secure: true,
	}
	read := func(b *testing.B) *vault.Decision {
		d := vault.Handle(v.State, req, &v.Env)
		if d.Release(vault.Receipt{}).Fault != nil {
			b.Fatal(d.Release(vault.Receipt{}).Fault)
		}
		return d
	}
	b.Run("handle", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(b).Forget()
		}
	})
	b.Run("handle and encode", func(b *testing.B) {
		b.ReportAllocs()
		var line []byte
		for b.Loop() {
			d := read(b)
			line = line[:0]
			for i := range d.Records {
				line, _ = d.Records[i].AppendLine(line)
			}
			d.Forget()
		}
		b.ReportMetric(float64(len(line)), "B/records")
	})
}

// Uses are decided side by side: what they read of the state must not change by being
// read. Run with the race detector.
func TestConcurrentReads(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	newSecret(admin, "s", "x", "")
	sm(admin, "GetSecretValue", m{"SecretId": "s"}).OK() // opens the key material
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			for _, operation := range []string{"GetSecretValue", "DescribeSecret", "ListSecrets", "ListSecretVersionIds", "GetResourcePolicy"} {
				d := vault.Handle(v.State, &vault.Request{ID: "r", Service: "secretsmanager", Operation: operation, Credential: admin.Credential, Body: []byte(`{"SecretId":"s"}`)}, &v.Env)
				if reply := d.Release(vault.Receipt{}); reply.Fault != nil {
					t.Errorf("%s: %v", operation, reply.Fault)
				}
				d.Forget()
			}
		})
	}
	done.Wait()
}
