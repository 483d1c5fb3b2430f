package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestProgramKey: a key's life by the verbs.
func TestProgramKey(t *testing.T) {
	p := serve(t, t.TempDir())
	arn := strings.TrimSpace(p.run(t, "", "key", "create", "--alias", "orders", "--description", "the orders").want(t, 0).stdout)
	_, id, ok := strings.Cut(arn, ":key/")
	if !ok {
		t.Fatalf("key create prints %q", arn)
	}
	policy := `{"Version":"2012-10-17","Statement":{"Sid":"Mine","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/admin"},"Action":"kms:*","Resource":"*"}}`
	p.run(t, policy, "key", "create", "--alias", "alias/second", "--policy", "-").want(t, 0, ":key/")
	p.run(t, "", "key", "show", "alias/second").want(t, 0, `"KeyState":"Enabled"`, `"Sid":"Mine"`)
	half := p.run(t, "", "key", "create", "--alias", "orders").want(t, 1, "AlreadyExistsException", "was created, its alias was not")
	if !strings.Contains(half.stderr, ":key/") {
		t.Errorf("the key without alias is not named: %s", half)
	}
	var list []map[string]string
	unmarshal(t, []byte(p.run(t, "", "key", "ls").want(t, 0).stdout), &list)
	if len(list) != 3 {
		t.Errorf("key ls: %v", list)
	}

	context := []string{"--context", "order=17,customer=4"}
	blob := p.run(t, "attack at dawn", append([]string{"key", "encrypt", "alias/orders"}, context...)...).want(t, 0).stdout
	if plain := p.run(t, blob, append([]string{"key", "decrypt"}, context...)...).want(t, 0); plain.stdout != "attack at dawn" {
		t.Errorf("decrypted: %s", plain)
	}
	p.run(t, blob, "key", "decrypt").want(t, 1, "InvalidCiphertextException")
	file := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(file, []byte(blob), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, "", "key", "rotate", "alias/orders").want(t, 0)
	p.run(t, "", append([]string{"key", "decrypt", file}, context...)...).want(t, 0, "attack at dawn")
	p.run(t, "", "key", "decrypt", file+".none").want(t, 1, "no such file")

	p.run(t, "", "key", "disable", "alias/orders").want(t, 0)
	p.run(t, "x", "key", "encrypt", "alias/orders").want(t, 1, "DisabledException")
	p.run(t, "", "key", "enable", "alias/orders").want(t, 0)
	p.run(t, "x", "key", "encrypt", "alias/orders").want(t, 0)
	p.run(t, "", "key", "delete", "alias/orders", "--window", "6").want(t, 1, "ValidationException")
	p.run(t, "", "key", "delete", "alias/orders", "--window", "7").want(t, 0, `"KeyState":"PendingDeletion"`, id)
	p.run(t, "", "key", "cancel-deletion", id).want(t, 0)
	p.run(t, "", "key", "show", id).want(t, 0, `"KeyState":"Disabled"`)
}

