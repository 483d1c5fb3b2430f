package natslog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

// external is a server that somebody else runs.
func external(t *testing.T, syncAlways bool) (vault, system *nats.Conn) {
	t.Helper()
	accounts := []*server.Account{server.NewAccount("S"), server.NewAccount("A")}
	s, err := server.NewServer(&server.Options{
		ServerName: "elsewhere", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), SyncAlways: syncAlways, MaxPayload: natslog.MaxPayload,
		Accounts: accounts, SystemAccount: "S",
		Users: []*server.User{{Username: "s", Password: "s", Account: accounts[0]}, {Username: "a", Password: "a", Account: accounts[1]}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
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
	connect := func(user string) *nats.Conn {
		nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(user, user))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	return connect("a"), connect("s")
}

func TestExternalServersMustSync(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct {
		name    string
		always  bool
		ask     bool
		unsafe  bool
		problem string
	}{
		{"syncs, asked", true, true, false, ""},
		{"syncs, nobody to ask", true, false, false, "only the system account may ask [elsewhere]"},
		{"does not sync, asked", false, true, false, "server elsewhere does not"},
		{"does not sync, nobody to ask", false, false, false, "only the system account may ask [elsewhere]"},
		{"does not sync, accepted", false, false, true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			vault, system := external(t, tc.always)
			options := natslog.Options{UnsafeNoSync: tc.unsafe, Timeout: 5 * time.Second}
			if tc.ask {
				options.System = system
			}
			log, err := natslog.Open(ctx, vault, options)
			if tc.problem != "" {
				if !errors.Is(err, natslog.ErrNotSynced) || !strings.Contains(err.Error(), tc.problem) {
					t.Fatalf("Open: %v, want ErrNotSynced and %q", err, tc.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			var w storetest.Writer
			w.Fill(t, log, 3)
		})
	}
	t.Run("asked the wrong account", func(t *testing.T) {
		vault, _ := external(t, true)
		_, err := natslog.Open(ctx, vault, natslog.Options{System: vault, Timeout: 300 * time.Millisecond})
		if !errors.Is(err, natslog.ErrNotSynced) || !strings.Contains(err.Error(), "no answer about [elsewhere]") {
			t.Fatalf("Open: %v", err)
		}
	})
}

// storeFailed is the server's code for a store that it could not create.
const storeFailed = 10049

func TestOpenRefusesOtherStreams(t *testing.T) {
	for field, change := range map[string]func(c *jetstream.StreamConfig){
		"subjects": func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "more") },
		"storage": func(c *jetstream.StreamConfig) {
			c.Storage = jetstream.MemoryStorage
			c.Compression = jetstream.NoCompression
		},
		"persist_mode":         func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode },
		"discard":              func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"deny_delete":          func(c *jetstream.StreamConfig) { c.DenyDelete = false },
		"deny_purge":           func(c *jetstream.StreamConfig) { c.DenyPurge = false },
		"allow_rollup_hdrs":    func(c *jetstream.StreamConfig) { c.DenyPurge = false; c.AllowRollup = true },
		"allow_direct":         func(c *jetstream.StreamConfig) { c.AllowDirect = false },
		"max_age":              func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour; c.Duplicates = time.Second },
		"max_msgs_per_subject": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 },
		"allow_msg_ttl":        func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true },
		"no_ack":               func(c *jetstream.StreamConfig) { c.NoAck = true },
		"first_seq":            func(c *jetstream.StreamConfig) { c.FirstSeq = 100 },
		"retention":            func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy },
		"subject_transform": func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: ">", Destination: "x.>"}
		},
	} {
		t.Run(field, func(t *testing.T) {
			vault, _ := external(t, true)
			log, err := natslog.Open(t.Context(), vault, natslog.Options{UnsafeNoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			log.Close()
			js, err := jetstream.New(vault)
			if err != nil {
				t.Fatal(err)
			}
			stream, err := js.Stream(t.Context(), natslog.StreamName)
			if err != nil {
				t.Fatal(err)
			}
			config := stream.CachedInfo().Config
			if err := js.DeleteStream(t.Context(), natslog.StreamName); err != nil {
				t.Fatal(err)
			}
			change(&config)
			// The server clears the directory of a deleted stream in the background.
			_, err = js.CreateStream(t.Context(), config)
			for range 100 {
				var refused *jetstream.APIError
				if !errors.As(err, &refused) || refused.ErrorCode != storeFailed {
					break
				}
				time.Sleep(50 * time.Millisecond)
				_, err = js.CreateStream(t.Context(), config)
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = natslog.Open(t.Context(), vault, natslog.Options{UnsafeNoSync: true})
			if field == "allow_rollup_hdrs" {
				field = "deny_purge" // a server wants it off first
			}
			if err == nil || !strings.Contains(err.Error(), "stream KEYTRAIL: "+field+" is ") {
				t.Fatalf("Open: %v, want the name of %s", err, field)
			}
		})
	}
}

// A stream that the server cannot read back is not replaced by an empty one.
func TestOpenDoesNotBuryADamagedStream(t *testing.T) {
	e := newEmbedded(t)
	var w storetest.Writer
	w.Fill(t, e.open(t), 3)
	e.server.Shutdown()
	meta := filepath.Join(natslog.StreamDir(e.dir), "meta.inf")
	data, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(meta, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	e.start(t)
	if _, err := natslog.Open(t.Context(), e.server.WriterConn(), natslog.Options{Server: e.server}); err == nil || !strings.Contains(err.Error(), "could not read a stream KEYTRAIL") {
		t.Fatalf("Open: %v", err)
	}
	e.server.Shutdown()
	if err := os.WriteFile(meta, data, 0o600); err != nil {
		t.Fatal(err)
	}
	e.start(t)
	if got := storetest.ReadAll(t, e.open(t), 1); len(got) != 3 {
		t.Fatalf("%d commits are left of 3", len(got))
	}
}

// Crash: nothing is written out, the lock on the folder apart. The log that was
// acknowledged is there when another server opens a copy of the files.
func TestAcknowledgedIsInTheFiles(t *testing.T) {
	e := newEmbedded(t)
	var w storetest.Writer
	w.Fill(t, e.open(t), 30)
	head := eventstore.HeadOf(&w.Tree, w.Last)
	report, err := natslog.VerifyDir(t.Context(), e.dir, &head, t.TempDir()) // of a running server
	if err != nil || report.Commits != 30 {
		t.Fatalf("%v, %+v", err, report)
	}
}

func TestNoStreamIsNotStored(t *testing.T) {
	vault, _ := external(t, true)
	log, err := natslog.Open(t.Context(), vault, natslog.Options{UnsafeNoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(vault)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), natslog.StreamName); err != nil {
		t.Fatal(err)
	}
	var w storetest.Writer
	if _, err := log.Append(t.Context(), w.Commit(eventstore.Use, "x")); !errors.Is(err, eventstore.ErrNotStored) || !errors.Is(err, nats.ErrNoResponders) {
		t.Fatalf("Append without a stream: %v", err)
	}
}

func TestStreamLimitIsNotStored(t *testing.T) {
	vault, _ := external(t, true)
	log, err := natslog.Open(t.Context(), vault, natslog.Options{UnsafeNoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	var w storetest.Writer
	w.Fill(t, log, 3)
	js, err := jetstream.New(vault)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), natslog.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxBytes = int64(stream.CachedInfo().State.Bytes) + 10
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(t.Context(), w.Commit(eventstore.Use, "x")); !errors.Is(err, eventstore.ErrNotStored) || !strings.Contains(err.Error(), "maximum bytes") {
		t.Fatalf("Append past the limit: %v", err)
	}
	config.MaxBytes = -1
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	w.Fill(t, log, 1)
}

func TestServerGoneIsAmbiguousOrNotStored(t *testing.T) {
	e := newEmbedded(t)
	log := e.open(t)
	var w storetest.Writer
	w.Fill(t, log, 3)
	e.server.NATS().Shutdown() // not the connections
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := log.Append(ctx, w.Commit(eventstore.Use, "x"))
	if errors.Is(err, eventstore.ErrAmbiguous) == errors.Is(err, eventstore.ErrNotStored) {
		t.Fatalf("Append without a server: %v", err)
	}
	e.server.Shutdown()
	e.start(t)
	if last, err := e.open(t).Last(t.Context()); err != nil || last != 3 {
		t.Fatalf("Last = %d, %v", last, err)
	}
}
