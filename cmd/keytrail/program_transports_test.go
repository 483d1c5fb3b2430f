package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
	"github.com/keytrail/keytrail/domain/sigv4"
)

// step is a call of the story. Texts of its input name what earlier answers held, as
// in "{key}".
type step struct {
	as    string // who calls: "" is the administrator, others were kept by that name
	call  string // "kms Encrypt"
	in    object
	keep  map[string]string // name -> member of the answer
	fails string            // the code of the refusal, without "Exception"
}

func allow(actions ...string) string {
	raw, _ := json.Marshal(object{"Version": "2012-10-17", "Statement": []object{{"Effect": "Allow", "Action": actions, "Resource": "*"}}})
	return string(raw)
}

// story has every service, lists and maps and numbers and blobs among the parameters,
// callers of each kind, and refusals of each kind: by policy, by state, by shape.
var story = []step{
	{call: "sts GetCallerIdentity", in: object{}},
	{call: "kms CreateKey", in: object{"Description": "a \"key\" & more ☃", "Tags": []object{{"TagKey": "a", "TagValue": "b"}}}, keep: map[string]string{"key": "KeyId", "keyArn": "Arn"}},
	{call: "kms CreateAlias", in: object{"AliasName": "alias/both", "TargetKeyId": "{key}"}},
	{call: "kms Encrypt", in: object{"KeyId": "alias/both", "Plaintext": "aGVsbG8=", "EncryptionContext": object{"app": "demo", "zone": "é"}}, keep: map[string]string{"blob": "CiphertextBlob"}},
	{call: "kms Decrypt", in: object{"CiphertextBlob": "{blob}", "EncryptionContext": object{"zone": "é", "app": "demo"}}},
	{call: "kms Decrypt", in: object{"CiphertextBlob": "{blob}", "EncryptionContext": object{"app": "Demo"}}, fails: "InvalidCiphertext"},
	{call: "kms GenerateDataKey", in: object{"KeyId": "{keyArn}", "KeySpec": "AES_256"}},
	{call: "kms GenerateDataKey", in: object{"KeyId": "{keyArn}", "KeySpec": "AES_256", "NumberOfBytes": 32}, fails: "Validation"},
	{call: "kms Encrypt", in: object{"KeyId": "{key}"}, fails: "Validation"},
	{call: "kms Encrypt", in: object{"KeyId": "{key}", "Plaintext": 7}, fails: "Serialization"},
	{call: "kms DescribeKey", in: object{"KeyId": "00000000-0000-4000-8000-000000000000"}, fails: "NotFound"},
	{call: "kms EnableKeyRotation", in: object{"KeyId": "{key}", "RotationPeriodInDays": 100}},
	{call: "kms ListAliases", in: object{"Limit": 1}},
	{call: "kms CreateCustomKeyStore", in: object{"CustomKeyStoreName": "x"}, fails: "UnsupportedOperation"},
	{call: "kms CreateKey", in: object{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}, keep: map[string]string{"signer": "KeyId"}},
	{call: "kms Sign", in: object{"KeyId": "{signer}", "Message": "aGVsbG8=", "MessageType": "RAW", "SigningAlgorithm": "ECDSA_SHA_256"}, keep: map[string]string{"signature": "Signature"}},
	{call: "kms Verify", in: object{"KeyId": "{signer}", "Message": "aGVsbG8=", "MessageType": "RAW", "SigningAlgorithm": "ECDSA_SHA_256", "Signature": "{signature}"}},

	{call: "iam CreateUser", in: object{"UserName": "alice", "Path": "/team/", "Tags": []object{{"Key": "stage", "Value": "test"}}}},
	{call: "iam CreateUser", in: object{"UserName": "alice"}, fails: "EntityAlreadyExists"},
	{call: "iam CreateAccessKey", in: object{"UserName": "alice"}, keep: map[string]string{"alice": "AccessKeyId", "alice secret": "SecretAccessKey"}},
	{call: "iam CreateGroup", in: object{"GroupName": "readers"}},
	{call: "iam AddUserToGroup", in: object{"GroupName": "readers", "UserName": "alice"}},
	{call: "iam PutGroupPolicy", in: object{"GroupName": "readers", "PolicyName": "p", "PolicyDocument": allow("secretsmanager:GetSecretValue", "sts:AssumeRole")}},
	{call: "iam PutUserPolicy", in: object{"UserName": "alice", "PolicyName": "p", "PolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Perhaps"}]}`}, fails: "MalformedPolicyDocument"},
	{call: "iam CreateRole", in: object{"RoleName": "reader", "MaxSessionDuration": 7200, "AssumeRolePolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`}},
	{call: "iam PutRolePolicy", in: object{"RoleName": "reader", "PolicyName": "p", "PolicyDocument": allow("kms:Decrypt", "secretsmanager:ListSecrets")}},
	{call: "iam CreatePolicy", in: object{"PolicyName": "managed", "PolicyDocument": allow("kms:ListKeys"), "Description": "<&>"}, keep: map[string]string{"policy": "Arn"}},
	{call: "iam AttachRolePolicy", in: object{"RoleName": "reader", "PolicyArn": "{policy}"}},
	{call: "iam ListUsers", in: object{"PathPrefix": "/team/", "MaxItems": 5}},
	{call: "iam ListUsers", in: object{"MaxItems": 5000}, fails: "ValidationError"},
	{call: "iam SimulatePrincipalPolicy", in: object{"PolicySourceArn": "arn:aws:iam::000000000000:role/reader", "ActionNames": []string{"kms:Decrypt", "kms:Sign"},
		"ContextEntries": []object{{"ContextKeyName": "aws:PrincipalTag/a", "ContextKeyType": "string", "ContextKeyValues": []string{"b", "c"}}}}},
	{call: "iam DeleteUser", in: object{"UserName": "alice"}, fails: "DeleteConflict"},
	{call: "iam GetUser", in: object{"UserName": "nobody"}, fails: "NoSuchEntity"},

	{call: "secretsmanager CreateSecret", in: object{"Name": "app/db", "SecretString": "CANARY", "ClientRequestToken": "11111111-2222-4333-8444-555555555555", "Tags": []object{{"Key": "a", "Value": "b"}}}, keep: map[string]string{"secret": "ARN"}},
	{call: "secretsmanager CreateSecret", in: object{"Name": "app/db", "SecretString": "other"}, fails: "ResourceExists"},
	{as: "alice", call: "secretsmanager GetSecretValue", in: object{"SecretId": "app/db", "VersionStage": "AWSCURRENT"}},
	{as: "alice", call: "secretsmanager PutSecretValue", in: object{"SecretId": "app/db", "SecretString": "x"}, fails: "AccessDenied"},
	{as: "alice", call: "kms Decrypt", in: object{"CiphertextBlob": "{blob}"}, fails: "AccessDenied"},
	{as: "alice", call: "iam ListUsers", in: object{}, fails: "AccessDenied"},
	{as: "alice", call: "sts AssumeRole", in: object{"RoleArn": "arn:aws:iam::000000000000:role/reader", "RoleSessionName": "s1", "DurationSeconds": 10}, fails: "ValidationError"},
	{as: "alice", call: "sts AssumeRole", in: object{"RoleArn": "arn:aws:iam::000000000000:role/nothing", "RoleSessionName": "s1"}, fails: "AccessDenied"},
	{call: "sts AssumeRole", in: object{"RoleArn": "arn:aws:iam::000000000000:role/reader", "RoleSessionName": "s1", "DurationSeconds": 1800, "Tags": []object{{"Key": "team", "Value": "red"}}, "TransitiveTagKeys": []string{"team"}},
		keep: map[string]string{"session": "AccessKeyId", "session secret": "SecretAccessKey", "session token": "SessionToken"}},
	{as: "session", call: "sts GetCallerIdentity", in: object{}},
	{as: "session", call: "secretsmanager ListSecrets", in: object{"MaxResults": 10, "Filters": []object{{"Key": "name", "Values": []string{"app"}}}}},
	{as: "session", call: "secretsmanager GetSecretValue", in: object{"SecretId": "{secret}"}, fails: "AccessDenied"},
	{call: "kms CreateGrant", in: object{"KeyId": "{keyArn}", "GranteePrincipal": "arn:aws:iam::000000000000:user/team/alice", "Operations": []string{"Decrypt", "DescribeKey"},
		"Constraints": object{"EncryptionContextSubset": object{"app": "demo"}}}, keep: map[string]string{"grant": "GrantId"}},
	{as: "alice", call: "kms Decrypt", in: object{"CiphertextBlob": "{blob}", "EncryptionContext": object{"app": "demo", "zone": "é"}}},
	{call: "kms RevokeGrant", in: object{"KeyId": "{keyArn}", "GrantId": "{grant}"}},
	{call: "secretsmanager UpdateSecret", in: object{"SecretId": "app/db", "KmsKeyId": "{keyArn}"}},
	{as: "alice", call: "secretsmanager GetSecretValue", in: object{"SecretId": "app/db"}, fails: "AccessDenied"},
	{call: "secretsmanager PutSecretValue", in: object{"SecretId": "app/db", "SecretBinary": "Q0FOQVJZ", "VersionStages": []string{"AWSCURRENT", "next"}}, keep: map[string]string{"version": "VersionId"}},
	{call: "secretsmanager UpdateSecretVersionStage", in: object{"SecretId": "app/db", "VersionStage": "next", "RemoveFromVersionId": "{version}"}},
	{call: "secretsmanager BatchGetSecretValue", in: object{"SecretIdList": []string{"app/db", "none"}}},
	{call: "secretsmanager GetRandomPassword", in: object{"PasswordLength": 20, "ExcludePunctuation": true}},
	{call: "secretsmanager DeleteSecret", in: object{"SecretId": "app/db", "RecoveryWindowInDays": 7}},
	{call: "secretsmanager GetSecretValue", in: object{"SecretId": "app/db"}, fails: "InvalidRequest"},
	{call: "secretsmanager RestoreSecret", in: object{"SecretId": "app/db"}},
	{call: "secretsmanager GetSecretValue", in: object{"SecretId": "none"}, fails: "ResourceNotFound"},
	{call: "kms DisableKey", in: object{"KeyId": "{key}"}},
	{call: "secretsmanager GetSecretValue", in: object{"SecretId": "app/db"}, fails: "DecryptionFailure"},
	{call: "kms ScheduleKeyDeletion", in: object{"KeyId": "{key}", "PendingWindowInDays": 7}},
	{call: "kms EnableKey", in: object{"KeyId": "{key}"}, fails: "KMSInvalidState"},
	{call: "iam UpdateAccessKey", in: object{"UserName": "alice", "AccessKeyId": "{alice}", "Status": "Inactive"}},
	{call: "cloudtrail LookupEvents", in: object{"LookupAttributes": []object{{"AttributeKey": "EventName", "AttributeValue": "Decrypt"}}, "MaxResults": 5}},
	{call: "cloudtrail LookupEvents", in: object{"MaxResults": 500}, fails: "InvalidMaxResults"},
}

