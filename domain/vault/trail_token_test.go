package vault

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/identity"
)

// callerOfList is a call of a principal that goes through a list.
func callerOfList(t testing.TB, principal, operation string) *call {
	t.Helper()
	root, err := envelope.NewRootKey(bytes.Repeat([]byte{3}, 32))
	if err != nil {
		t.Fatal(err)
	}
	actor := &identity.Actor{}
	actor.Who.ID = principal
	return &call{req: &Request{Service: "keytrail", Operation: operation}, env: &Env{Root: root}, actor: actor, account: "111122223333"}
}

// TestTrailTokenBinds: a token leads on in its own list, and in no other: not
// another caller's, operation's or question's, and not with a bit changed.
func TestTrailTokenBinds(t *testing.T) {
	in := &queryAuditInput{Event: "Decrypt"}
	token, err := callerOfList(t, "AIDA1", "QueryAudit").newTrailToken(in, 17, 99)
	if err != nil {
		t.Fatal(err)
	}
	if next, through, err := callerOfList(t, "AIDA1", "QueryAudit").trailToken(in, token); err != nil || next != 17 || through != 99 {
		t.Fatalf("%d, %d, %v", next, through, err)
	}
	elsewhere := callerOfList(t, "AIDA1", "QueryAudit")
	elsewhere.account = "444455556666"
	for name, c := range map[string]*call{"principal": callerOfList(t, "AIDA2", "QueryAudit"), "operation": callerOfList(t, "AIDA1", "Query"), "account": elsewhere} {
		if _, _, err := c.trailToken(in, token); err == nil {
			t.Errorf("it opens the list of another %s", name)
		}
	}
	if _, _, err := callerOfList(t, "AIDA1", "QueryAudit").trailToken(&queryAuditInput{Event: "Encrypt"}, token); err == nil {
		t.Error("it opens the list of another question")
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if _, _, err := callerOfList(t, "AIDA1", "QueryAudit").trailToken(in, base64.RawURLEncoding.EncodeToString(changed)); err == nil {
			t.Errorf("byte %d can be changed", i)
		}
	}
}

// FuzzTrailToken: no text but the token itself leads anywhere.
func FuzzTrailToken(f *testing.F) {
	in := &queryAuditInput{Event: "Decrypt"}
	c := callerOfList(f, "AIDA1", "QueryAudit")
	token, err := c.newTrailToken(in, 17, 99)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{token, token + "=", token[1:], token + "A", "", "AQ", "\x00", token[:len(token)-1] + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		next, through, err := c.trailToken(in, text)
		if err == nil && (text != token || next != 17 || through != 99) {
			t.Errorf("%q leads to %d, %d", text, next, through)
		}
	})
}
