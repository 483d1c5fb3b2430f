package vault_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// benchmarkHandle measures one decision of a use, without log and edge.
func benchmarkHandle(b *testing.B, operation string, in func(id, blob string) m, context m) {
	v := vaulttest.New(b)
	admin := v.User("admin", vaulttest.Administrator)
	id, _ := newKey(admin, nil)
	blob := encrypt(admin, id, "0123456789abcdef0123456789abcdef", context)
	body, err := json.Marshal(in(id, blob))
	if err != nil {
		b.Fatal(err)
	}
	req := &vault.Request{ID: "r", Service: "kms", Operation: operation, Credential: admin.Credential, Body: body, Source: "192.0.2.44", Agent: "bench"}
	b.ReportAllocs()
	for b.Loop() {
		d := vault.Handle(v.State, req, &v.Env)
		if reply := d.Release(vault.Receipt{}); reply.Fault != nil {
			b.Fatal(reply.Fault)
		}
		d.Forget()
	}
}

var benchContext = m{"SecretARN": "arn:aws:secretsmanager:us-east-1:111122223333:secret:app-demo-Xk2QpZ", "SecretVersionId": "a4d1f0a2-9b1c-4b43-8e2f-7f2f1f0f5c11"}

func BenchmarkHandleDecrypt(b *testing.B) {
	benchmarkHandle(b, "Decrypt", func(_, blob string) m { return m{"CiphertextBlob": blob} }, nil)
}

func BenchmarkHandleDecryptWithContext(b *testing.B) {
	benchmarkHandle(b, "Decrypt", func(_, blob string) m { return m{"CiphertextBlob": blob, "EncryptionContext": benchContext} }, benchContext)
}

func BenchmarkHandleEncrypt(b *testing.B) {
	benchmarkHandle(b, "Encrypt", func(id, _ string) m { return m{"KeyId": id, "Plaintext": b64("0123456789abcdef0123456789abcdef")} }, nil)
}

func BenchmarkHandleGenerateDataKey(b *testing.B) {
	benchmarkHandle(b, "GenerateDataKey", func(id, _ string) m { return m{"KeyId": id, "KeySpec": "AES_256"} }, nil)
}

// BenchmarkKeyMemory reports the heap that one key with its own id, material and
// the default policy takes, and one grant.
func BenchmarkKeyMemory(b *testing.B) {
	const n = 20_000
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	id := func(i int) string {
		return key.FormatID([16]byte{byte(i >> 16), byte(i >> 8), byte(i)})
	}
	for b.Loop() {
		s := key.NewStore()
		s.SetRegion(vaulttest.Region)
		before := heap()
		for i := range n {
			line := fmt.Appendf(nil, `{"n":1,"at":"2026-11-23T18:00:00.123456Z","op":"kms:CreateKey","outcome":"ok","events":[{"type":"KeyCreated","v":1,"key":"%s","account":"111122223333","manager":"CUSTOMER","spec":"SYMMETRIC_DEFAULT","usage":"ENCRYPT_DECRYPT","origin":"AWS_KMS","policy":%q,"created":"2026-11-23T18:00:00.123456Z","material":{"id":"%064x","ring":"%032d","commitment":"%064x"}}]}`,
				id(i), policyFor(vaulttest.Account, "kms:*"), i, i, i)
			applyLine(b, s, line)
		}
		keys := heap()
		for i := range n {
			line := fmt.Appendf(nil, `{"n":1,"at":"2026-11-23T18:00:00.123456Z","op":"kms:CreateGrant","outcome":"ok","events":[{"type":"GrantCreated","v":1,"grant":"%064x","key":"%s","grantee":"arn:aws:iam::111122223333:role/reader","granteeId":"AROA0000000000000000%d","operations":["Decrypt"],"issuingAccount":"111122223333","at":"2026-11-23T18:00:00.123456Z"}]}`,
				i, id(0), i)
			applyLine(b, s, line)
		}
		grants := heap()
		b.ReportMetric(float64(keys-before)/n, "B/key")
		b.ReportMetric(float64(grants-keys)/n, "B/grant")
		runtime.KeepAlive(s)
	}
}

func applyLine(b *testing.B, s *key.Store, line []byte) {
	r, err := event.ParseLine(line)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Apply(r.Events[0]); err != nil {
		b.Fatal(err)
	}
}