// transport makes a call and gives its answer, or the code of its refusal.
type transport func(t *testing.T, accessKey, secret, token, service, operation string, in object) (answer []byte, refused string)

// TestProgramTransports: the same calls over NATS and over HTTP leave the same trail:
// record for record and member for member, but for ids, times, addresses and agents.
func TestProgramTransports(t *testing.T) {
	trails := map[string][]string{}
	for name, over := range map[string]func(*process) transport{"NATS": overNATS, "HTTP": overHTTP} {
		p := serve(t, t.TempDir())
		tell(t, p, over(p))
		p.stop(t)
		for _, r := range readLog(t, p.dir) {
			trails[name] = append(trails[name], r.line)
		}
		trails[name] = alike(t, trails[name])
	}
	onNATS, onHTTP := trails["NATS"], trails["HTTP"]
	differ := 0
	for i := range min(len(onNATS), len(onHTTP)) {
		if onNATS[i] != onHTTP[i] && differ < 5 { // one that is lost shifts all that follow
			differ++
			t.Errorf("record %d\nover NATS: %s\nover HTTP: %s", i, onNATS[i], onHTTP[i])
		}
	}
	if len(onNATS) != len(onHTTP) || len(onNATS) < len(story) {
		t.Errorf("%d records over NATS and %d over HTTP, of %d calls", len(onNATS), len(onHTTP), len(story))
	}
}

