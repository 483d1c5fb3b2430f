package client

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// TestRepliesGoBeforeTheEnd: replies that the connection has received are handed
// over although its end is told first.
func TestRepliesGoBeforeTheEnd(t *testing.T) {
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	defer ns.Shutdown()
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	const answered, unanswered = 50, 3
	c := newCalls("_INBOX.test.")
	if err := c.subscribe(nc); err != nil {
		t.Fatal(err)
	}
	outcomes := make(chan error, answered+unanswered)
	for i := range answered + unanswered {
		_, reply := c.add(func(_ *Reply, err error) {
			time.Sleep(time.Millisecond)
			outcomes <- err
		})
		if i >= answered {
			continue
		}
		m := nats.NewMsg(reply)
		m.Header["Keytrail-Request-Id"] = []string{"r"}
		m.Header["Keytrail-Receipt"] = []string{"n=1 seq=1"}
		if err := nc.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	// After the flush every reply is here, and few are handed over yet.
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	c.disconnected(ErrOutcomeUnknown)
	lost := 0
	for range answered + unanswered {
		if err := <-outcomes; errors.Is(err, ErrOutcomeUnknown) {
			lost++
		} else if err != nil {
			t.Error(err)
		}
	}
	if lost != unanswered {
		t.Errorf("%d calls have no outcome, want the %d without a reply", lost, unanswered)
	}
	// A call of the next connection is none of the end's business.
	c.add(func(_ *Reply, err error) { t.Errorf("ended with the connection before: %v", err) })
	c.failUpTo(c.last-1, ErrOutcomeUnknown)
}
