package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/audit"
)

// watchedLog counts who reads it, and fails them when told to.
type watchedLog struct {
	eventstore.Log
	gets, reads atomic.Int64
	broken      atomic.Bool
}

func (l *watchedLog) Get(ctx context.Context, seq uint64) (eventstore.Stored, error) {
	l.gets.Add(1)
	if l.broken.Load() {
		return eventstore.Stored{}, errors.New("no route to the log")
	}
	return l.Log.Get(ctx, seq)
}

func (l *watchedLog) Read(ctx context.Context, from uint64, subjects []eventstore.Subject, fn func(eventstore.Stored) error) error {
	l.reads.Add(1)
	if l.broken.Load() {
		return errors.New("no route to the log")
	}
	return l.Log.Read(ctx, from, subjects, fn)
}

// trail is the audit view with what keeps it up to date.
type trail struct {
	*projections.Runner
	*audit.View
}

// TestEvidence: the records of a request are found by the view, or without one in
// the log; nobody has the log read who may not see it, and when it cannot be read
// the call is refused and recorded like any other.
func TestEvidence(t *testing.T) {
	for _, viewed := range []bool{true, false} {
		t.Run(map[bool]string{true: "with a view", false: "without"}[viewed], func(t *testing.T) { testEvidence(t, viewed) })
	}
}

func testEvidence(t *testing.T, viewed bool) {
	ctx := t.Context()
	root, err := envelope.NewRootKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	ring, plain := keyring.NewMemory(), memlog.NewStore(memlog.Options{}).Open()
	log := &watchedLog{Log: plain}
	cfg := engine.Config{
		Log: log, OpenRing: func(context.Context) (keyring.Ring, error) { return ring, nil }, Root: root, Now: time.Now,
		Entropy: &lockedSource{r: rand.NewChaCha8([32]byte{6})}, Tick: -1,
	}
	if viewed {
		view, err := audit.Open(ctx, filepath.Join(t.TempDir(), "audit.db"), plain)
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		runner := projections.NewRunner(plain, view, func(err error) { t.Error(err) })
		following, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() { defer close(ended); runner.Run(following) }()
		defer func() { stop(); <-ended }()
		cfg.Trail = trail{runner, view}
	}
	e, err := engine.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var admin identity.Credential
	err = e.Found(ctx, vault.Founding{Region: "us-east-1", Account: account}, func(a vault.Administrator) error {
		admin = identity.Credential{AccessKey: a.AccessKey}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	call := func(as identity.Credential, service, operation string, in object) (object, vault.Reply) {
		t.Helper()
		body, err := json.Marshal(in)
		if err != nil {
			t.Error(err)
		}
		r, err := e.Call(ctx, &vault.Request{ID: e.NewRequestID(), Service: service, Operation: operation, Credential: as, Body: body, Secure: true})
		if err != nil {
			t.Error(err)
		}
		if r.Receipt.Seq == 0 {
			t.Errorf("%s:%s is answered without a record: %v", service, operation, r.Fault)
		}
		out := object{}
		if r.Fault == nil {
			if err := json.Unmarshal(r.Body, &out); err != nil {
				t.Error(err)
			}
		}
		return out, r
	}
	call(admin, "iam", "CreateUser", object{"UserName": "nobody"})
	made, _ := call(admin, "iam", "CreateAccessKey", object{"UserName": "nobody"})
	nobody := identity.Credential{AccessKey: made["AccessKey"].(object)["AccessKeyId"].(string)}
	_, listed := call(admin, "kms", "ListKeys", object{})

	log.gets.Store(0)
	log.reads.Store(0)
	for _, operation := range []string{"GetRecord", "ExplainRequest"} {
		if _, r := call(nobody, "keytrail", operation, object{"RequestId": listed.RequestID}); r.Fault == nil || r.Fault.Code != fault.AccessDeniedException {
			t.Errorf("%s: %v", operation, r.Fault)
		}
	}
	if gets, reads := log.gets.Load(), log.reads.Load(); gets+reads != 0 {
		t.Errorf("for one who may not see it the log was read: %d, %d", gets, reads)
	}

	found, r := call(admin, "keytrail", "GetRecord", object{"RequestId": listed.RequestID})
	raw, _ := json.Marshal(found)
	if r.Fault != nil || !strings.Contains(string(raw), `"op":"kms:ListKeys"`) || len(found["Records"].([]any)) != 1 {
		t.Errorf("found %s: %v", raw, r.Fault)
	}
	if reads := log.reads.Load(); (reads == 0) != viewed {
		t.Errorf("the log was searched %d times", reads)
	}
	if told, r := call(admin, "keytrail", "ExplainRequest", object{"RequestId": listed.RequestID}); r.Fault != nil || len(told["Records"].([]any)) != 1 {
		t.Errorf("explained as %v: %v", told, r.Fault)
	}
	if _, r := call(admin, "keytrail", "GetRecord", object{"RequestId": e.NewRequestID()}); r.Fault == nil || r.Fault.Code != fault.ResourceNotFoundException {
		t.Errorf("what is not there: %v", r.Fault)
	}
	var asking sync.WaitGroup
	for range 40 { // two at a time are worked on; the others wait
		asking.Go(func() { call(admin, "keytrail", "GetRecord", object{"RequestId": listed.RequestID}) })
	}
	asking.Wait()
	log.broken.Store(true)
	if _, r := call(admin, "keytrail", "GetRecord", object{"RequestId": listed.RequestID}); r.Fault == nil || r.Fault.Code != fault.ServiceUnavailable {
		t.Errorf("a log that cannot be read: %v", r.Fault)
	}
}