func tell(t *testing.T, p *process, over transport) {
	kept := map[string]string{"": p.env["AWS_ACCESS_KEY_ID"], " secret": p.env["AWS_SECRET_ACCESS_KEY"]}
	named := regexp.MustCompile(`\{[a-zA-Z]+\}`)
	for i, s := range story {
		raw, err := json.Marshal(s.in)
		if err != nil {
			t.Fatal(err)
		}
		var in object
		unmarshal(t, named.ReplaceAllFunc(raw, func(name []byte) []byte {
			quoted, _ := json.Marshal(kept[string(name[1:len(name)-1])])
			return quoted[1 : len(quoted)-1]
		}), &in)
		service, operation, _ := strings.Cut(s.call, " ")
		answer, refused := over(t, kept[s.as], kept[s.as+" secret"], kept[s.as+" token"], service, operation, in)
		if strings.TrimSuffix(refused, "Exception") != s.fails {
			t.Fatalf("step %d, %s: refused with %q, want %q", i, s.call, refused, s.fails)
		}
		for name, member := range s.keep {
			m := regexp.MustCompile(`["<]` + member + `(?:":\s*"|>)([^"<]+)["<]`).FindSubmatch(answer)
			if m == nil {
				t.Fatalf("step %d, %s: no %s in %s", i, s.call, member, answer)
			}
			kept[name] = string(m[1])
		}
	}
}

