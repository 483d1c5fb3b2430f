package access_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/vault/vaulttest"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/storetest"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/access"
)

// answers is all that a view can be asked about a vault.
func answers(w *world, v *access.View) (text string) {
	for _, k := range w.State.Keys.KeysAfter(vaulttest.Account, 0) {
		u, ok := v.Accesses().Key(k.ID)
		text += fmt.Sprintln(k.ID, u, ok)
	}
	for _, s := range w.State.Secrets.After(vaulttest.Account, 0) {
		at, ok := v.Accesses().Secret(s.ARN)
		text += fmt.Sprintln(s.ARN, at, ok)
		for i := range s.Versions() {
			at, ok := v.Accesses().SecretVersion(s.ARN, s.Versions()[i].ID())
			text += fmt.Sprintln(i, at, ok)
		}
	}
	a := w.State.Identities.Account(vaulttest.Account)
	for u := range a.Users.After("") {
		for _, k := range u.AccessKeys() {
			c, ok := v.Accesses().AccessKey(k.ID)
			text += fmt.Sprintln(k.ID, c, ok)
		}
	}
	for r := range a.Roles.After("") {
		c, ok := v.Accesses().Role(r.ID)
		text += fmt.Sprintln(r.ID, c, ok)
	}
	return text
}

func story(w *world) {
	admin := w.User("admin", vaulttest.Administrator)
	role := w.Role("app", vaulttest.Administrator)
	w.User("idle")
	k := w.key(admin, nil)
	w.key(admin, nil)
	admin.Call("secretsmanager:CreateSecret", M{"Name": "plain/one", "SecretString": "v", "KmsKeyId": k}).OK()
	admin.Call("secretsmanager:CreateSecret", M{"Name": "plain/two", "SecretString": "v"}).OK()
	for range 5 {
		w.Wait(time.Hour)
		role.Call("secretsmanager:GetSecretValue", M{"SecretId": "plain/one"}).OK()
		admin.Call("kms:GenerateDataKey", M{"KeyId": k, "KeySpec": "AES_256"}).OK()
	}
}

// TestRestart stops the view anywhere: it goes on from its snapshot and has the
// same answers as one that has read the whole log.
func TestRestart(t *testing.T) {
	o := access.Options{Snapshot: filepath.Join(t.TempDir(), "access.snapshot"), Every: time.Nanosecond,
		Observe: func(err error) { t.Error(err) }}
	w := newWorld(t, o)
	story(w)
	w.follow()
	w.view.Close()
	before := answers(w, w.view)
	v := access.Open(context.Background(), w.log, o)
	at, err := v.Cursor(context.Background())
	check(t, err)
	last, err := w.log.Last(context.Background())
	check(t, err)
	if at != last {
		t.Errorf("the snapshot is at %d, the log at %d", at, last)
	}
	if got := answers(w, v); got != before {
		t.Errorf("after a restart:\n%s\nbefore:\n%s", got, before)
	}
	w.view = v
	w.User("late", vaulttest.Administrator).Call("secretsmanager:GetSecretValue", M{"SecretId": "plain/two"}).OK()
	w.follow()
	fresh := access.Open(context.Background(), w.log, access.Options{})
	catchUp(t, w.log, fresh)
	if got, want := answers(w, v), answers(w, fresh); got != want || got == before {
		t.Errorf("continued:\n%s\nread from the beginning:\n%s", got, want)
	}
	check(t, projections.NewRunner(w.log, v, nil).Rebuild(context.Background(), nil))
	defer v.Close() // a snapshot is being written
	if got, want := answers(w, v), answers(w, fresh); got != want {
		t.Errorf("rebuilt:\n%s\nwant:\n%s", got, want)
	}
}

// TestKilledAnywhere ends the view at every commit, with and without a snapshot of
// what it had read: it goes on from whichever there is, and has the answers of one
// that was never stopped.
func TestKilledAnywhere(t *testing.T) {
	w := newWorld(t, access.Options{})
	story(w)
	log := memlog.NewStore(memlog.Options{}).Open() // a record to a commit: most lives learn little
	var writer storetest.Writer
	for _, line := range w.Lines {
		writer.Append(t, log, writer.Commit(eventstore.State, string(line)))
	}
	last, err := log.Last(t.Context())
	check(t, err)
	file := filepath.Join(t.TempDir(), "access.snapshot")
	random := rand.New(rand.NewPCG(1, 2))
	restored := 0
	stop := errors.New("killed here")
	readTo := func(v *access.View, upTo uint64) {
		at, err := v.Cursor(t.Context())
		check(t, err)
		err = log.Read(t.Context(), at+1, nil, func(c eventstore.Stored) error {
			if c.Seq > upTo {
				return stop
			}
			return v.Apply(t.Context(), []eventstore.Stored{c})
		})
		if err != nil && !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
	for upTo := uint64(1); upTo <= last; upTo++ {
		o := access.Options{Snapshot: file, Every: time.Nanosecond, Observe: func(err error) { t.Errorf("kill after %d: %v", upTo, err) }}
		if random.IntN(2) == 0 {
			o.Every = time.Hour // this life ends without a snapshot
		}
		v := access.Open(t.Context(), log, o)
		at, err := v.Cursor(t.Context())
		check(t, err)
		if at > 0 {
			restored++
		}
		readTo(v, upTo)
		straight := access.Open(t.Context(), log, access.Options{})
		readTo(straight, upTo)
		if got, want := answers(w, v), answers(w, straight); got != want {
			t.Fatalf("at %d, after kills:\n%s\nwant:\n%s", upTo, got, want)
		}
		if o.Every == time.Nanosecond {
			v.Close() // waits for the file, which a kill finds written or not
		}
	}
	if restored == 0 {
		t.Fatal("no life began with a snapshot")
	}
	v := access.Open(t.Context(), log, access.Options{Snapshot: file})
	catchUp(t, log, v)
	w.follow()
	if got, want := answers(w, v), answers(w, w.view); got != want {
		t.Errorf("after all kills:\n%s\nwant:\n%s", got, want)
	}
}

// TestUnusableSnapshots has each be told of and dropped.
func TestUnusableSnapshots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.snapshot")
	w := newWorld(t, access.Options{Snapshot: path})
	story(w)
	w.follow()
	w.view.Close()
	good, err := os.ReadFile(path)
	check(t, err)
	other := newWorld(t, access.Options{})
	other.User("someone")
	other.follow()
	flipped := slices.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		content []byte
		log     eventstore.Log
	}{
		"flipped bit":    {flipped, w.log},
		"cut off":        {good[:len(good)/2], w.log},
		"empty":          {nil, w.log},
		"of another log": {good, other.log},
	} {
		check(t, os.WriteFile(path, c.content, 0o600))
		var told error
		v := access.Open(context.Background(), c.log, access.Options{Snapshot: path, Observe: func(err error) { told = err }})
		if at, _ := v.Cursor(context.Background()); at != 0 || told == nil {
			t.Errorf("%s: went on at %d, told %v", name, at, told)
		}
		catchUp(t, c.log, v)
		if c.log == w.log && answers(w, v) != answers(w, w.view) {
			t.Errorf("%s: other answers", name)
		}
	}
}
