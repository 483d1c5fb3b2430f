package engine_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/access"
)

// followed is a view of accesses with what keeps it up to date.
type followed struct {
	*projections.Runner
	view *access.View
}

func (f followed) Accesses() vault.Accesses { return f.view.Accesses() }

// TestAccessesSeeWhatWasAnswered has many callers use keys and ask at once for the
// last use: each sees its own, or a later one. When nothing follows the log any
// more, asking fails, and what shows accesses beside other things goes on without.
func TestAccessesSeeWhatWasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		root, err := envelope.NewRootKey(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		store, ring := memlog.NewStore(memlog.Options{}), keyring.NewMemory()
		log := store.Open()
		view := access.Open(ctx, log, access.Options{})
		f := followed{projections.NewRunner(log, view, func(err error) { t.Error(err) }), view}
		e, err := engine.Open(ctx, engine.Config{
			Log: log, OpenRing: func(context.Context) (keyring.Ring, error) { return ring, nil }, Root: root, Now: time.Now,
			Entropy: &lockedSource{r: rand.NewChaCha8([32]byte{5})}, Tick: -1, Access: f,
		})
		if err != nil {
			t.Fatal(err)
		}
		following, stop := context.WithCancel(ctx)
		go f.Run(following)
		var admin identity.Credential
		err = e.Found(ctx, vault.Founding{Region: "us-east-1", Account: account}, func(a vault.Administrator) error {
			admin = identity.Credential{AccessKey: a.AccessKey}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		call := func(service, operation string, in object) (object, *fault.Fault) {
			body, err := json.Marshal(in)
			if err != nil {
				t.Error(err)
			}
			r, err := e.Call(ctx, &vault.Request{ID: e.NewRequestID(), Service: service, Operation: operation, Credential: admin, Body: body, Secure: true})
			if err != nil {
				t.Error(err)
			}
			out := object{}
			if r.Fault == nil {
				if err := json.Unmarshal(r.Body, &out); err != nil {
					t.Error(err)
				}
				out["request"] = r.RequestID
			}
			return out, r.Fault
		}
		must := func(service, operation string, in object) object {
			out, refused := call(service, operation, in)
			if refused != nil {
				t.Errorf("%s: %v", operation, refused)
			}
			return out
		}
		var callers sync.WaitGroup
		var key any
		for i := range 8 {
			callers.Go(func() {
				k := must("kms", "CreateKey", object{})["KeyMetadata"].(object)["KeyId"]
				if i == 0 {
					key = k
				}
				secret := fmt.Sprint("s", i)
				must("secretsmanager", "CreateSecret", object{"Name": secret, "SecretString": "v", "KmsKeyId": k})
				for range 20 {
					used := must("kms", "Encrypt", object{"KeyId": k, "Plaintext": base64.StdEncoding.EncodeToString([]byte("x"))})
					last := must("kms", "GetKeyLastUsage", object{"KeyId": k})["KeyLastUsage"]
					if last, _ := last.(object); last["KmsRequestId"] != used["request"] || last["Operation"] != "Encrypt" {
						t.Errorf("last use %v, want request %v", last, used["request"])
					}
				}
				must("secretsmanager", "GetSecretValue", object{"SecretId": secret})
				if out := must("secretsmanager", "DescribeSecret", object{"SecretId": secret}); out["LastAccessedDate"] == nil {
					t.Errorf("described without its last access: %v", out)
				}
			})
		}
		callers.Wait()

		stop()
		synctest.Wait()
		must("secretsmanager", "GetSecretValue", object{"SecretId": "s0"})
		if _, refused := call("kms", "GetKeyLastUsage", object{"KeyId": key}); refused == nil || refused.Code != fault.DependencyTimeoutException {
			t.Errorf("without a view: %v", refused)
		}
		if out := must("secretsmanager", "DescribeSecret", object{"SecretId": "s0"}); out["LastAccessedDate"] != nil || out["Name"] != "s0" {
			t.Errorf("described without a view: %v", out)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}
