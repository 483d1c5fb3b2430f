package envelope

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func FuzzParseBlob(f *testing.F) {
	for _, v := range readVectors[blobVector](f, "blob.jsonl") {
		f.Add([]byte(v.Blob))
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		h, err := ParseBlob(blob)
		if err != nil {
			if h != (Header{}) || !errors.Is(err, ErrMalformedBlob) || !errors.Is(err, ErrInvalidCiphertext) {
				t.Errorf("%+v, %v", h, err)
			}
			return
		}
		if !bytes.Equal(h.append(nil), blob[:headerSize]) {
			t.Error("the header does not say what the blob says")
		}
	})
}

// FuzzDecrypt: nothing opens but the blobs that were made.
func FuzzDecrypt(f *testing.F) {
	var made [][]byte
	for _, v := range readVectors[blobVector](f, "blob.jsonl") {
		f.Add([]byte(v.Blob), "", "")
		for k, value := range v.Context {
			f.Add([]byte(v.Blob), k, value)
		}
		if v.Want == "ok" {
			made = append(made, v.Blob)
		}
	}
	m := testMaterial(f, 1)
	f.Fuzz(func(t *testing.T, blob []byte, k, v string) {
		context := map[string]string{}
		if k != "" {
			context[k] = v
		}
		plaintext, err := m.Decrypt(nil, blob, context)
		genuine := slices.ContainsFunc(made, func(b []byte) bool { return bytes.Equal(b, blob) })
		switch {
		case err == nil && !genuine:
			t.Errorf("forged: %x", plaintext)
		case err != nil && (plaintext != nil || !errors.Is(err, ErrInvalidCiphertext)):
			t.Errorf("%x, %v", plaintext, err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	var made [][]byte
	for _, v := range readVectors[sealVector](f, "seal.jsonl") {
		f.Add(v.Purpose, []byte(v.AAD), []byte(v.Sealed))
		if v.Want == "ok" {
			made = append(made, v.Sealed)
		}
	}
	r := testRoot(f, 1)
	f.Fuzz(func(t *testing.T, purpose string, aad, sealed []byte) {
		plaintext, err := r.Open(purpose, aad, sealed)
		genuine := slices.ContainsFunc(made, func(b []byte) bool { return bytes.Equal(b, sealed) })
		switch {
		case err == nil && !genuine:
			t.Errorf("forged: %x", plaintext)
		case err != nil && (plaintext != nil || !errors.Is(err, ErrWrongRootKey) && !errors.Is(err, ErrDamagedSeal)):
			t.Errorf("%x, %v", plaintext, err)
		}
	})
}

func FuzzOpenValue(f *testing.F) {
	var made [][]byte
	for _, v := range readVectors[valueVector](f, "value.jsonl") {
		f.Add([]byte(v.AAD), []byte(v.Sealed))
		if v.Want == "ok" {
			made = append(made, v.Sealed)
		}
	}
	key := [32]byte(sequence(1, 32))
	f.Fuzz(func(t *testing.T, aad, sealed []byte) {
		plaintext, err := OpenValue(nil, &key, aad, sealed)
		genuine := slices.ContainsFunc(made, func(b []byte) bool { return bytes.Equal(b, sealed) })
		if err == nil && !genuine || err != nil && (plaintext != nil || !errors.Is(err, ErrInvalidCiphertext)) {
			t.Errorf("%x, %v", plaintext, err)
		}
	})
}
