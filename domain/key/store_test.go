package key

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/iam"
)

const (
	testAccount = "111122223333"
	testPolicy  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}}`
)

var start = time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)

func rawID(n int) (raw [16]byte) {
	raw[0], raw[1], raw[2] = byte(n>>16), byte(n>>8), byte(n)
	return raw
}

func testKey(n int) string { return FormatID(rawID(n)) }

func material(n int) event.Material {
	var id [32]byte
	id[0], id[1], id[2], id[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return event.Material{ID: hex.EncodeToString(id[:]), Ring: fmt.Sprintf("ring-%d", n)}
}

func created(n int) *event.KeyCreated {
	m := material(n)
	return &event.KeyCreated{Key: testKey(n), Account: testAccount, Manager: ManagerCustomer, Spec: SymmetricDefault,
		Usage: EncryptDecrypt, Origin: OriginKMS, Policy: testPolicy, Created: start, Material: &m}
}

func newStore(t testing.TB, events ...event.Event) *Store {
	t.Helper()
	s := NewStore()
	s.SetRegion("us-east-1")
	apply(t, s, events...)
	return s
}

func apply(t testing.TB, s *Store, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		if handled, err := s.Apply(e); err != nil || !handled {
			t.Fatalf("%s %+v: handled %v, %v", e.EventType(), e, handled, err)
		}
	}
}

func TestImpossibleEventsAreRefused(t *testing.T) {
	one, two := testKey(1), testKey(2)
	base := []event.Event{created(1),
		&event.AliasCreated{Alias: "alias/a", Account: testAccount, Key: one, At: start},
		&event.GrantCreated{Grant: "g1", Key: one, Grantee: "arn:aws:iam::111122223333:root", Operations: []string{"Decrypt"}}}
	withMaterial := func(m event.Material) *event.KeyCreated { e := created(2); e.Material = &m; return e }
	with := func(change func(*event.KeyCreated)) event.Event { e := created(2); change(e); return e }
	for name, e := range map[string]event.Event{
		"a key twice":                      created(1),
		"a key id that is none":            with(func(e *event.KeyCreated) { e.Key = "x" }),
		"an account that is none":          with(func(e *event.KeyCreated) { e.Account = "x" }),
		"a usage that does not fit":        with(func(e *event.KeyCreated) { e.Usage = SignVerify }),
		"a policy that does not parse":     with(func(e *event.KeyCreated) { e.Policy = "{" }),
		"a short material id":              withMaterial(event.Material{ID: "00", Ring: "r"}),
		"material without a ring":          withMaterial(event.Material{ID: material(9).ID}),
		"an unknown key enabled":           &event.KeyEnabled{Key: two},
		"an unknown key deleted":           &event.KeyDeleted{Key: two},
		"a key deleted without a window":   &event.KeyDeleted{Key: one},
		"a cancellation of nothing":        &event.KeyDeletionCancelled{Key: one},
		"a deletion without a date":        &event.KeyDeletionScheduled{Key: one, Window: 7},
		"the same material again":          &event.KeyRotated{Key: one, Type: RotationOnDemand, At: start, Material: material(1)},
		"an import into a key of our own":  &event.KeyMaterialImported{Key: one, At: start, Material: material(9)},
		"an expiry of what is our own":     &event.KeyMaterialExpired{Key: one, Material: material(1).ID},
		"rotation every 0 days":            &event.KeyRotationEnabled{Key: one},
		"an alias twice":                   base[1],
		"an alias to an unknown key":       &event.AliasCreated{Alias: "alias/b", Account: testAccount, Key: two},
		"an alias of another account":      &event.AliasCreated{Alias: "alias/b", Account: "444455556666", Key: one},
		"an unknown alias moved":           &event.AliasMoved{Alias: "alias/b", Account: testAccount, Key: one},
		"an unknown alias deleted":         &event.AliasDeleted{Alias: "alias/b", Account: testAccount},
		"a grant twice":                    base[2],
		"a grant on an unknown key":        &event.GrantCreated{Grant: "g2", Key: two, Grantee: "x"},
		"a grant of something ungrantable": &event.GrantCreated{Grant: "g2", Key: one, Grantee: "x", Operations: []string{"PutKeyPolicy"}},
		"an unknown grant retired":         &event.GrantRetired{Grant: "g2", Key: one},
		"a grant revoked on another key":   &event.GrantRevoked{Grant: "g1", Key: two},
	} {
		s := newStore(t, base...)
		if handled, err := s.Apply(e); err == nil || !handled {
			t.Errorf("%s: handled %v, error %v", name, handled, err)
		}
	}
	if handled, err := newStore(t).Apply(&event.UserDeleted{User: "AIDA"}); handled || err != nil {
		t.Errorf("an event of others: handled %v, %v", handled, err)
	}
}

func TestImportedMaterialComesAndGoes(t *testing.T) {
	empty := created(1)
	empty.Origin, empty.Material = OriginExternal, nil
	id := testKey(1)
	s := newStore(t, empty)
	k := s.Get(id)
	again := material(1)
	again.Ring = "ring-again"
	comes := func(m event.Material, to time.Time) event.Event {
		return &event.KeyMaterialImported{Key: id, At: start, ValidTo: to, Material: m}
	}
	for i, step := range []struct {
		event event.Event
		state State
		ring  string
		due   time.Time
	}{
		{comes(material(1), start.AddDate(0, 0, 9)), Enabled, "ring-1", start.AddDate(0, 0, 9)},
		{&event.KeyDisabled{Key: id}, Disabled, "ring-1", start.AddDate(0, 0, 9)},
		{comes(again, time.Time{}), Disabled, "ring-again", time.Time{}},
		{&event.KeyMaterialDeleted{Key: id, Material: again.ID}, PendingImport, "", time.Time{}},
		{comes(material(1), start.AddDate(0, 0, 3)), Enabled, "ring-1", start.AddDate(0, 0, 3)},
		{&event.KeyDeletionScheduled{Key: id, Window: 7, At: start.AddDate(0, 0, 7)}, PendingDeletion, "ring-1", start.AddDate(0, 0, 3)},
		{&event.KeyMaterialExpired{Key: id, Material: again.ID}, PendingDeletion, "", start.AddDate(0, 0, 7)},
		{&event.KeyDeletionCancelled{Key: id}, PendingImport, "", time.Time{}},
	} {
		apply(t, s, step.event)
		if k.State != step.state || k.Current().Ring != step.ring || !k.due().Equal(step.due) || k.FixedMaterial() != material(1).ID {
			t.Errorf("step %d: %s with ring %q, due %s", i, k.State, k.Current().Ring, k.due())
		}
		if rings := slices.Collect(s.RingIDs()); len(rings) != min(len(step.ring), 1) {
			t.Errorf("step %d: rings %v", i, rings)
		}
	}
	for name, e := range map[string]event.Event{
		"other material":                comes(material(2), time.Time{}),
		"a deletion of what is not":     &event.KeyMaterialDeleted{Key: id, Material: again.ID},
		"a deletion of nothing at all":  &event.KeyMaterialDeleted{Key: id},
		"an expiry of what never was":   &event.KeyMaterialExpired{Key: id, Material: material(2).ID},
		"an enabling without material":  &event.KeyEnabled{Key: id},
		"a rotation of what is brought": &event.KeyRotated{Key: id, At: start, Material: material(2)},
	} {
		if handled, err := s.Apply(e); err == nil || !handled {
			t.Errorf("%s: handled %v, error %v", name, handled, err)
		}
	}
}

func TestMaterialsAreFoundByTheirIDs(t *testing.T) {
	s := newStore(t, created(1))
	for i := 2; i <= 5; i++ {
		apply(t, s, &event.KeyRotated{Key: testKey(1), Type: RotationOnDemand, At: start, Material: material(i)})
	}
	k := s.GetRaw(rawID(1))
	if k == nil || k != s.Get(testKey(1)) || k.Current().ID != material(5).ID || k.OnDemandRotations() != 4 {
		t.Fatalf("%+v", k)
	}
	for i := 1; i <= 5; i++ {
		byName, ok := k.MaterialByID(material(i).ID)
		byRaw, ok2 := k.MaterialByRawID(byName.RawID)
		if !ok || !ok2 || byName != byRaw || byName.Ring != material(i).Ring {
			t.Errorf("material %d: %v %v", i, byName, byRaw)
		}
	}
	if _, ok := k.MaterialByID(material(6).ID); ok {
		t.Error("found a material that the key never had")
	}
	if got := slices.Sorted(s.RingIDs()); len(got) != 5 {
		t.Errorf("rings %v", got)
	}
}

func TestKeysShareTheirPolicy(t *testing.T) {
	bound := func(n int, id string) *event.KeyCreated {
		e := created(n)
		e.Policy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/a"},"Action":"kms:*","Resource":"*"}}`
		e.Principals = map[string]string{"arn:aws:iam::111122223333:user/a": id}
		return e
	}
	s := newStore(t, created(1), created(2), bound(3, "AIDA1"), bound(4, "AIDA1"), bound(5, "AIDA2"))
	get := func(n int) *Key { return s.Get(testKey(n)) }
	if get(1).Policy != get(2).Policy || get(3).Policy != get(4).Policy || get(4).Policy == get(5).Policy {
		t.Error("policies are shared wrongly")
	}
	replaced := bound(0, "AIDA2")
	apply(t, s, &event.KeyPolicyReplaced{Key: testKey(3), Policy: replaced.Policy, Principals: replaced.Principals})
	apply(t, s, &event.KeyPolicyReplaced{Key: testKey(4), Policy: replaced.Policy, Principals: replaced.Principals})
	if get(3).Policy != get(5).Policy || len(s.documents) != 2 || len(s.documents[replaced.Policy]) != 1 {
		t.Errorf("%d texts, %d of one", len(s.documents), len(s.documents[replaced.Policy]))
	}
	for n := 1; n <= 5; n++ {
		apply(t, s, &event.KeyDeletionScheduled{Key: testKey(n), Window: 7, At: start}, &event.KeyDeleted{Key: testKey(n)})
	}
	if len(s.documents)+len(s.keys)+len(s.timers)+len(s.accounts[testAccount].keys)+s.CustomerKeys(testAccount) != 0 {
		t.Errorf("deleted keys leave %d policies, %d keys, %d timers", len(s.documents), len(s.keys), len(s.timers))
	}
}

