package envelope

import (
	"crypto/rand"
	"fmt"
	"testing"
)

var benchContext = map[string]string{
	"SecretARN":       "arn:aws:secretsmanager:eu-west-1:000000000000:secret:orders/db-AbCdEf",
	"SecretVersionId": "01234567-89ab-cdef-0123-456789abcdef",
}

func sizes(b *testing.B, f func(b *testing.B, plaintext []byte)) {
	for _, n := range []int{32, 4096} {
		b.Run(fmt.Sprintf("%d B", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			f(b, make([]byte, n))
		})
	}
}

func BenchmarkEncrypt(b *testing.B) {
	m := testMaterial(b, 1)
	sizes(b, func(b *testing.B, plaintext []byte) {
		for b.Loop() {
			if _, err := m.Encrypt(nil, rand.Reader, Header{}, benchContext, plaintext); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecrypt(b *testing.B) {
	m := testMaterial(b, 1)
	sizes(b, func(b *testing.B, plaintext []byte) {
		blob, _ := m.Encrypt(nil, rand.Reader, Header{}, benchContext, plaintext)
		dst := make([]byte, 0, len(plaintext))
		for b.Loop() {
			if _, err := m.Decrypt(dst, blob, benchContext); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r := testRoot(b, 1)
	sizes(b, func(b *testing.B, plaintext []byte) {
		for b.Loop() {
			if _, err := r.Seal(rand.Reader, "bench", nil, plaintext); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := testRoot(b, 1)
	sizes(b, func(b *testing.B, plaintext []byte) {
		sealed, _ := r.Seal(rand.Reader, "bench", nil, plaintext)
		for b.Loop() {
			if _, err := r.Open("bench", nil, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSealValue(b *testing.B) {
	key := [32]byte{1}
	sizes(b, func(b *testing.B, plaintext []byte) {
		for b.Loop() {
			if _, err := SealValue(nil, rand.Reader, &key, nil, plaintext); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpenValue(b *testing.B) {
	key := [32]byte{1}
	sizes(b, func(b *testing.B, plaintext []byte) {
		sealed, _ := SealValue(nil, rand.Reader, &key, nil, plaintext)
		for b.Loop() {
			if _, err := OpenValue(nil, &key, nil, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCanonicalContext(b *testing.B) {
	b.ReportAllocs()
	dst := make([]byte, 0, 512)
	for b.Loop() {
		CanonicalContext(dst, benchContext)
	}
}

// BenchmarkOpenMaterial: the first use of a KMS key after a start.
func BenchmarkOpenMaterial(b *testing.B) {
	b.ReportAllocs()
	root, m := testRoot(b, 1), testMaterial(b, 1)
	sealed, _ := m.SealUnder(root, rand.Reader, [16]byte{})
	for b.Loop() {
		opened, err := OpenMaterial(root, [16]byte{}, sealed)
		if err != nil {
			b.Fatal(err)
		}
		opened.Destroy()
	}
}
