package audit_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

// canary is in everything that is secret, and in nothing else.
const canary = "CANARY-41c7e2"

// trail is what a vault has done, as the accounts see it.
type trail struct {
	t       testing.TB
	v       *vaulttest.Vault
	records map[string][]map[string]any // by account, in order
}

func trailOf(t testing.TB, v *vaulttest.Vault) *trail {
	t.Helper()
	log := memlog.NewStore(memlog.Options{}).Open()
	var w storetest.Writer
	for line := range slices.Values(v.Lines) {
		w.Append(t, log, w.Commit(eventstore.Use, string(line)))
	}
	view := (&written{t: t, log: log}).newView()
	tr := &trail{t, v, map[string][]map[string]any{}}
	for _, account := range []string{mine, other} {
		q := query(account)
		q.Ascending, q.From, q.Limit = true, 0, 1000
		for _, r := range ask(t, view, q).Records {
			if strings.Contains(string(r.Event), canary) {
				t.Fatalf("a secret is shown: %s", r.Event)
			}
			var e map[string]any
			check(t, json.Unmarshal(r.Event, &e))
			tr.records[account] = append(tr.records[account], e)
		}
	}
	return tr
}

// of gives the only record of an operation, or the last.
func (tr *trail) of(account, name string) map[string]any {
	tr.t.Helper()
	for _, e := range slices.Backward(tr.records[account]) {
		if e["eventName"] == name {
			return e
		}
	}
	tr.t.Fatalf("%s has no record of %s", account, name)
	return nil
}

