package identity

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
)

var epoch = time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)

const account = "111122223333"

// given is a store after the events, each of which must be possible.
func given(t testing.TB, events ...event.Event) *Store {
	t.Helper()
	s := NewStore()
	apply(t, s, &event.AccountCreated{Account: account, At: epoch})
	apply(t, s, events...)
	return s
}

func apply(t testing.TB, s *Store, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		if handled, err := s.Apply(e); !handled || err != nil {
			t.Fatalf("apply %s: handled %v, %v", e.EventType(), handled, err)
		}
	}
}

func userCreated(id, name string) *event.UserCreated {
	return &event.UserCreated{User: id, Account: account, Name: name, Path: "/", At: epoch}
}

func roleCreated(id, name string) *event.RoleCreated {
	return &event.RoleCreated{Role: id, Account: account, Name: name, Path: "/", MaxSession: 3600, At: epoch,
		Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}`}
}

func keyCreated(id, user string) *event.AccessKeyCreated {
	return &event.AccessKeyCreated{AccessKey: id, Account: account, User: user, Ring: "RING" + id, At: epoch}
}

func TestNamesAreUniqueWithoutRegardToCase(t *testing.T) {
	s := given(t, userCreated("AIDA1", "Alice"))
	if _, err := s.Apply(userCreated("AIDA2", "aLICE")); err == nil {
		t.Fatal("a second user got the name of the first in other letters")
	}
	u, ok := s.Account(account).Users.Find("ALICE")
	if !ok || u.Name != "Alice" || u.ARN != "arn:aws:iam::111122223333:user/Alice" || u.Path != "/" || u.Account != account {
		t.Fatalf("found %+v", u)
	}
}

// TestImpossibleEvents: an event that cannot follow on what the store holds stops
// the start, and is never passed over.
func TestImpossibleEvents(t *testing.T) {
	policy := "arn:aws:iam::" + account + ":policy/p"
	const aws = "arn:aws:iam::aws:policy/AdministratorAccess"
	some := []event.Event{
		userCreated("AIDA1", "alice"), keyCreated("AKIA1", "AIDA1"), roleCreated("AROA1", "r"),
		&event.GroupCreated{Group: "AGPA1", Account: account, Name: "g", Path: "/", At: epoch},
		&event.UserAddedToGroup{User: "AIDA1", Group: "AGPA1"},
		&event.PolicyCreated{Policy: policy, ID: "ANPA1", Account: account, Name: "p", Path: "/", Document: allowAll, At: epoch},
		&event.PolicyAttached{Principal: "AROA1", Policy: policy},
		&event.AccountCreated{Account: "444455556666", At: epoch},
		&event.GroupCreated{Group: "AGPA2", Account: "444455556666", Name: "g", Path: "/", At: epoch},
		&event.UserCreated{User: "AIDA2", Account: "444455556666", Name: "u", Path: "/", At: epoch},
	}
	for _, e := range []event.Event{
		&event.AccountCreated{Account: account}, &event.AccountCreated{Account: "12"},
		userCreated("AIDA1", "bob"), userCreated("", "bob"), userCreated("AKIA1", "bob"), userCreated("AIDA9", "ALICE"),
		&event.UserCreated{User: "AIDA9", Account: "999999999999", Name: "u", Path: "/"},
		&event.UserDeleted{User: "AIDA1"}, &event.UserDeleted{User: "AIDA9"}, &event.UserRenamed{User: "AIDA9", Name: "x", Path: "/"},
		&event.GroupCreated{Group: "AGPA9", Account: account, Name: "G", Path: "/"}, &event.GroupDeleted{Group: "AGPA1"},
		&event.GroupRenamed{Group: "AGPA9", Name: "x", Path: "/"},
		&event.UserAddedToGroup{User: "AIDA1", Group: "AGPA1"}, &event.UserAddedToGroup{User: "AIDA1", Group: "AGPA2"},
		&event.UserRemovedFromGroup{User: "AIDA2", Group: "AGPA2"},
		roleCreated("AROA9", "R"), &event.RoleCreated{Role: "AROA9", Account: account, Name: "x", Path: "/", Trust: "{"},
		&event.RoleTrustReplaced{Role: "AROA1", Trust: allowAll}, &event.RoleTrustReplaced{Role: "AROA9", Trust: allowAll},
		&event.RoleSettingsChanged{Role: "AROA9"}, &event.RoleDeleted{Role: "AROA1"},
		&event.PolicyCreated{Policy: policy, ID: "ANPA9", Account: account, Name: "P", Path: "/", Document: allowAll},
		&event.PolicyCreated{Policy: policy + "x", ID: "ANPA9", Account: account, Name: "q", Path: "/", Document: allowAll},
		&event.PolicyVersionCreated{Policy: policy, Version: "v3", Document: allowAll}, &event.PolicyVersionCreated{Policy: policy, Version: "v2", Document: "{"},
		&event.PolicyVersionCreated{Policy: aws, Version: "v2", Document: allowAll},
		&event.PolicyDefaultVersionSet{Policy: policy, Version: "v9"}, &event.PolicyDefaultVersionSet{Policy: policy},
		&event.PolicyVersionDeleted{Policy: policy, Version: "v1"}, &event.PolicyDeleted{Policy: policy}, &event.PolicyDeleted{Policy: aws},
		&event.PolicyAttached{Principal: "AROA1", Policy: policy}, &event.PolicyAttached{Principal: "AIDA2", Policy: policy},
		&event.PolicyAttached{Principal: "AIDA1", Policy: policy + "x"}, &event.PolicyDetached{Principal: "AIDA1", Policy: policy},
		&event.InlinePolicyPut{Principal: "AIDA1", Name: "i", Document: "{"}, &event.InlinePolicyPut{Principal: "AIDA9", Name: "i", Document: allowAll},
		&event.InlinePolicyDeleted{Principal: "AIDA1", Name: "i"},
		&event.BoundarySet{Principal: "AGPA1", Policy: aws}, &event.BoundarySet{Principal: "AIDA2", Policy: policy}, &event.BoundaryRemoved{Principal: "AIDA1"},
		&event.PrincipalTagged{Principal: "AGPA1"}, &event.PrincipalUntagged{Principal: aws},
		keyCreated("AKIA1", "AIDA1"), keyCreated("AKIA9", "AIDA9"), keyCreated("AKIA9", "AIDA2"),
		&event.AccessKeyActivated{AccessKey: "AKIA9"}, &event.AccessKeyDeleted{AccessKey: "AKIA9"},
	} {
		s := given(t, some...)
		if handled, err := s.Apply(e); !handled || err == nil {
			t.Errorf("%s %+v: handled %v, %v", e.EventType(), e, handled, err)
		}
	}
	if handled, err := given(t).Apply(&event.KeyCreated{}); handled || err != nil {
		t.Errorf("another aggregate's event: handled %v, %v", handled, err)
	}
}

// TestDeletedWithoutTrace: what is deleted leaves nothing behind that grows.
func TestDeletedWithoutTrace(t *testing.T) {
	policy := "arn:aws:iam::" + account + ":policy/p"
	s := given(t)
	documents := len(s.documents)
	for range 3 {
		apply(t, s,
			userCreated("AIDA1", "alice"), keyCreated("AKIA1", "AIDA1"), roleCreated("AROA1", "r"), keyCreated("AKIA2", ""),
			&event.GroupCreated{Group: "AGPA1", Account: account, Name: "g", Path: "/", At: epoch},
			&event.UserAddedToGroup{User: "AIDA1", Group: "AGPA1"},
			&event.PolicyCreated{Policy: policy, ID: "ANPA1", Account: account, Name: "p", Path: "/", Document: allowAll, At: epoch},
			&event.PolicyVersionCreated{Policy: policy, Version: "v2", Document: allowAll, At: epoch},
			&event.PolicyAttached{Principal: "AIDA1", Policy: policy},
			&event.InlinePolicyPut{Principal: "AIDA1", Name: "i", Document: allowAll},
			&event.InlinePolicyPut{Principal: "AIDA1", Name: "i", Document: strings.Replace(allowAll, "Allow", "Deny", 1)},
			&event.BoundarySet{Principal: "AIDA1", Policy: policy}, &event.BoundarySet{Principal: "AROA1", Policy: policy},
		)
		apply(t, s, &event.BoundarySet{Principal: "AIDA1", Policy: policy})
		if got := s.Account(account).Usage(s.Policy(policy)); got != (Usage{1, 2}) {
			t.Errorf("usage %+v", got)
		}
		rings := map[string]bool{}
		for id := range s.RingIDs() {
			rings[id] = true
		}
		if len(rings) != 2 || !rings["RINGAKIA1"] || !rings["RINGAKIA2"] {
			t.Errorf("rings %v", rings)
		}
		apply(t, s,
			&event.UserRemovedFromGroup{User: "AIDA1", Group: "AGPA1"}, &event.GroupDeleted{Group: "AGPA1"},
			&event.AccessKeyDeleted{AccessKey: "AKIA1"}, &event.AccessKeyDeleted{AccessKey: "AKIA2"},
			&event.PolicyDetached{Principal: "AIDA1", Policy: policy}, &event.InlinePolicyDeleted{Principal: "AIDA1", Name: "i"},
			&event.UserDeleted{User: "AIDA1"}, &event.RoleDeleted{Role: "AROA1"}, &event.PolicyDeleted{Policy: policy},
		)
	}
	a := s.Account(account)
	left := []int{len(s.documents) - documents, len(s.users), len(s.groups), len(s.roles), len(s.accessKeys), len(s.policies) - len(awsManaged),
		len(a.usage), len(a.rootKeys), a.Users.Len(), a.Groups.Len(), a.Roles.Len(), a.Policies.Len()}
	if slices.ContainsFunc(left, func(n int) bool { return n != 0 }) {
		t.Errorf("left behind: %v", left)
	}
}

func TestUniqueIDs(t *testing.T) {
	s := given(t, roleCreated("AROA0000000000000001", "r"),
		&event.UserCreated{User: "AIDA0000000000000001", Account: account, Name: "alice", Path: "/ops/", At: epoch})
	const user, role, session = "arn:aws:iam::111122223333:user/ops/alice", "arn:aws:iam::111122223333:role/r", "arn:aws:sts::111122223333:assumed-role/r/any"
	ids, unknown := s.UniqueIDs([]string{user, role, session, "999999999999", "arn:aws:iam::999999999999:root", "AROA0000000000000001", "AIDA0000000000000001",
		"arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:user/ops/Alice", "arn:aws:iam::999999999999:role/r", "AROA0000000000000002", "arn:aws:sts::111122223333:assumed-role/R/any", "x"})
	if want := (map[string]string{user: "AIDA0000000000000001", role: "AROA0000000000000001", session: "AROA0000000000000001"}); !maps.Equal(ids, want) {
		t.Errorf("ids %v", ids)
	}
	if got := strings.Join(unknown, " "); got != "arn:aws:iam::111122223333:user/alice arn:aws:iam::111122223333:user/ops/Alice arn:aws:iam::999999999999:role/r AROA0000000000000002 arn:aws:sts::111122223333:assumed-role/R/any x" {
		t.Errorf("unknown %s", got)
	}
	// The same names in another element stay as they are, an escaped one in this is found.
	const document = `{"Condition":{"ArnEquals":{"aws:PrincipalArn":"%[1]s"}}, "Principal" : { "AWS":["%[4]s", "%[2]s","%[1]sx"]},"NotPrincipal":{"AWS":"%[3]s"}}`
	shown := func(first, second, third string) {
		t.Helper()
		got := s.Shown(fmt.Sprintf(document, user, session, role, strings.ReplaceAll(user, "/", `\/`)), ids)
		if want := fmt.Sprintf(document, user, second, third, first); got != want {
			t.Errorf("shown as %s\nwant     %s", got, want)
		}
	}
	shown(strings.ReplaceAll(user, "/", `\/`), session, role)
	apply(t, s, &event.UserRenamed{User: "AIDA0000000000000001", Name: "bob", Path: "/"}, &event.RoleDeleted{Role: "AROA0000000000000001"})
	shown("arn:aws:iam::111122223333:user/bob", "AROA0000000000000001", "AROA0000000000000001")
	apply(t, s, &event.UserDeleted{User: "AIDA0000000000000001"})
	shown("AIDA0000000000000001", "AROA0000000000000001", "AROA0000000000000001")
}

func TestNewID(t *testing.T) {
	entropy := rand.NewChaCha8([32]byte{})
	for prefix, length := range map[string]int{UserPrefix: 21, AccessKeyPrefix: 20, SessionPrefix: 20} {
		id, err := NewID(prefix, entropy)
		if err != nil || len(id) != length || !strings.HasPrefix(id, prefix) || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			t.Errorf("%s, %v", id, err)
		}
	}
	if _, err := NewID(UserPrefix, strings.NewReader("short")); err == nil {
		t.Error("an id of too little entropy")
	}
}
