package engine_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/projections/state"
)

// judge holds the log against the replies and the model.
func (w *world) judge() {
	var records []*event.Record
	var lines [][]byte
	err := w.store.Open().Read(w.t.Context(), 1, nil, func(c eventstore.Stored) error {
		for _, line := range c.Lines {
			r, err := event.ParseLine(line)
			if err != nil {
				return err
			}
			if r.N != uint64(len(records)) {
				w.t.Errorf("record %d has n=%d", len(records), r.N)
			}
			records, lines = append(records, r), append(lines, line)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	outcomes := map[string]int{}
	for _, r := range w.replies {
		if r.Fault != nil {
			outcomes[string(r.Fault.Code)]++
		} else {
			outcomes["ok"]++
		}
	}
	w.t.Logf("%d records, %d epochs, outcomes %v", len(records), w.epochs(records), outcomes)
	w.everyReplyHasItsRecord(records)
	w.nothingForbiddenHappened(records)
	w.stateEqualsReplay()
	w.noCanary(lines)
}

func (w *world) epochs(records []*event.Record) (n int) {
	for _, r := range records {
		if r.Op == "keytrail:OpenLog" {
			n++
		}
	}
	return n
}

func (w *world) everyReplyHasItsRecord(records []*event.Record) {
	for _, r := range w.replies {
		if r.Fault != nil && (r.Fault.Code == fault.ServiceUnavailable || r.Fault.Code == fault.ThrottlingException) {
			if len(r.Body) > 0 {
				w.t.Errorf("%s was not confirmed and yet answered %s", r.op, r.Body)
			}
			continue
		}
		if r.Receipt.N >= uint64(len(records)) {
			w.t.Errorf("%s was answered with n=%d, the log has %d records", r.op, r.Receipt.N, len(records))
			continue
		}
		rec := records[r.Receipt.N]
		outcome := event.OutcomeOK
		if r.Fault != nil {
			outcome = r.Fault.Code.Recorded()
		}
		if rec.Request != r.RequestID || rec.Op != r.op || rec.Outcome != outcome {
			w.t.Errorf("%s (request %s, %s) was answered with n=%d, which is %s (request %s, %s)",
				r.op, r.RequestID, outcome, r.Receipt.N, rec.Op, rec.Request, rec.Outcome)
		}
		if r.op == "kms:Decrypt" && r.Fault == nil {
			w.checkPlaintext(r, rec)
		}
	}
}

func (w *world) checkPlaintext(r reply, rec *event.Record) {
	var out struct {
		KeyId     string
		Plaintext []byte
	}
	if err := json.Unmarshal(r.Body, &out); err != nil {
		w.t.Fatal(err)
	}
	for _, b := range w.blobs {
		if b.plaintext == string(out.Plaintext) && b.key == out.KeyId && slices.Contains(rec.Resources, b.key) {
			return
		}
	}
	w.t.Errorf("Decrypt answered %q under %s, which nobody encrypted so", out.Plaintext, out.KeyId)
}

// nothingForbiddenHappened walks the log with a model that knows only which keys
// are usable, which grants the reader has, and which secrets exist.
func (w *world) nothingForbiddenHappened(records []*event.Record) {
	usable := map[string]bool{} // by key id
	grants := map[string]string{}
	secrets := map[string]bool{}
	for _, r := range records {
		for _, e := range r.Events {
			switch e := e.(type) {
			case *event.KeyCreated:
				usable[e.Key] = true
			case *event.KeyEnabled:
				usable[e.Key] = true
			case *event.KeyDisabled:
				usable[e.Key] = false
			case *event.KeyDeletionScheduled:
				usable[e.Key] = false
			case *event.KeyDeletionCancelled:
				usable[e.Key] = false
			case *event.KeyDeleted:
				delete(usable, e.Key)
				maps.DeleteFunc(grants, func(_, key string) bool { return key == e.Key })
			case *event.GrantCreated:
				grants[e.Grant] = e.Key
			case *event.GrantRevoked:
				delete(grants, e.Grant)
			case *event.SecretCreated:
				secrets[e.Secret] = true
			case *event.SecretDeleted:
				delete(secrets, e.Secret)
			case *event.Decrypted:
				key := e.Key[strings.LastIndexByte(e.Key, '/')+1:]
				if !usable[key] {
					w.t.Errorf("n=%d decrypts with the key %s, which is not usable there", r.N, key)
				}
				granted := slices.Contains(slices.Collect(maps.Values(grants)), key)
				if r.Who.Name == "reader" && !granted && !w.managed(records, key) {
					w.t.Errorf("n=%d: the reader decrypts with %s without a grant", r.N, key)
				}
			case *event.SecretValueRead:
				if !secrets[e.Secret] {
					w.t.Errorf("n=%d reads %s, which does not exist there", r.N, e.Secret)
				}
			}
		}
	}
}

func (w *world) managed(records []*event.Record, key string) bool {
	for _, r := range records {
		for _, e := range r.Events {
			if c, ok := e.(*event.KeyCreated); ok && c.Key == key {
				return c.Manager == "AWS"
			}
		}
	}
	return false
}

// stateEqualsReplay asks the working state and a replay of the log the same
// questions, and holds the keyring against what the replay refers to.
func (w *world) stateEqualsReplay() {
	replayed, err := state.Load(w.t.Context(), w.store.Open(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	asked := []struct {
		op string
		in object
	}{{"kms:ListKeys", object{}}, {"kms:ListAliases", object{}}, {"secretsmanager:ListSecrets", object{}}}
	for _, k := range w.keys {
		for _, op := range []string{"kms:DescribeKey", "kms:ListGrants", "kms:GetKeyRotationStatus", "kms:ListKeyRotations"} {
			asked = append(asked, struct {
				op string
				in object
			}{op, object{"KeyId": k}})
		}
	}
	for _, s := range w.secrets {
		for _, op := range []string{"secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds"} {
			asked = append(asked, struct {
				op string
				in object
			}{op, object{"SecretId": s}})
		}
	}
	for _, q := range asked {
		req := w.request(w.admin, q.op, q.in)
		env := &vault.Env{Now: w.now, Entropy: w.entropy, Root: w.root}
		var live, again string
		w.engine.Read(func(st *vault.State) { live = answer(vault.Handle(st, req, env)) })
		again = answer(vault.Handle(replayed, req, env))
		if live != again {
			w.t.Errorf("%s %v:\n  the engine says %s\n  the replay says %s", q.op, q.in, live, again)
		}
	}
	wanted := map[string]bool{}
	for id := range replayed.RingIDs() {
		wanted[id] = true
		if _, err := w.ring.Get(id); err != nil {
			w.t.Errorf("the keyring entry %s is needed and not there: %v", id, err)
		}
	}
	for id := range w.ring.IDs() {
		if !wanted[id] {
			w.t.Errorf("the keyring entry %s should have been erased", id)
		}
	}
}

func answer(d *vault.Decision) string {
	r := d.Release(vault.Receipt{})
	return fmt.Sprint(r.Fault, " ", string(r.Body))
}

func (w *world) noCanary(lines [][]byte) {
	forms := [][]byte{[]byte(canary)}
	for offset := range 3 { // base64 of the canary at every alignment
		padded := append(make([]byte, offset), canary...)
		encoded := base64.StdEncoding.EncodeToString(padded)
		forms = append(forms, []byte(encoded[4:len(encoded)-4]))
	}
	for _, form := range forms {
		for _, line := range lines {
			if bytes.Contains(line, form) {
				w.t.Errorf("a plaintext is in the log: %s", line)
			}
		}
		for id := range w.ring.IDs() {
			if sealed, _ := w.ring.Get(id); bytes.Contains(sealed, form) {
				w.t.Errorf("a plaintext is in the keyring entry %s", id)
			}
		}
		for _, r := range w.replies {
			if r.Fault != nil && strings.Contains(r.Fault.Error(), string(form)) {
				w.t.Errorf("a plaintext is in an error: %v", r.Fault)
			}
		}
	}
}
