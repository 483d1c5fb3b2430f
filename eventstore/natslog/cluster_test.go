package natslog_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

// cluster starts three servers and connects to each of them, and to the system
// account.
func cluster(t *testing.T) (nodes []*server.Server, vault []*nats.Conn, system *nats.Conn) {
	t.Helper()
	// JetStream wants to know the routes before it starts.
	var routes []*url.URL
	var ports []int
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		l.Close()
	}
	for i, port := range ports {
		accounts := []*server.Account{server.NewAccount("S"), server.NewAccount("A")}
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("node-%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, MaxPayload: natslog.MaxPayload,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port}, Routes: routes,
			Accounts: accounts, SystemAccount: "S",
			Users: []*server.User{{Username: "s", Password: "s", Account: accounts[0]}, {Username: "a", Password: "a", Account: accounts[1]}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		nodes = append(nodes, s)
	}
	for _, s := range nodes {
		if !s.ReadyForConnections(30 * time.Second) {
			t.Fatal("server is not ready")
		}
		account, err := s.LookupAccount("A")
		if err != nil {
			t.Fatal(err)
		}
		if err := account.EnableJetStream(nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	connect := func(s *server.Server, user string) *nats.Conn {
		nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(user, user))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	for _, s := range nodes {
		vault = append(vault, connect(s, "a"))
	}
	return nodes, vault, connect(nodes[0], "s")
}

// TestCluster holds the log to its promises on three replicas, where the server
// takes other ways: another error code, the id before the fence, reads that a
// replica answers.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("elects leaders")
	}
	_, conns, system := cluster(t)
	options := natslog.Options{Replicas: 3, System: system, Timeout: 2 * time.Second}
	var logs []*natslog.Log
	for deadline := time.Now().Add(30 * time.Second); len(logs) < 3; {
		log, err := natslog.Open(t.Context(), conns[len(logs)], options)
		if err == nil {
			logs = append(logs, log)
			continue
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // no leader yet
	}
	var w storetest.Writer
	commits := w.Fill(t, logs[0], 60)
	for i, log := range logs {
		for _, from := range []uint64{1, 31} {
			if got := storetest.ReadAll(t, log, from); len(got) != 61-int(from) {
				t.Fatalf("connection %d reads %d commits from %d", i, len(got), from)
			}
		}
		uses := 0
		for _, c := range commits {
			if c.Subject == eventstore.Use {
				uses++
			}
		}
		if got := storetest.ReadAll(t, log, 1, eventstore.Use); len(got) != uses {
			t.Fatalf("connection %d reads %d uses of %d", i, len(got), uses)
		}
	}
	// Each commit can be read at once, whichever replica answers.
	for range 100 {
		w.Fill(t, logs[1], 1)
		if _, err := logs[2].Get(t.Context(), w.Last); err != nil {
			t.Fatal(err)
		}
		if got := storetest.ReadAll(t, logs[0], w.Last); len(got) != 1 {
			t.Fatalf("Read from %d: %d commits", w.Last, len(got))
		}
	}
	if _, err := logs[0].Get(t.Context(), w.Last+1); !errors.Is(err, eventstore.ErrNotFound) {
		t.Fatalf("Get after the last: %v", err)
	}

	other := w
	c := w.Commit(eventstore.Use, "once")
	w.Append(t, logs[0], c)
	for name, again := range map[string]*eventstore.Commit{"a resend": c, "another writer": other.Commit(eventstore.State, "fenced")} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := logs[1].Append(ctx, again)
		cancel()
		if !errors.Is(err, eventstore.ErrFenced) {
			t.Fatalf("%s: %v, want ErrFenced", name, err)
		}
	}
	reused := w.Commit(eventstore.Use, "another")
	reused.ID = c.ID
	if _, err := logs[2].Append(t.Context(), reused); !errors.Is(err, eventstore.ErrFenced) && !errors.Is(err, eventstore.ErrNotStored) {
		t.Fatalf("a used id: %v", err)
	}
	head := eventstore.HeadOf(&w.Tree, w.Last)
	if _, err := eventstore.Verify(t.Context(), logs[2], &head); err != nil {
		t.Fatal(err)
	}
}
