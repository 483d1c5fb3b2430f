package vault

import (
	"bytes"
	"testing"
)

// TestOutputsAreWiped: what Forget calls leaves nothing of a plaintext, and a
// reply is written without leaving a second copy behind.
func TestOutputsAreWiped(t *testing.T) {
	secret := func() []byte { return bytes.Repeat([]byte("CANARY"), 600) }
	for name, output := range map[string]func([]byte) wiped{
		"Decrypt":         func(b []byte) wiped { return &DecryptOutput{Plaintext: b} },
		"GenerateDataKey": func(b []byte) wiped { return &GenerateDataKeyOutput{Plaintext: b, CiphertextBlob: b[:1]} },
		"GenerateDataKeyPair": func(b []byte) wiped {
			return &GenerateDataKeyPairOutput{PrivateKey: b, PrivateKeyBlob: b[:1], PublicKey: b[:1]}
		},
		"DeriveSharedSecret": func(b []byte) wiped { return &DeriveSharedSecretOutput{SharedSecret: b} },
		"Encapsulate":        func(b []byte) wiped { return &EncapsulateOutput{SharedSecret: b, Encapsulated: b[:1]} },
		"Decapsulate":        func(b []byte) wiped { return &DecapsulateOutput{SharedSecret: b} },
		"GenerateRandom":     func(b []byte) wiped { return &GenerateRandomOutput{Plaintext: b} },
	} {
		plaintext := secret()
		out := output(plaintext)
		dst := append([]byte(nil), "start"...)
		spare := dst[:cap(dst)]
		reply := out.(appendsJSON).AppendJSON(dst)
		if !bytes.Contains(reply, []byte("Q0FOQVJZ")) || bytes.Contains(spare, []byte("Q0FO")) {
			t.Errorf("%s: the reply is %q, what it outgrew holds %q", name, reply, spare)
		}
		out.wipe()
		if !bytes.Equal(plaintext, make([]byte, len(plaintext))) {
			t.Errorf("%s leaves %q", name, plaintext)
		}
	}
}
