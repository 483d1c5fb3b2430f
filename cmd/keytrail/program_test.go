package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

// TestProgramHelp: every command explains itself, to whoever asks for it.
func TestProgramHelp(t *testing.T) {
	root := keytrail(t, nil, "", "--help").want(t, 0, "keytrail demo", "keytrail server --data-dir DIR", "admin.env")
	if bare := keytrail(t, nil, ""); bare != root {
		t.Errorf("without arguments: %s", bare)
	}
	commands := map[string][]string{}
	var walk func(path []string, help string)
	walk = func(path []string, help string) {
		_, list, _ := strings.Cut(help, "Available Commands:\n")
		list, _, _ = strings.Cut(list, "\n\n")
		for _, l := range strings.Split(list, "\n") {
			if f := strings.Fields(l); len(f) > 1 && f[0] != "help" {
				at := append(append([]string{}, path...), f[0])
				r := keytrail(t, nil, "", append(at, "--help")...).want(t, 0, "Usage:\n  keytrail "+strings.Join(at, " "))
				commands[strings.Join(at, " ")] = at
				walk(at, r.stdout)
			}
		}
	}
	walk(nil, root.stdout)
	for _, name := range []string{"server", "demo", "call", "verify", "bench", "version", "who-can", "key create", "key encrypt", "secret put", "audit tail", "audit show", "audit explain"} {
		if commands[name] == nil {
			t.Errorf("help does not lead to %q", name)
		}
	}
	keytrail(t, nil, "", "version").want(t, 0, "keytrail ")
}

// TestProgramUsage: what was typed wrong ends with exit code 2 and says what, on
// standard error.
func TestProgramUsage(t *testing.T) {
	credentials := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAAAAAAAAAAAAAAAAA", "AWS_SECRET_ACCESS_KEY": "x", "KEYTRAIL_NATS_URL": "nats://127.0.0.1:1"}
	for _, u := range []struct {
		args []string
		says string
	}{
		{[]string{"nothing"}, `"nothing"`},
		{[]string{"--nothing"}, "--nothing"},
		{[]string{"server"}, "needs --data-dir DIR"},
		{[]string{"server", "--data-dir", "x", "y"}, "argument"},
		{[]string{"server", "--data-dir", "x", "--rekey-mode", "y"}, "--rekey-mode is strict or aws"},
		{[]string{"server", "--data-dir", "x", "--log-level", "y"}, "--log-level"},
		{[]string{"server", "--data-dir", "x", "--account", "12"}, "--account"},
		{[]string{"server", "--data-dir", "x", "--region", "Nowhere"}, "--region"},
		{[]string{"server", "--data-dir", "x", "--nats-listen", "4222"}, "--nats-listen"},
		{[]string{"verify"}, "needs --data-dir DIR"},
		{[]string{"call"}, "SERVICE OPERATION [JSON|-]"},
		{[]string{"call", "kms"}, "SERVICE OPERATION [JSON|-]"},
		{[]string{"call", "kms", "Encrypt", "{"}, "is not JSON"},
		{[]string{"call", "kms", "Encrypt", "{}", "{}"}, "SERVICE OPERATION [JSON|-]"},
		{[]string{"key", "nothing"}, `no verb "nothing"`},
		{[]string{"secret", "nothing"}, `no verb "nothing"`},
		{[]string{"audit", "nothing"}, `no verb "nothing"`},
		{[]string{"key", "show"}, "KEY"},
		{[]string{"secret", "get"}, "SECRET"},
		{[]string{"audit", "show"}, "either --n N or --request ID"},
		{[]string{"audit", "show", "--n", "1", "--request", "x"}, "either --n N or --request ID"},
		{[]string{"audit", "explain"}, "REQUEST-ID"},
		{[]string{"who-can", "kms:Decrypt"}, "ACTION RESOURCE"},
		{[]string{"bench", "--callers", "0"}, "--callers"},
	} {
		r := keytrail(t, credentials, "", u.args...)
		if r.exit != 2 || !strings.Contains(r.stderr, u.says) || r.stdout != "" {
			t.Errorf("keytrail %s: want %q, got %s", strings.Join(u.args, " "), u.says, r)
		}
	}
	for _, args := range [][]string{{"call", "sts", "GetCallerIdentity"}, {"key", "ls"}, {"audit", "tail"}} {
		keytrail(t, nil, "", args...).want(t, 2, "AWS_ACCESS_KEY_ID", "admin.env")
	}
	keytrail(t, credentials, "", "call", "sts", "GetCallerIdentity").want(t, 1, "127.0.0.1:1")
	keytrail(t, nil, "", "verify", "--data-dir", filepath.Join(t.TempDir(), "none")).want(t, 1, "no data directory")
	if _, err := os.Stat("x"); err == nil {
		t.Error("a wrong call of server has made the data directory")
	}
}