// TestProgramSecret: a secret's life by the verbs.
func TestProgramSecret(t *testing.T) {
	p := serve(t, t.TempDir())
	p.run(t, "first\n", "secret", "create", "app", "--description", "of the app").want(t, 0, `"Name":"app"`)
	if got := p.run(t, "", "secret", "get", "app").want(t, 0); got.stdout != "first" {
		t.Errorf("%s", got)
	}
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("\xff\x00 not text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, "", "secret", "put", "app", file).want(t, 0, `"AWSCURRENT"`)
	if got := p.run(t, "", "secret", "get", "app").want(t, 0); got.stdout != "\xff\x00 not text\n" {
		t.Errorf("%s", got)
	}
	p.run(t, "", "secret", "get", "app", "--stage", "AWSPREVIOUS").want(t, 0, "first")
	var full struct{ VersionId string }
	unmarshal(t, []byte(p.run(t, "", "secret", "get", "app", "--stage", "AWSPREVIOUS", "--json").want(t, 0, `"SecretString":"first"`).stdout), &full)
	p.run(t, "", "secret", "get", "app", "--version-id", full.VersionId).want(t, 0, "first")
	if shown := p.run(t, "", "secret", "show", "app").want(t, 0, full.VersionId, "of the app"); strings.Contains(shown.stdout, "first") {
		t.Errorf("secret show shows the value: %s", shown)
	}
	p.run(t, "x", "secret", "create", "app").want(t, 1, "ResourceExistsException")
	p.run(t, "x", "secret", "create", "other").want(t, 0)
	var list []map[string]string
	unmarshal(t, []byte(p.run(t, "", "secret", "ls", "ap").want(t, 0).stdout), &list)
	if len(list) != 1 || list[0]["name"] != "app" || list[0]["key"] != "aws/secretsmanager" {
		t.Errorf("secret ls ap: %v", list)
	}
	p.run(t, "", "secret", "delete", "app", "--window", "7").want(t, 0, `"DeletionDate"`)
	p.run(t, "", "secret", "get", "app").want(t, 1, "InvalidRequestException")
	p.run(t, "", "secret", "restore", "app").want(t, 0)
	p.run(t, "", "secret", "get", "app", "--stage", "AWSPREVIOUS").want(t, 0, "first")
	p.run(t, "", "secret", "delete", "app", "--force").want(t, 0)
	p.run(t, "", "secret", "get", "app").want(t, 1, "ResourceNotFoundException")
}

// TestProgramAudit: what was done shows in the trail, at once and later.
func TestProgramAudit(t *testing.T) {
	p := serve(t, t.TempDir())
	all, denied := p.tail(t), p.tail(t, "--op", "secretsmanager", "--outcome", "AccessDenied")
	p.run(t, "x", "secret", "create", "app").want(t, 0)
	p.run(t, "", "secret", "get", "app").want(t, 0)
	_, accessKey, secret := newUser(t, p.connect(t), "bob")
	bob := map[string]string{"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secret, "KEYTRAIL_NATS_URL": p.env["KEYTRAIL_NATS_URL"]}
	refused := keytrail(t, bob, "", "secret", "get", "app").want(t, 1, "keytrail audit explain ")
	keytrail(t, bob, "", "audit", "tail").want(t, 1, "is not authorized to perform: keytrail:TailRecords")
	_, request, _ := strings.Cut(strings.TrimSpace(refused.stderr), "audit explain ")

	for end := time.Now().Add(patience); !strings.Contains(denied.out.String(), request) || !strings.Contains(all.out.String(), request); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the refusal %s does not show in the tail:\n%s\n%s", request, &all.out, &denied.out)
		}
	}
	all.stop(t)
	denied.stop(t)
	var ops []string
	stored := map[string]string{}
	for _, l := range strings.Split(strings.TrimSpace(all.out.String()), "\n") {
		var r struct{ Req, Op, Via string }
		unmarshal(t, []byte(l), &r)
		if r.Op != "keytrail:TailRecords" { // another begins to watch, or may not
			ops = append(ops, strings.TrimSuffix(r.Op+" "+r.Via, " "))
		}
		stored[r.Req] = l
	}
	if got, want := strings.Join(ops, ","), "kms:CreateKey secretsmanager,kms:GenerateDataKey secretsmanager,secretsmanager:CreateSecret,kms:Decrypt secretsmanager,secretsmanager:GetSecretValue,iam:CreateUser,iam:CreateAccessKey,secretsmanager:GetSecretValue"; got != want {
		t.Errorf("the tail shows %s, want %s", got, want)
	}
	if n := strings.Count(denied.out.String(), "\n"); n != 1 {
		t.Errorf("the filtered tail shows %d records:\n%s", n, &denied.out)
	}
	// The line is the evidence: the same bytes live, looked up, and in the log.
	shown := p.run(t, "", "audit", "show", "--request", request).want(t, 0).stdout
	if strings.TrimSpace(shown) != stored[request] {
		t.Errorf("shown  %s\ntailed %s", shown, stored[request])
	}
	p.run(t, "", "audit", "explain", request).want(t, 0, `"Operation":"secretsmanager:GetSecretValue"`, `"Remedies":[{`, "user/bob")
	var who struct {
		Principals []struct{ Principal string }
		Refused    int
	}
	unmarshal(t, []byte(p.run(t, "", "who-can", "secretsmanager:GetSecretValue", "app").want(t, 0).stdout), &who)
	if raw, _ := json.Marshal(who); string(raw) != `{"Principals":[{"Principal":"arn:aws:iam::000000000000:root"},{"Principal":"arn:aws:iam::000000000000:user/admin"}],"Refused":1}` {
		t.Errorf("who-can: %s", raw)
	}
	p.stop(t)
	for _, r := range readLog(t, p.dir) {
		if r.Request == request && r.line != stored[request] {
			t.Errorf("stored %s\ntailed %s", r.line, stored[request])
		}
	}
}
