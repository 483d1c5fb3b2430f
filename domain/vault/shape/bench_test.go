package shape_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"
)

var benchBody = []byte(`{"CiphertextBlob":"` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xA5, 0x17, 0xFE}, 50)) +
	`","KeyId":"arn:aws:kms:us-east-1:111122223333:key/4f0c3b5e-6d0a-4f7e-9a70-2b8f8a9a1c55",` +
	`"EncryptionContext":{"SecretARN":"arn:aws:secretsmanager:us-east-1:111122223333:secret:app-demo-Xk2QpZ",` +
	`"SecretVersionId":"a4d1f0a2-9b1c-4b43-8e2f-7f2f1f0f5c11"},"EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`)

var blobOnly = []byte(`{"CiphertextBlob":"` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xA5, 0x17, 0xFE}, 50)) + `"}`)

func BenchmarkDecode(b *testing.B) {
	for name, body := range map[string][]byte{"full": benchBody, "blob": blobOnly} {
		b.Run(name+"/shape", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var in decryptInput
				if err := decrypt.Decode(body, &in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var in decryptInput
				if err := json.Unmarshal(body, &in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendAudit(b *testing.B) {
	var in decryptInput
	if err := decrypt.Decode(benchBody, &in); err != nil {
		b.Fatal(err)
	}
	b.Run("shape", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 1024)
		for b.Loop() {
			dst = decrypt.AppendAudit(dst[:0], &in)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(&in); err != nil {
				b.Fatal(err)
			}
		}
	})
}