func overNATS(p *process) transport {
	connections := map[string]*client.Client{}
	return func(t *testing.T, accessKey, secret, token, service, operation string, in object) ([]byte, string) {
		c := connections[accessKey]
		if c == nil {
			c = p.connectAs(t, accessKey, secret, token)
			connections[accessKey] = c
		}
		reply, err := invoke(t.Context(), c, service, operation, in, nil)
		if refused := code(err); refused != "" {
			return nil, refused
		}
		if err != nil {
			t.Fatalf("%s %s: %v", service, operation, err)
		}
		return reply.Body, ""
	}
}

var targets = map[string]string{"kms": "TrentService.", "secretsmanager": "secretsmanager.", "cloudtrail": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."}

func overHTTP(p *process) transport {
	return func(t *testing.T, accessKey, secret, token, service, operation string, in object) ([]byte, string) {
		endpoint, err := url.Parse(p.env["AWS_ENDPOINT_URL"])
		if err != nil {
			t.Fatal(err)
		}
		var body []byte
		header := http.Header{}
		if target := targets[service]; target != "" {
			body, _ = json.Marshal(in)
			header.Set("Content-Type", "application/x-amz-json-1.1")
			header.Set("X-Amz-Target", target+operation)
		} else {
			form := url.Values{"Action": {operation}, "Version": {map[string]string{"iam": "2010-05-08", "sts": "2011-06-15"}[service]}}
			flatten(form, "", in)
			body = []byte(form.Encode())
			header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		}
		q := &sigv4.Request{Method: "POST", Path: "/", Host: endpoint.Host, Header: header}
		sigv4.NewSigner(accessKey, secret, token, "us-east-1", service).Sign(q, sha256.Sum256(body), time.Now())
		r, err := http.NewRequestWithContext(t.Context(), "POST", endpoint.String()+"/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = q.Header
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusOK {
			return answer, ""
		}
		m := regexp.MustCompile(`(?:"__type":"|<Code>)([A-Za-z]+)`).FindSubmatch(answer)
		if m == nil {
			t.Fatalf("%s %s: %d %s", service, operation, res.StatusCode, answer)
		}
		return nil, string(m[1])
	}
}

// flatten writes a value as the parameters of AWS Query: A.member.1.B=text.
func flatten(form url.Values, at string, v any) {
	dot := at + "."
	if at == "" {
		dot = ""
	}
	switch v := v.(type) {
	case object:
		for name, member := range v {
			flatten(form, dot+name, member)
		}
	case []any:
		for i, element := range v {
			flatten(form, fmt.Sprintf("%smember.%d", dot, i+1), element)
		}
	default:
		form.Set(at, fmt.Sprint(v))
	}
}

// What differs between two runs of the same story: times, and ids of every kind, in a
// text or the whole of it, as ciphertexts, commitments and the names in the keyring are.
var (
	timesOf = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|[A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d\d:\d\d [AP]M`)
	random  = regexp.MustCompile(`^[A-Za-z0-9+/=_-]{30,}$|` +
		`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\bA[A-Z]{3}[A-Z0-9]{16,17}\b|secret:app/db-[A-Za-z0-9]{6}`)
)

// alike gives the records with what varies replaced: an id by the order in which it was
// first seen, so that a record that names another key than its twin still shows.
func alike(t *testing.T, lines []string) []string {
	t.Helper()
	names := map[string]string{}
	named := func(id string) string {
		if names[id] == "" {
			names[id] = fmt.Sprintf("<%d>", len(names)+1)
		}
		return names[id]
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case object:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				v[name] = walk(v[name])
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case string:
			return random.ReplaceAllStringFunc(timesOf.ReplaceAllString(v, "<time>"), named)
		}
		return v
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		var r object
		unmarshal(t, []byte(line), &r)
		for _, transportsOwn := range []string{"at", "src", "agent"} {
			delete(r, transportsOwn)
		}
		raw, err := json.Marshal(walk(r))
		if err != nil {
			t.Fatal(err)
		}
		out[i] = string(raw)
	}
	return out
}
