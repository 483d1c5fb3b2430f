package natsapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/keytrail/keytrail/cmd/internal/natsapi"
	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
)

// A refusal is the error of the AWS JSON protocol, with the headers of micro.
func TestRefusals(t *testing.T) {
	w := newWorld(t, setting{})
	user := w.user("user")
	c := w.raw(user)
	for _, tc := range []struct {
		service, operation, body string
		code, status, member     string
	}{
		{"kms", "ListKeys", `{}`, "AccessDeniedException", "400", "message"},
		{"secretsmanager", "ListSecrets", `{}`, "AccessDeniedException", "400", "Message"},
		{"secretsmanager", "GetSecretValue", `{"SecretId":"none"}`, "", "400", "Message"},
		{"iam", "ListUsers", `{}`, "AccessDenied", "403", "message"},
		{"kms", "Nonsense", `{}`, "UnknownOperationException", "400", "message"},
		{"nothing", "Nonsense", `{}`, "UnknownOperationException", "400", "message"},
		{"kms", "ListKeys", `{`, "SerializationException", "400", "message"},
		{"kms", "ListKeys", `{"Limit":"x"}`, "SerializationException", "400", "message"},
		{"kms", "ListKeys", `{"Limit":-1}`, "ValidationException", "400", "message"},
	} {
		name := tc.service + " " + tc.operation + " " + tc.body
		reply, err := c.Request("keytrail.api."+user.id+"."+tc.service+"."+tc.operation, []byte(tc.body), 2*time.Second)
		check(t, err)
		var body map[string]string
		if err := json.Unmarshal(reply.Data, &body); err != nil {
			t.Fatalf("%s: %v: %s", name, err, reply.Data)
		}
		if tc.code == "" {
			tc.code = body["__type"]
		}
		text, shown := body[tc.member]
		if body["__type"] != tc.code || !shown || len(body) != 2 {
			t.Errorf("%s: %s, want %s with %s", name, reply.Data, tc.code, tc.member)
		}
		if got := reply.Header.Get("Nats-Service-Error-Code"); got != tc.status {
			t.Errorf("%s: status %s, want %s", name, got, tc.status)
		}
		if got := reply.Header.Get("Nats-Service-Error"); got != tc.code+": "+text {
			t.Errorf("%s: error header %q", name, got)
		}
		var n, seq uint64
		if _, err := fmt.Sscanf(reply.Header.Get("Keytrail-Receipt"), "n=%d seq=%d", &n, &seq); err != nil || seq == 0 {
			t.Errorf("%s: receipt %q: a refusal is recorded too", name, reply.Header.Get("Keytrail-Receipt"))
		}
		if reply.Header.Get("Keytrail-Request-Id") == "" {
			t.Errorf("%s: no request id", name)
		}
	}

	_, err := w.as(user).Call(t.Context(), "iam", "ListUsers", nil)
	var refused *client.APIError
	if !errors.As(err, &refused) || refused.Code != "AccessDenied" || refused.Status != 403 || refused.RequestID == "" || !strings.Contains(refused.Message, "iam:ListUsers") {
		t.Errorf("the client says %#v", err)
	}
}

func TestBodyBound(t *testing.T) {
	w := newWorld(t, setting{})
	c := w.as(w.admin)
	pad := func(size int) []byte {
		return append([]byte("{}"), bytes.Repeat([]byte{' '}, size-2)...)
	}
	if _, err := c.Call(t.Context(), "sts", "GetCallerIdentity", pad(vault.MaxBody)); err != nil {
		t.Errorf("a body of the bound: %v", err)
	}
	before := w.stored()
	_, err := c.Call(t.Context(), "sts", "GetCallerIdentity", pad(vault.MaxBody+1))
	if got := code(t, err); got != "RequestEntityTooLargeException" {
		t.Errorf("a body beyond it: %s", got)
	}
	if n := w.stored(); n != before {
		t.Errorf("a body beyond the bound left %d records", n-before)
	}
}

// An answer that no message can hold is not left out in silence: the caller learns
// that the call is on the record, and how to have less.
func TestAnswerBound(t *testing.T) {
	w := newWorld(t, setting{})
	c := w.as(w.admin)
	long := strings.Repeat("\x01", 60<<10) // six times as long in JSON
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprint("long-", i))
		w.call(c, "secretsmanager", "CreateSecret", object{"Name": names[i], "SecretString": long})
	}
	ask := func(names []string) error {
		body, err := json.Marshal(object{"SecretIdList": names})
		check(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err = c.Call(ctx, "secretsmanager", "BatchGetSecretValue", body)
		return err
	}
	check(t, ask(names[:4]))
	err := ask(names)
	if got := code(t, err); got != "RequestEntityTooLargeException" || !strings.Contains(err.Error(), "is on the record") {
		t.Errorf("an answer beyond the bound: %v", err)
	}
	batches := w.recorded("secretsmanager:BatchGetSecretValue")
	if len(batches) != 2 || batches[1].Outcome != event.OutcomeOK {
		t.Errorf("recorded as %+v", batches)
	}
}

