package audit

import (
	"encoding/json"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
)

// TestIdentityOfFederatedUsers: a federated user is shown with whose permissions it
// has, and is looked up by the name that it was given.
func TestIdentityOfFederatedUsers(t *testing.T) {
	who := event.Who{Type: "FederatedUser", ARN: "arn:aws:sts::111122223333:federated-user/bob", ID: "111122223333:bob", Account: "111122223333",
		AccessKey: "ASIA0000000000000001", Name: "alice", IssuerARN: "arn:aws:iam::111122223333:user/alice", Issued: "2026-11-23T18:00:00Z"}
	got, err := json.Marshal(identity(&who, ""))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"FederatedUser","principalId":"111122223333:bob","arn":"arn:aws:sts::111122223333:federated-user/bob","accountId":"111122223333",` +
		`"accessKeyId":"ASIA0000000000000001","sessionContext":{"sessionIssuer":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/alice",` +
		`"accountId":"111122223333","userName":"alice"},"attributes":{"creationDate":"2026-11-23T18:00:00Z","mfaAuthenticated":"false"}}}`
	if string(got) != want {
		t.Errorf("shown as\n%s\nwant\n%s", got, want)
	}
	if name := userName(&who); name != "bob" {
		t.Errorf("looked up as %s", name)
	}
	for _, name := range callerNames(&who) {
		if name == who.Account {
			t.Error("asked for by its account, as the root is")
		}
	}
}
