package secret_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
)

const (
	account = "111122223333"
	demoARN = "arn:aws:secretsmanager:us-east-1:111122223333:secret:app/demo-Xk2QpZ"
	keyA    = "aaaaaaaa-0000-4000-8000-000000000000"
	keyB    = "bbbbbbbb-0000-4000-8000-000000000000"
)

var start = time.Date(2026, 11, 24, 3, 0, 0, 123456000, time.UTC)

func version(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func created(arn, name string) *event.SecretCreated {
	return &event.SecretCreated{Secret: arn, Account: account, Name: name, Key: keyA, Created: start}
}

func added(arn string, n int) *event.SecretVersionCreated {
	return &event.SecretVersionCreated{
		Secret: arn, Version: version(n), Ciphertext: []byte{1, byte(n)}, Created: start.Add(time.Duration(n) * time.Hour),
		Wrapping: event.Wrapping{Key: keyA, Ring: fmt.Sprintf("RING%d", n), Commitment: "c0"},
	}
}

func moved(arn, stage, from, to string) *event.SecretStageMoved {
	return &event.SecretStageMoved{Secret: arn, Stage: stage, From: from, To: to, At: start}
}

func store(t testing.TB, events ...event.Event) *secret.Store {
	t.Helper()
	s := secret.NewStore()
	apply(t, s, events...)
	return s
}

func apply(t testing.TB, s *secret.Store, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		if handled, err := s.Apply(e); err != nil || !handled {
			t.Fatalf("apply %s: handled %v, %v", e.EventType(), handled, err)
		}
	}
}

func find(t testing.TB, s *secret.Store, id string) *secret.Secret {
	t.Helper()
	x, err := s.Find(account, id)
	if err != nil {
		t.Fatalf("find %q: %v", id, err)
	}
	return x
}

func TestFind(t *testing.T) {
	const tricky = "arn:aws:secretsmanager:us-east-1:111122223333:secret:app/demo-Xk2QpZ-abcdef"
	const suffixed = "arn:aws:secretsmanager:us-east-1:111122223333:secret:db-master"
	s := store(t, created(demoARN, "app/demo"), created(tricky, "app/demo-Xk2QpZ"), created(suffixed+"-Zz9Zz9", "db-master"))
	for id, want := range map[string]string{
		"app/demo":        demoARN,
		demoARN:           demoARN,
		"app/demo-Xk2QpZ": tricky,
		tricky:            tricky,
		"db-master":       suffixed + "-Zz9Zz9",
		"arn:aws:secretsmanager:us-east-1:111122223333:secret:app/demo": demoARN,
	} {
		if got := find(t, s, id); got.ARN != want || got.Account != account || !strings.HasPrefix(want, "arn:aws:secretsmanager:us-east-1:111122223333:secret:"+got.Name+"-") {
			t.Errorf("%q is %s (%s of %s), want %s", id, got.ARN, got.Name, got.Account, want)
		}
	}
	for _, id := range []string{
		"", "app", "app/demo-", "arn:", "arn:aws:secretsmanager:us-east-1:111122223333:secret:",
		"arn:aws:secretsmanager:us-east-1:111122223333:secret:app/demo-xk2QpZ",
		suffixed, // the full ARN of a secret "db", which is none
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/demo",
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/demo-Xk2QpZ",
		"arn:aws:secretsmanager:us-east-1:444455556666:secret:app/demo",
		"arn:aws:kms:us-east-1:111122223333:secret:app/demo",
	} {
		if x, err := s.Find(account, id); !fault.Is(err, fault.ResourceNotFoundException) {
			t.Errorf("%q found %v, %v", id, x, err)
		}
	}
	// Another account needs the full ARN.
	if x, err := s.Find("444455556666", demoARN); err != nil || x.ARN != demoARN {
		t.Errorf("by full ARN from another account: %v, %v", x, err)
	}
	for _, id := range []string{"app/demo", strings.TrimSuffix(demoARN, "-Xk2QpZ")} {
		if _, err := s.Find("444455556666", id); err == nil {
			t.Errorf("%q found from another account", id)
		}
	}
}

func TestStages(t *testing.T) {
	s := store(t, created(demoARN, "app/demo"), added(demoARN, 1), added(demoARN, 2),
		moved(demoARN, secret.Current, "", version(1)), moved(demoARN, secret.Current, version(1), version(2)),
		moved(demoARN, secret.Previous, "", version(1)), moved(demoARN, "blue", "", version(2)))
	x := find(t, s, "app/demo")
	if got := x.Stages(x.Version(version(2))); !slices.Equal(got, []string{secret.Current, "blue"}) {
		t.Errorf("labels of the second version: %v", got)
	}
	if v := x.Staged(secret.Previous); v == nil || v.ID() != version(1) {
		t.Errorf("AWSPREVIOUS is on %v", v)
	}
	if got := x.StageCount(); got != 3 {
		t.Errorf("%d labels, want 3", got)
	}
	apply(t, s, moved(demoARN, "blue", version(2), version(1)), moved(demoARN, secret.Previous, version(1), ""))
	if got := x.Stages(x.Version(version(1))); !slices.Equal(got, []string{"blue"}) {
		t.Errorf("labels of the first version: %v", got)
	}
	apply(t, s, moved(demoARN, "blue", version(1), ""))
	if !x.Deprecated(x.Version(version(1))) || x.Staged("blue") != nil {
		t.Error("the first version still has a label")
	}
}

