package natsapi_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// A client that asks and does not read costs itself its replies. It does not hold
// up the connection that answers everybody.
func TestUnreadReplies(t *testing.T) {
	w := newWorld(t, setting{})
	admin := w.as(w.admin)
	large := strings.Repeat("x", 60<<10)
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("large-%d", i))
		w.call(admin, "secretsmanager", "CreateSecret", object{"Name": names[i], "SecretString": large})
	}

	conn, err := net.Dial("tcp", strings.TrimPrefix(w.nats.ClientURL(), "nats://"))
	check(t, err)
	defer conn.Close()
	check(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	login, err := json.Marshal(object{"user": w.admin.id, "pass": w.admin.secret, "verbose": false, "headers": true, "protocol": 1})
	check(t, err)
	inbox := "_INBOX." + w.admin.id + ".unread"
	body, err := json.Marshal(object{"SecretIdList": names}) // answered with more than a megabyte
	check(t, err)
	request := fmt.Sprintf("PUB keytrail.api.%s.secretsmanager.BatchGetSecretValue %s %d\r\n%s\r\n", w.admin.id, inbox, len(body), body)
	_, err = fmt.Fprintf(conn, "CONNECT %s\r\nSUB %s 1\r\n", login, inbox)
	check(t, err)
	pending := func() int {
		z, err := w.nats.NATS().Connz(&server.ConnzOptions{})
		check(t, err)
		most := 0
		for _, c := range z.Conns {
			most = max(most, c.Pending)
		}
		return most
	}
	// More than three quarters of what may wait for a connection, and then more
	// still: a server that drops nothing would hold the responder up, or end the
	// connection.
	ask := func(times int) (records int) {
		before := w.stored()
		for range times {
			_, err := conn.Write([]byte(request))
			check(t, err)
		}
		return before + times*len(names)
	}
	for pending() < 48<<20 {
		records := ask(4)
		eventually(t, "the requests are carried out", func() bool { return w.stored() >= records })
	}
	records := ask(20)
	for range 50 {
		if got := w.call(admin, "secretsmanager", "GetSecretValue", object{"SecretId": names[0]})["SecretString"]; got != large {
			t.Fatal("another client gets something else")
		}
	}
	eventually(t, "all requests are carried out", func() bool { return w.stored() >= records })
	z, err := w.nats.NATS().Varz(nil)
	check(t, err)
	if z.StalledClients != 0 {
		t.Errorf("connections were held up %d times", z.StalledClients)
	}
}
