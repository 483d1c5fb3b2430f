package natsapi_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/cmd/internal/natsapi"
	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/memlog"
)

// external is a server that is not ours: its configuration delegates connections
// to the auth callout.
const external = `
listen: "127.0.0.1:-1"
system_account: SYS
accounts {
  SYS: { users: [ { user: sys, password: sys } ] }
  AUTH: { users: [ { user: auth, password: auth } ] }
  CLIENTS: { users: [ { user: responder, password: responder, permissions: {
    publish: [ "_INBOX.>", "keytrail.live.>" ], subscribe: [ "keytrail.api.>", "$SRV.>", "_INBOX.>" ] } } ] }
}
authorization { auth_callout { issuer: "%s", account: AUTH, auth_users: [ sys, auth, responder ] } }
`

type outside struct {
	t      *testing.T
	url    string
	issuer nkeys.KeyPair
	log    *memlog.Store
	ring   openRing
	*world
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	issuer, err := nkeys.CreateAccount()
	check(t, err)
	public, err := issuer.PublicKey()
	check(t, err)
	file := filepath.Join(t.TempDir(), "nats.conf")
	check(t, os.WriteFile(file, fmt.Appendf(nil, external, public), 0o600))
	o, err := server.ProcessConfigFile(file)
	check(t, err)
	o.NoLog, o.NoSigs = true, true
	ns, err := server.NewServer(o)
	check(t, err)
	ns.Start()
	t.Cleanup(ns.Shutdown)
	if !ns.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	ring := keyring.NewMemory()
	out := &outside{t: t, url: ns.ClientURL(), issuer: issuer, log: memlog.NewStore(memlog.Options{}),
		world: &world{t, &site{root: rootKey(t)}}}
	out.ring = func(context.Context) (keyring.Ring, error) { ring = ring.Reopen(); return ring, nil }
	out.bootstrap(out.log.Open(), out.ring)
	return out
}

func (o *outside) login(name string) *nats.Conn {
	o.t.Helper()
	nc, err := nats.Connect(o.url, nats.UserInfo(name, name))
	check(o.t, err)
	o.t.Cleanup(nc.Close)
	return nc
}

// process starts a process that serves, and returns what ends it.
func (o *outside) process() (stop func()) {
	o.t.Helper()
	api := natsapi.New(o.login("responder"), natsapi.NewAuthenticator(), natsapi.Options{
		ReviewEvery: 100 * time.Millisecond, RefuseEvery: time.Hour,
		Callout: &natsapi.Callout{Conn: o.login("auth"), System: o.login("sys"), Issuer: o.issuer},
	})
	e, err := engine.Open(context.Background(), engine.Config{
		Log: o.log.Open(), OpenRing: o.ring, Root: o.root, Now: o.now, Entropy: rand.Reader, Tick: -1, Changed: api.Changed, Stored: api.Stored,
	})
	check(o.t, err)
	check(o.t, api.Serve(e))
	o.api = api
	return func() {
		check(o.t, api.Close())
		check(o.t, e.Close())
	}
}

func (o *outside) connect(c credentials, options ...nats.Option) (*client.Client, error) {
	return client.Connect(o.t.Context(), client.Options{URL: o.url, AccessKey: c.id, Secret: c.secret, SessionToken: c.token, NATS: options})
}

