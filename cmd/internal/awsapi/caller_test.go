package awsapi_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/awsapi"
	"github.com/keytrail/keytrail/domain/sigv4"
)

func TestRevokedKeyIsRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice", "kms:ListKeys")
	for range 3 { // the signing key is kept
		w.kms(alice, "ListKeys", object{})
	}
	w.query(w.admin, "iam", "UpdateAccessKey", "UserName", "alice", "AccessKeyId", alice.id, "Status", "Inactive")
	before := w.stored()
	r := w.do(alice, jsonRequest("kms", "TrentService.ListKeys", object{}))
	if r.status != 400 || !strings.Contains(r.body, "UnrecognizedClientException") {
		t.Errorf("inactive: %d %s", r.status, r.body)
	}
	if w.stored() != before {
		t.Error("the refusal of nobody left a record of its own")
	}
	w.query(w.admin, "iam", "UpdateAccessKey", "UserName", "alice", "AccessKeyId", alice.id, "Status", "Active")
	w.kms(alice, "ListKeys", object{})
	w.query(w.admin, "iam", "DeleteAccessKey", "UserName", "alice", "AccessKeyId", alice.id)
	if r := w.do(alice, jsonRequest("kms", "TrentService.ListKeys", object{})); !strings.Contains(r.body, "UnrecognizedClientException") {
		t.Errorf("deleted: %d %s", r.status, r.body)
	}
}

// A signing key is derived once a day for a credential, not once for a request.
func TestSigningKeyIsDerivedOnceADay(t *testing.T) {
	w := newWorld(t)
	long, session := w.user("alice", "kms:ListKeys"), w.assume("reader", "kms:ListKeys")
	for day := range 2 {
		for name, c := range map[string]credentials{"access key": long, "session": session} {
			if day > 0 && c.token != "" {
				continue // it ends with its day
			}
			for call := range 3 {
				kept, err := w.api.KeyKept(w.signed(c, jsonRequest("kms", "TrentService.ListKeys", object{})), "kms")
				check(t, err)
				if kept != (call > 0) {
					t.Errorf("%s, day %d, call %d: the signing key is kept: %v", name, day, call, kept)
				}
				w.kms(c, "ListKeys", object{})
			}
		}
		w.ahead.Add(int64(24 * time.Hour))
	}
	if r := w.do(credentials{id: long.id, secret: "another"}, jsonRequest("kms", "TrentService.ListKeys", object{})); r.status == 200 {
		t.Error("a wrong secret is good where the key is kept")
	}
}

