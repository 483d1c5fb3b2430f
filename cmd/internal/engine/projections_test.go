package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/memlog"
)

// askedViews counts who asks the views, and fails them when told to.
type askedViews struct {
	asked  int
	broken bool
	again  []string
}

func (v *askedViews) Projections(context.Context) ([]vault.Projection, error) {
	v.asked++
	if v.broken {
		return nil, errors.New("no route to the log")
	}
	return []vault.Projection{{Name: "audit"}}, nil
}

func (v *askedViews) Rebuild(name string, _ uint64) { v.again = append(v.again, name) }

// TestProjectionsAreAskedForWhoMayAsk: for nobody else, and when they cannot be asked
// the call is refused on the record like any other.
func TestProjectionsAreAskedForWhoMayAsk(t *testing.T) {
	ctx := t.Context()
	root, err := envelope.NewRootKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	views := &askedViews{}
	e, err := engine.Open(ctx, engine.Config{
		Log: memlog.NewStore(memlog.Options{}).Open(), Root: root, Now: time.Now, Tick: -1, Projections: views,
		OpenRing: func(context.Context) (keyring.Ring, error) { return keyring.NewMemory(), nil },
		Entropy:  &lockedSource{r: rand.NewChaCha8([32]byte{7})},
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
	call := func(as identity.Credential, operation string, in object) (object, *fault.Fault) {
		t.Helper()
		body, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.Call(ctx, &vault.Request{ID: e.NewRequestID(), Service: "keytrail", Operation: operation, Credential: as, Body: body, Secure: true})
		if err != nil || r.Receipt.Seq == 0 {
			t.Errorf("%s is answered without a record: %v %v", operation, err, r.Fault)
		}
		out := object{}
		if r.Fault == nil {
			if err := json.Unmarshal(r.Body, &out); err != nil {
				t.Error(err)
			}
		}
		return out, r.Fault
	}
	made, refused := call(admin, "CreateAccount", object{"AccountName": "second"})
	if refused != nil {
		t.Fatal(refused)
	}
	stranger := identity.Credential{AccessKey: made["AccessKey"].(object)["AccessKeyId"].(string)}
	for _, operation := range []string{"ListProjections", "RebuildProjection"} {
		if _, refused := call(stranger, operation, object{"Name": "audit"}); refused == nil || refused.Code != fault.AccessDeniedException || views.asked != 0 {
			t.Errorf("%s by another account: %v, asked %d times", operation, refused, views.asked)
		}
		views.broken = true
		if _, refused := call(admin, operation, object{"Name": "audit"}); refused == nil || refused.Code != fault.ServiceUnavailable {
			t.Errorf("%s without an answer: %v", operation, refused)
		}
		views.broken = false
		if _, refused := call(admin, operation, object{"Name": "audit"}); refused != nil {
			t.Errorf("%s: %v", operation, refused)
		}
		views.asked = 0
	}
	if len(views.again) != 1 {
		t.Errorf("built again: %v", views.again)
	}
}
