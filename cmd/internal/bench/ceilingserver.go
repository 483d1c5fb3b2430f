package bench

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/merkle"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// ServeCeiling is the child without a vault: the same embedded server with the
// same permissions for its client, the same log, head file and group commit, and
// between them nothing but a fixed answer. It reads the sample in dir, writes
// dir/admin.env when it answers, and serves until ctx ends.
func ServeCeiling(ctx context.Context, dir string) (err error) {
	c := &ceiling{door: door{id: "AKIA" + rand.Text()[:16], secret: rand.Text()}, releases: make(chan release, 4)}
	if err := c.readSample(filepath.Join(dir, sampleFile)); err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	nats, err := natslog.StartServer(natslog.ServerOptions{StoreDir: filepath.Join(dir, "nats"), Clients: &c.door})
	if err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	defer nats.Shutdown()
	c.door.account.Store(nats.Clients())
	c.conn = nats.ResponderConn()
	log, err := natslog.Open(ctx, nats.WriterConn(), natslog.Options{Server: nats})
	if err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	defer log.Close()
	head, err := eventstore.OpenHead(filepath.Join(dir, "head"))
	if err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	defer func() { err = errors.Join(err, head.Close()) }()
	c.committer = eventstore.NewCommitter[ticket](log, head, c, eventstore.CommitterOptions{Observe: c.observe})
	if err := c.committer.Start(ctx); err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	var running sync.WaitGroup
	running.Go(c.release)
	running.Go(func() {
		defer close(c.releases)
		c.committer.Run(ctx)
	})
	defer running.Wait()
	return c.serve(ctx, dir, nats.ClientURL())
}

// ceiling is the trivial bridge and the handler before it.
type ceiling struct {
	sample    sample
	size      int // of the sample's lines
	door      door
	conn      *nats.Conn
	committer *eventstore.Committer[ticket]
	releases  chan release
	commits   atomic.Uint64
	records   atomic.Uint64
}

// ticket is one request: where its answer goes, a subject or a waiting handler.
type ticket struct {
	reply string
	done  chan<- error
}

type release struct {
	tickets []ticket
	batch   *eventstore.Batch
}

func (c *ceiling) readSample(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &c.sample); err != nil {
		return fmt.Errorf("read the sample: %w", err)
	}
	if len(c.sample.Lines) == 0 {
		return errors.New("the sample has no records")
	}
	for _, line := range c.sample.Lines {
		c.size += len(line)
	}
	return nil
}

// serve answers requests until ctx ends.
func (c *ceiling) serve(ctx context.Context, dir, url string) error {
	if _, err := c.conn.QueueSubscribe("keytrail.api.>", "keytrail", c.handle); err != nil {
		return fmt.Errorf("ceiling: subscribe: %w", err)
	}
	if err := c.conn.Flush(); err != nil {
		return fmt.Errorf("ceiling: subscribe: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	defer listener.Close()
	go http.Serve(listener, http.HandlerFunc(c.metrics))
	endpoint, end, err := c.serveHTTP()
	if err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	defer end()
	env := fmt.Sprintf("export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\nexport AWS_ENDPOINT_URL=%s\nexport KEYTRAIL_NATS_URL=%s\nexport KEYTRAIL_OPS_URL=http://%s\n",
		c.door.id, c.door.secret, endpoint, url, listener.Addr())
	path := filepath.Join(dir, envFile)
	if err := os.WriteFile(path+".new", []byte(env), 0o600); err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	<-ctx.Done()
	return nil
}

func (c *ceiling) handle(m *nats.Msg) {
	if strings.Contains(m.Subject, "."+echoService+".") {
		c.answer(ticket{reply: m.Reply})
		return
	}
	if err := c.committer.Submit(eventstore.Use, ticket{reply: m.Reply}); err != nil {
		c.fail(ticket{reply: m.Reply}, err)
	}
}

func (c *ceiling) answer(t ticket) {
	if t.done != nil {
		t.done <- nil
		return
	}
	c.conn.PublishMsg(&nats.Msg{Subject: t.reply, Header: c.sample.Header, Data: c.sample.Reply})
}

func (c *ceiling) fail(t ticket, err error) {
	if t.done != nil {
		t.done <- err
		return
	}
	c.conn.PublishMsg(&nats.Msg{Subject: t.reply, Header: nats.Header{headerError: {err.Error()}}})
}

// release answers what is on disk, so that the next commit does not wait for it.
func (c *ceiling) release() {
	for r := range c.releases {
		for _, t := range r.tickets {
			c.answer(t)
		}
		r.batch.Free()
	}
}

// Load implements eventstore.Bridge: the log is always new.
func (c *ceiling) Load(context.Context) (*merkle.Tree, uint64, error) {
	if c.commits.Load() > 0 {
		return nil, 0, errors.New("the ceiling cannot read its log back")
	}
	return &merkle.Tree{}, 0, nil
}

// Decide implements eventstore.Bridge.
func (c *ceiling) Decide(_ context.Context, _ eventstore.Subject, tickets []ticket, batch *eventstore.Batch) (int, error) {
	for i := range tickets {
		if !batch.Room(c.size) {
			return i, nil
		}
		for _, line := range c.sample.Lines {
			batch.Add(append(batch.Buffer(), line...))
		}
	}
	return len(tickets), nil
}

// Prepare implements eventstore.Bridge.
func (c *ceiling) Prepare(context.Context, eventstore.Subject, []ticket) error { return nil }

// Stored implements eventstore.Bridge.
func (c *ceiling) Stored(_ eventstore.Subject, tickets []ticket, batch *eventstore.Batch, _ uint64) {
	c.releases <- release{tickets: append([]ticket(nil), tickets...), batch: batch}
}

// Failed implements eventstore.Bridge.
func (c *ceiling) Failed(tickets []ticket, err error) {
	for _, t := range tickets {
		c.fail(t, err)
	}
}

func (c *ceiling) observe(e eventstore.Commitment) {
	if e.Err == nil {
		c.commits.Add(1)
		c.records.Add(uint64(e.Records))
	}
}

func (c *ceiling) metrics(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "%s %d\n%s %d\n", commitsMetric, c.commits.Load(), recordsMetric, c.records.Load())
}

// door lets the one client in, with the permissions that the vault gives one.
type door struct {
	id, secret string
	account    atomic.Pointer[server.Account]
}

// Check implements server.Authentication.
func (d *door) Check(c server.ClientAuthentication) bool {
	account := d.account.Load()
	if o := c.GetOpts(); account == nil || o.Username != d.id || o.Password != d.secret {
		return false
	}
	c.RegisterUser(&server.User{
		Username: d.id, Account: account,
		Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"keytrail.api." + d.id + ".*.*",
				"keytrail.api." + d.id + "." + strconv.FormatUint(c.GetID(), 10) + ".*.*",
				"$SRV.PING", "$SRV.PING.>", "$SRV.INFO", "$SRV.INFO.>", "$SRV.STATS", "$SRV.STATS.>",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX." + d.id + ".>"}},
		},
	})
	return true
}
