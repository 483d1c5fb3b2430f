package identity

import (
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
