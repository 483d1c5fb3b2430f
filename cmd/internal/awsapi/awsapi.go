// Package awsapi is the HTTP edge: it speaks the protocols of AWS, so that the
// unmodified command line and SDKs work against one address. AWS JSON 1.1 carries
// KMS, Secrets Manager and CloudTrail, AWS Query carries IAM and STS; both are
// told apart by the X-Amz-Target header and the scope of the signature. Callers
// prove themselves with Signature Version 4.
//
// Requests become calls of the engine, in the one table of operations that the
// NATS edge uses too: a JSON body goes along as it is, a Query form is turned into
// one by the shape of the operation's input, and the JSON reply is rendered as XML
// for Query. So nothing is declared twice; the names and limits of the inputs
// stand with the operations, and the lists of what AWS has come from its service
// models.
//
// No header can claim a source, an account, a principal or a via-service; the one
// thing about a call that is believed as the client says it is its user agent. No
// rule about who may do what belongs in this room; that is the domain's.
package awsapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/cmd/internal/refusals"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/sigv4"
	"github.com/keytrail/keytrail/domain/vault"
)

// Bounds of connections and of what they may take up.
const (
	maxConnections = 4096
	maxHeaders     = 24 << 10 // bytes; a session token has at most 3,900
	keptKeys       = 2048     // signing keys in each of two generations

	headerTimeout = 10 * time.Second // to send the headers of a request
	readTimeout   = 30 * time.Second // to send all of it
	writeTimeout  = 60 * time.Second // from its headers to the end of the reply
	idleTimeout   = 2 * time.Minute  // between requests
	closeTimeout  = 15 * time.Second // for the replies to what has arrived, at the end
)

// Options of a Service. The zero value is what a server on loopback runs with.
type Options struct {
	TLS            *tls.Config      // nil = plain HTTP
	Now            func() time.Time // nil = time.Now
	MaxConnections int              // 0 = 4096; beyond it the idlest is closed
	RefuseEvery    time.Duration    // how often refusals are summed up in the log; 0 = 10 s
	ReadTimeout    time.Duration    // to send a request; 0 = 30 s
}

// Service answers requests over HTTP.
type Service struct {
	options  Options
	engine   *engine.Engine
	region   string
	keys     *sigv4.Keys[identity.Credential]
	refusals *refusals.Recorder
	bodies   *budget
	conns    *connections
	server   *http.Server
	stop     context.CancelFunc
	stopped  chan struct{}
}

// New returns a service on an engine that serves.
func New(e *engine.Engine, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = maxConnections
	}
	if o.ReadTimeout <= 0 {
		o.ReadTimeout = readTimeout
	}
	s := &Service{
		options: o, engine: e, keys: sigv4.NewKeys[identity.Credential](keptKeys),
		bodies: newBudget(bodiesInMemory), conns: newConnections(o.MaxConnections), stopped: make(chan struct{}),
	}
	e.Read(func(st *vault.State) { s.region = st.Region })
	s.refusals = refusals.New("http", o.RefuseEvery, o.Now, s.record)
	one := new(http.Protocols)
	one.SetHTTP1(true)
	s.server = &http.Server{
		Handler: s, TLSConfig: o.TLS, Protocols: one,
		ReadHeaderTimeout: min(headerTimeout, o.ReadTimeout), ReadTimeout: o.ReadTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaders, ErrorLog: log.New(io.Discard, "", 0), // what strangers do wrong is counted, not logged
		ConnContext: s.conns.enter, ConnState: s.conns.changed,
	}
	s.server.RegisterOnShutdown(s.conns.closeSilent)
	return s
}

// Serve answers requests on the listener until Close. It returns at once.
func (s *Service) Serve(listener net.Listener) {
	running, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.stopped)
		s.refusals.Run(running)
	}()
	if s.options.TLS != nil {
		listener = tls.NewListener(listener, s.options.TLS)
	}
	go s.server.Serve(listener) // ends with ErrServerClosed
}

// Close takes no new requests, waits for the replies to those that have arrived
// and writes the last summary of refusals. The engine must be open still. An
// error means that requests were left unanswered.
func (s *Service) Close() error {
	if s.stop == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("awsapi: close: requests left unanswered: %w", errors.Join(err, s.server.Close()))
	}
	s.stop()
	<-s.stopped
	s.stop = nil
	return err
}

// record carries out an internal request of the vault.
func (s *Service) record(ctx context.Context, req *vault.Request) error {
	req.ID = s.engine.NewRequestID()
	reply, err := s.engine.Call(ctx, req)
	if err != nil {
		return err
	}
	if reply.Fault != nil {
		return reply.Fault
	}
	return nil
}
