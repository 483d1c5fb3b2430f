package natsapi_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/eventstore/natslog"
)

// What somebody with valid credentials tries against somebody else. The server
// runs with its log on JetStream, so that there is something to reach for.
func TestAttacker(t *testing.T) {
	w := newWorld(t, setting{onDisk: true})
	attacker := w.user("attacker", "kms:ListKeys")
	victim := w.admin
	heard := w.raw(victim)
	inbox, err := heard.SubscribeSync("_INBOX." + victim.id + ".>")
	check(t, err)
	check(t, heard.Flush())

	t.Run("publishes where it may not", func(t *testing.T) {
		w := w.on(t)
		for _, subject := range []string{
			"keytrail.api." + victim.id + ".kms.CreateKey",
			"keytrail.api." + victim.id + ".1.kms.CreateKey",
			"keytrail.api.kms.CreateKey",
			"keytrail.api." + attacker.id + ".1.kms.ListKeys", // the id of another connection
			"keytrail.api." + attacker.id,
			"keytrail.live." + account + ".kms.CreateKey.ok",
			"keytrail.log.use", "keytrail.log.state", "keytrail.ring.put", "keytrail.ring.x",
			"_INBOX." + victim.id + ".x", "_INBOX.x", "_R_.x",
			"$JS.API.INFO", "$JS.API.STREAM.INFO.KEYTRAIL", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.DELETE.KEYTRAIL",
			"$JS.API.STREAM.PURGE.KEYTRAIL", "$JS.API.STREAM.MSG.GET.KEYTRAIL", "$JS.API.DIRECT.GET.KEYTRAIL",
			"$JS.API.STREAM.MSG.GET.KEYTRAIL_KEYRING", "$JS.API.STREAM.MSG.DELETE.KEYTRAIL_KEYRING",
			"$JS.API.CONSUMER.CREATE.KEYTRAIL", "$JS.ACK.KEYTRAIL.x",
			"$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.VAULT.CONNZ", "$SYS.REQ.USER.INFO", "$SYS.REQ.USER.AUTH",
			"$SRV.OTHER", "$SRV", "x",
		} {
			c := w.raw(attacker)
			before := w.stored()
			check(t, c.PublishRequest(subject, "_INBOX."+attacker.id+".x", []byte("{}")))
			c.violates("publish " + subject)
			if n := w.stored(); n != before {
				t.Errorf("publish %s: %d records more", subject, n-before)
			}
			c.Close()
		}
	})

	t.Run("subscribes where it may not", func(t *testing.T) {
		w := w.on(t)
		for _, subject := range []string{
			">", "*", "*.>", "_INBOX.>", "_INBOX.*", "_INBOX.*.>", "_INBOX." + victim.id + ".>", "_INBOX." + victim.id + ".x",
			"keytrail.>", "keytrail.api.>", "keytrail.api." + attacker.id + ".>", "keytrail.api." + victim.id + ".>", "keytrail.*.*.kms.*",
			"keytrail.live.>", "keytrail.live." + account + ".>", "keytrail.live." + account + ".kms.CreateKey.ok", "keytrail.live.*.>",
			"keytrail.log.>", "keytrail.ring.>", "$JS.>", "$JS.EVENT.>", "$SYS.>", "$SYS.ACCOUNT.CLIENTS.>", "$SRV.>", "$SRV.PING",
		} {
			for _, queue := range []string{"", "q", "keytrail"} {
				c := w.raw(attacker)
				_, err := c.QueueSubscribe(subject, queue, func(*nats.Msg) {})
				check(t, err)
				c.violates(fmt.Sprintf("subscribe %s queue %q", subject, queue))
				c.Close()
			}
		}
	})

	t.Run("has the reply sent elsewhere", func(t *testing.T) {
		w := w.on(t)
		// Without the check of the reply subject the service would publish, with its
		// own permissions, what the attacker makes it answer.
		for _, reply := range []string{
			"keytrail.api." + victim.id + ".kms.CreateKey",
			"keytrail.api." + victim.id + ".1.kms.CreateKey",
			"keytrail.live." + account + ".kms.CreateKey.ok",
			"_INBOX." + victim.id + ".x",
			"_INBOX." + victim.id,
			"_INBOX." + attacker.id,
			"_INBOX.*.x",
			"_INBOX.>",
			"_INBOX." + attacker.id + ".*",
			"_INBOX." + attacker.id + ".>",
			"_INBOX." + attacker.id + "x.y",
			"$JS.API.STREAM.DELETE.KEYTRAIL",
			"x",
			"",
		} {
			refused := foreignReplies(w)
			before := w.stored()
			c := w.raw(attacker)
			msg := &nats.Msg{Subject: "keytrail.api." + attacker.id + ".kms.ListKeys", Reply: reply, Data: []byte("{}")}
			check(t, c.PublishMsg(msg))
			check(t, c.Flush())
			eventually(t, "refusal of reply "+reply, func() bool { return foreignReplies(w) > refused })
			if n := w.stored(); n != before {
				t.Errorf("reply %q: %d records more", reply, n-before)
			}
			c.Close()
		}
		if m, err := inbox.NextMsg(50 * time.Millisecond); err == nil {
			t.Errorf("the victim received %s: %s", m.Subject, m.Data)
		}
		for _, r := range w.recorded("kms:CreateKey") {
			t.Errorf("a call was made: %+v", r)
		}
	})

	t.Run("has discovery answer elsewhere", func(t *testing.T) {
		w := w.on(t)
		before := w.stored()
		c := w.raw(attacker)
		for _, reply := range []string{"keytrail.api." + victim.id + ".kms.CreateKey", "keytrail.live." + account + ".x.y.z"} {
			check(t, c.PublishRequest("$SRV.PING", reply, nil))
		}
		if _, err := c.Request("$SRV.PING", nil, 2*time.Second); err != nil { // the service has seen those before it
			t.Fatal(err)
		}
		if n := w.stored(); n != before {
			t.Errorf("%d records more", n-before)
		}
	})

	t.Run("claims to be more in headers", func(t *testing.T) {
		w := w.on(t)
		c := w.raw(attacker)
		msg := nats.NewMsg("keytrail.api." + attacker.id + ".kms.ListKeys")
		for _, h := range []string{"Via", "Keytrail-Via", "Via-Service", "X-Amz-Via-Service", "Keytrail-Account", "Account", "Source", "Keytrail-Source",
			"Principal", "Keytrail-Principal", "Keytrail-Who", "X-Forwarded-For", "Nats-Request-Info", "Keytrail-Request-Id", "Authorization"} {
			msg.Header.Set(h, `{"acc":"999999999999","user":"`+victim.id+`","host":"203.0.113.9"}`)
		}
		msg.Header.Set("Keytrail-Agent", "mine/1")
		msg.Data = []byte("{}")
		reply, err := c.RequestMsg(msg, 2*time.Second)
		check(t, err)
		records := w.recorded("kms:ListKeys")
		r := records[len(records)-1]
		if r.Who.AccessKey != attacker.id || r.Who.Account != account || r.Via != "" || r.Source != "127.0.0.1" {
			t.Errorf("record %+v", r)
		}
		if r.Request != reply.Header.Get("Keytrail-Request-Id") || strings.Contains(r.Request, "user") {
			t.Errorf("request id %q", r.Request)
		}
		if r.Agent != "mine/1" {
			t.Errorf("agent %q, want what the client calls itself", r.Agent)
		}
	})

	t.Run("calls what the vault calls itself", func(t *testing.T) {
		w := w.on(t)
		c := w.as(attacker)
		for _, operation := range []string{"RefuseConnections", "Initialize"} {
			_, err := c.Call(t.Context(), "keytrail", operation, []byte(`{"Edge":"nats","Reason":"x","Count":1,"First":1,"Last":1}`))
			if got := code(t, err); got != "UnknownOperationException" {
				t.Errorf("%s: %s", operation, got)
			}
		}
	})
}

