// Package client speaks to a Keytrail server over NATS: it connects with an
// access key, sends requests in AWS JSON and matches the replies to them. It is
// what the keytrail program and its benchmark use, and what any other Go program
// may use; it needs nothing of the server's code and must not come to.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Options of a connection. URL, AccessKey and Secret are required.
type Options struct {
	URL          string // nats://host:4222 or tls://host:4222; several with commas between
	AccessKey    string // AKIA… or ASIA…
	Secret       string
	SessionToken string      // of temporary credentials
	Agent        string      // what the audit trail shall call this client
	TLS          *tls.Config // nil = as the URL and the server say
	CAFile       string      // the certificate authority of the server, PEM
	Timeout      time.Duration
	// NATS are further options of the connection, for what is not named above.
	NATS []nats.Option
}

// Errors of a Client. They are wrapped: use errors.Is.
var (
	// ErrRefused: the server did not let the connection in. It does not say why.
	ErrRefused = errors.New("the server refused the credentials")
	// ErrNoServer: the connection is there, but nothing answers calls.
	ErrNoServer = errors.New("no keytrail server answers")
	// ErrOutcomeUnknown: the connection ended before the reply. The call may or
	// may not have been carried out.
	ErrOutcomeUnknown = errors.New("the connection ended before the reply")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("the client is closed")
)

// Reply is the answer to a call that was carried out.
type Reply struct {
	Body      []byte // AWS JSON
	RequestID string
	N         uint64 // index of the call's record in the log
	Seq       uint64 // stream sequence of the commit that holds it
}

// APIError is a refusal, as the service words it.
type APIError struct {
	Code      string // "AccessDeniedException"
	Message   string
	Status    int // HTTP status that AWS gives with the code
	RequestID string
	Recorded  bool // the log has a record of it; not when the call was throttled
}

func (e *APIError) Error() string {
	return e.Code + ": " + e.Message
}

// Client is one connection. All its methods may be called concurrently.
type Client struct {
	nc      *nats.Conn
	prefix  string // "keytrail.api.<access key id>."
	subject atomic.Pointer[ownSubject]
	calls   *calls
}

// ownSubject is the subject prefix of one connection: after a reconnection the
// server knows it under another id.
type ownSubject struct {
	id     uint64
	prefix string
}

// Connect connects and returns when the server has accepted the credentials. It
// reconnects by itself when the connection is lost, until the server refuses it.
func Connect(ctx context.Context, o Options) (*Client, error) {
	if o.AccessKey == "" || o.Secret == "" {
		return nil, errors.New("connect: access key id and secret are required")
	}
	inbox, err := newInbox(o.AccessKey)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &Client{prefix: "keytrail.api." + o.AccessKey + ".", calls: newCalls(inbox)}
	c.nc, err = dial(ctx, o, c.calls)
	if errors.Is(err, nats.ErrAuthorization) {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", o.URL, err)
	}
	if err := c.calls.subscribe(c.nc); err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("connect to %s: %w", o.URL, err)
	}
	return c, nil
}

// dial connects within ctx. A connection that comes about after ctx has ended is
// closed again.
func dial(ctx context.Context, o Options, calls *calls) (*nats.Conn, error) {
	type result struct {
		nc  *nats.Conn
		err error
	}
	dialed := make(chan result, 1)
	go func() {
		nc, err := nats.Connect(o.URL, o.natsOptions(ctx, calls)...)
		dialed <- result{nc, err}
	}()
	select {
	case r := <-dialed:
		return r.nc, r.err
	case <-ctx.Done():
		go func() {
			if r := <-dialed; r.nc != nil {
				r.nc.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

func (o *Options) natsOptions(ctx context.Context, calls *calls) []nats.Option {
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = 5 * time.Second
	}
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(end))
	}
	options := []nats.Option{
		nats.UserInfo(o.AccessKey, o.Secret),
		nats.CustomInboxPrefix("_INBOX." + o.AccessKey),
		nats.Name(o.Agent),
		nats.Timeout(max(timeout, time.Millisecond)),
		nats.MaxReconnects(-1),
		nats.NoEcho(),
		// What was to be sent before a reconnection is not sent after it: the call
		// it belonged to has failed by then.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { calls.disconnected(ErrOutcomeUnknown) }),
		nats.ClosedHandler(func(*nats.Conn) { calls.fail(ErrOutcomeUnknown) }),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
	if o.SessionToken != "" {
		options = append(options, nats.Token(o.SessionToken))
	}
	if o.TLS != nil {
		options = append(options, nats.Secure(o.TLS))
	}
	if o.CAFile != "" {
		options = append(options, nats.RootCAs(o.CAFile))
	}
	return append(options, o.NATS...)
}

// Close ends the connection. Calls that wait fail with ErrOutcomeUnknown.
func (c *Client) Close() { c.nc.Close() }

// Conn is the connection itself, for what this package does not wrap.
func (c *Client) Conn() *nats.Conn { return c.nc }

// Call makes one call and waits for its reply, at most until ctx ends: then it is
// unknown whether the call was carried out. service and operation are as in
// "kms", "Decrypt"; body is AWS JSON, nil for {}. A refusal is an *APIError.
func (c *Client) Call(ctx context.Context, service, operation string, body []byte) (*Reply, error) {
	type outcome struct {
		reply *Reply
		err   error
	}
	outcomes := make(chan outcome, 1)
	cancel, err := c.start(service, operation, body, func(r *Reply, err error) { outcomes <- outcome{r, err} })
	if err != nil {
		return nil, err
	}
	select {
	case o := <-outcomes:
		return o.reply, o.err
	case <-ctx.Done():
		cancel()
		return nil, fmt.Errorf("wait for the reply of %s %s: %w", service, operation, ctx.Err())
	}
}

// Start sends one call and returns. done runs once with the outcome, in the
// goroutine that reads the connection, so it must not block; it does not run when
// Start fails, and it never runs for a reply that never comes while the
// connection stays. Many calls may be under way at a time.
func (c *Client) Start(service, operation string, body []byte, done func(*Reply, error)) error {
	_, err := c.start(service, operation, body, done)
	return err
}

func (c *Client) start(service, operation string, body []byte, done func(*Reply, error)) (cancel func(), err error) {
	if !literal(service) || !literal(operation) {
		return nil, fmt.Errorf("call %q %q: not the name of a service and of an operation", service, operation)
	}
	if c.nc.IsClosed() {
		return nil, fmt.Errorf("call %s %s: %w", service, operation, ErrClosed)
	}
	id, reply := c.calls.add(done)
	if err := c.nc.PublishRequest(c.own()+service+"."+operation, reply, body); err != nil {
		if !c.calls.forget(id) {
			return func() {}, nil // the end of the connection has told done already
		}
		return nil, fmt.Errorf("call %s %s: %w", service, operation, err)
	}
	return func() { c.calls.forget(id) }, nil
}

// own is the subject prefix that proves which connection calls.
func (c *Client) own() string {
	id, err := c.nc.GetClientID()
	if err != nil || id == 0 {
		return c.prefix
	}
	if have := c.subject.Load(); have != nil && have.id == id {
		return have.prefix
	}
	made := &ownSubject{id: id, prefix: c.prefix + strconv.FormatUint(id, 10) + "."}
	c.subject.Store(made)
	return made.prefix
}

func literal(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == '.' || r == '*' || r == '>'
	})
}
