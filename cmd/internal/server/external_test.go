package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"

	"github.com/keytrail/keytrail/cmd/internal/external"
	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
	"github.com/keytrail/keytrail/cmd/internal/server"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

type object = map[string]any

// site is one NATS server that is not ours, from the configuration that we hand
// out, and the logins for it.
type site struct {
	url, creds string
	nats       *natsserver.Server
}

// newSite starts the NATS server; edit changes the configuration before.
func newSite(t *testing.T, edit func(config string) string) *site {
	t.Helper()
	creds := filepath.Join(t.TempDir(), "creds")
	check(t, external.Write(creds, external.Config{Listen: "127.0.0.1:-1", StoreDir: t.TempDir()}))
	file := filepath.Join(creds, external.ConfigFile)
	if edit != nil {
		raw, err := os.ReadFile(file)
		check(t, err)
		changed := edit(string(raw))
		if changed == string(raw) {
			t.Fatal("nothing was edited")
		}
		check(t, os.WriteFile(file, []byte(changed), 0o600))
	}
	ns := startNATS(t, file, nil)
	return &site{ns.ClientURL(), creds, ns}
}

func startNATS(t *testing.T, file string, change func(*natsserver.Options)) *natsserver.Server {
	t.Helper()
	o, err := natsserver.ProcessConfigFile(file)
	check(t, err)
	o.NoLog, o.NoSigs = true, true
	if change != nil {
		change(o)
	}
	ns, err := natsserver.NewServer(o)
	check(t, err)
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	if !ns.ReadyForConnections(30 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return ns
}

func (s *site) options(dir string) server.Options {
	return server.Options{
		DataDir: dir, OpsListen: "127.0.0.1:0", HTTPListen: "127.0.0.1:0", Account: server.DefaultAccount, Region: server.DefaultRegion,
		NATSURL: s.url, NATSCreds: s.creds, Log: zerolog.Nop(),
	}
}

func (s *site) start(t *testing.T, o server.Options) *server.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // three servers that elect leaders on a busy machine
	defer cancel()
	k, err := server.Start(ctx, o)
	check(t, err)
	t.Cleanup(func() { _ = k.Stop() })
	return k
}

// another is a data directory for one more process on the log that was founded
// from dir.
func another(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"root.key", "head"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		check(t, os.WriteFile(filepath.Join(to, name), raw, 0o600))
	}
	return to
}

