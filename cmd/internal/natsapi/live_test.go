package natsapi_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/domain/event"
)

// Who may tail sees the records of its account as they are stored, byte for byte,
// and no others.
func TestLive(t *testing.T) {
	w := newWorld(t, setting{})
	admin := w.as(w.admin)
	made := w.call(admin, "keytrail", "CreateAccount", object{"AccountName": "other", "AccountId": "444455556666"})
	key := made["AccessKey"].(object)
	stranger := credentials{id: key["AccessKeyId"].(string), secret: key["SecretAccessKey"].(string)}

	watcher := w.raw(w.user("watcher", "keytrail:TailRecords"))
	all, err := watcher.SubscribeSync("keytrail.live." + account + ".>")
	check(t, err)
	denied, err := watcher.SubscribeSync("keytrail.live." + account + ".*.*.AccessDenied")
	check(t, err)
	check(t, watcher.Flush())
	lines := make(chan []byte, 16)
	stop, err := w.as(stranger).Tail(t.Context(), func(line []byte) { lines <- line })
	check(t, err)
	defer stop()

	for _, subject := range []string{"keytrail.live.444455556666.>", "keytrail.live.*.kms.>", "keytrail.live.>"} {
		_, err := watcher.SubscribeSync(subject)
		check(t, err)
		watcher.violates("subscribe " + subject)
	}

	user := w.user("user")
	_, err = w.as(user).Call(t.Context(), "kms", "ListKeys", nil)
	code(t, err)
	strange := w.as(stranger)
	w.call(strange, "kms", "ListKeys", nil)

	next := func(sub *nats.Subscription, subject string) *event.Record {
		t.Helper()
		for {
			m, err := sub.NextMsg(2 * time.Second)
			if err != nil {
				t.Fatalf("no record on %s: %v", subject, err)
			}
			if strings.Contains(m.Subject, "444455556666") {
				t.Fatalf("another account's record: %s", m.Subject)
			}
			if m.Subject == subject {
				r, err := event.ParseLine(m.Data)
				check(t, err)
				return r
			}
		}
	}
	if r := next(all, "keytrail.live."+account+".iam.CreateUser.ok"); r.Who.AccessKey != w.admin.id {
		t.Errorf("record %+v", r)
	}
	if r := next(denied, "keytrail.live."+account+".kms.ListKeys.AccessDenied"); r.Who.AccessKey != user.id || r.Outcome != "AccessDenied" {
		t.Errorf("record %+v", r)
	}
	select {
	case line := <-lines:
		var r struct {
			Op  string
			Who struct{ Account string }
		}
		check(t, json.Unmarshal(line, &r))
		if r.Who.Account != "444455556666" {
			t.Errorf("the stranger saw %s", line)
		}
	case <-time.After(2 * time.Second):
		t.Error("the stranger saw nothing of its own account")
	}
	if n := w.api.Figures().LiveMissed; n != 0 {
		t.Errorf("%d records missed", n)
	}
}

// Who watches sees of another account's call on a key of its own what the owner of
// the key may see.
func TestLiveForeign(t *testing.T) {
	w := newWorld(t, setting{})
	admin := w.as(w.admin)
	made := w.call(admin, "keytrail", "CreateAccount", object{"AccountName": "other", "AccountId": "444455556666"})["AccessKey"].(object)
	stranger := credentials{id: made["AccessKeyId"].(string), secret: made["SecretAccessKey"].(string)}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::` + account + `:root","444455556666"]},"Action":"kms:*","Resource":"*"}]}`
	key := w.call(admin, "kms", "CreateKey", object{"Policy": policy})["KeyMetadata"].(object)["Arn"]

	watcher := w.raw(w.user("watcher", "keytrail:TailRecords"))
	ours, err := watcher.SubscribeSync("keytrail.live." + account + ".kms.Encrypt.>")
	check(t, err)
	check(t, watcher.Flush())
	lines := make(chan []byte, 16)
	stop, err := w.as(stranger).Tail(t.Context(), func(line []byte) { lines <- line })
	check(t, err)
	defer stop()
	w.call(w.as(stranger), "kms", "Encrypt", object{"KeyId": key, "Plaintext": "eA=="})

	m, err := ours.NextMsg(5 * time.Second)
	check(t, err)
	r, err := event.ParseLine(m.Data)
	check(t, err)
	if r.Who.Account != "444455556666" || r.Who.ID == "" || r.Who.ARN != "" || strings.Contains(string(m.Data), stranger.id) || len(r.Resources) != 1 {
		t.Errorf("the owner of the key sees %s", m.Data)
	}
	select {
	case line := <-lines:
		if !strings.Contains(string(line), stranger.id) || !strings.Contains(string(line), ":user/admin") {
			t.Errorf("the caller's account sees %s", line)
		}
	case <-time.After(5 * time.Second):
		t.Error("the caller's account saw nothing")
	}
}

func TestTailNeedsPermission(t *testing.T) {
	w := newWorld(t, setting{})
	if stop, err := w.as(w.user("user")).Tail(t.Context(), func([]byte) {}); err == nil {
		stop()
		t.Error("a user without keytrail:TailRecords watches")
	}
}

// Where a connection comes from counts for watching as it does for calls.
func TestTailConditions(t *testing.T) {
	w := newWorld(t, setting{})
	admin := w.as(w.admin)
	watcher := w.user("watcher")
	for name, tc := range map[string]struct {
		condition object
		from      string
		may       bool
	}{
		"address inside":  {object{"IpAddress": object{"aws:SourceIp": "127.0.0.2/32"}}, "127.0.0.2", true},
		"address outside": {object{"IpAddress": object{"aws:SourceIp": "127.0.0.2/32"}}, "127.0.0.1", false},
		"not that one":    {object{"NotIpAddress": object{"aws:SourceIp": "127.0.0.2/32"}}, "127.0.0.2", false},
		"secure":          {object{"Bool": object{"aws:SecureTransport": "true"}}, "127.0.0.1", true},
		"insecure alone":  {object{"Bool": object{"aws:SecureTransport": "false"}}, "127.0.0.1", false},
	} {
		t.Run(name, func(t *testing.T) {
			policy, err := json.Marshal(object{"Version": "2012-10-17", "Statement": object{
				"Effect": "Allow", "Action": "keytrail:TailRecords", "Resource": "*", "Condition": tc.condition}})
			check(t, err)
			w := w.on(t)
			w.call(admin, "iam", "PutUserPolicy", object{"UserName": "watcher", "PolicyName": "p", "PolicyDocument": string(policy)})
			c := w.from(tc.from, watcher)
			sub, err := c.Conn().SubscribeSync("keytrail.live." + account + ".>")
			check(t, err)
			check(t, c.Conn().Flush())
			w.call(admin, "sts", "GetCallerIdentity", nil)
			if _, err := sub.NextMsg(time.Second); (err == nil) != tc.may {
				t.Errorf("watching: %v, want it to be allowed: %v", err, tc.may)
			}
		})
	}
}
