package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

// TestFaultWriteFails lets the file system refuse to make the log's file larger,
// in the midst of serving: the write itself fails, and nothing warned of it.
func TestFaultWriteFails(t *testing.T) {
	if testing.Short() {
		t.Skip("a failed write shows as an acknowledgement that never comes: 10 seconds")
	}
	dir := t.TempDir()
	// Twice 512 bytes in a kilobyte: no file may be larger than 1 MiB.
	p := spawn(t, dir, []string{"sh", "-c", `ulimit -f 2048 && exec "$@"`, "sh"})
	p.ready(t)
	d := newDiary(t, p)
	d.writeUntilRefused(t, 3<<20)
	d.wantClosed(t, p, "")
	d.wantNothingReleased(t)

	p.cmd.Process.Signal(os.Interrupt)
	p.wait(t) // a log that cannot be written may be a reason to complain; not to hang
	p = serve(t, dir)
	d.wantAll(t, p)
	p.stop(t)
	verify(t, dir).want(t, 0, "ok: ")
}

// TestFaultDiskFull fills the disk that the server writes to, at first up to the
// reserve that it keeps, then to the last byte, and makes room again.
func TestFaultDiskFull(t *testing.T) {
	disk := smallDisk(t, 80<<20)
	dir := filepath.Join(disk, "data")
	p := serve(t, dir)
	d := newDiary(t, p)
	filler := filepath.Join(disk, "filler")
	fill(t, filler, 15<<20)
	d.writeUntilRefused(t, 8<<20)
	d.wantClosed(t, p, "no space for the log")
	d.wantNothingReleased(t)

	fill(t, filler, 1<<40) // until nothing goes in any more
	d.wantClosed(t, p, "no space for the log")
	d.wantNothingReleased(t)
	p.cmd.Process.Signal(os.Interrupt)
	p.wait(t)
	failed := spawn(t, dir, nil)
	if failed.wait(t) == nil {
		t.Error("the server starts on a full disk and ends with exit code 0")
	}
	if says := failed.stderr.String(); !strings.Contains(says, "space") {
		t.Errorf("on a full disk the server says %s", says)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p = serve(t, dir)
	d.wantAll(t, p)

	// With room again a server goes on that was not restarted.
	fill(t, filler, 15<<20)
	d.admin = p.connect(t)
	d.writeUntilRefused(t, 8<<20)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.ready(t)
	d.wantAll(t, p)
	p.stop(t)
	verify(t, dir).want(t, 0, "ok: ")
}

// diary is a caller that writes until it cannot, and knows what was acknowledged.
type diary struct {
	admin   *client.Client
	key     string
	secrets map[string]string // acknowledged
	written string            // the description that was acknowledged last
	tried   string            // the description that was sent last
}

func newDiary(t *testing.T, p *process) *diary {
	d := &diary{admin: p.connect(t), secrets: map[string]string{}}
	d.key = newKey(t, d.admin)
	for i := range 5 {
		d.create(t, fmt.Sprintf("early-%d", i))
	}
	return d
}

func (d *diary) create(t *testing.T, name string) {
	t.Helper()
	must(t, d.admin, "secretsmanager", "CreateSecret", object{"Name": name, "SecretString": "value of " + name, "KmsKeyId": d.key}, nil)
	d.secrets[name] = "value of " + name
}

// writeUntilRefused writes records of 8 KiB that do not compress until one is not
// taken, which must be before so many bytes.
func (d *diary) writeUntilRefused(t *testing.T, most int) {
	t.Helper()
	for range most / 8000 {
		text := make([]byte, 8000)
		for i := range text {
			text[i] = byte('0' + rand.IntN(75))
		}
		d.tried = strings.Map(func(r rune) rune {
			if r == '\\' || r == '`' {
				return '-'
			}
			return r
		}, string(text))
		_, err := invoke(t.Context(), d.admin, "kms", "UpdateKeyDescription", object{"KeyId": d.key, "Description": d.tried}, nil)
		if err == nil {
			d.written = d.tried
			continue
		}
		d.wantRetryable(t, err)
		return
	}
	t.Fatalf("%d bytes were written and nothing was refused", most)
}

// wantRetryable wants the error that tells a caller to try again.
func (d *diary) wantRetryable(t *testing.T, err error) {
	t.Helper()
	var refused *client.APIError
	if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable || !strings.Contains(refused.Message, "Try again") {
		t.Fatalf("the caller gets %v", err)
	}
}

// wantClosed wants the server alive, not ready, and saying why.
func (d *diary) wantClosed(t *testing.T, p *process, reason string) {
	t.Helper()
	status, body := 0, ""
	for range 100 {
		if status, body = p.ops(t, "/readyz"); status == http.StatusServiceUnavailable {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if status != http.StatusServiceUnavailable || !strings.Contains(body, reason) || len(body) < len("not ready: x") {
		t.Errorf("/readyz: %d %s, want the reason %q", status, body, reason)
	}
	t.Logf("/readyz: %s", strings.TrimSpace(body))
	if status, body := p.ops(t, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if _, body := p.ops(t, "/metrics"); !strings.Contains(body, "\nkeytrail_log_writable 0\n") {
		t.Error("the metrics say that the log is writable")
	}
}

// wantNothingReleased wants every call refused at once: no value may leave
// without its record.
func (d *diary) wantNothingReleased(t *testing.T) {
	t.Helper()
	for _, try := range []struct {
		service, operation string
		in                 object
	}{
		{"secretsmanager", "GetSecretValue", object{"SecretId": "early-0"}},
		{"kms", "Encrypt", object{"KeyId": d.key, "Plaintext": "aGVsbG8="}},
		{"kms", "GenerateDataKey", object{"KeyId": d.key, "KeySpec": "AES_256"}},
		{"secretsmanager", "CreateSecret", object{"Name": "late", "SecretString": "x", "KmsKeyId": d.key}},
		{"kms", "CreateKey", object{}},
		{"sts", "GetCallerIdentity", object{}},
	} {
		reply, err := invoke(t.Context(), d.admin, try.service, try.operation, try.in, nil)
		if err == nil {
			t.Errorf("%s is answered without a record: %s", try.operation, reply.Body)
			continue
		}
		d.wantRetryable(t, err)
	}
}

// wantAll wants everything that was acknowledged, and nothing that was refused
// unless its outcome was left open.
func (d *diary) wantAll(t *testing.T, p *process) {
	t.Helper()
	d.admin = p.connect(t)
	for name, value := range d.secrets {
		var out struct{ SecretString string }
		must(t, d.admin, "secretsmanager", "GetSecretValue", object{"SecretId": name}, &out)
		if out.SecretString != value {
			t.Errorf("%s holds %q", name, out.SecretString)
		}
	}
	var k struct{ KeyMetadata struct{ Description string } }
	must(t, d.admin, "kms", "DescribeKey", object{"KeyId": d.key}, &k)
	if got := k.KeyMetadata.Description; got != d.written && got != d.tried {
		t.Errorf("the description is neither the acknowledged one nor the last that was sent: %.40q…", got)
	}
	if _, err := invoke(context.Background(), d.admin, "secretsmanager", "DescribeSecret", object{"SecretId": "late"}, nil); code(err) != "ResourceNotFoundException" {
		t.Errorf("a secret whose creation was refused: %v", err)
	}
	d.create(t, fmt.Sprintf("after-%d", len(d.secrets)))
}

// fill writes a file until it has so many bytes or the disk is full.
func fill(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<16)
	for written := int64(0); written < size; {
		n, err := f.Write(block[:min(int64(len(block)), size-written)])
		if err != nil {
			return
		}
		written += int64(n)
	}
}
