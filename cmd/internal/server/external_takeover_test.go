package server_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
	"github.com/keytrail/keytrail/cmd/internal/server"
)

// acknowledged is what a caller was told is stored.
type acknowledged struct {
	name, value, request string
	n                    uint64
}

// load keeps creating secrets over one connection until stop, and returns all that
// were acknowledged.
func load(t *testing.T, c *client.Client, prefix string) (stop func() []acknowledged) {
	done, ended := make(chan struct{}), make(chan struct{})
	var all []acknowledged
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			a := acknowledged{name: fmt.Sprintf("%s/%d", prefix, i), value: fmt.Sprintf("value %d of %s", i, prefix)}
			_, reply, err := try(context.Background(), c, "secretsmanager", "CreateSecret", object{"Name": a.name, "SecretString": a.value})
			if err == nil {
				a.request, a.n = reply.RequestID, reply.N
				all = append(all, a)
				continue
			}
			if !retryable(err) {
				t.Errorf("create %s: %v", a.name, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	var once sync.Once
	return func() []acknowledged {
		once.Do(func() { close(done) })
		<-ended
		return all
	}
}

// verify reads all that was acknowledged, and the records of it.
func verify(t *testing.T, c *client.Client, all []acknowledged) {
	t.Helper()
	for _, a := range all {
		if got := persist(t, c, "secretsmanager", "GetSecretValue", object{"SecretId": a.name})["SecretString"]; got != a.value {
			t.Fatalf("%s is %v, acknowledged was %q", a.name, got, a.value)
		}
		records := persist(t, c, "keytrail", "GetRecord", object{"N": a.n})["Records"].([]any)
		if got := records[0].(object)["req"]; got != a.request {
			t.Fatalf("record %d is of request %v, acknowledged was %s", a.n, got, a.request)
		}
	}
}

func standsBy(t *testing.T, k *server.Server) {
	t.Helper()
	eventually(t, "the other process stands by", func() bool {
		err := k.Ready()
		return err != nil && strings.Contains(err.Error(), "standing by")
	})
}

// ofTheLog are metrics that are derived from the log: one that is counted and one
// of the census.
var ofTheLog = []string{"\nkeytrail_operations_total{", "\nkeytrail_principals{"}

// counts wants what is in the log shown by the process that writes it, and
// countsNothing not by one that stands by: a sum over both would be twice of all.
func counts(t *testing.T, k *server.Server) {
	t.Helper()
	eventually(t, "the writer shows what is in the log", func() bool {
		text := get(k.OpsURL() + "/metrics")
		return strings.Contains(text, "\nkeytrail_standing_by 0\n") && strings.Contains(text, ofTheLog[0]) && strings.Contains(text, ofTheLog[1])
	})
}

func countsNothing(t *testing.T, k *server.Server) {
	t.Helper()
	text := get(k.OpsURL() + "/metrics")
	if !strings.Contains(text, "\nkeytrail_standing_by 1\n") || strings.Contains(text, ofTheLog[0]) || strings.Contains(text, ofTheLog[1]) {
		t.Errorf("one that stands by shows\n%s", text)
	}
}

// A second process displaces the first under load: nothing that was acknowledged
// is lost, the answers stay the same, clients go on, and the first one stands by
// for as long as the second one is there.
func TestTakeover(t *testing.T) { takeover(t, newSite(t, nil)) }

// takeover leaves the first process serving, and a connection of its administrator.
func takeover(t *testing.T, s *site) *client.Client {
	t.Helper()
	dir := t.TempDir()
	ops := s.options(dir)
	ops.OpsListen = "127.0.0.1:0"
	first := s.start(t, ops)
	root, err := first.AdminCredentials()
	check(t, err)
	admin := s.connect(t, root)
	var loads []func() []acknowledged
	for i := range 4 {
		loads = append(loads, load(t, s.connect(t, root), fmt.Sprintf("load%d", i)))
	}
	time.Sleep(300 * time.Millisecond)
	before := call(t, admin, "kms", "ListKeys", object{})

	o := s.options(another(t, dir))
	o.TakeOver, o.OpsListen = true, "127.0.0.1:0"
	counts(t, first)
	second := s.start(t, o)
	standsBy(t, first)
	check(t, second.Ready())
	counts(t, second)
	countsNothing(t, first)
	time.Sleep(300 * time.Millisecond)
	var all []acknowledged
	for _, stop := range loads {
		all = append(all, stop()...)
	}
	if len(all) < 20 {
		t.Fatalf("%d calls were acknowledged: that is no load", len(all))
	}
	verify(t, admin, all)
	if after := persist(t, admin, "kms", "ListKeys", object{}); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the keys are %v, were %v", after, before)
	}

	// Longer than a displaced writer pauses: it must not come back.
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		persist(t, admin, "sts", "GetCallerIdentity", object{}) // servers of a cluster learn late who answers
		check(t, second.Ready())
	}
	standsBy(t, first)

	check(t, second.Stop())
	eventually(t, "the first process takes the log back", func() bool { return first.Ready() == nil })
	counts(t, first)
	verify(t, admin, all)
	return admin
}

// A process that starts beside another one waits, and says so, until that ends.
func TestStandby(t *testing.T) {
	s := newSite(t, nil)
	dir := t.TempDir()
	first := s.start(t, s.options(dir))
	root, err := first.AdminCredentials()
	check(t, err)
	admin := s.connect(t, root)
	call(t, admin, "secretsmanager", "CreateSecret", object{"Name": "db", "SecretString": "s3cret"})

	o := s.options(another(t, dir))
	o.OpsListen = freePort(t)
	type started struct {
		k   *server.Server
		err error
	}
	waiting := make(chan started, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		k, err := server.Start(ctx, o)
		waiting <- started{k, err}
	}()
	eventually(t, "the second process says that it stands by", func() bool {
		return strings.Contains(get("http://"+o.OpsListen+"/readyz"), "standing by: ")
	})
	check(t, first.Ready())
	call(t, admin, "secretsmanager", "GetSecretValue", object{"SecretId": "db"})
	select {
	case w := <-waiting:
		t.Fatalf("it does not wait: %v", w.err)
	default:
	}
	check(t, first.Stop())
	w := <-waiting
	check(t, w.err)
	defer w.k.Stop()
	if got := persist(t, admin, "secretsmanager", "GetSecretValue", object{"SecretId": "db"})["SecretString"]; got != "s3cret" {
		t.Errorf("the second process answers %v", got)
	}
}
