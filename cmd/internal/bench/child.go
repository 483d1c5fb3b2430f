package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 15 * time.Second
)

// envFile is what a child writes into its directory once it answers calls: where
// it listens and the credentials of its administrator, as export lines.
const envFile = "admin.env"

// child is a process under measurement.
type child struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	exited chan struct{}
	err    error // of the process; read after exited
	output tail
	env    map[string]string
}

// startChild runs this program with the arguments and returns when the child has
// written its envFile into dir.
func startChild(ctx context.Context, executable, dir string, args ...string) (*child, error) {
	// The child outlives the end of ctx until stop, so that a run which is
	// interrupted ends in order.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &child{cmd: exec.CommandContext(running, executable, args...), cancel: cancel, exited: make(chan struct{})}
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = stopTimeout
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	c.cmd.SysProcAttr = dieWithParent()
	if err := c.cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.exited)
	}()
	if err := c.ready(ctx, filepath.Join(dir, envFile)); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *child) ready(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		raw, err := os.ReadFile(path)
		if err == nil {
			if c.env = parseEnv(string(raw)); c.env["KEYTRAIL_OPS_URL"] != "" {
				return nil
			}
		}
		select {
		case <-c.exited:
			return fmt.Errorf("it ended at once: %w\n%s", c.err, c.output.String())
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w\n%s", ctx.Err(), c.output.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the child in order, or by force when it takes too long, and returns
// when it is gone.
func (c *child) stop() {
	c.cancel()
	<-c.exited
}

// parseEnv reads lines of the form export NAME=value, the value quoted or not.
func parseEnv(text string) map[string]string {
	env := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			env[name] = strings.Trim(value, `'"`)
		}
	}
	return env
}

// credentials of one who calls.
type credentials struct{ id, secret string }

// admin is the credentials that the child wrote down.
func (c *child) admin() credentials {
	return credentials{c.env["AWS_ACCESS_KEY_ID"], c.env["AWS_SECRET_ACCESS_KEY"]}
}

// connect opens the connections that so many callers share.
func (c *child) connect(as credentials, callers int) ([]*nats.Conn, error) {
	var conns []*nats.Conn
	for range min(callers, connections) {
		conn, err := nats.Connect(c.env["KEYTRAIL_NATS_URL"],
			nats.Name("keytrail-bench"),
			nats.UserInfo(as.id, as.secret),
			nats.CustomInboxPrefix("_INBOX."+as.id),
			nats.NoReconnect(),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if err != nil {
			for _, opened := range conns {
				opened.Close()
			}
			return nil, err
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

// subject of an operation, as the holder of the credentials calls it.
func (as credentials) subject(service, operation string) string {
	return "keytrail.api." + as.id + "." + service + "." + operation
}

// counters of the child's log since its start.
type counters struct{ commits, records float64 }

const (
	commitsMetric = "keytrail_log_commits_total"
	recordsMetric = "keytrail_log_records_total"
)

func (c *child) counters(ctx context.Context) (counters, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.env["KEYTRAIL_OPS_URL"]+"/metrics", nil)
	if err != nil {
		return counters{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return counters{}, fmt.Errorf("read the child's metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return counters{}, fmt.Errorf("read the child's metrics: %s", resp.Status)
	}
	return parseCounters(resp.Body)
}

// parseCounters adds up the samples of the two metrics over all of their labels.
func parseCounters(r io.Reader) (sum counters, err error) {
	found := 0
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		series, value, ok := strings.Cut(lines.Text(), " ")
		name, _, _ := strings.Cut(series, "{")
		if !ok || name != commitsMetric && name != recordsMetric {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return counters{}, fmt.Errorf("metric %s: %w", name, err)
		}
		found++
		if name == commitsMetric {
			sum.commits += v
		} else {
			sum.records += v
		}
	}
	if err := lines.Err(); err != nil {
		return counters{}, fmt.Errorf("read the child's metrics: %w", err)
	}
	if found == 0 {
		return counters{}, errors.New("the child's metrics do not count commits")
	}
	return sum, nil
}

// tail keeps the last few KiB that a child has printed.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailBytes {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailBytes:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf[max(0, len(t.buf)-tailBytes):]))
}
