package main_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// audited is a server on which some things have been done by two users.
func audited(t *testing.T) (p *process, bob map[string]string) {
	t.Helper()
	p = serve(t, t.TempDir())
	p.run(t, "", "key", "create", "--alias", "orders").want(t, 0)
	p.run(t, "x", "secret", "create", "app").want(t, 0)
	p.run(t, "y", "secret", "create", "other").want(t, 0)
	for range 3 {
		p.run(t, "", "secret", "get", "app").want(t, 0)
	}
	p.run(t, "plain", "key", "encrypt", "alias/orders").want(t, 0)
	_, accessKey, secret := newUser(t, p.connect(t), "bob")
	bob = map[string]string{"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secret, "KEYTRAIL_NATS_URL": p.env["KEYTRAIL_NATS_URL"]}
	keytrail(t, bob, "", "secret", "get", "app").want(t, 1)
	return p, bob
}

// events are JSON lines of CloudTrail records, as "name error" each.
func events(t *testing.T, out string) []string {
	t.Helper()
	all := []string{}
	for l := range strings.Lines(out) {
		var e struct{ EventVersion, EventName, ErrorCode string }
		unmarshal(t, []byte(l), &e)
		if e.EventVersion != "1.11" {
			t.Fatalf("no CloudTrail record: %s", l)
		}
		all = append(all, strings.TrimSpace(e.EventName+" "+e.ErrorCode))
	}
	return all
}

// TestProgramAuditQuery: conditions, alone and together, a SELECT, and who may ask.
func TestProgramAuditQuery(t *testing.T) {
	p, bob := audited(t)
	for _, tt := range []struct {
		args string
		want string
	}{
		{"--error any", "GetSecretValue AccessDenied"},
		{"--error AccessDenied --principal bob", "GetSecretValue AccessDenied"},
		{"--error ThrottlingException", ""},
		{"--secret app", "GetSecretValue AccessDenied,GetSecretValue,GetSecretValue,GetSecretValue,CreateSecret"},
		{"--secret app --principal admin --event secretsmanager:GetSecretValue", "GetSecretValue,GetSecretValue,GetSecretValue"},
		{"--event secretsmanager:* --oldest-first --limit 2", "CreateSecret,CreateSecret"},
		{"--secret other", "CreateSecret"},
		{"--key alias/orders", "Encrypt,CreateAlias,CreateKey"},
		{"--resource alias/orders --event Encrypt", "Encrypt"},
		{"--source kms --event Encrypt", "Encrypt"},
		{"--source kms.amazonaws.com --event Encrypt --since 1h", "Encrypt"},
		{"--source 127.0.0.1 --event Encrypt", "Encrypt"},
		{"--source 192.0.2.1", ""},
		{"--event Encrypt --until 1h", ""},
		{"--event Encrypt --since 2020-01-01 --until 2020-12-31", ""},
		{"--event Encrypt --since " + time.Now().UTC().Add(-time.Hour).Format(time.RFC3339) + " --until " + time.Now().UTC().Format(time.DateOnly), "Encrypt"},
		{"--access-key " + bob["AWS_ACCESS_KEY_ID"], "GetSecretValue AccessDenied"},
	} {
		got := strings.Join(events(t, p.run(t, "", append([]string{"audit", "query"}, strings.Fields(tt.args)...)...).want(t, 0).stdout), ",")
		if got != tt.want {
			t.Errorf("audit query %s: %s, want %s", tt.args, got, tt.want)
		}
	}
	p.run(t, "", "audit", "query", "--limit", "3").want(t, 0, "there are more")

	rows := p.run(t, "", "audit", "query", "--sql", "SELECT eventName AS what, count(*) AS calls FROM events WHERE secretArn LIKE '%:secret:app-%' GROUP BY 1 ORDER BY 2 DESC").want(t, 0).stdout
	if rows != "{\"what\":\"GetSecretValue\",\"calls\":4}\n{\"what\":\"CreateSecret\",\"calls\":1}\n" {
		t.Errorf("rows: %s", rows)
	}
	p.run(t, "", "audit", "query", "--sql", "DELETE FROM events").want(t, 1, "ValidationException", "one SELECT")
	p.run(t, "", "audit", "query", "--sql", "SELEC").want(t, 1)
	p.run(t, "", "audit", "query", "--sql", "SELECT 1", "--error", "any").want(t, 2)
	p.run(t, "", "audit", "query", "--since", "yesterday").want(t, 2, "2026-11-23")
	p.run(t, "", "audit", "query", "--limit", "-1").want(t, 2)
	keytrail(t, bob, "", "audit", "query").want(t, 1, "AccessDeniedException", "keytrail:QueryAudit")
	keytrail(t, bob, "", "audit", "query", "--sql", "SELECT * FROM events").want(t, 1, "AccessDeniedException")
	keytrail(t, bob, "", "audit", "export").want(t, 1, "AccessDeniedException")

	// The operation by its other name, and the record that asking leaves.
	p.run(t, "", "call", "audit", "Query", `{"Event":"Encrypt"}`).want(t, 0, `"Records":[{"N":`, `"Resources":[{"ResourceType":"AWS::KMS::Key"`)
	asked := p.run(t, "", "audit", "query", "--event", "keytrail:QueryAudit", "--limit", "1").want(t, 0).stdout
	if !strings.Contains(asked, `"requestParameters":{"event":"Encrypt"}`) {
		t.Errorf("asking is recorded as %s", asked)
	}
	show := p.terminal(t, "audit", "query", "--secret", "app").want(t, 0, "secretsmanager:GetSecretValue", "AccessDenied", "user/bob", ":secret:app-")
	if strings.Contains(show.stdout, "{") {
		t.Errorf("a terminal gets JSON: %s", show.stdout)
	}
	p.terminal(t, "audit", "query", "--sql", "SELECT eventName, errorCode FROM events WHERE userName = 'bob'").want(t, 0, "eventName       errorCode", "GetSecretValue  AccessDenied")
}

// TestProgramAuditPages: going through all records by many pages, each of which
// leaves a record, ends, and gives every record once.
func TestProgramAuditPages(t *testing.T) {
	p, _ := audited(t)
	c := p.connect(t)
	for range 1500 {
		must(t, c, "sts", "GetCallerIdentity", object{}, nil)
	}
	for _, args := range [][]string{{"--limit", "0"}, {"--limit", "0", "--oldest-first"}, {"--limit", "1201"}} {
		ids := map[string]bool{}
		lines := strings.Split(strings.TrimSpace(p.run(t, "", append([]string{"audit", "query"}, args...)...).want(t, 0).stdout), "\n")
		for _, l := range lines {
			var e struct{ EventID string }
			unmarshal(t, []byte(l), &e)
			ids[e.EventID] = true
		}
		if len(ids) != len(lines) || len(lines) < 1201 || args[1] == "1201" && len(lines) != 1201 {
			t.Errorf("%v: %d records, %d of them different", args, len(lines), len(ids))
		}
	}
}

// TestProgramAuditTail: conditions hold live as they do later.
func TestProgramAuditTail(t *testing.T) {
	p, bob := audited(t)
	denied := p.tail(t, "-f", "--error", "any", "--secret", "app", "--principal", "bob")
	keys := p.tail(t, "-f", "--key", "alias/orders", "--event", "kms:Encrypt")
	end := p.tail(t, "--event", "keytrail:QueryAudit")
	keytrail(t, bob, "", "secret", "get", "other").want(t, 1)
	keytrail(t, bob, "", "secret", "get", "app").want(t, 1)
	p.run(t, "", "secret", "get", "app").want(t, 0)
	p.run(t, "plain", "key", "encrypt", "alias/orders").want(t, 0)
	p.run(t, "", "audit", "query", "--limit", "1").want(t, 0)
	for limit := time.Now().Add(patience); !strings.Contains(end.out.String(), "QueryAudit"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the query does not show in the tail: %s", &end.out)
		}
	}
	for name, tt := range map[string]struct {
		tail *tailing
		op   string
	}{"denied": {denied, `"op":"secretsmanager:GetSecretValue"`}, "keys": {keys, `"op":"kms:Encrypt"`}, "end": {end, `"op":"keytrail:QueryAudit"`}} {
		tt.tail.stop(t)
		if out := tt.tail.out.String(); strings.Count(out, "\n") != 1 || !strings.Contains(out, tt.op) {
			t.Errorf("%s shows %s", name, out)
		}
	}
	p.run(t, "", "audit", "tail", "--key", "alias/none").want(t, 1, "NotFoundException")
}

