package natslog_test

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

// door lets a client in under any name with the right password.
type door struct{ server *natslog.Server }

func (d *door) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if o.Password != "right" {
		return false
	}
	c.RegisterUser(&server.User{Username: o.Username, Account: d.server.Clients(), Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{">"}}, // the worst that a caller of this package could grant
		Subscribe: &server.SubjectPermission{Allow: []string{">"}},
	}})
	return true
}

func listening(t *testing.T) *natslog.Server {
	t.Helper()
	d := &door{}
	s, err := natslog.StartServer(natslog.ServerOptions{StoreDir: t.TempDir(), Clients: d})
	if err != nil {
		t.Fatal(err)
	}
	d.server = s
	t.Cleanup(s.Shutdown)
	return s
}

func TestServerSyncsAlways(t *testing.T) {
	s := listening(t)
	if c := s.NATS().JetStreamConfig(); !c.SyncAlways {
		t.Fatalf("JetStream runs with %+v", c)
	}
	if err := s.Health(); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyKnownClientsEnter(t *testing.T) {
	s := listening(t)
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("someone", "right"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, options := range [][]nats.Option{
		{},
		{nats.UserInfo("someone", "wrong")},
		{nats.UserInfo("keytrail-writer", "right")},
		{nats.UserInfo("keytrail-writer", "")},
		{nats.UserInfo("keytrail-responder", "")},
		{nats.UserInfo("keytrail-setup", "right")},
		// Even with the password, for it counts inside the process alone.
		{nats.UserInfo("keytrail-writer", s.WriterConn().Opts.Password)},
		{nats.UserInfo("keytrail-responder", s.ResponderConn().Opts.Password)},
	} {
		if nc, err := nats.Connect(s.ClientURL(), options...); !errors.Is(err, nats.ErrAuthorization) {
			if err == nil {
				nc.Close()
			}
			t.Errorf("connect: %v, want an authorization violation", err)
		}
	}
}

func TestClientsCannotReachTheStream(t *testing.T) {
	s := listening(t)
	log, err := natslog.Open(t.Context(), s.WriterConn(), natslog.Options{Server: s})
	if err != nil {
		t.Fatal(err)
	}
	var w storetest.Writer
	w.Fill(t, log, 3)
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("someone", "right"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	spy, err := nc.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"$JS.API.INFO", "$JS.API.STREAM.INFO.KEYTRAIL", "$JS.API.STREAM.PURGE.KEYTRAIL", "$JS.API.STREAM.DELETE.KEYTRAIL", "$JS.API.DIRECT.GET.KEYTRAIL", "keytrail.log.use", "keytrail.ring.x", "$SYS.REQ.SERVER.PING"} {
		if m, err := nc.Request(subject, []byte(`{"seq":1}`), 200*time.Millisecond); err == nil && !strings.Contains(string(m.Data), "not enabled for account") {
			t.Errorf("%s answers a client: %s", subject, m.Data)
		}
	}
	w.Fill(t, log, 1)
	for {
		m, err := spy.NextMsg(100 * time.Millisecond)
		if err != nil {
			break
		}
		if m.Header.Get("Keytrail-First") != "" || m.Header.Get("Nats-Msg-Id") != "" {
			t.Fatalf("a client saw a commit on %s", m.Subject)
		}
	}
	if last, err := log.Last(t.Context()); err != nil || last != 4 {
		t.Fatalf("Last = %d, %v after the client's attempts", last, err)
	}
}

func TestWriterCannotRemoveAnything(t *testing.T) {
	s := listening(t)
	log, err := natslog.Open(t.Context(), s.WriterConn(), natslog.Options{Server: s})
	if err != nil {
		t.Fatal(err)
	}
	var w storetest.Writer
	w.Fill(t, log, 3)
	js, err := jetstream.New(s.WriterConn(), jetstream.WithDefaultTimeout(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), natslog.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.DenyDelete = false
	_, updated := js.UpdateStream(t.Context(), config)
	_, created := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other"}})
	for name, err := range map[string]error{
		"purge":         stream.Purge(t.Context()),
		"delete":        js.DeleteStream(t.Context(), natslog.StreamName),
		"delete msg":    stream.DeleteMsg(t.Context(), 2),
		"secure delete": stream.SecureDeleteMsg(t.Context(), 2),
		"update":        updated,
		"create":        created,
	} {
		if err == nil {
			t.Errorf("the writer can %s", name)
		}
	}
	if got := storetest.ReadAll(t, log, 1); len(got) != 3 {
		t.Fatalf("%d commits are left of 3", len(got))
	}
}

// The keyring is created, read and erased over the writer's connection.
func TestWriterKeepsTheKeyring(t *testing.T) {
	s := listening(t)
	js, err := jetstream.New(s.WriterConn(), jetstream.WithDefaultTimeout(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KEYTRAIL_KEYRING", Subjects: []string{"keytrail.ring.*"}, DenyPurge: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "keytrail.ring.a", []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second)); err != nil || string(m.Data()) != "sealed" {
		t.Fatalf("%v, %v", m, err)
	}
	if _, err := stream.GetMsg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := stream.SecureDeleteMsg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
}

func TestResponderAnswersAndNoMore(t *testing.T) {
	s := listening(t)
	service, err := micro.AddService(s.ResponderConn(), micro.Config{Name: "keytrail", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Stop()
	err = service.AddEndpoint("call", micro.HandlerFunc(func(r micro.Request) { _ = r.Respond([]byte("answer")) }), micro.WithEndpointSubject("keytrail.api.*.*.*"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ResponderConn().Flush(); err != nil { // the server knows the endpoint
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("someone", "right"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, subject := range []string{"keytrail.api.AKIA1.kms.Decrypt", "$SRV.PING", "$SRV.INFO.keytrail", "$SRV.STATS.keytrail"} {
		if _, err := nc.Request(subject, nil, 5*time.Second); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
	// A reply subject that is a request subject: the responder may not go there.
	victim, err := nc.SubscribeSync("keytrail.api.AKIA2.>")
	if err != nil {
		t.Fatal(err)
	}
	live, err := nc.SubscribeSync("keytrail.live.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("keytrail.api.AKIA1.kms.Decrypt", "keytrail.api.AKIA2.kms.Decrypt", nil); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.ResponderConn().Publish("keytrail.live.kms.Decrypt.ok", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := live.NextMsg(5 * time.Second); err != nil {
		t.Errorf("live: %v", err)
	}
	if m, err := victim.NextMsg(200 * time.Millisecond); err == nil {
		t.Errorf("the responder published %q on another caller's subject", m.Data)
	}
	if _, err := s.ResponderConn().Request("$JS.API.INFO", nil, 200*time.Millisecond); err == nil {
		t.Error("the responder reaches JetStream")
	}
}

func TestListenersOffLoopbackNeedTLS(t *testing.T) {
	for _, host := range []string{"0.0.0.0", "::", "192.0.2.1", "vault.example"} {
		_, err := natslog.StartServer(natslog.ServerOptions{StoreDir: t.TempDir(), Host: host})
		if err == nil || !strings.Contains(err.Error(), "--nats-tls-cert") || !strings.Contains(err.Error(), "--nats-tls-key") {
			t.Errorf("%s: %v, want the names of the missing flags", host, err)
		}
	}
	for _, host := range []string{"localhost", "127.0.0.1"} {
		s, err := natslog.StartServer(natslog.ServerOptions{StoreDir: t.TempDir(), Host: host})
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		s.Shutdown()
	}
}

func TestTLSListener(t *testing.T) {
	certificate, pool := selfSigned(t)
	d := &door{}
	s, err := natslog.StartServer(natslog.ServerOptions{StoreDir: t.TempDir(), Host: "0.0.0.0", Clients: d,
		TLS: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}})
	if err != nil {
		t.Fatal(err)
	}
	d.server = s
	defer s.Shutdown()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(s.ClientURL(), "tls://"), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("tls://127.0.0.1:"+port, nats.UserInfo("someone", "right"), nats.Secure(&tls.Config{RootCAs: pool}))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if nc, err := nats.Connect("nats://127.0.0.1:"+port, nats.UserInfo("someone", "right"), nats.RootCAs()); err == nil {
		nc.Close()
		t.Error("a client without the certificate's authority connected")
	}
	log, err := natslog.Open(t.Context(), s.WriterConn(), natslog.Options{Server: s})
	if err != nil {
		t.Fatal(err)
	}
	var w storetest.Writer
	w.Append(t, log, w.Commit(eventstore.Use, "beside TLS"))
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = natslog.StartServer(natslog.ServerOptions{StoreDir: t.TempDir(), Port: l.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("%v, want that the port is in use", err)
	}
}
