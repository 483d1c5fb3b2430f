package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// embedded is a server in this process, without a listener.
type embedded struct {
	dir  string
	sync bool
	srv  *server.Server
	conn *nats.Conn
	js   jetstream.JetStream
}

func startServer(t testing.TB, dir string) *embedded {
	e := &embedded{dir: dir, sync: true}
	e.start(t)
	return e
}

func (e *embedded) start(t testing.TB) {
	t.Helper()
	var err error
	e.srv, err = server.NewServer(&server.Options{JetStream: true, StoreDir: e.dir, DontListen: true, SyncAlways: e.sync, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	e.srv.Start()
	t.Cleanup(e.stop)
	if !e.srv.ReadyForConnections(30 * time.Second) {
		t.Fatal("server is not ready")
	}
	if e.conn, err = nats.Connect("", nats.InProcessServer(e.srv)); err != nil {
		t.Fatal(err)
	}
	if e.js, err = jetstream.New(e.conn); err != nil {
		t.Fatal(err)
	}
}

func (e *embedded) stop() {
	if e.conn != nil {
		e.conn.Close()
	}
	e.srv.Shutdown()
	e.srv.WaitForShutdown()
}

func (e *embedded) open(t testing.TB) *JetStream {
	t.Helper()
	r, err := Open(context.Background(), e.js, Config{BlockDir: BlockDir(e.dir, server.DEFAULT_GLOBAL_ACCOUNT)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// filesWith lists the files under dir that hold the bytes.
func filesWith(t *testing.T, dir string, sought []byte) (files []string) {
	t.Helper()
	read := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		read += len(content)
		if bytes.Contains(content, sought) {
			files = append(files, path)
		}
		return err
	})
	if err != nil || read == 0 {
		t.Fatalf("read %d bytes of %s: %v", read, dir, err)
	}
	return files
}

// Whatever the place of an entry in the stream, its bytes are in no file of
// the store once Erase has returned, and not after a restart either.
func TestErasedBytesAreInNoFile(t *testing.T) {
	for place, at := range map[string]struct{ before, after, size int }{
		"first": {0, 5, 100}, "middle": {5, 5, 100}, "last": {5, 0, 100}, "only": {0, 0, 0},
		"block left behind": {5, 80, MaxSealed},
	} {
		t.Run(place, func(t *testing.T) {
			e := startServer(t, t.TempDir())
			r := e.open(t)
			fill := func(n int) {
				for range n {
					put(t, r, Entry{fmt.Sprintf("fill-%d", r.Len()), bytes.Repeat([]byte("."), at.size)})
				}
			}
			canary := []byte("canary: sealed key material, wrapped data key")
			fill(at.before)
			put(t, r, Entry{"canary", canary})
			fill(at.after)
			if blocks, _ := filepath.Glob(filepath.Join(r.blockDir, "*.blk")); (len(blocks) > 1) != (at.size == MaxSealed) {
				t.Fatalf("%d blocks", len(blocks))
			}

			if len(filesWith(t, e.dir, canary)) == 0 {
				t.Fatal("the canary is in no file before: the test is blind")
			}
			erase(t, r, "canary")
			if files := filesWith(t, e.dir, canary); len(files) > 0 {
				t.Errorf("after Erase: in %s", files)
			}
			e.stop()
			if files := filesWith(t, e.dir, canary); len(files) > 0 {
				t.Errorf("after shutdown: in %s", files)
			}
			e.start(t)
			r = e.open(t)
			wantNone(t, r, "canary")
			if r.Len() != at.before+at.after {
				t.Errorf("%d entries, want %d", r.Len(), at.before+at.after)
			}
			if files := filesWith(t, e.dir, canary); len(files) > 0 {
				t.Errorf("after the restart: in %s", files)
			}
		})
	}
}

// A copy of the files, taken under a running server, is what a crash leaves.
func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	e := startServer(t, t.TempDir())
	r := e.open(t)
	put(t, r, Entry{"a", []byte("1")}, Entry{"b", []byte("2")}, Entry{"c", []byte("3")})
	erase(t, r, "b")
	put(t, r, Entry{"d", []byte("4")})

	image := t.TempDir()
	if err := os.CopyFS(image, os.DirFS(e.dir)); err != nil {
		t.Fatal(err)
	}
	crashed := startServer(t, image).open(t)
	wantIDs(t, crashed, "a", "c", "d")
	want(t, crashed, "d", "4")
}

// A Put whose acknowledgement was lost left a message that this ring does not
// know.
func TestUnheardPut(t *testing.T) {
	e := startServer(t, t.TempDir())
	r := e.open(t)
	for _, id := range []string{"same", "other", "undone"} {
		if _, err := e.js.Publish(t.Context(), subjectPrefix+id, []byte("stored")); err != nil {
			t.Fatal(err)
		}
	}
	put(t, r, Entry{"same", []byte("stored")}, Entry{"new", []byte("x")})
	want(t, r, "same", "stored")
	if err := r.Put(t.Context(), Entry{"other", []byte("y")}, Entry{"new-2", []byte("z")}); !errors.Is(err, ErrConflict) {
		t.Errorf("Put: %v, want ErrConflict", err)
	}
	wantNone(t, r, "other")
	want(t, r, "new-2", "z")
	erase(t, r, "undone")
	if _, err := r.stream.GetLastMsgForSubject(t.Context(), subjectPrefix+"undone"); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("the message of an erased id: %v", err)
	}
	put(t, r, Entry{"undone", []byte("again")})
}

// An Erase whose answer was lost left this ring with a sequence that is gone.
func TestUnheardErase(t *testing.T) {
	e := startServer(t, t.TempDir())
	r := e.open(t)
	put(t, r, Entry{"a", []byte("1")}, Entry{"b", []byte("2")})
	_, seq, _ := r.index.get("a")
	if err := r.stream.SecureDeleteMsg(t.Context(), seq); err != nil {
		t.Fatal(err)
	}
	erase(t, r, "a")
	wantIDs(t, r, "b")
}

func TestServerGone(t *testing.T) {
	e := startServer(t, t.TempDir())
	r := e.open(t)
	put(t, r, Entry{"a", []byte("1")})
	e.stop()
	if err := r.Put(t.Context(), Entry{"b", []byte("2")}); err == nil || errors.Is(err, ErrConflict) {
		t.Errorf("Put: %v", err)
	}
	if err := r.Erase(t.Context(), "a"); err == nil {
		t.Error("Erase succeeded without a server")
	}
	wantNone(t, r, "b")
	e.start(t)
	wantIDs(t, e.open(t), "a")
}

func TestOpenRefuses(t *testing.T) {
	good := jetstream.StreamConfig{
		Name: StreamName, Subjects: []string{subjectPrefix + "*"}, MaxMsgsPerSubject: 1,
		Discard: jetstream.DiscardNew, DiscardNewPerSubject: true,
	}
	cases := map[string]func(*jetstream.StreamConfig){
		"":                     func(*jetstream.StreamConfig) {},
		"has other subjects":   func(c *jetstream.StreamConfig) { c.Subjects = []string{"x"} },
		"is not on disk":       func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"is compressed":        func(c *jetstream.StreamConfig) { c.Compression = jetstream.S2Compression },
		"cannot erase":         func(c *jetstream.StreamConfig) { c.DenyDelete = true },
		"expires entries":      func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"replaces entries":     func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 2 },
		"does not acknowledge": func(c *jetstream.StreamConfig) { c.NoAck = true },
	}
	for fault, spoil := range cases {
		t.Run(fault, func(t *testing.T) {
			// A server of its own: one that has just deleted a stream may not be able
			// to make another of that name yet.
			e := startServer(t, t.TempDir())
			c := good
			spoil(&c)
			if _, err := e.js.CreateStream(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), e.js, Config{})
			if (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
				t.Errorf("Open: %v, want %q", err, fault)
			}
		})
	}
}
