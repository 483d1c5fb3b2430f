package vault_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func recordsOf(asker *vaulttest.Caller, o *vaulttest.Outcome) string {
	raw, err := json.Marshal(asker.Call("keytrail:GetRecord", m{"RequestId": o.Reply.RequestID}).OK())
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// TestRecordsOfForeignCallers: the owner of a key sees of another account's call on
// it who called by account and unique id, what was asked of the key, and what the
// key's own policy said. What the caller is called, its tags and its policies are
// its own account's to see.
func TestRecordsOfForeignCallers(t *testing.T) {
	v := vaulttest.New(t)
	owner := v.User("owner", vaulttest.Administrator)
	foreign := v.UserOf(vaulttest.Other, "stranger", vaulttest.Administrator)
	foreign.Call("iam:TagUser", m{"UserName": "stranger", "Tags": []m{{"Key": "team", "Value": "t3am-tag"}}}).OK()
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%[1]s:root"},"Action":"kms:*","Resource":"*"},
		{"Sid":"Theirs","Effect":"Allow","Principal":{"AWS":"%[2]s"},"Action":"kms:Encrypt","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":"%[2]s"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"other"}}}]}`,
		vaulttest.Account, foreign.ARN)
	key := owner.Call("kms:CreateKey", m{"Policy": policy}).OK()["KeyMetadata"].(m)["Arn"].(string)
	allowed := foreign.Call("kms:Encrypt", m{"KeyId": key, "Plaintext": "eA=="})
	blob := allowed.OK()["CiphertextBlob"]
	refused := foreign.Call("kms:Decrypt", m{"KeyId": key, "CiphertextBlob": blob})
	if refused.Reply.Fault == nil {
		t.Fatal("it is allowed")
	}
	for _, o := range []*vaulttest.Outcome{allowed, refused} {
		theirs, ours := recordsOf(foreign, o), recordsOf(owner, o)
		for _, secret := range []string{foreign.ARN, foreign.Credential.AccessKey, "t3am-tag", "inline/", `"stranger"`} {
			if strings.Contains(ours, secret) {
				t.Errorf("the owner of the key sees %s in %s", secret, ours)
			}
		}
		for _, shown := range []string{foreign.ID, `"account":"` + vaulttest.Other + `"`, key, `"n":`} {
			if !strings.Contains(ours, shown) {
				t.Errorf("the owner of the key does not see %s in %s", shown, ours)
			}
		}
		if !strings.Contains(theirs, foreign.ARN) || !strings.Contains(theirs, foreign.Credential.AccessKey) {
			t.Errorf("the caller's account sees %s", theirs)
		}
		told, err := json.Marshal(explain(owner, o))
		if err != nil || strings.Contains(string(told), `"Principal":"`+foreign.ARN) || strings.Contains(string(told), "inline/") {
			t.Errorf("explained to the owner of the key as %s", told)
		}
	}
	if ours := recordsOf(owner, allowed); !strings.Contains(ours, "key-policy#1:Theirs") {
		t.Errorf("the statement of the key's own policy is missing in %s", ours)
	}
	if theirs := recordsOf(foreign, refused); !strings.Contains(theirs, "t3am-tag") {
		t.Errorf("the test proves nothing: no tag in %s", theirs)
	}
}

