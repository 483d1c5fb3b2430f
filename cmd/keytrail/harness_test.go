package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

// The tests of this package are about the program as it is shipped: they build it
// once and treat it as its users do, from outside.

var program string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "keytrail-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "keytrail")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

const patience = time.Minute // for what takes milliseconds when all is well

// process is a running server.
type process struct {
	cmd    *exec.Cmd
	dir    string
	env    map[string]string // of admin.env
	stdout *transcript
	stderr *transcript
	exited chan struct{}
	err    error // of Wait, once exited is closed
}

// transcript keeps what a process prints.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// spawn starts a server on free ports and does not wait for it. wrap, if given,
// is a command that runs the server as its last arguments.
func spawn(t testing.TB, dir string, wrap []string, flags ...string) *process {
	t.Helper()
	args := append(append([]string{}, wrap...), program, "server", "--data-dir", dir,
		"--nats-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	args = append(args, flags...)
	p := &process{cmd: exec.Command(args[0], args[1:]...), dir: dir, stdout: &transcript{}, stderr: &transcript{}, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.Env = cleanEnvironment(nil)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() && testing.Verbose() {
			t.Logf("server on %s:\n%s", dir, p.stderr)
		}
	})
	return p
}

// serve starts a server and returns when it is ready.
func serve(t testing.TB, dir string, flags ...string) *process {
	t.Helper()
	p := spawn(t, dir, nil, flags...)
	p.ready(t)
	return p
}

// ready waits until the server says that it serves and /readyz agrees.
func (p *process) ready(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, ok := p.said("keytrail serves"); ok {
			p.env = sourced(t, filepath.Join(p.dir, "admin.env"))
			if status, _ := p.ops(t, "/readyz"); status == http.StatusOK {
				return
			}
		}
		select {
		case <-p.exited:
			t.Fatalf("the server ended instead of serving: %v\n%s", p.err, p.stderr)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("the server is not ready after %s:\n%s", patience, p.stderr)
		}
	}
}

// said finds a line of the server's log by its message.
func (p *process) said(message string) (map[string]any, bool) {
	for _, l := range strings.Split(p.stderr.String(), "\n") {
		var line map[string]any
		if json.Unmarshal([]byte(l), &line) == nil && line["message"] == message {
			return line, true
		}
	}
	return nil, false
}

// ops asks the address for operators.
func (p *process) ops(t testing.TB, path string) (status int, body string) {
	t.Helper()
	line, ok := p.said("keytrail serves")
	if !ok {
		t.Fatalf("the server has not said where it serves:\n%s", p.stderr)
	}
	resp, err := http.Get(line["ops"].(string) + path)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return resp.StatusCode, string(raw)
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// stop ends the server as an operator does and wants exit code 0.
func (p *process) stop(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t); err != nil {
		t.Fatalf("after SIGTERM: %v\n%s", err, p.stderr)
	}
}

func (p *process) wait(t testing.TB) error {
	t.Helper()
	select {
	case <-p.exited:
		return p.err
	case <-time.After(patience):
		t.Fatalf("the server has not ended after %s:\n%s", patience, p.stderr)
		return nil
	}
}

// sourced is what a shell has after it sourced the file.
func sourced(t testing.TB, path string) map[string]string {
	t.Helper()
	cmd := exec.Command("sh", "-euc", `. "$1" && env`, "sh", path)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("source %s: %v\n%s", path, err, out)
	}
	env := map[string]string{}
	for _, l := range strings.Split(string(out), "\n") {
		name, value, _ := strings.Cut(l, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "KEYTRAIL_") {
			env[name] = value
		}
	}
	return env
}

// cleanEnvironment is this process's without credentials, and what is given.
func cleanEnvironment(extra map[string]string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "KEYTRAIL_") {
			env = append(env, v)
		}
	}
	for name, value := range extra {
		env = append(env, name+"="+value)
	}
	return env
}

// connect connects as the administrator.
func (p *process) connect(t testing.TB) *client.Client {
	t.Helper()
	return p.connectAs(t, p.env["AWS_ACCESS_KEY_ID"], p.env["AWS_SECRET_ACCESS_KEY"], "")
}

func (p *process) connectAs(t testing.TB, accessKey, secret, token string) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Connect(ctx, client.Options{URL: p.env["KEYTRAIL_NATS_URL"], AccessKey: accessKey, Secret: secret, SessionToken: token, Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

type object = map[string]any

// invoke makes a call and decodes its answer.
func invoke(ctx context.Context, c *client.Client, service, operation string, in, out any) (*client.Reply, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reply, err := c.Call(ctx, service, operation, body)
	if err != nil || out == nil {
		return reply, err
	}
	return reply, json.Unmarshal(reply.Body, out)
}

// must is invoke for what has no reason to fail.
func must(t testing.TB, c *client.Client, service, operation string, in, out any) *client.Reply {
	t.Helper()
	reply, err := invoke(t.Context(), c, service, operation, in, out)
	if err != nil {
		t.Fatalf("%s %s: %v", service, operation, err)
	}
	return reply
}

// code is the error code of a refusal, "" for everything else.
func code(err error) string {
	var refused *client.APIError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// result is what a finished command left.
type result struct {
	exit           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("exit %d\nstdout: %s\nstderr: %s", r.exit, r.stdout, r.stderr)
}

// keytrail runs the program to its end.
func keytrail(t testing.TB, env map[string]string, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = cleanEnvironment(env)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("keytrail %s: %v", strings.Join(args, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// run runs a verb against the server.
func (p *process) run(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	return keytrail(t, p.env, stdin, args...)
}

// want checks an exit code and texts that must be in what was printed.
func (r result) want(t testing.TB, exit int, texts ...string) result {
	t.Helper()
	if r.exit != exit {
		t.Fatalf("want exit %d, got %s", exit, r)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Fatalf("want %q, got %s", text, r)
		}
	}
	return r
}
