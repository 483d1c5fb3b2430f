package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/memlog"
)

// unwilling is a ring that cannot erase for a while.
type unwilling struct {
	keyring.Ring
	broken atomic.Bool
}

func (r *unwilling) Erase(ctx context.Context, ids ...string) error {
	if r.broken.Load() {
		return errors.New("the disk does not answer")
	}
	return r.Ring.Erase(ctx, ids...)
}

// TestErasureIsTriedAgain: what the record says is gone goes as soon as it can, also
// when nothing else is ended after it.
func TestErasureIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		root, err := envelope.NewRootKey(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		ring := &unwilling{Ring: keyring.NewMemory()}
		e, err := engine.Open(ctx, engine.Config{
			Log: memlog.NewStore(memlog.Options{}).Open(), Root: root, Now: time.Now, Tick: -1,
			OpenRing: func(context.Context) (keyring.Ring, error) { return ring, nil },
			Entropy:  &lockedSource{r: rand.NewChaCha8([32]byte{8})},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		var admin identity.Credential
		err = e.Found(ctx, vault.Founding{Region: "us-east-1", Account: account}, func(a vault.Administrator) error {
			admin = identity.Credential{AccessKey: a.AccessKey}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		call := func(operation string, in object) object {
			t.Helper()
			body, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			r, err := e.Call(ctx, &vault.Request{ID: e.NewRequestID(), Service: "iam", Operation: operation, Credential: admin, Body: body, Secure: true})
			if err != nil || r.Fault != nil {
				t.Fatalf("%s: %v %v", operation, err, r.Fault)
			}
			out := object{}
			if err := json.Unmarshal(r.Body, &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
		entries := func() (n int) {
			for range ring.IDs() {
				n++
			}
			return n
		}
		call("CreateUser", object{"UserName": "u"})
		before := entries()
		id := call("CreateAccessKey", object{"UserName": "u"})["AccessKey"].(object)["AccessKeyId"]
		ring.broken.Store(true)
		call("DeleteAccessKey", object{"UserName": "u", "AccessKeyId": id})
		if n := entries(); n != before+1 {
			t.Fatalf("%d entries of %d", n, before+1)
		}
		time.Sleep(time.Minute)
		ring.broken.Store(false)
		time.Sleep(time.Minute)
		if n := entries(); n != before {
			t.Errorf("%d entries are left of a key that is gone", n-before)
		}
	})
}