// TestSeenOfService: what Keytrail does by itself is seen by the owner of what it
// does it to, without the resources of others, and what is about no account by the
// management account.
func TestSeenOfService(t *testing.T) {
	const one, two = "arn:aws:kms:us-east-1:111122223333:key/1", "arn:aws:kms:us-east-1:444455556666:key/2"
	service := event.Who{Type: "AWSService", ID: "keytrail"}
	for _, tt := range []struct {
		who       event.Who
		resources []string
		want      []string
	}{
		{service, []string{one}, []string{"111122223333"}},
		{service, []string{two, one, two}, []string{"444455556666", "111122223333"}},
		{service, nil, []string{"999999999999"}},
		{service, []string{"*", "arn:aws:iam::aws:policy/AdministratorAccess"}, []string{"999999999999"}},
		{event.Who{Type: "Unknown", AccessKey: "AKIA"}, nil, []string{"999999999999"}},
		{event.Who{Type: "IAMUser", Account: "111122223333"}, []string{two}, []string{"111122223333", "444455556666"}},
		{event.Who{Type: "IAMUser", Account: "111122223333"}, nil, []string{"111122223333"}},
		{event.Who{Type: "IAMUser", Account: "111122223333"}, []string{"arn:aws:kms:us-east-1:44445555.666:key/x"}, []string{"111122223333"}},
	} {
		r := &event.Record{Who: tt.who, Resources: tt.resources}
		if got := vault.Concerned(r, "999999999999"); !slices.Equal(got, tt.want) {
			t.Errorf("%v on %v concerns %v, want %v", tt.who, tt.resources, got, tt.want)
		}
	}
	r := &event.Record{Who: service, Resources: []string{one, two}, Events: []event.Event{&event.KeyDisabled{Key: "1"}}}
	if seen := vault.Seen(r, "111122223333"); !slices.Equal(seen.Resources, []string{one}) || seen.Events != nil || seen.Who != service {
		t.Errorf("seen as %+v", seen)
	}
	if len(r.Resources) != 2 || len(r.Events) != 1 {
		t.Errorf("the record itself is now %+v", r)
	}
}

// TestManagementSeesWhatIsNobodys: refused connections are shown to the management
// account, and to no other.
func TestManagementSeesWhatIsNobodys(t *testing.T) {
	v := vaulttest.New(t)
	admin, other := v.User("admin", vaulttest.Administrator), v.UserOf(vaulttest.Other, "admin", vaulttest.Administrator)
	refusals := v.Tick([]vault.Request{{Service: "keytrail", Operation: "RefuseConnections", Body: []byte(
		`{"Edge":"nats","Reason":"bad credentials","Count":3,"First":"2026-11-23T18:00:00Z","Last":"2026-11-23T18:00:01Z","Sources":["192.0.2.9"]}`)}})[0]
	n := refusals.Records[0].N
	if got := admin.Call("keytrail:GetRecord", m{"N": n}).OK()["Records"].([]any); len(got) != 1 || got[0].(m)["op"] != "keytrail:RefuseConnections" {
		t.Errorf("the management account sees %v", got)
	}
	if o := other.Call("keytrail:GetRecord", m{"N": n}); o.Reply.Fault == nil || o.Reply.Fault.Code != fault.ResourceNotFoundException {
		t.Errorf("another account: %v", o.Reply.Fault)
	}
}

// TestEvidenceIsForWhoMaySeeIt: the log is read for nobody else.
func TestEvidenceIsForWhoMaySeeIt(t *testing.T) {
	v := vaulttest.New(t)
	admin, nobody := v.User("admin", vaulttest.Administrator), v.User("nobody")
	explainer := v.User("explainer", vaulttest.Allow("keytrail:ExplainRequest"))
	for _, tt := range []struct {
		as        *vaulttest.Caller
		operation string
		body      string
		want      bool
	}{
		{admin, "GetRecord", `{"N":1}`, true}, {admin, "ExplainRequest", `{"RequestId":"x"}`, true},
		{admin, "GetRecord", `{}`, false}, {admin, "GetRecord", `{"N":1,"RequestId":"x"}`, false}, {admin, "GetRecord", `{`, false},
		{admin, "WhoCan", `{"N":1}`, false},
		{nobody, "GetRecord", `{"N":1}`, false}, {nobody, "ExplainRequest", `{"RequestId":"x"}`, false},
		{explainer, "GetRecord", `{"N":1}`, false}, {explainer, "ExplainRequest", `{"RequestId":"x"}`, true},
	} {
		req := &vault.Request{Service: "keytrail", Operation: tt.operation, Credential: tt.as.Credential, Body: []byte(tt.body), Secure: true}
		if _, got := vault.NeedsEvidence(v.State, req, &v.Env); got != tt.want {
			t.Errorf("%s asks %s %s: %v", tt.as.ARN, tt.operation, tt.body, got)
		}
	}
}
