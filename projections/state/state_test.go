package state_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/merkle"
	"github.com/keytrail/keytrail/projections/state"
)

const (
	account = "111122223333"
	region  = "us-east-1"
)

var (
	at     = time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	policy = `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"}]}`
)

// writer appends records to a log in memory, many to a commit.
type writer struct {
	tb    testing.TB
	log   eventstore.Log
	tree  merkle.Tree
	lines [][]byte
	last  uint64
}

func (w *writer) record(op string, events ...event.Event) {
	r := event.Record{N: w.tree.Size(), At: at, Request: "5e2c0a3f-7d1b-4f55-9a57-0f7f3e6c1d20", Op: op, Outcome: event.OutcomeOK,
		Who:    event.Who{Type: "IAMUser", ARN: "arn:aws:iam::" + account + ":user/admin", ID: "AIDA1", Account: account, AccessKey: "AKIA1", Name: "admin"},
		Source: "10.0.0.1", Agent: "test", Events: events}
	line, err := r.AppendLine(nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tree.Append(line)
	w.lines = append(w.lines, line)
	if len(w.lines) == 64 {
		w.flush()
	}
}

func (w *writer) flush() {
	if len(w.lines) == 0 {
		return
	}
	seq, err := w.log.Append(context.Background(), &eventstore.Commit{Subject: eventstore.State, First: w.tree.Size() - uint64(len(w.lines)),
		Lines: w.lines, Root: w.tree.Root(), ID: fmt.Sprint("c", w.last), After: w.last})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.last, w.lines = seq, nil
}

func keyID(i int) string { return fmt.Sprintf("4f0c3b5e-6d0a-4f7e-9a70-%012x", i) }

func (w *writer) found() {
	w.record("keytrail:Initialize",
		&event.VaultInitialized{Installation: strings.Repeat("ab", 16), Region: region, RootKey: "r"},
		&event.AccountCreated{Account: account, At: at})
}

func (w *writer) key(i int) {
	w.record("kms:CreateKey", &event.KeyCreated{Key: keyID(i), Account: account, Manager: "CUSTOMER", Spec: "SYMMETRIC_DEFAULT",
		Usage: "ENCRYPT_DECRYPT", Origin: "AWS_KMS", Policy: policy, Created: at,
		Material: &event.Material{ID: fmt.Sprintf("%064x", i), Ring: fmt.Sprintf("RING%028d", i), Commitment: strings.Repeat("0", 64)}})
}

func secretARN(i int) string {
	return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:app/%07d-AbCdEf", region, account, i)
}

func (w *writer) secret(i, key int) {
	version := fmt.Sprintf("a4d1f0a2-9b1c-4b43-8e2f-%012x", i)
	w.record("secretsmanager:CreateSecret",
		&event.SecretCreated{Secret: secretARN(i), Account: account, Name: fmt.Sprintf("app/%07d", i), Key: keyID(key), KmsKeyID: keyID(key), Created: at},
		&event.SecretVersionCreated{Secret: secretARN(i), Version: version, Ciphertext: make([]byte, 64+29), Created: at,
			Wrapping: event.Wrapping{Key: keyID(key), Ring: fmt.Sprintf("WRAP%028d", i), Commitment: strings.Repeat("0", 64)}},
		&event.SecretStageMoved{Secret: secretARN(i), Stage: "AWSCURRENT", To: version, At: at})
}

func (w *writer) toggle(i, key int) {
	if i%2 == 0 {
		w.record("kms:DisableKey", &event.KeyDisabled{Key: keyID(key)})
	} else {
		w.record("kms:EnableKey", &event.KeyEnabled{Key: keyID(key)})
	}
}

func TestLoadStopsAtAPosition(t *testing.T) {
	w := &writer{tb: t, log: memlog.NewStore(memlog.Options{}).Open()}
	w.found()
	w.key(0)
	w.flush()
	before := w.last
	w.record("kms:DisableKey", &event.KeyDisabled{Key: keyID(0)})
	w.flush()
	for _, c := range []struct {
		upTo uint64
		want string
	}{{before, "Enabled"}, {w.last, "Disabled"}, {0, "Disabled"}} {
		st, err := state.Load(t.Context(), w.log, c.upTo)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(st.Keys.Get(keyID(0)).State); got != c.want {
			t.Errorf("at %d the key is %s, want %s", c.upTo, got, c.want)
		}
	}
}

// A log that cannot be read to its end is not served, and the message names where
// it stopped.
func TestLoadFailsClosed(t *testing.T) {
	for name, spoil := range map[string]func(*writer){
		"unknown event":      func(w *writer) { w.record("moon:Land", &event.Unknown{Type: "MoonLanded", Version: 1}) },
		"event out of order": func(w *writer) { w.record("kms:DisableKey", &event.KeyDisabled{Key: keyID(7)}) },
		"not a record":       func(w *writer) { w.lines = append(w.lines, []byte(`{"n":2}`)); w.tree.Append([]byte(`{"n":2}`)) },
	} {
		w := &writer{tb: t, log: memlog.NewStore(memlog.Options{}).Open()}
		w.found()
		w.flush()
		spoil(w)
		w.flush()
		st, err := state.Load(t.Context(), w.log, 0)
		if err == nil || st != nil {
			t.Errorf("%s: loaded", name)
		} else if !strings.Contains(err.Error(), "sequence 2 line 0") {
			t.Errorf("%s: the message does not say where: %v", name, err)
		}
	}
}

func TestDenialsChangeNothing(t *testing.T) {
	w := &writer{tb: t, log: memlog.NewStore(memlog.Options{}).Open()}
	w.found()
	w.record("kms:CreateKey")
	w.flush()
	st, err := state.Load(t.Context(), w.log, 0)
	if err != nil || st.Revision != 2 {
		t.Fatalf("revision %d, %v", st.Revision, err)
	}
}

// BenchmarkLoad replays a million state records: 1,000 keys, 100,000 secrets, and
// the rest changes of keys.
func BenchmarkLoad(b *testing.B) {
	const records = 1_000_000
	w := &writer{tb: b, log: memlog.NewStore(memlog.Options{}).Open()}
	w.found()
	for i := range 1000 {
		w.key(i)
	}
	for i := range 100_000 {
		w.secret(i, i%1000)
	}
	for i := 0; w.tree.Size() < records; i++ {
		w.toggle(i/1000, i%1000)
	}
	w.flush()
	b.ResetTimer()
	for b.Loop() {
		if _, err := state.Load(b.Context(), w.log, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMemory reports what a key and a secret cost in memory.
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
		fill func(*writer, int)
	}{
		{"key", 10_000, func(w *writer, i int) { w.key(i) }},
		{"secret", 100_000, func(w *writer, i int) {
			if i == 0 {
				w.key(0)
			}
			w.secret(i, 0)
		}},
		{"user", 10_000, func(w *writer, i int) {
			id := fmt.Sprintf("AIDA%016d", i)
			w.record("iam:CreateUser", &event.UserCreated{User: id, Account: account, Name: fmt.Sprintf("user%d", i), Path: "/", At: at},
				&event.AccessKeyCreated{AccessKey: fmt.Sprintf("AKIA%016d", i), Account: account, User: id, Ring: fmt.Sprintf("R%031d", i), At: at})
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := &writer{tb: b, log: memlog.NewStore(memlog.Options{}).Open()}
			w.found()
			for i := range c.n {
				c.fill(w, i)
			}
			w.flush()
			var st *vault.State
			for b.Loop() {
				st = nil
				before := heap()
				var err error
				if st, err = state.Load(b.Context(), w.log, 0); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(heap()-before)/float64(c.n), "B/"+c.name)
			}
			runtime.KeepAlive(st)
		})
	}
}
