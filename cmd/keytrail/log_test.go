package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// stored is a record as it stands in the log.
type stored struct {
	*event.Record
	seq  uint64
	line string
}

// readLog verifies the log of a directory that no server uses and returns all its
// records. It works on a copy.
func readLog(t testing.TB, dir string) []stored {
	t.Helper()
	head, ok, err := eventstore.ReadHead(filepath.Join(dir, "head"))
	if err != nil || !ok {
		t.Fatalf("read the head: %v, %v", ok, err)
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(dir, "nats"))); err != nil {
		t.Fatal(err)
	}
	s, err := natslog.StartServer(natslog.ServerOptions{StoreDir: copied, DontListen: true, UnsafeNoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	log, err := natslog.Open(t.Context(), s.WriterConn(), natslog.Options{Server: s})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := eventstore.Verify(t.Context(), log, &head); err != nil {
		t.Fatalf("the log does not verify: %v", err)
	}
	var records []stored
	err = log.Read(t.Context(), 1, nil, func(c eventstore.Stored) error {
		for i, line := range c.Lines {
			r, err := event.ParseLine(line)
			if err != nil {
				return err
			}
			if n := c.First + uint64(i); r.N != n {
				t.Errorf("the record at n=%d calls itself n=%d", n, r.N)
			}
			records = append(records, stored{r, c.Seq, string(line)})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// forge writes the log of a directory anew, each commit as change leaves it: what
// somebody can do who has the disk and knows the format, checksums and all.
func forge(t testing.TB, dir string, change func(c *eventstore.Commit, seq uint64)) {
	t.Helper()
	store := filepath.Join(dir, "nats")
	var commits []eventstore.Commit
	open := func(run func(log *natslog.Log)) {
		s, err := natslog.StartServer(natslog.ServerOptions{StoreDir: store, DontListen: true, UnsafeNoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Shutdown()
		log, err := natslog.Open(t.Context(), s.WriterConn(), natslog.Options{Server: s})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		run(log)
	}
	open(func(log *natslog.Log) {
		err := log.Read(t.Context(), 1, nil, func(c eventstore.Stored) error {
			commits = append(commits, c.Commit)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if err := os.RemoveAll(natslog.StreamDir(store)); err != nil {
		t.Fatal(err)
	}
	open(func(log *natslog.Log) {
		for i := range commits {
			c := commits[i]
			c.Lines = append([][]byte{}, c.Lines...)
			change(&c, uint64(i+1))
			if _, err := log.Append(t.Context(), &c); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// verify runs keytrail verify.
func verify(t testing.TB, dir string, flags ...string) result {
	t.Helper()
	return keytrail(t, nil, "", append([]string{"verify", "--data-dir", dir}, flags...)...)
}
