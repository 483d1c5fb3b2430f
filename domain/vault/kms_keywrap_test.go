package vault_test

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/keytrail/keytrail/domain/vault"
)

// wrapPadded is the sender's side of RFC 5649, written from its equations.
func wrapPadded(t testing.TB, kek, key []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	n := (len(key) + 7) / 8
	out := make([]byte, 8+8*n)
	binary.BigEndian.PutUint32(out, 0xa65959a6)
	binary.BigEndian.PutUint32(out[4:], uint32(len(key)))
	copy(out[8:], key)
	if n == 1 {
		block.Encrypt(out, out)
		return out
	}
	for j := range 6 {
		for i := 1; i <= n; i++ {
			var x [16]byte
			copy(x[:8], out[:8])
			copy(x[8:], out[8*i:])
			block.Encrypt(x[:], x[:])
			binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(x[:])^uint64(n*j+i))
			copy(out[8*i:8*i+8], x[8:])
		}
	}
	return out
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKeyWrapVectors has the two examples of RFC 5649, section 6.
func TestKeyWrapVectors(t *testing.T) {
	kek := unhex(t, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
	for key, wrapped := range map[string]string{
		"c37b7e6492584340bed12207808941155068f738": "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
		"466f7250617369": "afbeb0f07dfbf5419200f2ccb50bb24f",
	} {
		got, err := vault.UnwrapPadded(kek, unhex(t, wrapped))
		if err != nil || hex.EncodeToString(got) != key {
			t.Errorf("%x, %v; want %s", got, err, key)
		}
		if again := wrapPadded(t, kek, unhex(t, key)); hex.EncodeToString(again) != wrapped {
			t.Errorf("the test wraps to %x, the RFC to %s", again, wrapped)
		}
	}
}

// FuzzUnwrapPadded: what does not unwrap to something that wraps to the same bytes
// is refused.
func FuzzUnwrapPadded(f *testing.F) {
	kek := bytes.Repeat([]byte{7}, 32)
	for _, n := range []int{1, 7, 8, 9, 16, 31, 32, 33} {
		f.Add(wrapPadded(f, kek, bytes.Repeat([]byte{9}, n)))
	}
	f.Add([]byte{})
	f.Add(make([]byte, 8))
	f.Add(make([]byte, 17))
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		before := bytes.Clone(wrapped)
		got, err := vault.UnwrapPadded(kek, wrapped)
		if !bytes.Equal(before, wrapped) {
			t.Fatal("the input has changed")
		}
		if err != nil {
			return
		}
		if again := wrapPadded(t, kek, got); !bytes.Equal(again, wrapped) {
			t.Fatalf("%x unwraps to %x, which wraps to %x", wrapped, got, again)
		}
	})
}

func TestUnwrapRefusesEveryChange(t *testing.T) {
	kek := bytes.Repeat([]byte{7}, 32)
	for _, n := range []int{3, 8, 30, 32} {
		wrapped := wrapPadded(t, kek, bytes.Repeat([]byte{9}, n))
		for i := range wrapped {
			wrapped[i] ^= 1
			if got, err := vault.UnwrapPadded(kek, wrapped); err == nil {
				t.Errorf("%d bytes with byte %d changed unwrap to %x", n, i, got)
			}
			wrapped[i] ^= 1
		}
	}
	// Padding that is not zero, and a length that the padding does not fit.
	block, _ := aes.NewCipher(kek)
	for _, plain := range []string{"a65959a60000000301020304000000ff", "a65959a6000000000000000000000000", "a65959a6000000090102030405060708", "a65959a6ffffffff0102030405060708"} {
		b := unhex(t, plain)
		block.Encrypt(b, b)
		if got, err := vault.UnwrapPadded(kek, b); err == nil {
			t.Errorf("%s unwraps to %x", plain, got)
		}
	}
	if _, err := vault.UnwrapPadded(kek[:31], wrapPadded(t, kek, kek)); err == nil {
		t.Error("a key of 31 bytes unwraps")
	}
}