// TestDueVisitsWhatIsDue holds the heap against a plain scan while keys come,
// rotate, go and change their minds.
func TestDueVisitsWhatIsDue(t *testing.T) {
	s := newStore(t)
	random := seeded(1)
	var alive []int
	now := start
	for step := range 4000 {
		now = now.Add(time.Duration(random(40)) * time.Hour)
		if len(alive) < 5 || random(10) == 0 {
			e := created(step)
			e.Created = now
			apply(t, s, e)
			alive = append(alive, step)
			continue
		}
		at := random(len(alive))
		id := testKey(alive[at])
		k := s.Get(id)
		switch action := random(8); {
		case action == 0 && k.State != PendingDeletion:
			apply(t, s, &event.KeyDeletionScheduled{Key: id, Window: 7, At: now.AddDate(0, 0, 7)})
		case action == 1 && k.State == PendingDeletion:
			apply(t, s, &event.KeyDeletionCancelled{Key: id})
		case action == 2 && k.State == PendingDeletion:
			apply(t, s, &event.KeyDeleted{Key: id})
			alive = slices.Delete(alive, at, at+1)
		case action == 3 && k.State == Enabled:
			apply(t, s, &event.KeyDisabled{Key: id})
		case action == 4 && k.State == Disabled:
			apply(t, s, &event.KeyEnabled{Key: id})
		case action == 5:
			apply(t, s, &event.KeyRotationEnabled{Key: id, Period: 90 + random(10), From: now.AddDate(0, 0, -85)})
		case action == 6:
			apply(t, s, &event.KeyRotationDisabled{Key: id})
		case action == 7:
			apply(t, s, &event.KeyRotated{Key: id, Type: RotationAutomatic, At: now, Material: material(1_000_000 + step)})
		}
		want := map[string]bool{}
		for id, k := range s.keys {
			if at := k.due(); !at.IsZero() && !at.After(now) {
				want[id] = true
			}
		}
		got := map[string]bool{}
		s.Due(now, func(k *Key) bool { got[k.ID] = true; return true })
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("step %d: due %v, want %v", step, got, want)
		}
	}
}

