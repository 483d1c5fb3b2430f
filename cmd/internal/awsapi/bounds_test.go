package awsapi_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/awsapi"
)

// unharmed wants another caller to be served as ever.
func (w *world) unharmed(what string) {
	w.t.Helper()
	began := time.Now()
	w.kms(w.admin, "ListKeys", object{})
	if took := time.Since(began); took > 3*time.Second {
		w.t.Errorf("%s: another caller waited %v", what, took)
	}
}

func TestLargeBodies(t *testing.T) {
	w := newWorld(t)
	fits := jsonRequest("kms", "TrentService.ListKeys", object{"Limit": 1, "x": strings.Repeat("x", 1<<20-24)})
	if r := w.do(w.admin, fits); r.status != 200 {
		t.Errorf("%d bytes: %d %s", len(fits.body), r.status, r.body)
	}
	over := jsonRequest("kms", "TrentService.ListKeys", object{"x": strings.Repeat("x", 1<<20)})
	if r := w.do(w.admin, over); r.status != 413 || !strings.Contains(r.body, `"__type":"RequestEntityTooLargeException"`) {
		t.Errorf("%d bytes: %d %s", len(over.body), r.status, r.body)
	}
	q := w.signed(w.admin, jsonRequest("kms", "TrentService.ListKeys", object{"x": strings.Repeat("x", 1<<20)}))
	q.ContentLength = -1 // in chunks, its length not announced
	if r := w.send(q); r.status != 413 {
		t.Errorf("in chunks: %d %s", r.status, r.body)
	}
	w.unharmed("large bodies")
}

// head is a request with its body still to come.
func (w *world) head(length int) string {
	q := w.signed(w.admin, jsonRequest("kms", "TrentService.ListKeys", object{}))
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", w.host, length)
	check(w.t, q.Header.Write(&b))
	b.WriteString("\r\n")
	return b.String()
}

func (w *world) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.host)
	check(w.t, err)
	w.t.Cleanup(func() { c.Close() })
	return c
}

// ends waits until the server has closed the connection, and gives what it said.
func ends(t *testing.T, c net.Conn) string {
	t.Helper()
	check(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	said, err := io.ReadAll(c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the server keeps the connection")
	}
	return string(said)
}

func TestSlowRequests(t *testing.T) {
	w := newWorld(t, func(o *awsapi.Options) { o.ReadTimeout = 300 * time.Millisecond })
	body, headers := w.dial(), w.dial()
	io.WriteString(body, w.head(100)+"{")
	io.WriteString(headers, "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	w.unharmed("slow requests")
	if said := ends(t, body); !strings.Contains(said, "408") || !strings.Contains(said, "RequestTimeoutException") {
		t.Errorf("slow body: %q", said)
	}
	ends(t, headers)
}

func TestHeaderBombs(t *testing.T) {
	w := newWorld(t)
	for name, bomb := range map[string]string{
		"one long":   "X-Long: " + strings.Repeat("x", 1<<20) + "\r\n",
		"very many":  strings.Repeat("X-Many: x\r\n", 100_000),
		"long line":  strings.Repeat("x", 1<<20),
		"two bodies": "Content-Length: 2\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n",
	} {
		c := w.dial()
		go io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n"+bomb+"\r\n") // breaks off when the server hangs up
		if said := ends(t, c); said != "" && !strings.HasPrefix(said, "HTTP/1.1 4") {
			t.Errorf("%s: %.100q", name, said)
		}
		w.unharmed(name)
	}
}

// TestIdleConnections: strangers who open connections and stay silent, or take
// their time, drive out each other, not callers.
func TestIdleConnections(t *testing.T) {
	const most = 64
	w := newWorld(t, func(o *awsapi.Options) { o.MaxConnections = most })
	var open []net.Conn
	for i := range 10 * most {
		c := w.dial()
		switch i % 3 { // silent, slow with its headers, slow with its body
		case 1:
			io.WriteString(c, "POST / HTTP/1.1\r\nX-Slow: ")
		case 2:
			io.WriteString(c, w.head(100)+"{")
		}
		open = append(open, c)
	}
	w.unharmed("idle connections")
	for _, c := range open[:8*most] { // the oldest are gone
		check(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, errDeadline(err)) {
			t.Fatalf("an idle connection beyond the bound is still open: %v", err)
		}
	}
}

func errDeadline(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return errors.New("no deadline")
}

// TestManyIdleConnectionsTakeLittle holds a few thousand of them.
func TestManyIdleConnectionsTakeLittle(t *testing.T) {
	if testing.Short() {
		t.Skip("opens thousands of connections")
	}
	w := newWorld(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 2000
	for range n {
		w.dial()
	}
	w.unharmed("2,000 idle connections")
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.Sys) - int64(before.Sys)) / n; each > 64<<10 {
		t.Errorf("an idle connection takes %d bytes", each)
	}
}

// TestCallersDoNotMeet: many callers at a time, each with its own answer.
func TestCallersDoNotMeet(t *testing.T) {
	w := newWorld(t)
	key := w.kms(w.admin, "CreateKey", object{})["KeyMetadata"].(object)["KeyId"]
	before := w.stored()
	const callers, calls = 16, 20
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			text := []byte(fmt.Sprintf("caller %d", i))
			for range calls {
				blob := w.kms(w.admin, "Encrypt", object{"KeyId": key, "Plaintext": text})["CiphertextBlob"]
				if got := w.kms(w.admin, "Decrypt", object{"CiphertextBlob": blob})["Plaintext"]; got != base64Of(text) {
					t.Errorf("caller %d got %v", i, got)
				}
			}
		})
	}
	all.Wait()
	if n := w.stored() - before; n != 2*callers*calls {
		t.Errorf("%d records of %d calls", n, 2*callers*calls)
	}
}

// TestCloseAnswers: what has arrived is answered, what comes later is not taken.
func TestCloseAnswers(t *testing.T) {
	w := newWorld(t)
	c := w.dial()
	body := "{}"
	io.WriteString(c, w.head(len(body)))
	closed := make(chan error, 1)
	time.Sleep(50 * time.Millisecond) // the request is begun
	go func() { closed <- w.api.Close() }()
	time.Sleep(50 * time.Millisecond)
	io.WriteString(c, body)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(t, err)
	if res.StatusCode != 200 {
		t.Errorf("answered %d", res.StatusCode)
	}
	c.Close()
	check(t, <-closed)
	if _, err := net.Dial("tcp", w.host); err == nil {
		t.Error("a new connection is taken")
	}
}