// matches holds a value against what is wanted: an object has these members and, unless
// it is wanted with "…", no others; a string that begins with ~ is a pattern.
func matches(got, want any, path string) error {
	switch want := want.(type) {
	case M:
		object, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %v, want an object", path, got)
		}
		for name, w := range want {
			if name == "…" {
				continue
			}
			g, ok := object[name]
			if !ok {
				return fmt.Errorf("%s has no %s: %v", path, name, got)
			}
			if err := matches(g, w, path+"."+name); err != nil {
				return err
			}
		}
		if _, more := want["…"]; !more {
			for name := range object {
				if _, ok := want[name]; !ok {
					return fmt.Errorf("%s has %s: %v", path, name, object[name])
				}
			}
		}
		return nil
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return fmt.Errorf("%s is %v, want %v", path, got, want)
		}
		for i := range want {
			if err := matches(list[i], want[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case string:
		if pattern, ok := strings.CutPrefix(want, "~"); ok {
			if s, ok := got.(string); !ok || !regexp.MustCompile("^(?s:"+pattern+")$").MatchString(s) {
				return fmt.Errorf("%s is %v, want %s", path, got, want)
			}
			return nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s is %v, want %v", path, got, want)
	}
	return nil
}

func (tr *trail) wants(account, name string, want M) {
	tr.t.Helper()
	if err := matches(tr.of(account, name), want, name); err != nil {
		tr.t.Error(err)
	}
}

const uuid = "~[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

// TestSecretReadByARole: the records of one GetSecretValue, the call itself and
// the Decrypt that it caused.
func TestSecretReadByARole(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	reader := v.Role("SecretReader", vaulttest.Allow("secretsmanager:GetSecretValue"))
	secret := admin.Call("secretsmanager:CreateSecret", M{"Name": "app-demo", "SecretString": canary, "ClientRequestToken": "a4d1f0a2-9b1c-4b43-8e2f-7f2f1f0f5c11"}).OK()["ARN"].(string)
	v.Wait(time.Second)
	reader.Call("secretsmanager:GetSecretValue", M{"SecretId": secret}).OK()
	tr := trailOf(t, v)

	identity := func(more M) M {
		u := M{
			"type": "AssumedRole", "principalId": reader.ID + ":session", "arn": "arn:aws:sts::" + mine + ":assumed-role/SecretReader/session",
			"accountId": mine, "accessKeyId": reader.Credential.AccessKey,
			"sessionContext": M{
				"sessionIssuer": M{"type": "Role", "principalId": reader.ID, "arn": vaulttest.RoleARN("SecretReader"), "accountId": mine, "userName": "SecretReader"},
				"attributes":    M{"creationDate": "2026-11-23T18:00:00Z", "mfaAuthenticated": "false"},
			},
		}
		for name, value := range more {
			u[name] = value
		}
		return u
	}
	tr.wants(mine, "GetSecretValue", M{
		"eventVersion": "1.11", "userIdentity": identity(nil), "eventTime": "2026-11-23T18:00:01Z",
		"eventSource": "secretsmanager.amazonaws.com", "eventName": "GetSecretValue", "awsRegion": vaulttest.Region,
		"sourceIPAddress": "192.0.2.44", "userAgent": "vaulttest", "requestParameters": M{"secretId": secret}, "responseElements": nil,
		"requestID": uuid, "eventID": uuid, "readOnly": true, "eventType": "AwsApiCall", "managementEvent": true,
		"recipientAccountId": mine, "eventCategory": "Management",
	})
	tr.wants(mine, "Decrypt", M{
		"eventVersion": "1.11", "userIdentity": identity(M{"invokedBy": "secretsmanager.amazonaws.com"}), "eventTime": "2026-11-23T18:00:01Z",
		"eventSource": "kms.amazonaws.com", "eventName": "Decrypt", "awsRegion": vaulttest.Region,
		"sourceIPAddress": "secretsmanager.amazonaws.com", "userAgent": "secretsmanager.amazonaws.com",
		"requestParameters": M{"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": M{"SecretARN": secret, "SecretVersionId": "a4d1f0a2-9b1c-4b43-8e2f-7f2f1f0f5c11"}},
		"responseElements":  nil, "additionalEventData": M{"keyMaterialId": "~[0-9a-f]{64}"},
		"requestID": uuid, "eventID": uuid, "readOnly": true,
		"resources": []any{M{"accountId": mine, "type": "AWS::KMS::Key", "ARN": "~arn:aws:kms:" + vaulttest.Region + ":" + mine + ":key/.*"}},
		"eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": mine, "eventCategory": "Management",
	})
	if a, b := tr.of(mine, "GetSecretValue"), tr.of(mine, "Decrypt"); a["requestID"] != b["requestID"] || a["eventID"] == b["eventID"] {
		t.Errorf("requests %v and %v, events %v and %v", a["requestID"], b["requestID"], a["eventID"], b["eventID"])
	}
	tr.wants(mine, "GenerateDataKey", M{"requestParameters": M{"keyId": "~.+", "keySpec": "AES_256", "encryptionContext": M{"SecretARN": secret, "SecretVersionId": uuid}}, "…": 0})
}

// TestRefusals: a failed call has its error as CloudTrail writes it, a refused
// read through Secrets Manager a second record of the refused Decrypt.
func TestRefusals(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	nobody, reader := v.User("nobody"), v.User("reader", vaulttest.Allow("secretsmanager:GetSecretValue"))
	k := admin.Call("kms:CreateKey", nil).OK()["KeyMetadata"].(M)["Arn"]
	secret := admin.Call("secretsmanager:CreateSecret", M{"Name": "app-demo", "SecretString": canary, "KmsKeyId": k}).OK()["ARN"].(string)
	nobody.Call("secretsmanager:DescribeSecret", M{"SecretId": secret}).Fails(fault.AccessDeniedException, "")
	reader.Call("secretsmanager:GetSecretValue", M{"SecretId": secret}).Fails(fault.AccessDeniedException, "")
	tr := trailOf(t, v)
	tr.wants(mine, "DescribeSecret", M{
		"errorCode": "AccessDenied", "errorMessage": "~User: " + nobody.ARN + " is not authorized to perform: secretsmanager:DescribeSecret on resource: .*",
		"responseElements": nil, "requestParameters": M{"secretId": secret}, "…": 0,
		"userIdentity": M{"type": "IAMUser", "principalId": nobody.ID, "arn": nobody.ARN, "accountId": mine, "accessKeyId": nobody.Credential.AccessKey, "userName": "nobody"},
	})
	tr.wants(mine, "GetSecretValue", M{"errorCode": "AccessDenied", "errorMessage": "Access to KMS is not allowed", "…": 0})
	tr.wants(mine, "Decrypt", M{"errorCode": "AccessDenied", "errorMessage": "~The ciphertext refers to .*", "resources": []any{M{"ARN": k, "…": 0}}, "…": 0})
}

// TestWrites: what a write was asked and has answered, without what is secret.
func TestWrites(t *testing.T) {
	v := vaulttest.New(t)
	root, admin := v.Root(mine), v.User("admin", vaulttest.Administrator)
	v.Role("SecretReader")
	key := admin.Call("kms:CreateKey", M{"Description": "orders"}).OK()["KeyMetadata"].(M)
	arn, id := key["Arn"].(string), key["KeyId"].(string)
	secret := admin.Call("secretsmanager:CreateSecret", M{"Name": "app-demo", "SecretString": canary}).OK()["ARN"].(string)
	grant := admin.Call("kms:CreateGrant", M{"KeyId": arn, "GranteePrincipal": vaulttest.RoleARN("SecretReader"), "RetiringPrincipal": admin.ARN, "Operations": []string{"Decrypt"},
		"Constraints": M{"EncryptionContextSubset": M{"SecretARN": secret}}}).OK()
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + admin.ARN + `"},"Action":"kms:*","Resource":"*"}}`
	admin.Call("kms:PutKeyPolicy", M{"KeyId": id, "PolicyName": "default", "Policy": policy, "BypassPolicyLockoutSafetyCheck": false}).OK()
	admin.Call("secretsmanager:PutSecretValue", M{"SecretId": "app-demo", "ClientRequestToken": "c0ffee00-1111-4222-8333-444455556666", "SecretString": canary}).OK()
	session := admin.Call("sts:AssumeRole", M{"RoleArn": vaulttest.RoleARN("SecretReader"), "RoleSessionName": "reader-session", "DurationSeconds": 3600}).OK()
	admin.Call("kms:Encrypt", M{"KeyId": id, "Plaintext": base64.StdEncoding.EncodeToString([]byte(canary))}).OK()
	admin.Call("iam:CreateUser", M{"UserName": "made"}).OK()
	root.Call("sts:GetCallerIdentity", nil).OK()
	tr := trailOf(t, v)

	key1 := []any{M{"accountId": mine, "type": "AWS::KMS::Key", "ARN": arn}}
	tr.wants(mine, "CreateGrant", M{"eventSource": "kms.amazonaws.com", "readOnly": false, "resources": key1, "…": 0,
		"requestParameters": M{"keyId": arn, "granteePrincipal": vaulttest.RoleARN("SecretReader"), "retiringPrincipal": admin.ARN, "operations": []any{"Decrypt"},
			"constraints": M{"encryptionContextSubset": M{"SecretARN": secret}}},
		"responseElements": M{"grantId": grant["GrantId"], "keyId": arn}})
	tr.wants(mine, "PutKeyPolicy", M{"readOnly": false, "resources": key1, "responseElements": nil, "…": 0,
		"requestParameters": M{"keyId": id, "policyName": "default", "policy": policy, "bypassPolicyLockoutSafetyCheck": false}})
	tr.wants(mine, "PutSecretValue", M{"readOnly": false, "requestParameters": M{"secretId": "app-demo", "clientRequestToken": "c0ffee00-1111-4222-8333-444455556666"},
		"responseElements": M{"arn": secret, "…": 0}, "…": 0})
	credentials := session["Credentials"].(M)
	tr.wants(mine, "AssumeRole", M{"eventSource": "sts.amazonaws.com", "…": 0,
		"requestParameters": M{"roleArn": vaulttest.RoleARN("SecretReader"), "roleSessionName": "reader-session", "durationSeconds": float64(3600)},
		"responseElements": M{"credentials": M{"accessKeyId": credentials["AccessKeyId"], "expiration": "Nov 23, 2026, 7:00:00 PM", "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS"},
			"assumedRoleUser": M{"assumedRoleId": "~AROA.*:reader-session", "arn": "arn:aws:sts::" + mine + ":assumed-role/SecretReader/reader-session"}},
		"resources": []any{M{"accountId": mine, "type": "AWS::IAM::Role", "ARN": vaulttest.RoleARN("SecretReader")}}})
	tr.wants(mine, "Encrypt", M{"requestParameters": M{"keyId": id, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"}, "responseElements": nil, "readOnly": true, "…": 0})
	tr.wants(mine, "CreateUser", M{"awsRegion": "us-east-1", "eventSource": "iam.amazonaws.com", "readOnly": false, "…": 0})
	tr.wants(mine, "GetCallerIdentity", M{"userIdentity": M{"type": "Root", "principalId": mine, "arn": "arn:aws:iam::" + mine + ":root", "accountId": mine, "accessKeyId": root.Credential.AccessKey}, "…": 0})
	for _, name := range []string{"Plaintext", "CiphertextBlob", "SecretAccessKey"} {
		for _, e := range tr.records[mine] {
			if raw, _ := json.Marshal(e); strings.Contains(strings.ToLower(string(raw)), `"`+strings.ToLower(name)+`"`) {
				t.Errorf("%s is in %s", name, raw)
			}
		}
	}
}

// TestAcrossAccounts: both accounts have a record of the call, and the owner's
// does not say what the other's caller is called.
func TestAcrossAccounts(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	stranger := v.UserOf(other, "stranger", vaulttest.Administrator)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + mine + `:root"},"Action":"kms:*","Resource":"*"},{"Effect":"Allow","Principal":{"AWS":"` + other + `"},"Action":"kms:Encrypt","Resource":"*"}]}`
	arn := admin.Call("kms:CreateKey", M{"Policy": policy}).OK()["KeyMetadata"].(M)["Arn"].(string)
	for _, call := range []string{"kms:Encrypt", "kms:GenerateMac"} {
		in := M{"KeyId": arn, "Plaintext": "AAAA"}
		if call == "kms:GenerateMac" {
			in = M{"KeyId": arn, "Message": "AAAA", "MacAlgorithm": "HMAC_SHA_256"}
		}
		stranger.Call(call, in)
	}
	tr := trailOf(t, v)
	resource := []any{M{"accountId": mine, "type": "AWS::KMS::Key", "ARN": arn}}
	tr.wants(other, "Encrypt", M{"userIdentity": M{"type": "IAMUser", "arn": stranger.ARN, "userName": "stranger", "…": 0}, "recipientAccountId": other, "sharedEventID": uuid, "resources": resource, "…": 0})
	tr.wants(mine, "Encrypt", M{"userIdentity": M{"type": "AWSAccount", "principalId": stranger.ID, "accountId": other}, "recipientAccountId": mine, "sharedEventID": uuid, "resources": resource, "…": 0})
	if a, b := tr.of(mine, "Encrypt"), tr.of(other, "Encrypt"); a["sharedEventID"] != b["sharedEventID"] {
		t.Error("the two records do not share an id")
	}
	tr.wants(mine, "GenerateMac", M{"errorCode": "~.+", "userIdentity": M{"type": "AWSAccount", "principalId": stranger.ID, "accountId": other}, "…": 0})
	if raw, _ := json.Marshal(tr.of(mine, "GenerateMac")); strings.Contains(string(raw), "stranger") {
		t.Errorf("the owner sees %s", raw)
	}
	for _, e := range tr.records[other] {
		if e["eventName"] == "CreateKey" {
			t.Error("an account sees what another has done")
		}
	}
}

// TestServiceEvents: what the vault does by itself is an AwsServiceEvent.
func TestServiceEvents(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	k := admin.Call("kms:CreateKey", nil).OK()["KeyMetadata"].(M)["KeyId"].(string)
	admin.Call("kms:ScheduleKeyDeletion", M{"KeyId": k, "PendingWindowInDays": 7}).OK()
	v.Days(8)
	if len(v.Tick(due(v))) == 0 {
		t.Fatal("nothing is due")
	}
	tr := trailOf(t, v)
	tr.wants(mine, "DeleteKey", M{
		"eventType": "AwsServiceEvent", "userIdentity": M{"accountId": mine, "invokedBy": "AWS Internal"},
		"sourceIPAddress": "AWS Internal", "userAgent": "AWS Internal", "requestParameters": nil, "responseElements": nil,
		"serviceEventDetails": M{"…": 0}, "readOnly": false, "resources": []any{M{"accountId": mine, "type": "AWS::KMS::Key", "ARN": "~.*" + k}}, "…": 0,
	})
}

// TestWholeRecords: a record holds what CloudTrail's schema has and nothing else,
// whatever the operation was.
func TestWholeRecords(t *testing.T) {
	known := strings.Fields(`eventVersion userIdentity eventTime eventSource eventName awsRegion sourceIPAddress userAgent errorCode errorMessage
		requestParameters responseElements additionalEventData requestID eventID readOnly resources eventType managementEvent recipientAccountId
		sharedEventID serviceEventDetails eventCategory`)
	required := strings.Fields(`eventVersion userIdentity eventTime eventSource eventName awsRegion sourceIPAddress userAgent requestParameters
		responseElements requestID eventID readOnly eventType managementEvent recipientAccountId eventCategory`)
	w := newWritten(t, 51).write(2000, 100)
	v := w.newView()
	ids := map[string]bool{}
	for _, account := range []string{mine, other} {
		for _, r := range ask(t, v, vaultQueryAll(account)).Records {
			var e map[string]any
			check(t, json.Unmarshal(r.Event, &e))
			for name := range e {
				if !slices.Contains(known, name) {
					t.Fatalf("%s is no member of a CloudTrail record: %s", name, r.Event)
				}
			}
			for _, name := range required {
				if _, ok := e[name]; !ok {
					t.Fatalf("no %s: %s", name, r.Event)
				}
			}
			if _, err := time.Parse("2006-01-02T15:04:05Z", e["eventTime"].(string)); err != nil || e["eventVersion"] != "1.11" || e["recipientAccountId"] != account {
				t.Fatalf("%s", r.Event)
			}
			if _, failed := e["errorCode"]; failed != (w.records[r.N].Outcome != event.OutcomeOK) {
				t.Fatalf("%s", r.Event)
			}
			ids[account+r.EventID] = true
		}
	}
	if len(ids) < 700 {
		t.Errorf("%d event ids", len(ids))
	}
}
