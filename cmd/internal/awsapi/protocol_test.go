package awsapi_test

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	w := newWorld(t)
	key := w.kms(w.admin, "CreateKey", object{"Description": "one"})["KeyMetadata"].(object)["KeyId"]
	blob := w.kms(w.admin, "Encrypt", object{"KeyId": key, "Plaintext": []byte("hello"), "EncryptionContext": object{"a": "b"}})["CiphertextBlob"]
	before := w.stored()
	plain := w.kms(w.admin, "Decrypt", object{"CiphertextBlob": blob, "EncryptionContext": object{"a": "b"}})
	if got, _ := base64.StdEncoding.DecodeString(plain["Plaintext"].(string)); string(got) != "hello" {
		t.Errorf("decrypted %q", got)
	}
	if n := w.stored() - before; n != 1 {
		t.Errorf("one call left %d records", n)
	}
	r := w.last()
	if r.Op != "kms:Decrypt" || r.Source != "127.0.0.1" || r.Via != "" || r.Who.AccessKey != w.admin.id {
		t.Errorf("recorded %+v", r)
	}
	w.ok(w.admin, "secretsmanager", "secretsmanager.CreateSecret", object{"Name": "s", "SecretString": "v"})
	if got := w.ok(w.admin, "secretsmanager", "secretsmanager.GetSecretValue", object{"SecretId": "s"})["SecretString"]; got != "v" {
		t.Errorf("read %q", got)
	}
}

func TestReplyHeaders(t *testing.T) {
	w := newWorld(t)
	r := w.do(w.admin, jsonRequest("kms", "TrentService.ListKeys", object{}))
	id := r.header.Get("x-amzn-RequestId")
	if !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(id) || id != w.last().Request {
		t.Errorf("request id %q, recorded %q", id, w.last().Request)
	}
	if got := r.header.Get("Content-Type"); got != "application/x-amz-json-1.1" {
		t.Errorf("content type %q", got)
	}
	if got := r.header.Get("Keytrail-Receipt"); !regexp.MustCompile(`^n=\d+ seq=\d+$`).MatchString(got) {
		t.Errorf("receipt %q", got)
	}
	q := w.query(w.admin, "sts", "GetCallerIdentity")
	if got := element(q, "RequestId"); got != w.last().Request {
		t.Errorf("request id %q, recorded %q", got, w.last().Request)
	}
}