// seeded gives a small deterministic generator of numbers below n.
func seeded(seed uint64) func(n int) int {
	return func(n int) int {
		seed = seed*6364136223846793005 + 1442695040888963407
		return int(seed>>33) % n
	}
}

// TestGrantIndexFindsWhatAScanFinds holds GrantsFor against every grant of the
// key, judged one by one, while grants come and go.
func TestGrantIndexFindsWhatAScanFinds(t *testing.T) {
	const role, session, user = "arn:aws:iam::111122223333:role/app/R", "arn:aws:sts::111122223333:assumed-role/R/s", "arn:aws:iam::111122223333:user/u"
	grantees := [][2]string{
		{user, "AIDA1"}, {user, "AIDA2"}, {user, ""}, {role, "AROA1"}, {role, "AROA2"}, {role, ""}, {session, "AROA1"}, {session, "AROA2"}, {session, ""},
		{"arn:aws:iam::111122223333:root", ""}, {"arn:aws:iam::444455556666:root", ""}, {"111122223333", ""}, {"AIDA1", ""}, {"AROA1", ""},
	}
	callers := []iam.Principal{
		{Type: iam.User, ARN: user, Account: testAccount, UniqueID: "AIDA1", UserID: "AIDA1"},
		{Type: iam.User, ARN: user, Account: testAccount, UniqueID: "AIDA9", UserID: "AIDA9"},
		{Type: iam.RoleSession, ARN: session, RoleARN: role, Account: testAccount, UniqueID: "AROA1", UserID: "AROA1:s"},
		{Type: iam.RoleSession, ARN: "arn:aws:sts::111122223333:assumed-role/R/t", RoleARN: role, Account: testAccount, UniqueID: "AROA2", UserID: "AROA2:t"},
		{Type: iam.Root, ARN: "arn:aws:iam::111122223333:root", Account: testAccount, UniqueID: testAccount, UserID: testAccount},
	}
	s := newStore(t, created(1), created(2))
	random := seeded(7)
	var ids []string
	for step := range 1500 {
		if len(ids) < 3 || random(3) > 0 && len(ids) < 60 {
			g := grantees[random(len(grantees))]
			id := fmt.Sprintf("g%d", step)
			apply(t, s, &event.GrantCreated{Grant: id, Key: testKey(1 + random(2)), Grantee: g[0], GranteeID: g[1], Retiring: g[0], RetiringID: g[1], Operations: []string{"Decrypt"}})
			ids = append(ids, id)
		} else {
			at := random(len(ids))
			g, _ := s.Grant(ids[at])
			apply(t, s, &event.GrantRetired{Grant: g.ID, Key: g.Key.ID})
			ids = slices.Delete(ids, at, at+1)
		}
		for n := 1; n <= 2; n++ {
			k := s.Get(testKey(n))
			for _, p := range callers {
				allows := func(grants []iam.Grant) []string {
					d := iam.Evaluate(&iam.Input{Principal: p, Action: "kms:Decrypt", Resource: k.ARN, Model: iam.ModelKey, Grants: grants,
						Identity: []iam.Source{}})
					var by []string
					for _, m := range d.Matched {
						by = append(by, m.Source)
					}
					slices.Sort(by)
					return by
				}
				var all []iam.Grant
				for _, g := range k.GrantsAfter(0) {
					all = append(all, g.compile())
				}
				if got, want := allows(s.GrantsFor(k, p)), allows(all); !slices.Equal(got, want) {
					t.Fatalf("step %d, %s: the index finds %v, a scan %v", step, p.UserID, got, want)
				}
			}
		}
	}
	total := 0
	for _, list := range s.retirable {
		total += len(list)
	}
	if total != len(ids) || len(s.grants) != len(ids) {
		t.Errorf("%d grants, %d retirable, want %d", len(s.grants), total, len(ids))
	}
}