// TestProgramAuditExport: log files as CloudTrail delivers them, and JSON lines,
// hold the records that a query finds.
func TestProgramAuditExport(t *testing.T) {
	p, _ := audited(t)
	until := time.Now().UTC().Format(time.RFC3339Nano)
	time.Sleep(1100 * time.Millisecond) // the bound includes its second
	want := p.run(t, "", "audit", "query", "--limit", "0", "--oldest-first", "--until", until).want(t, 0).stdout

	if got := p.run(t, "", "audit", "export", "--format", "jsonl", "--until", until).want(t, 0).stdout; got != want {
		t.Errorf("exported lines differ:\n%s\nwant\n%s", got, want)
	}
	dir := t.TempDir()
	said := p.run(t, "", "audit", "export", "--format", "jsonl", "--until", until, "--out", dir).want(t, 0, "records in")
	files, err := filepath.Glob(filepath.Join(dir, "000000000000_*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %s", said)
	}
	var whole []byte
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, raw...)
	}
	if string(whole) != want {
		t.Error("lines in files differ")
	}

	var stream struct{ Records []json.RawMessage }
	unmarshal(t, []byte(p.run(t, "", "audit", "export", "--until", until).want(t, 0).stdout), &stream)
	if got := joined(stream.Records); got != want {
		t.Error("the records of one log file differ")
	}
	unmarshal(t, []byte(p.run(t, "", "audit", "export", "--event", "Nothing").want(t, 0, "0 records").stdout), &stream)
	if len(stream.Records) != 0 {
		t.Errorf("%d records of nothing", len(stream.Records))
	}
	p.run(t, "", "audit", "export", "--format", "csv").want(t, 2)

	trail := t.TempDir()
	for range 2 { // the second run makes the same files again
		p.run(t, "", "audit", "export", "--format", "cloudtrail", "--until", until, "--out", trail).want(t, 0, "records in")
	}
	name := regexp.MustCompile(`^AWSLogs/000000000000/CloudTrail/us-east-1/(\d{4})/(\d\d)/(\d\d)/000000000000_CloudTrail_us-east-1_(\d{8})T\d\d[0-5][05]Z_[A-Z2-7]{16}\.json\.gz$`)
	var got []string
	err = filepath.WalkDir(trail, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(trail, path)
		m := name.FindStringSubmatch(filepath.ToSlash(rel))
		if m == nil || m[1]+m[2]+m[3] != m[4] {
			return fmt.Errorf("a file is called %s", rel)
		}
		got = append(got, strings.Split(strings.TrimSpace(joined(logFile(t, path))), "\n")...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	expected := strings.Split(strings.TrimSpace(want), "\n")
	slices.Sort(got)
	slices.Sort(expected)
	if !slices.Equal(got, expected) {
		t.Errorf("%d records in log files, want %d", len(got), len(expected))
	}
}

func logFile(t *testing.T, path string) []json.RawMessage {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Records []json.RawMessage }
	unmarshal(t, bytes.TrimSpace(raw), &file)
	return file.Records
}

func joined(records []json.RawMessage) string {
	var b strings.Builder
	for _, r := range records {
		b.Write(r)
		b.WriteByte('\n')
	}
	return b.String()
}