// TestErrors is what a client gets for what goes wrong, to the letter.
func TestErrors(t *testing.T) {
	w := newWorld(t)
	nobody := w.user("nobody")
	change := func(r *request, f func(*request)) *request { f(r); return r }
	for _, c := range []struct {
		name   string
		as     credentials
		r      *request
		status int
		body   string // a part of it
		kind   string // x-amzn-ErrorType
	}{
		{"modelled", w.admin, jsonRequest("kms", "TrentService.DescribeKey", object{"KeyId": "alias/none"}), 400,
			`{"__type":"NotFoundException","message":"Alias arn:aws:kms:eu-west-1:111122223333:alias/none is not found."}`, "NotFoundException"},
		{"empty message", w.admin, jsonRequest("kms", "TrentService.Decrypt", object{"CiphertextBlob": []byte("x")}), 400,
			`{"__type":"InvalidCiphertextException"}`, "InvalidCiphertextException"},
		{"Secrets Manager", w.admin, jsonRequest("secretsmanager", "secretsmanager.GetSecretValue", object{"SecretId": "none"}), 400,
			`{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret."}`, "ResourceNotFoundException"},
		{"denied", nobody, jsonRequest("kms", "TrentService.ListKeys", object{}), 400,
			`{"__type":"AccessDeniedException","message":"User: arn:aws:iam::111122223333:user/nobody is not authorized to perform: kms:ListKeys`, "AccessDeniedException"},
		{"missing member", w.admin, jsonRequest("kms", "TrentService.DescribeKey", object{}), 400,
			`{"__type":"ValidationException","message":"1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"}`, "ValidationException"},
		{"wrong type", w.admin, jsonRequest("kms", "TrentService.DescribeKey", object{"KeyId": 7}), 400,
			`{"__type":"SerializationException"`, "SerializationException"},
		{"not JSON", w.admin, change(jsonRequest("kms", "TrentService.ListKeys", object{}), func(r *request) { r.body = "{" }), 400,
			`{"__type":"SerializationException"`, "SerializationException"},
		{"mistyped", w.admin, jsonRequest("kms", "TrentService.Decrpyt", object{}), 400, `{"__type":"UnknownOperationException"`, "UnknownOperationException"},
		{"not ours", w.admin, jsonRequest("kms", "TrentService.CreateCustomKeyStore", object{}), 400, `{"__type":"UnsupportedOperationException"`, "UnsupportedOperationException"},
		{"CloudTrail, long", w.admin, jsonRequest("cloudtrail", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.CreateTrail", object{}), 400, `{"__type":"UnsupportedOperationException","Message":`, "UnsupportedOperationException"},
		{"CloudTrail, short", w.admin, jsonRequest("cloudtrail", "CloudTrail_20131101.CreateTrail", object{}), 400, `{"__type":"UnsupportedOperationException"`, "UnsupportedOperationException"},
		{"no such service", w.admin, jsonRequest("kms", "DynamoDB_20120810.PutItem", object{}), 400, `{"__type":"UnknownOperationException"}`, "UnknownOperationException"},
		{"no target", w.admin, change(jsonRequest("kms", "", object{}), func(r *request) { delete(r.header, "X-Amz-Target") }), 400, `{"__type":"UnknownOperationException"}`, "UnknownOperationException"},
		{"another content type", w.admin, change(jsonRequest("kms", "TrentService.ListKeys", object{}), func(r *request) { r.header["Content-Type"][0] = "text/plain" }), 400, `{"__type":"UnknownOperationException"}`, "UnknownOperationException"},
		{"another path", w.admin, change(jsonRequest("kms", "TrentService.ListKeys", object{}), func(r *request) { r.path = "/x" }), 400, `{"__type":"UnknownOperationException"}`, "UnknownOperationException"},
		{"another method", w.admin, change(jsonRequest("kms", "TrentService.ListKeys", object{}), func(r *request) { r.method = "PUT" }), 400, `{"__type":"UnknownOperationException"}`, "UnknownOperationException"},
		{"scope of another service", w.admin, jsonRequest("secretsmanager", "TrentService.ListKeys", object{}), 400,
			`{"__type":"InvalidSignatureException","message":"Credential should be scoped to correct service: 'kms'. "}`, "InvalidSignatureException"},
		{"scope of another Region", w.admin, change(jsonRequest("kms", "TrentService.ListKeys", object{}), func(r *request) { r.region = "us-west-2" }), 400,
			`"Credential should be scoped to a valid region, not 'us-west-2'. "`, "InvalidSignatureException"},
		{"unknown access key", credentials{id: "AKIAIOSFODNN7EXAMPLE", secret: "s"}, jsonRequest("kms", "TrentService.ListKeys", object{}), 400,
			`{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}`, "UnrecognizedClientException"},
		{"wrong secret", credentials{id: w.admin.id, secret: "s"}, jsonRequest("kms", "TrentService.ListKeys", object{}), 400,
			`{"__type":"InvalidSignatureException","message":"The request signature we calculated does not match`, "InvalidSignatureException"},
		{"wrong secret, Secrets Manager", credentials{id: w.admin.id, secret: "s"}, jsonRequest("secretsmanager", "secretsmanager.ListSecrets", object{}), 400,
			`{"__type":"InvalidSignatureException","message":"The request signature`, "InvalidSignatureException"},
		{"token that is none", credentials{w.admin.id, w.admin.secret, "token"}, jsonRequest("kms", "TrentService.ListKeys", object{}), 400,
			`{"__type":"UnrecognizedClientException"`, "UnrecognizedClientException"},

		{"Query, modelled", w.admin, queryRequest("iam", "GetUser", "UserName", "none"), 404,
			`<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>The user with name none cannot be found.</Message></Error><RequestId>`, ""},
		{"Query, denied", nobody, queryRequest("iam", "ListUsers"), 403, `<Code>AccessDenied</Code><Message>User: arn:aws:iam::111122223333:user/nobody is not authorized to perform: iam:ListUsers`, ""},
		{"Query, missing member", w.admin, queryRequest("iam", "CreateUser"), 400, `<Code>ValidationError</Code><Message>1 validation error detected: Value at 'userName'`, ""},
		{"Query, missing member, STS", w.admin, queryRequest("sts", "AssumeRole", "RoleSessionName", "ss"), 400, `<Code>ValidationError</Code><Message>1 validation error detected: Value null at 'roleArn'`, ""},
		{"Query, another path", w.admin, change(queryRequest("sts", "GetCallerIdentity"), func(r *request) { r.path = "/x" }), 400, `<Code>InvalidAction</Code><Message>Requests are made by POST or GET to the path /.</Message>`, ""},
		{"Query, wrong type", w.admin, queryRequest("iam", "ListUsers", "MaxItems", "many"), 400, `<Code>MalformedInput</Code>`, ""},
		{"Query, out of range", w.admin, queryRequest("iam", "ListUsers", "MaxItems", "1001"), 400, `at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 1000`, ""},
		{"Query, mistyped", w.admin, queryRequest("iam", "GetUsr"), 400, `<Code>InvalidAction</Code>`, ""},
		{"Query, not ours", w.admin, queryRequest("iam", "CreateSAMLProvider"), 400, `<Code>UnsupportedOperationException</Code>`, ""},
		{"Query, no action", w.admin, change(queryRequest("iam", "x"), func(r *request) { r.body = "Version=2010-05-08" }), 400, `<Code>MissingAction</Code>`, ""},
		{"Query, no version", w.admin, change(queryRequest("iam", "x"), func(r *request) { r.body = "Action=GetUser" }), 400, `<Code>InvalidAction</Code><Message>Could not find operation GetUser for version NO_VERSION_SPECIFIED`, ""},
		{"Query, syntax", w.admin, change(queryRequest("iam", "x"), func(r *request) { r.body = "Action=%zz" }), 404, `<Code>MalformedQueryString</Code>`, ""},
		{"Query, twice", w.admin, change(queryRequest("iam", "x"), func(r *request) { r.body += "&Action=GetUser" }), 404, `<Code>MalformedQueryString</Code>`, ""},
		{"Query, wrong secret", credentials{id: w.admin.id, secret: "s"}, queryRequest("sts", "GetCallerIdentity"), 403, `<Code>SignatureDoesNotMatch</Code>`, ""},
		{"Query, unknown access key", credentials{id: "AKIAIOSFODNN7EXAMPLE", secret: "s"}, queryRequest("sts", "GetCallerIdentity"), 403, `<Code>InvalidClientTokenId</Code>`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.do(c.as, c.r)
			if got.status != c.status || !strings.Contains(got.body, c.body) {
				t.Errorf("got %d %s\nwant %d %s", got.status, got.body, c.status, c.body)
			}
			if kind := got.header.Get("x-amzn-ErrorType"); kind != c.kind {
				t.Errorf("error type %q, want %q", kind, c.kind)
			}
			if strings.HasPrefix(got.body, "<") {
				wellFormed(t, got.body)
			}
		})
	}
	q := w.signed(w.admin, queryRequest("sts", "GetCallerIdentity"))
	q.Header.Del("Authorization")
	if got := w.send(q); got.status != 403 || !strings.Contains(got.body, "<Code>MissingAuthenticationToken</Code><Message>Request is missing Authentication Token</Message>") {
		t.Errorf("unsigned: %d %s", got.status, got.body)
	}
	for authorization, want := range map[string]string{
		"":                        `{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`,
		"Basic cGFzc3dvcmQ=":      `{"__type":"IncompleteSignatureException","message":"Unsupported AWS`,
		"AWS4-HMAC-SHA256 Cred=x": `{"__type":"IncompleteSignatureException","message":"Authorization header`,
	} {
		q := w.signed(w.admin, jsonRequest("secretsmanager", "secretsmanager.ListSecrets", object{}))
		q.Header.Set("Authorization", authorization)
		if authorization == "" {
			q.Header.Del("Authorization")
		}
		got := w.send(q)
		if got.status != 400 || !strings.HasPrefix(got.body, want) {
			t.Errorf("authorization %q: %d %s", authorization, got.status, got.body)
		}
		if kind := got.header.Get("x-amzn-ErrorType"); !strings.Contains(got.body, `"__type":"`+kind+`"`) {
			t.Errorf("authorization %q: error type %q", authorization, kind)
		}
	}
}

func TestQuery(t *testing.T) {
	w := newWorld(t)
	made := w.query(w.admin, "iam", "CreateUser", "UserName", "alice", "Path", "/a/",
		"Tags.member.2.Key", "two", "Tags.member.2.Value", "2", "Tags.member.1.Key", "one", "Tags.member.1.Value", "a b+c")
	if !strings.HasPrefix(made, `<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><CreateUserResult><User>`) {
		t.Errorf("made %s", made)
	}
	if !strings.Contains(made, "<Tags><member><Key>one</Key><Value>a b+c</Value></member><member><Key>two</Key><Value>2</Value></member></Tags>") {
		t.Errorf("tags of %s", made)
	}
	if date := element(made, "CreateDate"); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`).MatchString(date) {
		t.Errorf("date %q", date)
	}
	// An operation without output has no result element.
	if got := w.query(w.admin, "iam", "UntagUser", "UserName", "alice", "TagKeys.member.1", "two"); strings.Contains(got, "Result>") || !strings.Contains(got, "<ResponseMetadata><RequestId>") {
		t.Errorf("untag answers %s", got)
	}
	// Documents are escaped once more, as IAM does.
	document := allow("iam:GetUser", "kms:*")
	w.query(w.admin, "iam", "PutUserPolicy", "UserName", "alice", "PolicyName", "p", "PolicyDocument", document)
	escaped := element(w.query(w.admin, "iam", "GetUserPolicy", "UserName", "alice", "PolicyName", "p"), "PolicyDocument")
	if got, err := url.PathUnescape(escaped); err != nil || got != document || strings.ContainsAny(escaped, `{}": *`) {
		t.Errorf("document %s, %v", escaped, err)
	}
	// Lists, empty and in pages; maps; numbers.
	if got := w.query(w.admin, "iam", "ListGroups"); !strings.Contains(got, "<Groups></Groups><IsTruncated>false</IsTruncated>") {
		t.Errorf("no groups: %s", got)
	}
	first := w.query(w.admin, "iam", "ListUsers", "MaxItems", "1")
	if element(first, "IsTruncated") != "true" || element(first, "UserName") != "admin" {
		t.Errorf("first page %s", first)
	}
	second := w.query(w.admin, "iam", "ListUsers", "MaxItems", "1", "Marker", element(first, "Marker"))
	if element(second, "IsTruncated") != "false" || element(second, "UserName") != "alice" {
		t.Errorf("second page %s", second)
	}
	if got := w.query(w.admin, "iam", "GetAccountSummary"); !strings.Contains(got, "<entry><key>Users</key><value>2</value></entry>") {
		t.Errorf("summary %s", got)
	}
	simulated := w.query(w.admin, "iam", "SimulateCustomPolicy", "PolicyInputList.member.1", document,
		"ActionNames.member.1", "kms:Decrypt", "ActionNames.member.2", "sts:AssumeRole",
		"ContextEntries.member.1.ContextKeyName", "aws:PrincipalTag/x", "ContextEntries.member.1.ContextKeyType", "string",
		"ContextEntries.member.1.ContextKeyValues.member.1", "v")
	if strings.Count(simulated, "<EvalDecision>allowed</EvalDecision>") != 1 || strings.Count(simulated, "<EvalDecision>implicitDeny</EvalDecision>") != 1 {
		t.Errorf("simulated %s", simulated)
	}
}