func TestRewrap(t *testing.T) {
	wrapping := func(key, ring string, kept bool) event.Event {
		return &event.SecretVersionRewrapped{Secret: demoARN, Version: version(1), Wrapping: event.Wrapping{Key: key, Ring: ring}, Kept: kept}
	}
	s := store(t, created(demoARN, "app/demo"), added(demoARN, 1))
	v := find(t, s, "app/demo").Version(version(1))
	steps := []struct {
		key, ring string
		kept      bool
		replaced  []string
		want      []secret.Wrapping
	}{
		{keyB, "B1", true, nil, []secret.Wrapping{{Key: keyB, Ring: "B1"}, {Key: keyA, Ring: "RING1"}}},
		{keyA, "A2", true, []string{"RING1"}, []secret.Wrapping{{Key: keyA, Ring: "A2"}, {Key: keyB, Ring: "B1"}}},
		{keyB, "B3", false, []string{"A2", "B1"}, []secret.Wrapping{{Key: keyB, Ring: "B3"}}},
	}
	for i, step := range steps {
		if got := v.Replaced(step.key, step.kept); !slices.Equal(got, step.replaced) {
			t.Errorf("step %d replaces %v, want %v", i, got, step.replaced)
		}
		apply(t, s, wrapping(step.key, step.ring, step.kept))
		if got := append([]secret.Wrapping{v.Wrapping()}, v.Older()...); !slices.Equal(got, step.want) {
			t.Errorf("step %d: wrappings %v, want %v", i, got, step.want)
		}
		var rings []string
		for _, w := range step.want {
			rings = append(rings, w.Ring)
		}
		if got := slices.Collect(s.RingIDs()); !slices.Equal(got, rings) {
			t.Errorf("step %d: rings %v, want %v", i, got, rings)
		}
		if v.ID() != version(1) {
			t.Errorf("step %d: the version is now %s", i, v.ID())
		}
	}
}

func TestPurgeable(t *testing.T) {
	s := store(t, created(demoARN, "app/demo"))
	for n := range secret.KeptVersions + 2 {
		apply(t, s, added(demoARN, n))
	}
	apply(t, s, moved(demoARN, secret.Current, "", version(0)))
	x := find(t, s, "app/demo")
	ids := func(now time.Time) []string {
		var ids []string
		for _, v := range x.Purgeable(now) {
			ids = append(ids, v.ID())
		}
		return ids
	}
	if got := ids(start.Add(1000 * time.Hour)); !slices.Equal(got, []string{version(1), version(2), version(3)}) {
		t.Errorf("purgeable %v: the oldest three without a label were to go", got)
	}
	if got := ids(start.Add(26 * time.Hour)); !slices.Equal(got, []string{version(1)}) {
		t.Errorf("purgeable %v: one version is older than a day", got)
	}
}

func TestDeletionAndTimers(t *testing.T) {
	const other = "arn:aws:secretsmanager:us-east-1:111122223333:secret:b-AAAAAA"
	s := store(t, created(demoARN, "app/demo"), created(other, "b"))
	ends := start.AddDate(0, 0, 7)
	apply(t, s,
		&event.SecretDeletionScheduled{Secret: demoARN, Deleted: start, At: ends.Add(time.Hour)},
		&event.SecretDeletionScheduled{Secret: other, Deleted: start, At: ends})
	if at, ok := s.NextDue(); !ok || !at.Equal(ends) {
		t.Fatalf("next due %v %v, want %v", at, ok, ends)
	}
	x := find(t, s, "b")
	if x.Gone(ends.Add(-time.Microsecond)) || !x.Gone(ends) {
		t.Error("a secret is gone at the end of its window, not before")
	}
	due := func(now time.Time) (names []string) {
		s.Due(now, func(x *secret.Secret) bool { names = append(names, x.Name); return true })
		return names
	}
	if got := due(ends); !slices.Equal(got, []string{"b"}) {
		t.Errorf("due %v", got)
	}
	apply(t, s, &event.SecretDeleted{Secret: other}, &event.SecretRestored{Secret: demoARN, At: start})
	if _, ok := s.NextDue(); ok || s.Len() != 1 {
		t.Error("something is due, or left, that is not")
	}
	const reborn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:b-BBBBBB"
	apply(t, s, created(reborn, "b"))
	if _, err := s.Find(account, other); err == nil {
		t.Error("the old ARN finds the secret that took the name")
	}
}