func foreignReplies(w *world) uint64 {
	return w.api.Figures().Refused["reply subject outside of the caller's inbox"]
}

// The responder's own permissions are a second wall behind the check of the reply
// subject.
func TestResponderPublishesToInboxesAlone(t *testing.T) {
	w := newWorld(t, setting{})
	errs := make(chan error, 16)
	w.nats.ResponderConn().SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { errs <- err })
	for _, subject := range []string{"keytrail.api." + w.admin.id + ".kms.CreateKey", "$JS.API.INFO", "keytrail.log.use", "$SRV.PING"} {
		check(t, w.nats.ResponderConn().PublishRequest(subject, "_INBOX."+w.admin.id+".x", []byte("{}")))
		select {
		case <-errs:
		case <-time.After(2 * time.Second):
			t.Errorf("the responder may publish %s", subject)
		}
	}
}

func TestConnect(t *testing.T) {
	w := newWorld(t, setting{})
	user := w.user("user")
	role := w.session("role", 900)
	other := w.assume("arn:aws:iam::"+account+":role/role", 900)

	flipped := []byte(role.token)
	flipped[len(flipped)/2] ^= 1
	if flipped[len(flipped)/2] == '=' || flipped[len(flipped)/2] == '\n' {
		flipped[len(flipped)/2] = 'A'
	}
	for name, c := range map[string]credentials{
		"wrong secret":                    {id: user.id, secret: w.admin.secret},
		"no secret":                       {id: user.id, secret: " "},
		"longer secret":                   {id: user.id, secret: user.secret + "x"},
		"unknown key":                     {id: "AKIAAAAAAAAAAAAAAAAA", secret: user.secret},
		"everybody":                       {id: "*", secret: user.secret},
		"two tokens":                      {id: user.id + "." + w.admin.id, secret: user.secret},
		"wildcard behind key":             {id: user.id + "*", secret: user.secret},
		"the writer":                      {id: "keytrail-writer", secret: "x"},
		"the responder":                   {id: "keytrail-responder", secret: "x"},
		"session without token":           {id: role.id, secret: role.secret},
		"session with another's token":    {id: role.id, secret: role.secret, token: other.token},
		"session with another's secret":   {id: role.id, secret: other.secret, token: role.token},
		"session with a tampered token":   {id: role.id, secret: role.secret, token: string(flipped)},
		"session with a cut token":        {id: role.id, secret: role.secret, token: role.token[:len(role.token)-8]},
		"user with a session's token":     {id: user.id, secret: user.secret, token: role.token},
		"user with session secret":        {id: user.id, secret: role.secret, token: role.token},
		"token of another, as a password": {id: role.id, secret: role.secret + ":" + other.token},
	} {
		t.Run(name, func(t *testing.T) {
			w.on(t).refused(c)
		})
	}

	t.Run("let in", func(t *testing.T) {
		w := w.on(t)
		for name, c := range map[string]credentials{
			"user": user, "role": role, "another session": other,
			"token behind the password": {id: role.id, secret: role.secret + ":" + role.token},
		} {
			reply, err := w.as(c).Call(t.Context(), "sts", "GetCallerIdentity", nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			var who struct{ Arn string }
			check(t, json.Unmarshal(reply.Body, &who))
			if want := map[bool]string{true: ":user/user", false: ":assumed-role/role/test"}[name == "user"]; !strings.HasSuffix(who.Arn, want) {
				t.Errorf("%s is %s", name, who.Arn)
			}
		}
	})

	t.Run("nobody", func(t *testing.T) {
		w := w.on(t)
		for _, o := range [][]nats.Option{nil, {nats.Token(role.token)}, {nats.Token(user.secret)}} {
			if nc, err := nats.Connect(w.nats.ClientURL(), o...); err == nil {
				nc.Close()
				t.Error("let in without an access key")
			}
		}
	})

	t.Run("after the session has ended", func(t *testing.T) {
		w := w.on(t)
		defer w.ahead.Store(0)
		w.ahead.Store(int64(901 * time.Second))
		w.refused(role)
	})

	admin := w.as(w.admin)
	t.Run("with a key made inactive", func(t *testing.T) {
		w := w.on(t)
		w.call(admin, "iam", "UpdateAccessKey", object{"UserName": "user", "AccessKeyId": user.id, "Status": "Inactive"})
		w.refused(user)
		w.call(admin, "iam", "UpdateAccessKey", object{"UserName": "user", "AccessKeyId": user.id, "Status": "Active"})
		w.as(user).Close()
	})
	t.Run("with a deleted key", func(t *testing.T) {
		w := w.on(t)
		w.call(admin, "iam", "DeleteAccessKey", object{"UserName": "user", "AccessKeyId": user.id})
		w.refused(user)
	})
	t.Run("for a deleted role", func(t *testing.T) {
		w := w.on(t)
		w.as(role).Close()
		w.call(admin, "iam", "DeleteRole", object{"RoleName": "role"})
		w.refused(role)
	})
	t.Run("for a role made anew under the name", func(t *testing.T) {
		w := w.on(t)
		w.session("role", 900)
		w.refused(role)
	})
}

// A connection stays whose it was: a second CONNECT ends it.
func TestSecondConnect(t *testing.T) {
	w := newWorld(t, setting{})
	first, second := w.user("first"), w.user("second")
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.nats.ClientURL(), "nats://"))
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	lines := bufio.NewScanner(conn)
	connect := func(c credentials) {
		fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"headers\":true,\"user\":%q,\"pass\":%q,\"lang\":\"x\",\"version\":\"1\",\"protocol\":1}\r\nPING\r\n", c.id, c.secret)
	}
	connect(first)
	for lines.Scan() && lines.Text() != "PONG" {
		if strings.HasPrefix(lines.Text(), "-ERR") {
			t.Fatal(lines.Text())
		}
	}
	connect(second)
	for lines.Scan() {
		if lines.Text() == "PONG" {
			t.Fatal("the connection became another caller's")
		}
	}
	eventually(t, "the connection is forgotten", func() bool { return w.api.Figures().Connections == 0 })
}

// A caller has as many subscriptions as calls may be under way, and no more.
func TestSubscriptionsAreBounded(t *testing.T) {
	w := newWorld(t, setting{})
	conn := w.raw(w.user("user"))
	inbox := "_INBOX." + conn.Opts.User + "."
	for i := range natslog.MaxSubscriptions + 1 {
		_, err := conn.SubscribeSync(fmt.Sprint(inbox, i))
		check(t, err)
	}
	check(t, conn.Flush())
	select {
	case err := <-conn.errs:
		if !errors.Is(err, nats.ErrMaxSubscriptionsExceeded) {
			t.Errorf("the server says %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server takes one more")
	}
}