// TestProgramServerStarts: what the first start leaves, and what keeps a server
// from starting.
func TestProgramServerStarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	p := serve(t, dir, "--account", "123456789012", "--region", "eu-central-1")
	t.Run("files", func(t *testing.T) {
		for name, mode := range map[string]os.FileMode{"": os.ModeDir | 0o700, "admin.env": 0o600, "root.key": 0o600, "head": 0o600} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
				t.Errorf("%q: %v, %v, want %v", name, info.Mode(), err, mode)
			}
		}
		for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "KEYTRAIL_NATS_URL"} {
			if p.env[name] == "" {
				t.Errorf("admin.env has no %s", name)
			}
		}
		if p.env["AWS_REGION"] != "eu-central-1" {
			t.Errorf("admin.env has the Region %s", p.env["AWS_REGION"])
		}
		p.run(t, "", "call", "sts", "GetCallerIdentity").want(t, 0, `"Arn":"arn:aws:iam::123456789012:user/admin"`)
	})
	t.Run("operators", func(t *testing.T) {
		for path, text := range map[string]string{"/healthz": "ok", "/readyz": "ok", "/metrics": "\nkeytrail_log_durable 1\n"} {
			if status, body := p.ops(t, path); status != 200 || !strings.Contains(body, text) {
				t.Errorf("%s: %d %.200s", path, status, body)
			}
		}
	})
	t.Run("second server", func(t *testing.T) {
		refuses(t, dir, "another keytrail uses the data directory "+dir)
		verify(t, dir).want(t, 1, "another keytrail uses the data directory "+dir)
		p.run(t, "", "call", "sts", "GetCallerIdentity").want(t, 0)
	})
	t.Run("port in use", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		for _, flag := range []string{"--nats-listen", "--http-listen", "--ops-listen"} {
			fresh := t.TempDir()
			s := spawn(t, fresh, nil, flag, taken.Addr().String())
			if s.wait(t) == nil || !strings.Contains(s.stderr.String(), flag) || !strings.Contains(s.stderr.String(), "in use") {
				t.Errorf("%s: %v\n%s", flag, s.err, s.stderr)
			}
			serve(t, fresh).stop(t) // a start that failed leaves nothing in the way
		}
	})
	t.Run("not loopback", func(t *testing.T) {
		for flag, missing := range map[string]string{"--nats-listen": "--nats-tls-cert", "--http-listen": "--http-tls-cert", "--ops-listen": "--ops-tls-cert"} {
			for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
				s := spawn(t, t.TempDir(), nil, flag, address)
				if s.wait(t) == nil || !strings.Contains(s.stderr.String(), missing) {
					t.Errorf("%s %s: %v\n%s", flag, address, s.err, s.stderr)
				}
			}
		}
	})
	t.Run("root key", func(t *testing.T) {
		p.stop(t)
		if err := os.Chmod(filepath.Join(dir, "root.key"), 0o640); err != nil {
			t.Fatal(err)
		}
		refuses(t, dir, "can be read by others (mode 0640)", "chmod 600 "+filepath.Join(dir, "root.key"))
		if err := os.Chmod(filepath.Join(dir, "root.key"), 0o600); err != nil {
			t.Fatal(err)
		}
		// Account and Region are those of the first start, whatever is said now.
		p = serve(t, dir)
		p.run(t, "", "call", "sts", "GetCallerIdentity").want(t, 0, "123456789012")
		if p.env["AWS_REGION"] != "eu-central-1" {
			t.Errorf("after a restart admin.env has the Region %s", p.env["AWS_REGION"])
		}
	})
}

