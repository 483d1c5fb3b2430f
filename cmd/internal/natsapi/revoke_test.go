package natsapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/cmd/internal/natsapi"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/identity"
)

// A connection ends when its credential is revoked, and no other one does. The
// periodic review is off: what ends it is the record.
func TestRevoked(t *testing.T) {
	w := newWorld(t, setting{api: func(o *natsapi.Options) { o.ReviewEvery = time.Hour }})
	admin := w.as(w.admin)
	bystander := w.raw(w.user("bystander"))
	for name, revoke := range map[string]struct {
		who  credentials
		call [][2]any
	}{
		"inactive key": {w.user("u1"), [][2]any{{"UpdateAccessKey", object{"UserName": "u1", "Status": "Inactive"}}}},
		"deleted key":  {w.user("u2"), [][2]any{{"DeleteAccessKey", object{"UserName": "u2"}}}},
		"deleted user": {w.user("u3"), [][2]any{{"DeleteAccessKey", object{"UserName": "u3"}}, {"DeleteUser", object{"UserName": "u3"}}}},
		"deleted role": {w.session("r1", 900), [][2]any{{"DeleteRole", object{"RoleName": "r1"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.on(t)
			one, two := w.raw(revoke.who), w.raw(revoke.who)
			for _, call := range revoke.call {
				in := call[1].(object)
				if _, role := in["RoleName"]; !role && call[0] != "DeleteUser" {
					in["AccessKeyId"] = revoke.who.id
				}
				w.call(admin, "iam", call[0].(string), in)
			}
			one.ends(name)
			two.ends(name)
		})
	}
	if bystander.IsClosed() {
		t.Error("the connection of somebody else was ended")
	}
}

// Who may no longer watch the records stops to see them; who only calls stays.
func TestRevokedTail(t *testing.T) {
	w := newWorld(t, setting{api: func(o *natsapi.Options) { o.ReviewEvery = time.Hour }})
	admin := w.as(w.admin)
	watcher := w.raw(w.user("watcher", "keytrail:TailRecords"))
	caller := w.raw(w.user("caller", "kms:ListKeys"))
	for _, name := range []string{"caller", "watcher"} {
		w.call(admin, "iam", "DeleteUserPolicy", object{"UserName": name, "PolicyName": "p"})
	}
	watcher.ends("keytrail:TailRecords was taken away")
	if caller.IsClosed() {
		t.Error("the connection of a caller without live records was ended")
	}
}

// The server itself ends the connection of a session at its end: here by a token
// that ends in a second, with the review off.
func TestExpiry(t *testing.T) {
	w := newWorld(t, setting{api: func(o *natsapi.Options) { o.ReviewEvery = time.Hour }})
	c := w.raw(w.brief("role", 1500*time.Millisecond))
	if _, err := c.Request("keytrail.api."+c.Opts.User+".sts.GetCallerIdentity", nil, time.Second); err != nil {
		t.Fatal(err)
	}
	c.ends("the session has ended")
}

// A clock that runs ahead of the server's ends it too.
func TestExpiryByOurClock(t *testing.T) {
	w := newWorld(t, setting{})
	session := w.session("role", 900)
	c := w.raw(session)
	w.ahead.Store(int64(900 * time.Second))
	c.ends("the session has ended")
	w.refused(session)
	eventually(t, "the session is forgotten", func() bool { return w.api.Figures().Connections == 0 })
}

// What a closed connection leaves behind goes with the next review.
func TestForgotten(t *testing.T) {
	w := newWorld(t, setting{})
	session := w.session("role", 900)
	one, two := w.raw(session), w.raw(session)
	one.Close()
	eventually(t, "one connection is left", func() bool { return w.api.Figures().Connections == 1 })
	if _, err := two.Request("keytrail.api."+session.id+".sts.GetCallerIdentity", nil, time.Second); err != nil {
		t.Errorf("the other connection of the session: %v", err)
	}
	two.Close()
	eventually(t, "none is left", func() bool { return w.api.Figures().Connections == 0 })
}

// brief makes a session of a new role that ends sooner than AssumeRole allows.
func (w *world) brief(role string, lasts time.Duration) credentials {
	w.t.Helper()
	return w.reseal(w.session(role, 900), func(s *identity.Session) { s.Expires = time.Now().Add(lasts) })
}

// reseal makes credentials of a changed session, as STS could have.
func (w *world) reseal(c credentials, change func(*identity.Session)) credentials {
	w.t.Helper()
	s, err := identity.OpenSession(w.root, c.token)
	check(w.t, err)
	change(s)
	c.token, err = identity.SealSession(w.root, entropy, s)
	check(w.t, err)
	return c
}

// The longest session token that STS gives fits into the line of a CONNECT.
func TestLongestToken(t *testing.T) {
	w := newWorld(t, setting{})
	longest := w.reseal(w.session("role", 900), func(s *identity.Session) {
		s.Name = strings.Repeat("n", 64)
		s.SourceIdentity = strings.Repeat("s", 64)
		for i := 0; identity.MaxPacked-s.Packed() >= 4+3+256; i++ {
			s.Tags = append(s.Tags, event.Tag{Key: fmt.Sprintf("t%02d", i), Value: strings.Repeat("v", 256)})
		}
		s.Tags = append(s.Tags, event.Tag{Key: "zz", Value: strings.Repeat("v", identity.MaxPacked-s.Packed()-6)})
		if s.Packed() != identity.MaxPacked {
			t.Fatalf("%d bytes", s.Packed())
		}
	})
	w.call(w.as(longest), "sts", "GetCallerIdentity", nil)
	w.raw(longest, nats.Name(strings.Repeat("a", 100)))
}