// On external servers the same callers are let in, may do the same, and are ended
// for the same reasons.
func TestCallout(t *testing.T) {
	o := newOutside(t)
	stop := o.process()
	defer func() { stop() }()

	admin, err := o.connect(o.admin)
	check(t, err)
	defer admin.Close()
	o.call(admin, "iam", "CreateUser", object{"UserName": "user"})
	key := o.call(admin, "iam", "CreateAccessKey", object{"UserName": "user"})["AccessKey"].(object)
	user := credentials{id: key["AccessKeyId"].(string), secret: key["SecretAccessKey"].(string)}

	for name, c := range map[string]credentials{
		"wrong secret": {id: user.id, secret: o.admin.secret}, "nobody": {id: "x", secret: "x"}, "the responder": {id: "responder", secret: "x"},
	} {
		if c, err := o.connect(c); !errors.Is(err, client.ErrRefused) {
			if err == nil {
				c.Close()
			}
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}

	t.Run("permissions", func(t *testing.T) {
		for _, subject := range []string{"keytrail.api." + o.admin.id + ".kms.CreateKey", "keytrail.live.x", "_INBOX." + o.admin.id + ".x", "$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.AUTH"} {
			errs := make(chan error, 1)
			c, err := o.connect(user, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { errs <- err }))
			check(t, err)
			check(t, c.Conn().Publish(subject, []byte("{}")))
			select {
			case err := <-errs:
				if !errors.Is(err, nats.ErrPermissionViolation) {
					t.Errorf("publish %s: %v", subject, err)
				}
			case <-time.After(2 * time.Second):
				t.Errorf("publish %s: the server let it happen", subject)
			}
			c.Close()
		}
	})

	t.Run("revoked", func(t *testing.T) {
		closed := make(chan struct{})
		c, err := o.connect(user, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
		check(t, err)
		defer c.Close()
		o.call(admin, "iam", "UpdateAccessKey", object{"UserName": "user", "AccessKeyId": user.id, "Status": "Inactive"})
		select {
		case <-closed:
		case <-time.After(30 * time.Second):
			t.Error("the connection stays")
		}
	})

	t.Run("watchers", func(t *testing.T) {
		c, err := o.connect(o.admin)
		check(t, err)
		defer c.Close()
		seen, err := c.Conn().SubscribeSync("keytrail.live." + account + ".keytrail.TailRecords.ok")
		check(t, err)
		m, err := seen.NextMsg(30 * time.Second)
		check(t, err)
		if !strings.Contains(string(m.Data), o.admin.id) || !strings.Contains(string(m.Data), `{"subjects":["`+seen.Subject+`"]}`) {
			t.Errorf("recorded as %s", m.Data)
		}
	})

	t.Run("session", func(t *testing.T) {
		trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}}`, account)
		role := o.call(admin, "iam", "CreateRole", object{"RoleName": "role", "AssumeRolePolicyDocument": trust})["Role"].(object)
		got := o.call(admin, "sts", "AssumeRole", object{"RoleArn": role["Arn"], "RoleSessionName": "test"})["Credentials"].(object)
		session := credentials{id: got["AccessKeyId"].(string), secret: got["SecretAccessKey"].(string), token: got["SessionToken"].(string)}
		reconnected := make(chan struct{}, 8)
		c, err := o.connect(session, nats.ReconnectWait(10*time.Millisecond), nats.ReconnectHandler(func(*nats.Conn) { reconnected <- struct{}{} }))
		check(t, err)
		defer c.Close()
		if who := o.call(c, "sts", "GetCallerIdentity", nil); !strings.HasSuffix(who["Arn"].(string), ":assumed-role/role/test") {
			t.Errorf("caller %v", who)
		}

		// Another process takes over: it knows no session of those that are connected.
		stop()
		stop = o.process()
		select {
		case <-reconnected:
		case <-time.After(30 * time.Second):
			t.Fatal("the connection that the other process let in stays")
		}
		eventually(t, "calls are answered again", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.Call(ctx, "sts", "GetCallerIdentity", nil)
			return err == nil
		})
	})
}

// Without a judge of its own on external servers, nothing proves who is calling.
func TestExternalNeedsCallout(t *testing.T) {
	o := newOutside(t)
	api := natsapi.New(o.login("responder"), natsapi.NewAuthenticator(), natsapi.Options{})
	if err := api.Serve(new(engine.Engine)); err == nil {
		t.Fatal("it serves whoever calls itself by an access key")
	}
}
