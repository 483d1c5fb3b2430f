package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal runs a verb with its output on a terminal, as a person has it, and its
// errors aside.
func (p *process) terminal(t *testing.T, args ...string) result {
	t.Helper()
	return p.onTerminal(t, false, args...)
}

// onTerminal runs a verb on a terminal, with its errors there as well if so said.
func (p *process) onTerminal(t *testing.T, errorsToo bool, args ...string) result {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	defer master.Close()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = cleanEnvironment(p.env)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = slave, &stderr
	if errorsToo {
		cmd.Stderr = slave
	}
	err = cmd.Start()
	slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	// The terminal of a process that has ended gives EIO.
	if _, err := io.Copy(&stdout, master); err != nil && !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	cmd.Wait()
	return result{cmd.ProcessState.ExitCode(), strings.ReplaceAll(stdout.String(), "\r\n", "\n"), stderr.String()}
}

// TestProgramTerminal: tables, colour and sentences for people.
func TestProgramTerminal(t *testing.T) {
	p := serve(t, t.TempDir())
	key := strings.TrimSpace(p.run(t, "", "key", "create", "--alias", "orders", "--description", "the orders").want(t, 0).stdout)
	_, id, _ := strings.Cut(key, "key/")
	p.run(t, "geheim", "secret", "create", "app", "--description", "of the app").want(t, 0)
	_, accessKey, secret := newUser(t, p.connect(t), "bob")
	bob := &process{env: map[string]string{"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secret, "KEYTRAIL_NATS_URL": p.env["KEYTRAIL_NATS_URL"]}}

	p.terminal(t, "key", "ls").want(t, 0, "KEY  ", "STATE", id+"  Enabled  CUSTOMER  orders", "the orders\n")
	p.terminal(t, "key", "ls", "--json").want(t, 0, `"alias": "orders"`)
	p.terminal(t, "key", "disable", "alias/orders").want(t, 0, "DisableKey "+id+": done, record n=")
	p.terminal(t, "secret", "ls").want(t, 0, "NAME  CHANGED", "app   20", "aws/secretsmanager  of the app\n")
	p.terminal(t, "secret", "get", "app").want(t, 0, "geheim\n")
	p.terminal(t, "call", "sts", "GetCallerIdentity").want(t, 0, "{\n  \"UserId\": ")

	refused := bob.terminal(t, "secret", "get", "app").want(t, 1, "AccessDeniedException", "user/bob", "keytrail audit explain ")
	_, request, _ := strings.Cut(strings.TrimSpace(refused.stderr), "audit explain ")
	p.terminal(t, "audit", "explain", request).want(t, 0, "\x1b[31mAccessDenied\x1b[0m", "by identity-policy: lacks a statement that allows it",
		"What would allow it", "in the identity policy of arn:aws:iam::000000000000:user/bob", `"Action": "secretsmanager:GetSecretValue"`)
	bob.terminal(t, "audit", "explain", request).want(t, 1, "keytrail:ExplainRequest")
	p.terminal(t, "who-can", "secretsmanager:GetSecretValue", "app").want(t, 0, ":user/admin", ":root", "identity-policy", "\n2 can, 1 cannot\n")
	p.terminal(t, "who-can", "kms:Decrypt", "alias/none").want(t, 1, "There is no key or secret alias/none.")
}

// TestProgramRebuildOnATerminal: a table of the views, and a bar that fills while
// one is built again.
func TestProgramRebuildOnATerminal(t *testing.T) {
	p, _ := audited(t)
	p.terminal(t, "projections", "ls").want(t, 0, "NAME ", "CURSOR", "LOG END", "LAG", "SIZE", "STATE", "\naudit ", "\naccess ", "\nmetrics ", "following\n")
	shown := p.onTerminal(t, true, "projections", "rebuild", "audit").want(t, 0, "\naudit is built again: ", " commits in ").stdout
	bars := strings.Split(shown, "\r\x1b[K")
	last, _, _ := strings.Cut(bars[len(bars)-1], "\n")
	if len(bars) < 2 || last != "audit ["+strings.Repeat("#", 40)+"] 100 %" {
		t.Errorf("the bar: %q", shown)
	}
}
