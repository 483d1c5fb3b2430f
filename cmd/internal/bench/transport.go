package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/domain/sigv4"
)

// The transports that callers can use.
const (
	NATS = "nats"
	HTTP = "http"
)

// conn carries the calls of one or more callers.
type conn interface {
	ask(c *call) error // makes the call once and checks the reply
	Close()
}

// connections of so many callers, made anew: over NATS a few that they share, over
// HTTP one for each, kept alive, as an SDK has them.
func (o *Options) connections(server *child, as credentials, path string) ([]conn, error) {
	var conns []conn
	if o.Transport == HTTP {
		for range o.Callers {
			conns = append(conns, newHTTPConn(server.env["AWS_ENDPOINT_URL"], path, as))
		}
		return conns, nil
	}
	opened, err := server.connect(as, o.Callers)
	for _, c := range opened {
		conns = append(conns, natsConn{c})
	}
	return conns, err
}

type natsConn struct{ *nats.Conn }

func (n natsConn) ask(c *call) error {
	m, err := n.Request(c.subject, c.body, replyTimeout)
	if err != nil {
		return fmt.Errorf("%s: %w", c.subject, err)
	}
	if refusal := m.Header.Get(headerError); refusal != "" {
		return fmt.Errorf("%s was refused: %s", c.subject, refusal)
	}
	return c.check(m.Header.Get(headerReceipt), m.Data)
}

// httpConn signs every request, with the signing key of the day.
type httpConn struct {
	client  *http.Client
	url     string
	host    string
	path    string
	signers map[string]*sigv4.Signer // by service
}

// region that servers under measurement are started in.
const region = "us-east-1"

func newHTTPConn(url, path string, as credentials) *httpConn {
	h := &httpConn{
		client: &http.Client{Timeout: replyTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}},
		url:    url + path, host: strings.TrimPrefix(url, "http://"), path: path, signers: map[string]*sigv4.Signer{},
	}
	for service := range targets {
		h.signers[service] = sigv4.NewSigner(as.id, as.secret, "", region, service)
	}
	return h
}

var targets = map[string]string{"kms": "TrentService.", "secretsmanager": "secretsmanager."}

func (h *httpConn) ask(c *call) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, h.url, bytes.NewReader(c.body))
	if err != nil {
		return err
	}
	r.Header["Content-Type"] = []string{"application/x-amz-json-1.1"}
	r.Header["X-Amz-Target"] = []string{targets[c.service] + c.operation}
	h.signers[c.service].Sign(&sigv4.Request{Method: r.Method, Path: h.path, Host: h.host, Header: r.Header}, sha256.Sum256(c.body), time.Now())
	resp, err := h.client.Do(r)
	if err != nil {
		return fmt.Errorf("%s: %w", c.operation, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", c.operation, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s was refused: %s: %.300s", c.operation, resp.Status, body)
	}
	return c.check(resp.Header.Get(headerReceipt), body)
}

func (h *httpConn) Close() { h.client.CloseIdleConnections() }
