package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/memlog"
)

var (
	seeds = flag.Int("seeds", 60, "how many seeds the simulation runs")
	seed  = flag.Uint64("seed", 0, "run this seed alone")
)

// The simulation: a seed drives clients, clock, entropy and faults through the
// engine in memory. Afterwards a naive model, which knows nothing of policies or
// envelopes, reads the log and checks what the product promises:
//
//   - every reply has its record, and says what the record says;
//   - a call that was not stored has answered nothing;
//   - the working state equals the replay of the log;
//   - in the order of the log, nothing is decrypted while a key is disabled or
//     gone, without a grant, or after a secret was deleted;
//   - what was erased is not in the keyring, and what is needed is;
//   - no plaintext is anywhere but in replies.
func TestSimulation(t *testing.T) {
	if *seed != 0 {
		simulate(t, *seed)
		return
	}
	for s := range *seeds {
		if !t.Run(fmt.Sprint("seed=", s+1), func(t *testing.T) { simulate(t, uint64(s+1)) }) {
			t.Fatalf("repeat it with: go test ./cmd/internal/engine -run TestSimulation -args -seed %d", s+1)
		}
	}
}

func simulate(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed)
		defer w.close()
		for range 40 {
			w.round()
		}
		w.settle()
		w.judge()
	})
}

// canary is in every plaintext of the simulation.
const canary = "CANARY-9d1f"

type world struct {
	t       *testing.T
	rng     *rand.Rand
	entropy *lockedSource
	root    *envelope.RootKey
	store   *memlog.Store
	ring    *keyring.Memory
	engine  *engine.Engine
	now     time.Time
	calm    atomic.Bool // no faults
	gate    atomic.Pointer[chan struct{}]

	// Each goroutine that draws has a source of its own, so that a seed repeats
	// whatever the scheduler does: the driver has rng, the committer the next two,
	// the eraser the last.
	appendFaults, putFaults, eraseFaults *rand.Rand

	admin  identity.Credential
	reader identity.Credential // may use keys by grant only, and read every secret

	keys    []string          // ARNs
	secrets []string          // ARNs
	grants  map[string]string // grant id -> key
	blobs   []blob
	replies []reply
}

type blob struct {
	key, plaintext string
	ciphertext     []byte
}

// reply is what a client received.
type reply struct {
	op string
	vault.Reply
}

type lockedSource struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedSource) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

func newWorld(t *testing.T, seed uint64) *world {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	root, err := envelope.NewRootKey(key[:])
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), appendFaults: rand.New(rand.NewPCG(seed, 2)),
		putFaults: rand.New(rand.NewPCG(seed, 3)), eraseFaults: rand.New(rand.NewPCG(seed, 4)), entropy: &lockedSource{r: rand.NewChaCha8(key)}, root: root,
		ring: keyring.NewMemory(), now: time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC),
		grants: map[string]string{},
	}
	w.calm.Store(true)
	w.store = memlog.NewStore(memlog.Options{Fault: w.fault})
	w.open()
	w.populate()
	w.calm.Store(false)
	return w
}

// fault decides what becomes of an append. It also holds the first commit of a
// round back until all calls of the round are queued, so that the grouping of
// calls into commits is the seed's doing alone.
func (w *world) fault(int, *eventstore.Commit) memlog.Fault {
	f := memlog.Fault{}
	if gate := w.gate.Load(); gate != nil {
		f.Slow = func(context.Context) { <-*gate }
	}
	if w.calm.Load() {
		return f
	}
	switch n := w.appendFaults.IntN(100); {
	case n < 4:
		f.Kind = memlog.NotStored
	case n < 8:
		f.Kind = memlog.StoredButFailed
	case n < 12:
		f.Kind = memlog.NotStoredAmbiguous
	case n < 14:
		f.Kind = memlog.Crash
	case n < 16:
		f.Kind = memlog.CrashAfterStore
	}
	return f
}

func (w *world) ringFault(at keyring.Step) error {
	source := w.putFaults
	if at.Op == "erase" {
		source = w.eraseFaults
	}
	if !w.calm.Load() && source.IntN(100) < 4 {
		return fmt.Errorf("the keyring fails")
	}
	return nil
}