// TestQueryInJSON: STS answers in JSON whoever accepts that alone, IAM in XML.
func TestQueryInJSON(t *testing.T) {
	w := newWorld(t)
	asked := func(as credentials, service, action string, parameters ...string) reply {
		r := queryRequest(service, action, parameters...)
		r.header["Accept"] = []string{"application/json"}
		return w.do(as, r)
	}
	got := asked(w.admin, "sts", "GetCallerIdentity")
	id := w.last().Request
	want := `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"UserId":"` + w.last().Who.ID + `","Account":"111122223333",` +
		`"Arn":"arn:aws:iam::111122223333:user/admin"},"ResponseMetadata":{"RequestId":"` + id + `"}}}`
	if got.status != 200 || got.body != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("answered %d %s %s", got.status, got.header.Get("Content-Type"), got.body)
	}
	got = asked(w.admin, "sts", "GetAccessKeyInfo", "AccessKeyId", "AKIAIOSFODNN7EXAMPLE")
	want = `{"Error":{"Code":"ValidationError","Message":"The access key id AKIAIOSFODNN7EXAMPLE is not known.","Type":"Sender"},"RequestId":"` + w.last().Request + `"}`
	if got.status != 400 || got.body != want {
		t.Errorf("refused %d %s", got.status, got.body)
	}
	if got := asked(credentials{id: w.admin.id, secret: "s"}, "sts", "GetCallerIdentity"); got.status != 403 || !strings.HasPrefix(got.body, `{"Error":{"Code":"SignatureDoesNotMatch"`) {
		t.Errorf("refused %d %s", got.status, got.body)
	}
	if got := asked(w.admin, "iam", "GetUser"); got.status != 200 || !strings.HasPrefix(got.body, "<GetUserResponse") {
		t.Errorf("IAM answered %d %s", got.status, got.body)
	}
}