func (s *site) connect(t *testing.T, c server.Credentials, options ...nats.Option) *client.Client {
	t.Helper()
	options = append([]nats.Option{nats.ReconnectWait(20 * time.Millisecond), nats.IgnoreAuthErrorAbort()}, options...)
	conn, err := client.Connect(t.Context(), client.Options{URL: s.url, AccessKey: c.AccessKey, Secret: c.Secret, NATS: options})
	check(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func call(t *testing.T, c *client.Client, service, operation string, in object) object {
	t.Helper()
	out, _, err := try(t.Context(), c, service, operation, in)
	if err != nil {
		t.Fatalf("%s %s: %v", service, operation, err)
	}
	return out
}

func try(ctx context.Context, c *client.Client, service, operation string, in object) (object, *client.Reply, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	reply, err := c.Call(ctx, service, operation, body)
	if err != nil {
		return nil, nil, err
	}
	var out object
	return out, reply, json.Unmarshal(reply.Body, &out)
}

// retryable reports whether a caller that meets the error shall try again.
func retryable(err error) bool {
	var refused *client.APIError
	if errors.As(err, &refused) {
		return refused.Status == 503
	}
	return true // of the connection
}

func persist(t *testing.T, c *client.Client, service, operation string, in object) object {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		out, _, err := try(t.Context(), c, service, operation, in)
		if err == nil {
			return out
		}
		if !retryable(err) || time.Now().After(end) {
			t.Fatalf("%s %s: %v", service, operation, err)
		}
	}
}

// The whole of it on a server that is not ours: founding, both edges, a stop and a
// start, and the end of a connection whose key was revoked.
func TestExternal(t *testing.T) {
	s := newSite(t, nil)
	dir := t.TempDir()
	k := s.start(t, s.options(dir))
	env, err := os.ReadFile(filepath.Join(dir, "admin.env"))
	check(t, err)
	if want := "export KEYTRAIL_NATS_URL='" + s.url + "'\n"; !strings.Contains(string(env), want) {
		t.Errorf("admin.env has no %s", want)
	}
	if k.HTTPURL() == "" || k.Ready() != nil {
		t.Errorf("HTTP at %q, ready: %v", k.HTTPURL(), k.Ready())
	}
	root, err := k.AdminCredentials()
	check(t, err)
	admin := s.connect(t, root)
	call(t, admin, "secretsmanager", "CreateSecret", object{"Name": "db", "SecretString": "s3cret"})
	call(t, admin, "iam", "CreateUser", object{"UserName": "user"})
	key := call(t, admin, "iam", "CreateAccessKey", object{"UserName": "user"})["AccessKey"].(object)
	user := server.Credentials{AccessKey: key["AccessKeyId"].(string), Secret: key["SecretAccessKey"].(string)}

	closed := make(chan struct{})
	s.connect(t, user, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	call(t, admin, "iam", "UpdateAccessKey", object{"UserName": "user", "AccessKeyId": user.AccessKey, "Status": "Inactive"})
	select {
	case <-closed:
	case <-time.After(30 * time.Second):
		t.Error("the connection of a revoked key stays")
	}

	check(t, k.Stop())
	s.start(t, s.options(dir))
	if got := persist(t, admin, "secretsmanager", "GetSecretValue", object{"SecretId": "db"})["SecretString"]; got != "s3cret" {
		t.Errorf("after a restart the secret is %v", got)
	}
}

func TestExternalRefused(t *testing.T) {
	replace := func(old, new string) func(string) string {
		return func(config string) string { return strings.Replace(config, old, new, 1) }
	}
	cut := func(from, to string) func(string) string {
		return func(config string) string {
			before, rest, _ := strings.Cut(config, from)
			_, after, _ := strings.Cut(rest, to)
			return before + after
		}
	}
	for name, with := range map[string]struct {
		edit   func(string) string
		change func(*testing.T, *site, *server.Options)
		want   string // "" = it starts
	}{
		"no sync":         {edit: replace("sync_interval: always", `sync_interval: "2m"`), want: "sync_interval: always"},
		"no sync, unsafe": {edit: replace("sync_interval: always", `sync_interval: "2m"`), change: func(_ *testing.T, _ *site, o *server.Options) { o.UnsafeNoSync = true }},
		"no callout":      {edit: cut("  auth_callout {", "  }\n"), want: "it did not ask"},
		"another issuer":  {edit: otherIssuer, want: "auth_callout.issuer is not the public key of issuer.nk"},
		"another account": {edit: replace("account: AUTH", "account: SYS"), want: "it did not ask"},
		"no login":        {change: func(_ *testing.T, _ *site, o *server.Options) { o.NATSCreds = "" }, want: "needs --nats-creds DIR"},
		"files missing":   {change: remove("system.nk", "issuer.nk"), want: "has no issuer.nk, system.nk"},
		"file for all": {change: func(t *testing.T, s *site, _ *server.Options) {
			check(t, os.Chmod(filepath.Join(s.creds, "writer.nk"), 0o644))
		}, want: "writer.nk can be read by others (mode 0644)"},
		"a wrong login":       {change: swap("writer.nk"), want: "as writer with "},
		"a login in the URL":  {change: at("nats://u:p@127.0.0.1:4222"), want: "a URL with a login"},
		"not a URL":           {change: at("127.0.0.1:4222"), want: "is not a URL"},
		"elsewhere, no TLS":   {edit: replace("127.0.0.1:-1", "0.0.0.0:-1"), change: func(_ *testing.T, s *site, o *server.Options) { o.NATSURL = elsewhere(s.url) }, want: "secure connection not available"},
		"stream not the same": {change: foreignStream, want: "max_age"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, with.edit)
			o := s.options(t.TempDir())
			if with.change != nil {
				with.change(t, s, &o)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			k, err := server.Start(ctx, o)
			if err == nil {
				check(t, k.Stop())
			}
			if (err == nil) != (with.want == "") || err != nil && !strings.Contains(err.Error(), with.want) {
				t.Fatalf("start: %v, want %q", err, with.want)
			}
			if err != nil && seed.MatchString(err.Error()) {
				t.Errorf("the message holds a seed: %v", err)
			}
		})
	}
}

func otherIssuer(config string) string {
	pair, _ := nkeys.CreateAccount()
	public, _ := pair.PublicKey()
	before, rest, _ := strings.Cut(config, "issuer: ")
	_, after, _ := strings.Cut(rest, "\n")
	return before + "issuer: " + public + "\n" + after
}

func remove(files ...string) func(*testing.T, *site, *server.Options) {
	return func(t *testing.T, s *site, _ *server.Options) {
		for _, f := range files {
			check(t, os.Remove(filepath.Join(s.creds, f)))
		}
	}
}

func swap(file string) func(*testing.T, *site, *server.Options) {
	return func(t *testing.T, s *site, _ *server.Options) {
		pair, err := nkeys.CreateUser()
		check(t, err)
		seed, err := pair.Seed()
		check(t, err)
		check(t, os.WriteFile(filepath.Join(s.creds, file), seed, 0o600))
	}
}

// seed is the text of an nkey's private half. A public one, as the id of a server
// is, begins otherwise.
var seed = regexp.MustCompile(`\bS[A-Z2-7]{57}\b`)

func at(u string) func(*testing.T, *site, *server.Options) {
	return func(_ *testing.T, _ *site, o *server.Options) { o.NATSURL = u }
}

// elsewhere is a URL of this machine that is not loopback by its looks.
func elsewhere(u string) string {
	return strings.NewReplacer("127.0.0.1", "0.0.0.0", "localhost", "0.0.0.0").Replace(u)
}

func foreignStream(t *testing.T, s *site, _ *server.Options) {
	seed, err := os.ReadFile(filepath.Join(s.creds, "writer.nk"))
	check(t, err)
	pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	check(t, err)
	public, err := pair.PublicKey()
	check(t, err)
	nc, err := nats.Connect(s.url, nats.Nkey(public, pair.Sign))
	check(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	check(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: natslog.StreamName, Subjects: []string{"keytrail.log.>"}, Discard: jetstream.DiscardNew, DenyDelete: true, DenyPurge: true,
		AllowDirect: true, MaxAge: time.Hour,
	})
	check(t, err)
}

// One more process on a log cannot serve it with another root key, nor without a
// head to hold the log against.
func TestExternalStranger(t *testing.T) {
	s := newSite(t, nil)
	dir := t.TempDir()
	s.start(t, s.options(dir))
	for name, spoil := range map[string]func(string) error{
		"no head":        func(dir string) error { return os.Remove(filepath.Join(dir, "head")) },
		"wrong root key": func(dir string) error { return os.WriteFile(filepath.Join(dir, "root.key"), make([]byte, 32), 0o600) },
	} {
		other := another(t, dir)
		check(t, spoil(other))
		k, err := server.Start(t.Context(), s.options(other))
		if err == nil {
			_ = k.Stop()
		}
		if err == nil || !strings.Contains(err.Error(), "copy root.key and head") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func get(url string) string {
	r, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return string(body)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("%s: not within a minute", what)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// freePort is an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}