func TestImpossibleEvents(t *testing.T) {
	policy := `{"Version":"2012-10-17","Statement":[]}`
	for name, e := range map[string]event.Event{
		"same name":          created("arn:aws:secretsmanager:us-east-1:111122223333:secret:app/demo-aaaaaa", "app/demo"),
		"other name":         created("arn:aws:secretsmanager:us-east-1:111122223333:secret:x-aaaaaa", "y"),
		"no suffix":          created("arn:aws:secretsmanager:us-east-1:111122223333:secret:x", "x"),
		"same version":       added(demoARN, 1),
		"unknown secret":     added("arn:aws:secretsmanager:us-east-1:111122223333:secret:x-aaaaaa", 1),
		"no wrapping":        &event.SecretVersionCreated{Secret: demoARN, Version: version(9), Ciphertext: []byte{1}},
		"label elsewhere":    moved(demoARN, secret.Current, "", version(1)),
		"label to nowhere":   moved(demoARN, "blue", "", version(7)),
		"purge of a current": &event.SecretVersionPurged{Secret: demoARN, Version: version(1)},
		"restore":            &event.SecretRestored{Secret: demoARN},
		"no policy":          &event.SecretPolicyRemoved{Secret: demoARN},
		"bad policy":         &event.SecretPolicyReplaced{Secret: demoARN, Policy: policy + "x"},
		"deleted unknown":    &event.SecretDeleted{Secret: "nonsense"},
	} {
		s := store(t, created(demoARN, "app/demo"), added(demoARN, 1), moved(demoARN, secret.Current, "", version(1)))
		if _, err := s.Apply(e); err == nil {
			t.Errorf("%s: applied", name)
		}
	}
	if handled, err := secret.NewStore().Apply(&event.KeyEnabled{}); handled || err != nil {
		t.Errorf("an event of keys: handled %v, %v", handled, err)
	}
}

func TestSharedPolicies(t *testing.T) {
	const other = "arn:aws:secretsmanager:us-east-1:111122223333:secret:b-AAAAAA"
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/a"},"Action":"secretsmanager:*","Resource":"*"}]}`
	put := func(arn, id string) event.Event {
		return &event.SecretPolicyReplaced{Secret: arn, Policy: text, Principals: map[string]string{"arn:aws:iam::111122223333:user/a": id}}
	}
	s := store(t, created(demoARN, "app/demo"), created(other, "b"), put(demoARN, "AIDA1"), put(other, "AIDA1"))
	a, b := find(t, s, "app/demo"), find(t, s, "b")
	if a.Policy == nil || a.Policy != b.Policy || a.PolicyText() != text {
		t.Error("two secrets with one policy do not share it")
	}
	apply(t, s, put(demoARN, "AIDA2"))
	if a.Policy == b.Policy {
		t.Error("policies that are bound to different principals are shared")
	}
	apply(t, s, &event.SecretPolicyRemoved{Secret: demoARN})
	if a.Policy != nil || a.PolicyText() != "" || b.Policy == nil {
		t.Error("removing one policy left it, or took the other")
	}
}

func FuzzFind(f *testing.F) {
	for _, id := range []string{"", "app/demo", demoARN, "arn:aws:secretsmanager:us-east-1:111122223333:secret:app/demo", "arn:aws:secretsmanager:::secret:-------", "a-bcdefg", "arn:::::::"} {
		f.Add(id)
	}
	s := store(f, created(demoARN, "app/demo"))
	f.Fuzz(func(t *testing.T, id string) {
		x, err := s.Find(account, id)
		if (x == nil) == (err == nil) {
			t.Fatalf("%q: %v, %v", id, x, err)
		}
		if x != nil && id != x.Name && !strings.HasPrefix(x.ARN, id) {
			t.Fatalf("%q found %s", id, x.ARN)
		}
		if x != nil && secret.IsARN(id) && len(id) < len(x.ARN) && !strings.HasSuffix(id, ":secret:"+x.Name) {
			t.Fatalf("%q is no partial ARN of %s", id, x.ARN)
		}
		if ref, owner, ok := secret.Reference("us-east-1", account, id); ok && (!strings.HasPrefix(ref, "arn:") || len(owner) != 12) {
			t.Fatalf("%q stands for %q of %q", id, ref, owner)
		}
	})
}

// BenchmarkMemory reports what a million small secrets would hold in memory.
func BenchmarkMemory(b *testing.B) {
	const n = 20_000
	for b.Loop() {
		s := secret.NewStore()
		before := heap()
		for i := range n {
			name := fmt.Sprintf("prod/service-%05d/password", i)
			arn := "arn:aws:secretsmanager:us-east-1:111122223333:secret:" + name + "-Xk2QpZ"
			id := fmt.Sprintf("c0ffee00-1111-4222-8333-%012d", i)
			v := added(arn, 0)
			v.Version, v.Ciphertext, v.Wrapping.Ring = id, make([]byte, 29+24), fmt.Sprintf("%032d", i)
			apply(b, s, created(arn, name), v, moved(arn, secret.Current, "", id))
		}
		b.ReportMetric(float64(heap()-before)/n, "B/secret")
		runtime.KeepAlive(s)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
