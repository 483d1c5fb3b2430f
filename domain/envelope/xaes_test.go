package envelope

import (
	"bytes"
	"crypto/sha3"
	"encoding/hex"
	"testing"
)

// The published vectors of https://c2sp.org/XAES-256-GCM, intermediate values
// included.
func TestXAESVectors(t *testing.T) {
	type vector struct {
		Name                                                   string
		Key, Nonce, K1, MessageKey, AAD, Plaintext, Ciphertext hexBytes
	}
	for _, v := range readVectors[vector](t, "xaes.jsonl") {
		t.Run(v.Name, func(t *testing.T) {
			x, err := newXAES((*[32]byte)(v.Key))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(x.k1[:], v.K1) {
				t.Errorf("K1 = %x, want %x", x.k1, []byte(v.K1))
			}
			s := getScratch()
			defer s.release()
			if _, err := x.message(s, v.Nonce); err != nil || !bytes.Equal(s.key[:], v.MessageKey) {
				t.Errorf("message key = %x, %v, want %x", s.key, err, []byte(v.MessageKey))
			}
			s.aad = append(s.aad, v.AAD...)
			sealed, err := x.seal(nil, s, bytes.NewReader(v.Nonce), v.Plaintext)
			if err != nil {
				t.Fatal(err)
			}
			if want := append(bytes.Clone(v.Nonce), v.Ciphertext...); !bytes.Equal(sealed, want) {
				t.Errorf("sealed %x, want %x", sealed, want)
			}
			opened, ok, err := x.open(nil, s, sealed)
			if err != nil || !ok || !bytes.Equal(opened, v.Plaintext) {
				t.Errorf("opened %x, %v, %v", opened, ok, err)
			}
		})
	}
}

// The accumulated randomized test of the same document: one SHAKE-128 is the
// source of every input, another hashes every ciphertext.
func TestXAESAccumulated(t *testing.T) {
	iterations, want := 10_000, "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
	if !testing.Short() {
		iterations, want = 1_000_000, "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15"
	}
	source, digest := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	read := func(b []byte) []byte {
		_, _ = source.Read(b)
		return b
	}
	var key [32]byte
	var nonce [24]byte
	var length [1]byte
	plain, aad, sealed := make([]byte, 255), make([]byte, 255), make([]byte, 0, 512)
	s := getScratch()
	defer s.release()
	for range iterations {
		read(key[:])
		read(nonce[:])
		plaintext := read(plain[:read(length[:])[0]])
		s.aad = append(s.aad[:0], read(aad[:read(length[:])[0]])...)
		x, err := newXAES(&key)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err = x.seal(sealed[:0], s, bytes.NewReader(nonce[:]), plaintext)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = digest.Write(sealed[xaesNonceSize:])
	}
	var sum [32]byte
	_, _ = digest.Read(sum[:])
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("%d iterations hash to %s, want %s", iterations, got, want)
	}
}
