package engine

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestCallHasOneKey: a use is decided again when the state has moved, in the
// goroutine that all calls wait for. The key that was made for it beforehand is there
// then, and is gone when the call is over.
func TestCallHasOneKey(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	made := admin.Call("kms:CreateKey", nil)
	id := made.OK()["KeyMetadata"].(map[string]any)["KeyId"].(string)

	e := &Engine{cfg: Config{Now: func() time.Time { return v.Env.Now }, Entropy: v.Env.Entropy, Root: v.Env.Root}, keys: newKeys(v.Env.Root), state: v.State}
	e.keys.stage(made.Decision.Seals)
	key, err := vault.PrepareKey(v.Env.Entropy, "RSA_2048")
	if err != nil {
		t.Fatal(err)
	}
	call := &ticket{done: func(vault.Reply) {}, req: &vault.Request{ID: "r", Service: "kms", Operation: "GenerateDataKeyPairWithoutPlaintext",
		Credential: admin.Credential, Prepared: key, Secure: true, Body: []byte(`{"KeyId":"` + id + `","KeyPairSpec":"RSA_2048"}`)}}
	decide := func() string {
		t.Helper()
		if err := call.decide(e); err != nil {
			t.Fatal(err)
		}
		var out struct{ PublicKey string }
		if r := call.decision.Release(vault.Receipt{}); r.Fault != nil {
			t.Fatal(r.Fault)
		} else if err := json.Unmarshal(r.Body, &out); err != nil {
			t.Fatal(err)
		}
		return out.PublicKey
	}
	public := decide()
	if again := decide(); again != public {
		t.Error("another key when it is decided again")
	}
	call.reply(1)
	if after := decide(); after == public {
		t.Error("the key is there when the call is over")
	}
}
