package dashboards_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// output is what a process has printed so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// await waits until the process has printed what matches, and returns the first
// group of it.
func (o *output) await(t testing.TB, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m[1]
		}
	}
	t.Fatalf("no %s after %s:\n%s", pattern, patience, o)
	return ""
}

// start starts a process that is killed at the end of the test.
func start(t testing.TB, cmd *exec.Cmd) *output {
	t.Helper()
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	check(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return out
}

var programDir string

var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "keytrail")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/keytrail").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	var err error
	if programDir, err = os.MkdirTemp("", "keytrail-dashboards-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(programDir)
	os.Exit(code)
}

// server is a running Keytrail and what the load uses of it.
type server struct {
	program, ops, http string
	admin, user        []string // environments with credentials
	key, doomed        string
	blob               string
}

func startServer(t testing.TB) *server {
	t.Helper()
	path, err := program()
	check(t, err)
	dir := t.TempDir()
	cmd := exec.Command(path, "server", "--data-dir", dir, "--nats-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	cmd.Env = environment()
	out := start(t, cmd)
	s := &server{program: path, ops: out.await(t, `"ops":"(http[^"]+)".*keytrail serves`), http: out.await(t, `"aws":"(http[^"]+)"`)}
	sourced, err := exec.Command("sh", "-euc", `. "$1" && env`, "sh", filepath.Join(dir, "admin.env")).Output()
	check(t, err)
	for line := range strings.Lines(string(sourced)) {
		if strings.HasPrefix(line, "AWS_") || strings.HasPrefix(line, "KEYTRAIL_") {
			s.admin = append(s.admin, strings.TrimSpace(line))
		}
	}
	var made struct {
		KeyMetadata    struct{ KeyId string }
		CiphertextBlob string
		AccessKey      struct{ AccessKeyId, SecretAccessKey string }
	}
	must := func(service, operation, in string) {
		t.Helper()
		raw, err := s.call(s.admin, service, operation, in)
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", service, operation, err, raw)
		}
		check(t, json.Unmarshal(raw, &made))
	}
	must("kms", "CreateKey", `{}`)
	s.doomed = made.KeyMetadata.KeyId
	must("kms", "ScheduleKeyDeletion", `{"KeyId":"`+s.doomed+`","PendingWindowInDays":7}`)
	must("kms", "CreateKey", `{}`)
	s.key = made.KeyMetadata.KeyId
	must("kms", "Encrypt", `{"KeyId":"`+s.key+`","Plaintext":"aGVsbG8="}`)
	s.blob = made.CiphertextBlob
	must("secretsmanager", "CreateSecret", `{"Name":"app/db","SecretString":"x","KmsKeyId":"`+s.key+`"}`)
	must("secretsmanager", "CreateSecret", `{"Name":"app/old","SecretString":"x"}`)
	must("secretsmanager", "DeleteSecret", `{"SecretId":"app/old","RecoveryWindowInDays":7}`)
	must("iam", "CreateUser", `{"UserName":"reader"}`)
	must("iam", "CreateAccessKey", `{"UserName":"reader"}`)
	for _, v := range s.admin {
		if !strings.HasPrefix(v, "AWS_ACCESS_KEY_ID=") && !strings.HasPrefix(v, "AWS_SECRET_ACCESS_KEY=") {
			s.user = append(s.user, v)
		}
	}
	s.user = append(s.user, "AWS_ACCESS_KEY_ID="+made.AccessKey.AccessKeyId, "AWS_SECRET_ACCESS_KEY="+made.AccessKey.SecretAccessKey)
	return s
}

// environment is this process's without what leads to another server.
func environment(extra ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "KEYTRAIL_") {
			env = append(env, v)
		}
	}
	return append(env, extra...)
}

func (s *server) call(as []string, service, operation, in string) ([]byte, error) {
	cmd := exec.Command(s.program, "call", service, operation, in)
	cmd.Env = environment(as...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return out, err
}

// round makes one call of each kind that the dashboards show, and tells whether
// all went as they should.
func (s *server) round(t testing.TB) bool {
	stranger := append(append([]string{}, s.user...), "AWS_SECRET_ACCESS_KEY=wrong")
	for _, c := range []struct {
		as                     []string
		service, operation, in string
		refusal                string // "" = none
	}{
		{s.admin, "kms", "Decrypt", `{"CiphertextBlob":"` + s.blob + `"}`, ""},
		{s.user, "kms", "Decrypt", `{"CiphertextBlob":"` + s.blob + `"}`, "AccessDeniedException"},
		{s.admin, "kms", "Encrypt", `{"KeyId":"` + s.doomed + `","Plaintext":"aGVsbG8="}`, "KMSInvalidStateException"},
		{s.admin, "kms", "CreateGrant", `{"KeyId":"` + s.key + `","GranteePrincipal":"arn:aws:iam::000000000000:user/reader","Operations":["DescribeKey"]}`, ""},
		{s.admin, "secretsmanager", "GetSecretValue", `{"SecretId":"app/db"}`, ""},
		{s.admin, "secretsmanager", "PutSecretValue", `{"SecretId":"app/db","SecretString":"y"}`, ""},
		{s.user, "secretsmanager", "GetSecretValue", `{"SecretId":"app/db"}`, "AccessDeniedException"},
		{s.admin, "sts", "GetSessionToken", `{}`, ""},
		{stranger, "sts", "GetCallerIdentity", `{}`, "onnect"},
	} {
		out, err := s.call(c.as, c.service, c.operation, c.in)
		if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%s %s: %v\n%s", c.service, c.operation, err, out)
			return false
		}
	}
	if resp, err := http.Get(s.http); err == nil { // nobody who is known
		resp.Body.Close()
	}
	return true
}