func TestSessions(t *testing.T) {
	w := newWorld(t)
	reader := w.assume("reader", "kms:ListKeys")
	for range 2 {
		w.kms(reader, "ListKeys", object{})
	}
	if who := w.last().Who; who.Type != "AssumedRole" || who.AccessKey != reader.id {
		t.Errorf("recorded %+v", who)
	}
	if arn := element(w.query(reader, "sts", "GetCallerIdentity"), "Arn"); arn != "arn:aws:sts::"+account+":assumed-role/reader/test" {
		t.Errorf("is %s", arn)
	}
	other := w.assume("other", "kms:ListKeys")
	for name, c := range map[string]credentials{
		"without token":              {reader.id, reader.secret, ""},
		"token of another":           {reader.id, reader.secret, other.token},
		"access key of another":      {other.id, reader.secret, reader.token},
		"long-term key with a token": {w.admin.id, w.admin.secret, reader.token},
		"broken token":               {reader.id, reader.secret, reader.token[:len(reader.token)-8] + "AAAAAAA="},
	} {
		if r := w.do(c, jsonRequest("kms", "TrentService.ListKeys", object{})); r.status != 400 || !strings.Contains(r.body, "UnrecognizedClientException") {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	w.ahead.Store(int64(901 * time.Second))
	if r := w.do(reader, jsonRequest("kms", "TrentService.ListKeys", object{})); !strings.Contains(r.body, `"ExpiredTokenException"`) {
		t.Errorf("expired: %d %s", r.status, r.body)
	}
	if r := w.do(reader, queryRequest("sts", "GetCallerIdentity")); r.status != 403 || !strings.Contains(r.body, "<Code>ExpiredToken</Code>") {
		t.Errorf("expired: %d %s", r.status, r.body)
	}
	w.ahead.Store(0)
	w.query(w.admin, "iam", "DeleteRolePolicy", "RoleName", "other", "PolicyName", "p")
	w.query(w.admin, "iam", "DeleteRole", "RoleName", "other")
	if r := w.do(other, jsonRequest("kms", "TrentService.ListKeys", object{})); !strings.Contains(r.body, "UnrecognizedClientException") {
		t.Errorf("role deleted: %d %s", r.status, r.body)
	}
}

func TestSignatureIsOfNow(t *testing.T) {
	w := newWorld(t)
	q := w.signed(w.admin, jsonRequest("kms", "TrentService.ListKeys", object{}))
	w.ahead.Store(int64(5*time.Minute + 5*time.Second))
	if r := w.send(q); !strings.Contains(r.body, "Signature expired: ") {
		t.Errorf("late: %d %s", r.status, r.body)
	}
}

// TestPresigned is how a service proves its identity to another: the URL of a
// GetCallerIdentity, signed in its query.
func TestPresigned(t *testing.T) {
	w := newWorld(t)
	now := w.now().UTC()
	scope := sigv4.Scope{Date: now.Format("20060102"), Region: region, Service: "sts"}
	query := "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + w.admin.id + "%2F" + scope.Date +
		"%2F" + scope.Region + "%2Fsts%2Faws4_request&X-Amz-Date=" + now.Format("20060102T150405Z") + "&X-Amz-Expires=60&X-Amz-SignedHeaders=host"
	key := sigv4.DeriveKey([]byte(w.admin.secret), scope)
	signature := sigv4.Presign(&sigv4.Request{Method: "GET", Path: "/", Query: query, Host: w.host}, sha256.Sum256(nil), &key)
	get := func(query string) reply {
		q, err := http.NewRequest("GET", "http://"+w.host+"/?"+query, nil)
		check(t, err)
		return w.send(q)
	}
	full := query + "&X-Amz-Signature=" + hex.EncodeToString(signature[:])
	if r := get(full); r.status != 200 || element(r.body, "Account") != account {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := get(strings.Replace(full, "GetCallerIdentity", "GetSessionToken", 1)); !strings.Contains(r.body, "SignatureDoesNotMatch") {
		t.Errorf("changed: %d %s", r.status, r.body)
	}
	w.ahead.Store(int64(62 * time.Second))
	if r := get(full); !strings.Contains(r.body, "Signature expired") {
		t.Errorf("later: %d %s", r.status, r.body)
	}
}

// TestHeadersClaimNothing sends what could be mistaken for a claim.
func TestHeadersClaimNothing(t *testing.T) {
	w := newWorld(t)
	w.ok(w.admin, "secretsmanager", "secretsmanager.CreateSecret", object{"Name": "s", "SecretString": "v"})
	claims := map[string]string{
		"X-Amz-Via-Service": "secretsmanager.eu-west-1.amazonaws.com", "X-Amz-Source-Arn": "arn:aws:secretsmanager:eu-west-1:" + account + ":secret:s",
		"X-Amz-Source-Account": account, "X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3", "X-Real-Ip": "10.1.2.3",
		"Via": "1.1 secretsmanager.amazonaws.com", "X-Amzn-Caller": "root", "Keytrail-Source": "10.1.2.3",
		"User-Agent": "secretsmanager.amazonaws.com",
	}
	r := jsonRequest("kms", "TrentService.GenerateDataKey", object{"KeyId": "alias/aws/secretsmanager", "KeySpec": "AES_256"})
	for name, value := range claims {
		r.header[name] = []string{value}
	}
	if got := w.do(w.admin, r); got.status != 400 || !strings.Contains(got.body, "because no resource-based policy allows the kms:GenerateDataKey action") {
		t.Errorf("the managed key: %d %s", got.status, got.body)
	}
	if rec := w.last(); rec.Via != "" || rec.Source != "127.0.0.1" || rec.Who.Name != "admin" || rec.Agent != "secretsmanager.amazonaws.com" {
		t.Errorf("recorded %+v", rec)
	}
}

// TestTLS: over an encrypted connection a call counts as such.
func TestTLS(t *testing.T) {
	borrowed := httptest.NewTLSServer(http.NotFoundHandler())
	defer borrowed.Close()
	w := newWorld(t, func(o *awsapi.Options) {
		o.TLS = &tls.Config{Certificates: borrowed.TLS.Certificates, MinVersion: tls.VersionTLS12}
	})
	q := w.signedFor(w.admin, jsonRequest("kms", "TrentService.ListKeys", object{}), "https")
	res, err := borrowed.Client().Do(q)
	check(t, err)
	defer res.Body.Close()
	if res.StatusCode != 200 || res.ProtoMajor != 1 {
		t.Errorf("%s over %s", res.Status, res.Proto)
	}
	if res, err := http.Get("http://" + w.host + "/"); err == nil && res.StatusCode != 400 {
		t.Errorf("in the clear: %s", res.Status)
	}
}

// TestGlobalServices: clients sign for IAM and STS in us-east-1 whatever their
// Region.
func TestGlobalServices(t *testing.T) {
	w := newWorld(t)
	for _, service := range []string{"iam", "sts"} {
		action := map[string]string{"iam": "ListUsers", "sts": "GetCallerIdentity"}[service]
		for where, want := range map[string]int{region: 200, "us-east-1": 200, "ap-south-1": 403} {
			r := queryRequest(service, action)
			r.region = where
			if got := w.do(w.admin, r); got.status != want {
				t.Errorf("%s in %s: %d %s", service, where, got.status, got.body)
			}
		}
	}
}

// TestNoiseIsSummedUp: what strangers do is a summary in the log, not a record
// for each.
func TestNoiseIsSummedUp(t *testing.T) {
	w := newWorld(t, func(o *awsapi.Options) { o.RefuseEvery = time.Hour })
	before := w.stored()
	for range 50 {
		w.do(credentials{id: "AKIAIOSFODNN7EXAMPLE", secret: "s"}, jsonRequest("kms", "TrentService.ListKeys", object{}))
		w.do(credentials{id: w.admin.id, secret: "s"}, queryRequest("iam", "ListUsers"))
	}
	if n := w.stored() - before; n != 0 {
		t.Errorf("%d records", n)
	}
	check(t, w.api.Close()) // writes the summary
	if n := w.stored() - before; n != 1 {
		t.Fatalf("%d records after the summary", n)
	}
	if r := w.last(); r.Op != "keytrail:RefuseConnections" || !strings.Contains(string(r.Params), `"count":100`) || !strings.Contains(string(r.Params), "AKIAIOSFODNN7EXAMPLE") {
		t.Errorf("recorded %s %s", r.Op, r.Params)
	}

}

// TestUnreadableQueryIsRecorded: a caller that is known has every request on the
// record, also one that cannot be read, without what was in it.
func TestUnreadableQueryIsRecorded(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{"Action=%zz", "Action=GetUser&Action=canary", strings.Repeat("canary=1&", 9000)} {
		before := w.stored()
		r := queryRequest("iam", "x")
		r.body = body
		got := w.do(w.admin, r)
		if n := w.stored() - before; got.status != 404 || n != 1 || !strings.HasPrefix(got.header.Get("Keytrail-Receipt"), "n=") {
			t.Fatalf("%.20s: %d, %d records, receipt %q", body, got.status, n, got.header.Get("Keytrail-Receipt"))
		}
		if last := w.last(); last.Outcome != "MalformedQueryString" || last.Who.AccessKey != w.admin.id || last.Op != "iam:-" || last.Params != nil {
			t.Errorf("%.20s is recorded as %+v", body, last)
		}
	}
	before := w.stored()
	r := queryRequest("iam", "x")
	r.body = "Action=%zz"
	if got := w.do(credentials{id: w.admin.id, secret: "s"}, r); got.status != 403 || w.stored() != before {
		t.Errorf("of a stranger: %d, %d records", got.status, w.stored()-before)
	}
}
