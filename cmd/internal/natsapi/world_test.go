package natsapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/cmd/internal/natsapi"
	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/merkle"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

const account = "111122223333"

type object = map[string]any

// world is a site as one test sees it.
type world struct {
	t testing.TB
	*site
}

// on is the same site for a subtest.
func (w *world) on(t testing.TB) *world { return &world{t, w.site} }

// site is a server with an administrator, over real connections.
type site struct {
	nats   *natslog.Server
	api    *natsapi.Service
	engine *engine.Engine
	root   *envelope.RootKey
	admin  credentials
	ahead  atomic.Int64 // how far the clock is ahead, in nanoseconds

	mu      sync.Mutex
	records []event.Record // everything on disk, in order
}

type credentials struct{ id, secret, token string }

type natslogOptions = natslog.ServerOptions

type setting struct {
	onDisk bool // log and keyring on JetStream instead of in memory
	server func(*natslogOptions)
	api    func(*natsapi.Options)
	auth   *natsapi.Authenticator // nil = one of its own
	forget bool                   // keep no records
}

func newWorld(t testing.TB, with setting) *world {
	t.Helper()
	root := rootKey(t)
	w := &world{t, &site{root: root}}
	auth := with.auth
	if auth == nil {
		auth = natsapi.NewAuthenticator()
	}
	o := natslog.ServerOptions{StoreDir: t.TempDir(), Clients: auth}
	if with.server != nil {
		with.server(&o)
	}
	var err error
	w.nats, err = natslog.StartServer(o)
	check(t, err)
	t.Cleanup(w.nats.Shutdown)

	log, openRing := w.stores(with.onDisk)
	w.bootstrap(log, openRing)
	ao := natsapi.Options{Server: w.nats, Version: "v1.2.3", Now: w.now, ReviewEvery: 50 * time.Millisecond, RefuseEvery: time.Hour}
	if with.api != nil {
		with.api(&ao)
	}
	w.api = natsapi.New(w.nats.ResponderConn(), auth, ao)
	w.engine, err = engine.Open(context.Background(), engine.Config{
		Log: log, OpenRing: openRing, Root: root, Now: w.now, Entropy: rand.Reader, Tick: -1, Changed: w.api.Changed,
		Stored: func(p engine.Published) {
			w.api.Stored(p)
			if with.forget {
				return
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, line := range p.Lines { // they last longer than p when they are read again
				r, err := event.ParseLine(line)
				check(t, err)
				w.records = append(w.records, *r)
			}
		},
	})
	check(t, err)
	t.Cleanup(func() { check(t, w.engine.Close()) })
	check(t, w.api.Serve(w.engine))
	t.Cleanup(func() { check(t, w.api.Close()) })
	return w
}

func rootKey(t testing.TB) *envelope.RootKey {
	t.Helper()
	root, err := envelope.NewRootKey(bytes.Repeat([]byte{7}, 32))
	check(t, err)
	return root
}

type openRing func(context.Context) (keyring.Ring, error)

func (w *world) stores(onDisk bool) (eventstore.Log, openRing) {
	if !onDisk {
		ring := keyring.NewMemory()
		return memlog.NewStore(memlog.Options{}).Open(), func(context.Context) (keyring.Ring, error) { return ring, nil }
	}
	log, err := natslog.Open(context.Background(), w.nats.WriterConn(), natslog.Options{Server: w.nats})
	check(w.t, err)
	js, err := jetstream.New(w.nats.WriterConn())
	check(w.t, err)
	return log, func(ctx context.Context) (keyring.Ring, error) { return keyring.Open(ctx, js, keyring.Config{}) }
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// bootstrap stores the first record of the log.
func (w *world) bootstrap(log eventstore.Log, open openRing) {
	w.t.Helper()
	ring, err := open(context.Background())
	check(w.t, err)
	d, admin, err := vault.Bootstrap(vault.Founding{Region: "us-east-1", Account: account},
		&vault.Env{Now: w.now(), Entropy: rand.Reader, Root: w.root})
	check(w.t, err)
	for _, s := range d.Seals {
		check(w.t, ring.Put(context.Background(), keyring.Entry{ID: s.Ring, Sealed: s.Sealed}))
	}
	line, err := d.Records[0].AppendLine(nil)
	check(w.t, err)
	var tree merkle.Tree
	tree.Append(line)
	_, err = log.Append(context.Background(), &eventstore.Commit{
		Subject: eventstore.State, Lines: [][]byte{line}, Root: tree.Root(), ID: "bootstrap",
	})
	check(w.t, err)
	w.admin = credentials{id: admin.AccessKey, secret: string(admin.Secret.Expose())}
}

func (c credentials) options(w *world) client.Options {
	return client.Options{URL: w.nats.ClientURL(), AccessKey: c.id, Secret: c.secret, SessionToken: c.token, Agent: "test/1"}
}

// as connects with the product's client.
func (w *world) as(c credentials) *client.Client {
	w.t.Helper()
	conn, err := client.Connect(w.t.Context(), c.options(w))
	check(w.t, err)
	w.t.Cleanup(conn.Close)
	return conn
}

// from is as from a certain address of this machine.
func (w *world) from(address string, c credentials) *client.Client {
	w.t.Helper()
	o := c.options(w)
	o.NATS = []nats.Option{nats.Dialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}})}
	conn, err := client.Connect(w.t.Context(), o)
	check(w.t, err)
	w.t.Cleanup(conn.Close)
	return conn
}