// TestCoveredGrantsAllowNoMore: what a covered child allows, its parent allows.
func TestCoveredGrantsAllowNoMore(t *testing.T) {
	random := seeded(3)
	operations := []string{"Decrypt", "Encrypt", "GenerateDataKey"}
	pick := func() (ops []string) {
		for _, op := range operations {
			if random(2) == 0 {
				ops = append(ops, op)
			}
		}
		return ops
	}
	pairs := func() map[string]string {
		m := map[string]string{}
		for _, key := range []string{"a", "A", "b"} {
			if random(2) == 0 {
				m[key] = string(rune('x' + random(2)))
			}
		}
		return m
	}
	constraint := func() (equals, subset map[string]string) {
		switch random(3) {
		case 0:
			return pairs(), nil
		case 1:
			return nil, pairs()
		}
		return nil, nil
	}
	covered := 0
	for range 20000 {
		parent, child := &Grant{Operations: pick()}, &Grant{Operations: pick()}
		parent.ContextEquals, parent.ContextSubset = constraint()
		child.ContextEquals, child.ContextSubset = constraint()
		if !parent.Covers(child.Operations, child.ContextEquals, child.ContextSubset) {
			continue
		}
		covered++
		context := pairs()
		for _, op := range operations {
			allows := func(g *Grant) bool {
				grant := g.compile()
				grant.Grantee = "arn:aws:iam::111122223333:user/u"
				return iam.Evaluate(&iam.Input{
					Principal: iam.Principal{Type: iam.User, ARN: grant.Grantee, Account: testAccount, UniqueID: "AIDA1"},
					Action:    "kms:" + op, Model: iam.ModelKey, Grants: []iam.Grant{grant}, EncryptionContext: context,
				}).Allowed
			}
			if allows(child) && !allows(parent) {
				t.Fatalf("%s with %v: child %+v is covered by parent %+v and allows more", op, context, child, parent)
			}
		}
	}
	if covered < 500 {
		t.Errorf("only %d of the cases were covered", covered)
	}
}

func TestParseID(t *testing.T) {
	raw := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xff}
	for _, id := range []string{FormatID(raw), FormatMultiRegionID(raw)} {
		if got, ok := ParseID(id); !ok || got != raw {
			t.Errorf("ParseID(%q) = %x, %v", id, got, ok)
		}
	}
	for _, id := range []string{"", "x", "01020304-0506-0708-090A-0b0c0d0e0fff", "mrk-01", "01020304x0506-0708-090a-0b0c0d0e0fff", "g1020304-0506-0708-090a-0b0c0d0e0fff"} {
		if _, ok := ParseID(id); ok {
			t.Errorf("ParseID(%q) accepts it", id)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("01020304-0506-0708-090a-0b0c0d0e0fff")
	f.Add("mrk-0102030405060708090a0b0c0d0e0fff")
	f.Add("alias/x")
	f.Fuzz(func(t *testing.T, id string) {
		raw, ok := ParseID(id)
		if ok && id != FormatID(raw) && id != FormatMultiRegionID(raw) {
			t.Errorf("%q is another way to write %x", id, raw)
		}
	})
}