// Past the bound of what may wait a caller is throttled at once, and what waits is
// answered when it goes on.
func TestThrottled(t *testing.T) {
	w := newWorld(t, setting{api: func(o *natsapi.Options) { o.Workers = 1 }})
	c := w.as(w.admin)
	w.call(c, "sts", "GetCallerIdentity", nil)

	halt, halted := make(chan struct{}), make(chan struct{})
	go w.engine.Read(func(*vault.State) { close(halted); <-halt })
	<-halted
	// A writer that waits for the lock keeps every further reader out.
	check(t, c.Start("kms", "CreateKey", nil, func(*client.Reply, error) {}))
	time.Sleep(20 * time.Millisecond)

	const calls = 6000
	var done sync.WaitGroup
	var mu sync.Mutex
	outcomes := map[string]int{}
	throttled := make(chan struct{}, calls)
	for range calls {
		done.Add(1)
		check(t, c.Start("sts", "GetCallerIdentity", nil, func(_ *client.Reply, err error) {
			defer done.Done()
			mu.Lock()
			defer mu.Unlock()
			var refused *client.APIError
			switch {
			case err == nil:
				outcomes["ok"]++
			case errors.As(err, &refused):
				outcomes[refused.Code]++
				throttled <- struct{}{}
			default:
				outcomes[err.Error()]++
			}
		}))
	}
	select {
	case <-throttled:
	case <-time.After(30 * time.Second):
		t.Error("nobody was throttled while nothing went on")
	}
	close(halt)
	done.Wait()
	if outcomes["ok"] < 4096 || outcomes["ThrottlingException"] == 0 || outcomes["ok"]+outcomes["ThrottlingException"] != calls {
		t.Errorf("outcomes %v", outcomes)
	}
}

func TestDiscovery(t *testing.T) {
	w := newWorld(t, setting{})
	user := w.user("user")
	for range 3 {
		_, err := w.as(user).Call(t.Context(), "kms", "ListKeys", nil)
		code(t, err)
	}
	w.call(w.as(w.admin), "kms", "ListKeys", nil)

	c := w.raw(user)
	ask := func(subject string, into any) {
		t.Helper()
		m, err := c.Request(subject, nil, 2*time.Second)
		check(t, err)
		check(t, json.Unmarshal(m.Data, into))
	}
	var ping micro.Ping
	ask("$SRV.PING", &ping)
	if ping.Name != "keytrail" || ping.Type != micro.PingResponseType || ping.ID == "" || ping.Version != "1.2.3" {
		t.Errorf("ping %+v", ping)
	}
	var info micro.Info
	ask("$SRV.INFO.keytrail", &info)
	subjects := map[string]string{}
	for _, e := range info.Endpoints {
		subjects[e.Name] = e.Subject
	}
	if info.Type != micro.InfoResponseType || subjects["kms"] != "keytrail.api.*.kms.*" || subjects["secretsmanager"] == "" || subjects["iam"] == "" || subjects["sts"] == "" ||
		subjects["audit"] != "keytrail.api.*.audit.*" {
		t.Errorf("info %+v", info)
	}
	var stats micro.Stats
	ask("$SRV.STATS.keytrail."+ping.ID, &stats)
	for _, e := range stats.Endpoints {
		if e.Name == "kms" && (e.NumRequests != 4 || e.NumErrors != 3 || e.LastError != "AccessDeniedException" || e.ProcessingTime <= 0 || e.AverageProcessingTime != e.ProcessingTime/4) {
			t.Errorf("statistics of kms: %+v", e)
		}
	}
	if len(stats.Endpoints) != len(info.Endpoints) {
		t.Errorf("%d endpoints with statistics, %d in info", len(stats.Endpoints), len(info.Endpoints))
	}
}

// The source that a record names is the one of the connection. Two connections of
// one access key from two addresses leave it open only for requests that do not
// say which of them they come from.
func TestSource(t *testing.T) {
	w := newWorld(t, setting{server: func(o *natslogOptions) { o.Host = "127.0.0.1" }})
	first := w.as(w.admin)
	raw := w.raw(w.admin)
	other := w.from("127.0.0.2", w.admin)
	last := func() (source string) {
		records := w.recorded("sts:GetCallerIdentity")
		return records[len(records)-1].Source
	}
	w.call(first, "sts", "GetCallerIdentity", nil)
	if got := last(); got != "127.0.0.1" {
		t.Errorf("source %q", got)
	}
	w.call(other, "sts", "GetCallerIdentity", nil)
	if got := last(); got != "127.0.0.2" {
		t.Errorf("source %q", got)
	}
	ask := func() {
		_, err := raw.Request("keytrail.api."+w.admin.id+".sts.GetCallerIdentity", nil, 2*time.Second)
		check(t, err)
	}
	ask()
	if got := last(); got != "" {
		t.Errorf("source %q of a request that may come from either address", got)
	}
	other.Close()
	eventually(t, "the source is known again", func() bool { ask(); return last() == "127.0.0.1" })
}

// Close answers what has arrived, and lets nobody in any more.
func TestClose(t *testing.T) {
	w := newWorld(t, setting{})
	c := w.as(w.admin)
	var done sync.WaitGroup
	var mu sync.Mutex
	failed := map[string]int{}
	for range 500 {
		done.Add(1)
		check(t, c.Start("sts", "GetCallerIdentity", nil, func(_ *client.Reply, err error) {
			defer done.Done()
			if err != nil {
				mu.Lock()
				failed[err.Error()]++
				mu.Unlock()
			}
		}))
	}
	check(t, c.Conn().Flush()) // they are at the server
	check(t, w.api.Close())
	answered := make(chan struct{})
	go func() { done.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-time.After(30 * time.Second):
		t.Fatal("calls that had arrived were not answered")
	}
	if len(failed) > 0 {
		t.Errorf("unanswered: %v", failed)
	}
	w.refused(w.admin)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := c.Call(ctx, "sts", "GetCallerIdentity", nil); !errors.Is(err, client.ErrNoServer) {
		t.Errorf("a call after Close: %v, want that nothing answers", err)
	}
	if _, err := c.Conn().RequestMsg(&nats.Msg{Subject: "$SRV.PING"}, 2*time.Second); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("discovery after Close: %v", err)
	}
}