// raw connects with nats.go alone and collects the errors that the server sends.
func (w *world) raw(c credentials, options ...nats.Option) *rawConn {
	w.t.Helper()
	r := &rawConn{t: w.t, errs: make(chan error, 64), closed: make(chan struct{})}
	var once sync.Once
	options = append([]nats.Option{
		nats.UserInfo(c.id, c.secret), nats.Token(c.token), nats.CustomInboxPrefix("_INBOX." + c.id), nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			select {
			case r.errs <- err:
			default:
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) { once.Do(func() { close(r.closed) }) }),
	}, options...)
	var err error
	r.Conn, err = nats.Connect(w.nats.ClientURL(), options...)
	check(w.t, err)
	w.t.Cleanup(r.Close)
	return r
}

// refused tries to connect and wants the server to say no.
func (w *world) refused(c credentials) {
	w.t.Helper()
	conn, err := nats.Connect(w.nats.ClientURL(), nats.UserInfo(c.id, c.secret), nats.Token(c.token))
	if err == nil {
		conn.Close()
		w.t.Fatal("the connection was let in")
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		w.t.Fatalf("connect: %v, want a refusal", err)
	}
}

type rawConn struct {
	*nats.Conn
	t      testing.TB
	errs   chan error
	closed chan struct{}
}

// violates wants the server to have refused what was done since the last look.
func (r *rawConn) violates(what string) {
	r.t.Helper()
	check(r.t, r.Flush())
	select {
	case err := <-r.errs:
		if !errors.Is(err, nats.ErrPermissionViolation) && !errors.Is(err, nats.ErrAuthorization) {
			r.t.Fatalf("%s: %v, want a permission violation", what, err)
		}
	case <-time.After(2 * time.Second):
		r.t.Fatalf("%s: the server let it happen", what)
	}
}

// ends wants the connection to be closed by the server.
func (r *rawConn) ends(why string) {
	r.t.Helper()
	select {
	case <-r.closed:
	case <-time.After(30 * time.Second):
		r.t.Fatalf("%s: the connection stays", why)
	}
}

func (w *world) call(c *client.Client, service, operation string, in object) object {
	w.t.Helper()
	body := []byte("{}")
	if in != nil {
		var err error
		body, err = json.Marshal(in)
		check(w.t, err)
	}
	reply, err := c.Call(w.t.Context(), service, operation, body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", service, operation, err)
	}
	var out object
	check(w.t, json.Unmarshal(reply.Body, &out))
	return out
}

// user makes a user with the policy's actions allowed on everything.
func (w *world) user(name string, actions ...string) credentials {
	w.t.Helper()
	c := w.as(w.admin)
	defer c.Close()
	w.call(c, "iam", "CreateUser", object{"UserName": name})
	if len(actions) > 0 {
		w.call(c, "iam", "PutUserPolicy", object{"UserName": name, "PolicyName": "p", "PolicyDocument": allow(actions...)})
	}
	key := w.call(c, "iam", "CreateAccessKey", object{"UserName": name})["AccessKey"].(object)
	return credentials{id: key["AccessKeyId"].(string), secret: key["SecretAccessKey"].(string)}
}

// session assumes a new role with the actions allowed.
func (w *world) session(role string, seconds int, actions ...string) credentials {
	w.t.Helper()
	c := w.as(w.admin)
	defer c.Close()
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}}`, account)
	made := w.call(c, "iam", "CreateRole", object{"RoleName": role, "AssumeRolePolicyDocument": trust})["Role"].(object)
	if len(actions) > 0 {
		w.call(c, "iam", "PutRolePolicy", object{"RoleName": role, "PolicyName": "p", "PolicyDocument": allow(actions...)})
	}
	return w.assume(made["Arn"].(string), seconds)
}

func (w *world) assume(role string, seconds int) credentials {
	w.t.Helper()
	c := w.as(w.admin)
	defer c.Close()
	got := w.call(c, "sts", "AssumeRole", object{"RoleArn": role, "RoleSessionName": "test", "DurationSeconds": seconds})["Credentials"].(object)
	return credentials{id: got["AccessKeyId"].(string), secret: got["SecretAccessKey"].(string), token: got["SessionToken"].(string)}
}

func allow(actions ...string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["%s"],"Resource":"*"}}`, strings.Join(actions, `","`))
}

// recorded returns the records of one operation, oldest first.
func (w *world) recorded(op string) []event.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []event.Record
	for _, r := range w.records {
		if r.Op == op {
			found = append(found, r)
		}
	}
	return found
}

func (w *world) stored() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.records)
}

// eventually waits for what happens in another goroutine.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("%s: not within a minute", what)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func code(t testing.TB, err error) string {
	t.Helper()
	var refused *client.APIError
	if !errors.As(err, &refused) {
		t.Fatalf("%v, want a refusal by the service", err)
	}
	return refused.Code
}