// TestProgramStops: SIGTERM under load answers all that was carried out, and what
// was not answered was not carried out.
func TestProgramStops(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, dir)
	admin := p.connect(t)
	key := newKey(t, admin)
	var mu sync.Mutex
	answered, lost := map[string]bool{}, map[string]error{}
	var running sync.WaitGroup
	for i := range 64 {
		running.Go(func() {
			for j := 0; ; j++ {
				id := fmt.Sprintf("call-%d-%d", i, j)
				_, err := invoke(t.Context(), admin, "kms", "Encrypt", object{"KeyId": key, "Plaintext": "aGVsbG8=", "EncryptionContext": object{"id": id}}, nil)
				mu.Lock()
				if err == nil {
					answered[id] = true
				} else {
					lost[id] = err
				}
				mu.Unlock()
				var refused *client.APIError
				if err != nil && !(errors.As(err, &refused) && refused.Status == 503) {
					return
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	p.stop(t)
	admin.Close()
	running.Wait()
	if len(answered) == 0 {
		t.Fatal("nothing was answered before the stop")
	}
	if says := p.stderr.String(); strings.Contains(says, `"level":"error"`) {
		t.Errorf("the stop was not clean:\n%s", says)
	}
	stored := map[string]bool{}
	mark := regexp.MustCompile(`"(call-\d+-\d+)"`)
	for _, r := range readLog(t, dir) {
		if m := mark.FindStringSubmatch(r.line); m != nil && r.Outcome == "ok" {
			stored[m[1]] = true
			if !answered[m[1]] {
				t.Errorf("%s is in the log and was answered with %v", m[1], lost[m[1]])
			}
		}
	}
	for id := range answered {
		if !stored[id] {
			t.Errorf("%s was answered and is not in the log", id)
		}
	}
	t.Logf("%d answered, %d not", len(answered), len(lost))
	verify(t, dir).want(t, 0, "ok: ")
	p = serve(t, dir)
	if says := p.stderr.String(); strings.Contains(says, `"level":"warn"`) || strings.Contains(says, `"level":"error"`) {
		t.Errorf("the start after a clean stop complains:\n%s", says)
	}
	p.stop(t)
}

// TestProgramAnswersBeforeItStops: what has reached the server when SIGTERM comes
// is carried out and answered, all of it.
func TestProgramAnswersBeforeItStops(t *testing.T) {
	const calls = 2000
	p := serve(t, t.TempDir())
	admin := p.connect(t)
	key := newKey(t, admin)
	outcomes := make(chan error, calls)
	for i := range calls {
		body := fmt.Appendf(nil, `{"Name":"secret-%d","SecretString":"x","KmsKeyId":%q}`, i, key)
		if err := admin.Start("secretsmanager", "CreateSecret", body, func(_ *client.Reply, err error) { outcomes <- err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := admin.Conn().FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	p.stop(t)
	lost := map[string]int{}
	for range calls {
		select {
		case err := <-outcomes:
			if err != nil {
				lost[err.Error()]++
			}
		case <-time.After(patience):
			t.Fatal("a call was never answered")
		}
	}
	if len(lost) > 0 {
		t.Errorf("of %d calls: %v", calls, lost)
	}
}

// TestProgramCall: any operation, JSON in and JSON out.
func TestProgramCall(t *testing.T) {
	p := serve(t, t.TempDir())
	created := p.run(t, "", "call", "kms", "CreateKey", `{"Description":"orders"}`).want(t, 0)
	var k struct {
		KeyMetadata struct{ KeyId, Description string }
	}
	unmarshal(t, []byte(created.stdout), &k)
	if k.KeyMetadata.Description != "orders" || created.stderr != "" {
		t.Errorf("%s", created)
	}
	p.run(t, `{"Name":"from-stdin","SecretString":"x"}`, "call", "secretsmanager", "CreateSecret", "-").want(t, 0, `"Name":"from-stdin"`)
	p.run(t, "", "call", "secretsmanager", "CreateSecret", "-").want(t, 2, "is not JSON")

	receipt := p.run(t, "", "call", "kms", "DescribeKey", `{"KeyId":"`+k.KeyMetadata.KeyId+`"}`, "--receipt").want(t, 0)
	m := regexp.MustCompile(`^request ([0-9a-f-]{36}), record n=(\d+) in commit (\d+)\n$`).FindStringSubmatch(receipt.stderr)
	if m == nil || !json.Valid([]byte(receipt.stdout)) {
		t.Fatalf("%s", receipt)
	}
	p.run(t, "", "audit", "show", "--n", m[2]).want(t, 0, `"n":`+m[2]+`,`, `"req":"`+m[1]+`"`, `"op":"kms:DescribeKey"`)
	p.run(t, "", "audit", "show", "--request", m[1]).want(t, 0, `"n":`+m[2]+`,`)
	p.run(t, "", "audit", "show", "--n", "1000000").want(t, 1, "ResourceNotFoundException")

	refused := p.run(t, "", "call", "kms", "DescribeKey", `{"KeyId":"alias/none"}`).want(t, 1, "kms DescribeKey was refused (NotFoundException): ")
	id := regexp.MustCompile(`keytrail audit explain ([0-9a-f-]{36})\n`).FindStringSubmatch(refused.stderr)
	if id == nil || refused.stdout != "" {
		t.Fatalf("%s", refused)
	}
	p.run(t, "", "audit", "explain", id[1]).want(t, 0, "kms:DescribeKey", "NotFound")
	// AWS sends some errors without a text.
	if bare := p.run(t, "", "call", "kms", "Decrypt", `{"CiphertextBlob":"AAAA"}`).want(t, 1, "was refused (InvalidCiphertextException)\n"); strings.Contains(bare.stderr, ": \n") {
		t.Errorf("%s", bare)
	}
	p.run(t, "", "call", "kms", "Nothing").want(t, 1, "UnknownOperationException")
	p.run(t, "", "call", "kms", "No.thing").want(t, 1, "No.thing")

	wrong := map[string]string{"AWS_ACCESS_KEY_ID": p.env["AWS_ACCESS_KEY_ID"], "AWS_SECRET_ACCESS_KEY": "wrong", "KEYTRAIL_NATS_URL": p.env["KEYTRAIL_NATS_URL"]}
	keytrail(t, wrong, "", "call", "sts", "GetCallerIdentity").want(t, 1, "refused the credentials")
	// The flag goes before the environment.
	keytrail(t, wrong, "", "call", "sts", "GetCallerIdentity", "--nats-url", "nats://127.0.0.1:1").want(t, 1, "127.0.0.1:1")
	// What a shell makes of admin.env is enough for the program.
	cmd := exec.Command("sh", "-euc", `. "$1/admin.env"; exec "$2" call sts GetCallerIdentity`, "sh", p.dir, program)
	cmd.Env = cleanEnvironment(nil)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), ":user/admin") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestProgramDemo: the demo ends with its count, and says no less than the story.
func TestProgramDemo(t *testing.T) {
	r := keytrail(t, map[string]string{"TMPDIR": t.TempDir()}, "", "demo").want(t, 0, "Who can?", "kms:Decrypt", "AccessDenied")
	lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
	m := regexp.MustCompile(`^demo: (\d+) steps, (\d+) as expected$`).FindStringSubmatch(lines[len(lines)-1])
	if m == nil || m[1] != m[2] || r.stderr != "" {
		t.Fatalf("%s", r)
	}
	if steps, _ := strconv.Atoi(m[1]); steps < 20 {
		t.Errorf("a story of %d steps", steps)
	}
	if strings.Contains(r.stdout, "\x1b[") {
		t.Error("colour where there is no terminal")
	}
}