func (w *world) open() {
	e, err := engine.Open(w.t.Context(), engine.Config{
		Log: w.store.Open(), OpenRing: w.openRing, Root: w.root, Now: func() time.Time { return w.now },
		Entropy: w.entropy, Tick: -1,
	})
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	w.engine = e
}

// openRing opens the keyring as it is on disk: what a failed call left or did not
// leave there shows only now.
func (w *world) openRing(context.Context) (keyring.Ring, error) {
	w.ring = w.ring.Reopen()
	w.ring.SetHook(w.ringFault)
	return w.ring, nil
}

func (w *world) close() { w.engine.Close() }

// restart kills the process that the engine stands for, and starts another.
func (w *world) restart() {
	w.calm.Store(true)
	w.ring.Crash()
	w.store.Crash()
	w.engine.Close()
	w.store.Reopen()
	w.open()
	w.calm.Store(false)
}

// must makes a call that has to succeed, without faults.
func (w *world) must(c identity.Credential, op string, in any, out any) {
	w.t.Helper()
	r, err := w.engine.Call(w.t.Context(), w.request(c, op, in))
	if err != nil || r.Fault != nil {
		w.t.Fatalf("%s: %v %v", op, err, r.Fault)
	}
	w.replies = append(w.replies, reply{op, r})
	if out != nil {
		if err := json.Unmarshal(r.Body, out); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) request(c identity.Credential, op string, in any) *vault.Request {
	service, name, _ := strings.Cut(op, ":")
	body, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	return &vault.Request{ID: w.engine.NewRequestID(), Service: service, Operation: name, Credential: c, Body: body,
		Source: "192.0.2.1", Agent: "simulation", Secure: true}
}

type object = map[string]any

func (w *world) populate() {
	err := w.engine.Found(w.t.Context(), vault.Founding{Region: "us-east-1", Account: account}, func(a vault.Administrator) error {
		w.admin = identity.Credential{AccessKey: a.AccessKey}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.must(w.admin, "iam:CreateUser", object{"UserName": "reader"}, nil)
	w.must(w.admin, "iam:PutUserPolicy", object{"UserName": "reader", "PolicyName": "read",
		"PolicyDocument": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}}`}, nil)
	var made struct{ AccessKey struct{ AccessKeyId string } }
	w.must(w.admin, "iam:CreateAccessKey", object{"UserName": "reader"}, &made)
	w.reader = identity.Credential{AccessKey: made.AccessKey.AccessKeyId}
	for i := range 3 {
		var k struct{ KeyMetadata struct{ Arn string } }
		w.must(w.admin, "kms:CreateKey", object{"Description": fmt.Sprint("key ", i)}, &k)
		w.keys = append(w.keys, k.KeyMetadata.Arn)
		w.createSecret(fmt.Sprint("s", i), k.KeyMetadata.Arn)
	}
	w.createSecret("managed", "")
	for _, k := range w.keys {
		w.encrypt(k)
	}
}

func (w *world) createSecret(name, key string) {
	in := object{"Name": name, "SecretString": canary + name}
	if key != "" {
		in["KmsKeyId"] = key
	}
	var s struct{ ARN string }
	w.must(w.admin, "secretsmanager:CreateSecret", in, &s)
	w.secrets = append(w.secrets, s.ARN)
}

func (w *world) encrypt(key string) {
	b := blob{key: key, plaintext: fmt.Sprint(canary, "-", len(w.blobs))}
	var out struct{ CiphertextBlob []byte }
	w.must(w.admin, "kms:Encrypt", object{"KeyId": key, "Plaintext": []byte(b.plaintext)}, &out)
	b.ciphertext = out.CiphertextBlob
	w.blobs = append(w.blobs, b)
}

func pick[T any](w *world, from []T) T { return from[w.rng.IntN(len(from))] }

// call draws a call.
func (w *world) call() (identity.Credential, string, object) {
	key := pick(w, w.keys)
	switch w.rng.IntN(20) {
	case 0:
		return w.admin, "kms:DisableKey", object{"KeyId": key}
	case 1, 2:
		return w.admin, "kms:EnableKey", object{"KeyId": key}
	case 3, 4:
		return w.admin, "kms:CreateGrant", object{"KeyId": key, "Operations": []string{"Decrypt"},
			"GranteePrincipal": "arn:aws:iam::" + account + ":user/reader"}
	case 5, 6:
		if ids := slices.Sorted(maps.Keys(w.grants)); len(ids) > 0 {
			g := pick(w, ids)
			return w.admin, "kms:RevokeGrant", object{"KeyId": w.grants[g], "GrantId": g}
		}
		return w.admin, "kms:ListKeys", object{}
	case 7:
		if w.rng.IntN(4) == 0 {
			return w.admin, "kms:ScheduleKeyDeletion", object{"KeyId": key, "PendingWindowInDays": 7}
		}
		return w.admin, "kms:CancelKeyDeletion", object{"KeyId": key}
	case 8:
		return w.admin, "secretsmanager:PutSecretValue", object{"SecretId": pick(w, w.secrets), "SecretString": fmt.Sprint(canary, w.rng.Uint32())}
	case 9:
		return w.admin, "secretsmanager:UpdateSecret", object{"SecretId": pick(w, w.secrets), "KmsKeyId": key}
	case 10:
		if w.rng.IntN(5) == 0 {
			return w.admin, "secretsmanager:DeleteSecret", object{"SecretId": pick(w, w.secrets), "ForceDeleteWithoutRecovery": true}
		}
		return w.admin, "kms:RotateKeyOnDemand", object{"KeyId": key}
	case 11:
		return w.reader, "kms:DisableKey", object{"KeyId": key} // always denied
	case 12, 13, 14, 15:
		return pick(w, []identity.Credential{w.admin, w.reader}), "kms:Decrypt", object{"CiphertextBlob": pick(w, w.blobs).ciphertext}
	default:
		return pick(w, []identity.Credential{w.admin, w.reader, w.reader}), "secretsmanager:GetSecretValue", object{"SecretId": pick(w, w.secrets)}
	}
}

// round makes some calls at a time, and sometimes lets time pass or the process
// die.
func (w *world) round() {
	switch w.rng.IntN(15) {
	case 0:
		w.restart()
	case 1:
		w.now = w.now.Add(time.Duration(w.rng.IntN(9*24)) * time.Hour)
		w.engine.DoDue(w.t.Context())
	default:
		w.now = w.now.Add(time.Duration(w.rng.IntN(1000)) * time.Millisecond)
	}
	n := 1 + w.rng.IntN(8)
	gate := make(chan struct{})
	w.gate.Store(&gate)
	var received sync.WaitGroup
	for i := range n {
		c, op, in := w.call()
		req := w.request(c, op, in)
		received.Add(1)
		slot := len(w.replies)
		w.replies = append(w.replies, reply{op: op})
		w.engine.Do(req, func(r vault.Reply) {
			defer received.Done()
			r.Body = bytes.Clone(r.Body)
			w.replies[slot].Reply = r
			w.note(op, in, r)
		})
		if i == 0 {
			synctest.Wait() // the committer has taken the first call alone
		}
	}
	w.gate.Store(nil)
	close(gate)
	received.Wait()
	synctest.Wait()
	if w.engine.Ready() != nil {
		w.recover()
	}
}

// recover gives the engine time to load the log again, and starts it anew when
// the store is gone for good.
func (w *world) recover() {
	time.Sleep(10 * time.Second) // of the bubble
	synctest.Wait()
	if w.engine.Ready() != nil {
		w.restart()
	}
}

// note keeps what later calls need. It runs in the release goroutine while the
// driver waits.
func (w *world) note(op string, in object, r vault.Reply) {
	if r.Fault != nil {
		return
	}
	if op == "kms:CreateGrant" {
		var out struct{ GrantId string }
		if json.Unmarshal(r.Body, &out) == nil {
			w.grants[out.GrantId] = in["KeyId"].(string)
		}
	}
}

// settle ends the faults: what is judged is a working state that has grown call
// by call since the last load, and a keyring that erasures have kept in line.
func (w *world) settle() {
	w.restart()
	w.calm.Store(true)
	for range 10 {
		w.round()
		w.calm.Store(true)
	}
	w.must(w.admin, "secretsmanager:CreateSecret", object{"Name": "last", "SecretString": canary}, nil)
	w.must(w.admin, "secretsmanager:DeleteSecret", object{"SecretId": "last", "ForceDeleteWithoutRecovery": true}, nil)
	w.now = w.now.AddDate(0, 0, 40)
	w.engine.DoDue(w.t.Context())
}

const account = "000000000000"
