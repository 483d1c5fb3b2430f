//go:build linux || darwin

package natslog_test

import (
	"context"
	"errors"
	"os/signal"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

// A write that the file system refuses, here for a limit on the size of files as
// it would for a full disk, is never acknowledged. The server falls silent; what
// was acknowledged before is there after a restart, and the log goes on.
func TestFailedWriteIsNeverAcknowledged(t *testing.T) {
	e := newEmbedded(t)
	log := e.open(t)
	var w storetest.Writer
	w.Fill(t, log, 10)

	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	full := before
	full.Cur = 256 << 10
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}
	defer restore()

	var failed error
	attempts := 0
	for ; failed == nil && attempts < 20; attempts++ {
		c := w.Commit(eventstore.Use, strings.Repeat("x", 40<<10))
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		var seq uint64
		if seq, failed = log.Append(ctx, c); failed == nil {
			w.Tree.Append(c.Lines[0])
			w.Last = seq
		}
		cancel()
	}
	if !errors.Is(failed, eventstore.ErrAmbiguous) || !strings.Contains(failed.Error(), "write error") {
		t.Fatalf("after %d appends: %v, want ErrAmbiguous with the server's reason", attempts, failed)
	}
	if e.server.Health() == nil {
		t.Error("the server calls itself healthy after a failed write")
	}
	// Room on the disk does not bring it back; a restart does.
	restore()
	if _, err := log.Append(t.Context(), w.Commit(eventstore.Use, "again")); !errors.Is(err, eventstore.ErrNotStored) {
		t.Errorf("append after a failed write: %v", err)
	}
	e.Restart(t)
	log = e.open(t)
	head := eventstore.HeadOf(&w.Tree, w.Last)
	if _, last, err := eventstore.Check(t.Context(), log, &head); err != nil || last != w.Last {
		t.Fatalf("after the restart: last %d, want %d: %v", last, w.Last, err)
	}
	w.Fill(t, log, 5)
}

func TestReserveIsRefusedBeforeTheDiskIsFull(t *testing.T) {
	s, err := natslog.StartServer(natslog.ServerOptions{StoreDir: t.TempDir(), DontListen: true, ReserveBytes: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	log, err := natslog.Open(t.Context(), s.WriterConn(), natslog.Options{Server: s})
	if err != nil {
		t.Fatal(err)
	}
	var w storetest.Writer
	if _, err := log.Append(t.Context(), w.Commit(eventstore.Use, "x")); !errors.Is(err, eventstore.ErrNotStored) || !errors.Is(err, natslog.ErrDiskFull) {
		t.Fatalf("Append: %v, want ErrNotStored and ErrDiskFull", err)
	}
	if last, err := log.Last(t.Context()); err != nil || last != 0 {
		t.Fatalf("Last = %d, %v", last, err)
	}
}