// TestEveryQueryReplyIsXML calls what lists and describes, and wants nothing in
// the XML that looks like a number of seconds.
func TestEveryQueryReplyIsXML(t *testing.T) {
	w := newWorld(t)
	w.user("alice", "kms:*")
	w.assume("reader", "kms:Decrypt")
	w.query(w.admin, "iam", "CreateGroup", "GroupName", "g")
	w.query(w.admin, "iam", "AddUserToGroup", "GroupName", "g", "UserName", "alice")
	policy := element(w.query(w.admin, "iam", "CreatePolicy", "PolicyName", "p", "PolicyDocument", allow("kms:*")), "Arn")
	w.query(w.admin, "iam", "AttachRolePolicy", "RoleName", "reader", "PolicyArn", policy)
	seconds := regexp.MustCompile(`>\d{9,}(\.\d+)?<`)
	for _, call := range [][]string{
		{"GetAccountAuthorizationDetails"}, {"ListUsers"}, {"ListRoles"}, {"ListPolicies"}, {"ListGroups"},
		{"GetUser", "UserName", "alice"}, {"GetRole", "RoleName", "reader"}, {"GetGroup", "GroupName", "g"},
		{"ListAccessKeys", "UserName", "alice"},
		{"GetPolicy", "PolicyArn", policy}, {"GetPolicyVersion", "PolicyArn", policy, "VersionId", "v1"},
		{"ListPolicyVersions", "PolicyArn", policy}, {"ListEntitiesForPolicy", "PolicyArn", policy},
		{"ListAttachedRolePolicies", "RoleName", "reader"}, {"ListRoleTags", "RoleName", "reader"},
	} {
		got := w.query(w.admin, "iam", call[0], call[1:]...)
		if hit := seconds.FindString(strings.ReplaceAll(got, account, "")); hit != "" {
			t.Errorf("%s has %s in\n%s", call[0], hit, got)
		}
	}
}
