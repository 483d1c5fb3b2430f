// Package server puts a running Keytrail together: data directory, embedded or
// external NATS, log, keyring, engine, the edges for NATS and HTTP, the views and
// the metrics. It wires and orders; it decides nothing. The program, the demonstration and the tests
// all start the same server here.
package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/keytrail/keytrail/cmd/internal/awsapi"
	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/cmd/internal/external"
	"github.com/keytrail/keytrail/cmd/internal/natsapi"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// Defaults of Options.
const (
	DefaultNATSListen = "127.0.0.1:4222"
	DefaultHTTPListen = "127.0.0.1:4566"
	DefaultOpsListen  = "127.0.0.1:9464"
	DefaultAccount    = "000000000000"
	DefaultRegion     = "us-east-1"
)

// Options of a server.
type Options struct {
	DataDir      string
	NATSListen   string // host:port, port 0 = any free one
	HTTPListen   string // host:port, port 0 = any free one, "" = none
	OpsListen    string // host:port, "" = none
	Account      string // of the first start
	Region       string // of the first start
	NATSURL      string // external servers instead of the embedded one, several with commas between
	NATSCreds    string // directory of the logins at external servers
	TakeOver     bool   // displace the process that writes the log of external servers
	NATSTLS      KeyPair
	HTTPTLS      KeyPair
	OpsTLS       KeyPair
	RekeyMode    vault.RekeyMode
	UnsafeNoSync bool
	NoAuditView  bool // for measurements: what asks for records has no answer
	HeapBallast  int  // bytes that the program has allocated and never touches
	MetricsNamed int  // keys and secrets that have series of their own; the rest are one series
	Log          zerolog.Logger
	Version      string
}

// Server is a running server.
type Server struct {
	opts       Options
	dir        *dataDir
	nats       *natslog.Server
	out        *external.Conns // to external servers
	log        *natslog.Log
	head       *eventstore.HeadFile
	engine     *engine.Engine
	ready      atomic.Pointer[engine.Engine] // once everything is served
	auth       *natsapi.Authenticator
	edges      *edges
	api        atomic.Pointer[natsapi.Service]
	aws        atomic.Pointer[awsapi.Service]
	awsURL     string
	views      views
	trail      trail
	rebuilding rebuilding
	access     accesses
	ops        *http.Server
	opsURL     string
	url        string
}

// Start starts a server and returns when it answers calls. Its errors are meant
// for the person who started it.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{opts: o}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	var err error
	if s.dir, err = openDataDir(s.opts.DataDir); err != nil {
		return err
	}
	root, err := s.dir.rootKey()
	if err != nil {
		return err
	}
	if s.head, err = eventstore.OpenHead(s.dir.file(headFile)); err != nil {
		return s.dir.advise(err)
	}
	if s.opts.NATSURL == "" {
		if _, err := s.dir.keepEvidence(); err != nil {
			s.opts.Log.Warn().Err(err).Msg("the last stop was not clean, and the log's files could not be copied aside before they are opened")
		}
	}
	s.auth = natsapi.NewAuthenticator()
	writer, err := s.startNATS(ctx)
	if err != nil {
		return err
	}
	if s.log, err = natslog.Open(ctx, writer, s.logOptions()); err != nil {
		return err
	}
	openRing, err := s.keyring(writer)
	if err != nil {
		return err
	}
	s.trail.log, s.rebuilding.server = s.opts.Log, s
	metrics := newOperational(s)
	if err := s.serveOps(metrics); err != nil {
		return err
	}
	s.engine, err = engine.Open(ctx, engine.Config{
		Log: s.log, Head: s.head, OpenRing: openRing, Root: root, Now: time.Now, Entropy: rand.Reader,
		RekeyMode: s.opts.RekeyMode, Stored: s.stored, Changed: s.changed, Answered: metrics.answered,
		Seat: s.seat(writer), Claim: s.opts.TakeOver, Trail: &s.trail, Projections: &s.rebuilding, Access: &s.access,
		Defect: func(what, requestID string, cause error) {
			s.opts.Log.Error().Err(cause).Str("what", what).Str("request", requestID).Msg("failed for a reason of the vault's own")
		},
		Observe: func(c eventstore.Commitment) {
			metrics.observe(c)
			if c.Err != nil {
				s.opts.Log.Error().Err(c.Err).Msg("the log did not confirm a commit; reloading from the log")
			}
		},
	})
	if err != nil {
		return s.advise(err)
	}
	if err := s.dir.dropEvidence(); err != nil {
		return fmt.Errorf("remove the copy of the log that has passed its check: %w", err)
	}
	if err := s.initialize(ctx); err != nil {
		return err
	}
	if err := s.startViews(ctx, metrics); err != nil {
		return err
	}
	if err := s.openEdges(); err != nil {
		return err
	}
	if s.edges != nil {
		s.edges.attend(s)
	}
	s.ready.Store(s.engine)
	return s.pointAdminFile()
}

// standingBy tells whether another process writes the log.
func (s *Server) standingBy() bool { return s.edges != nil && s.edges.standing() }

func (s *Server) waiting() int {
	if e := s.ready.Load(); e != nil {
		return e.Waiting()
	}
	return 0
}

// Ready returns nil while calls are served, and otherwise why they are not.
func (s *Server) Ready() error {
	if s.edges != nil {
		if err := s.edges.open(); err != nil {
			return err
		}
	}
	e := s.ready.Load()
	if e == nil {
		return errors.New("starting")
	}
	if s.nats != nil {
		if err := s.nats.Health(); err != nil {
			return err
		}
	}
	return e.Ready()
}

// HTTPURL is the endpoint of the AWS protocols, "" without.
func (s *Server) HTTPURL() string { return s.awsURL }

// URL is where NATS clients connect.
func (s *Server) URL() string { return s.url }

// OpsURL is the address of health and metrics, "" without.
func (s *Server) OpsURL() string { return s.opsURL }

// Engine is the write path, for tests.
func (s *Server) Engine() *engine.Engine { return s.engine }

// startNATS starts the embedded server, or connects to the external ones. It
// returns the connection that writes.
func (s *Server) startNATS(ctx context.Context) (writer *nats.Conn, err error) {
	if s.opts.NATSURL != "" {
		if s.out, err = external.Connect(ctx, s.opts.NATSURL, s.opts.NATSCreds); err != nil {
			return nil, err
		}
		s.url = s.opts.NATSURL
		s.edges = newEdges(s.opts.Log)
		return s.out.Writer, nil
	}
	host, port, err := splitListen(s.opts.NATSListen)
	if err != nil {
		return nil, fmt.Errorf("--nats-listen: %w", err)
	}
	tlsConfig, err := s.opts.NATSTLS.config("--nats-tls-cert", "--nats-tls-key")
	if err != nil {
		return nil, err
	}
	if port != 0 {
		if err := portFree(s.opts.NATSListen); err != nil {
			return nil, fmt.Errorf("--nats-listen %s: %w", s.opts.NATSListen, err)
		}
	}
	s.nats, err = natslog.StartServer(natslog.ServerOptions{
		StoreDir: s.dir.file(natsDir), Host: host, Port: port, TLS: tlsConfig, Clients: s.auth,
		UnsafeNoSync: s.opts.UnsafeNoSync, Logger: natsLogger{s.opts.Log},
	})
	if err != nil {
		return nil, err
	}
	s.url = reachable(s.nats.ClientURL())
	return s.nats.WriterConn(), nil
}

func (s *Server) logOptions() natslog.Options {
	o := natslog.Options{Server: s.nats, UnsafeNoSync: s.opts.UnsafeNoSync}
	if s.out != nil {
		o.System, o.Replicas = s.out.System, s.replicas()
	}
	return o
}

// replicas is how many a stream gets that is made now: in a cluster as many as
// survive the loss of any one.
func (s *Server) replicas() int {
	if s.out != nil && s.out.Clustered() {
		return 3
	}
	return 1
}

// keyring gives what opens the keyring as it is on disk.
func (s *Server) keyring(writer *nats.Conn) (func(context.Context) (keyring.Ring, error), error) {
	js, err := jetstream.New(writer)
	if err != nil {
		return nil, fmt.Errorf("open the keyring: %w", err)
	}
	c := keyring.Config{Replicas: s.replicas()}
	if s.nats != nil {
		c.BlockDir = keyring.BlockDir(s.dir.file(natsDir), natslog.AccountVault)
	}
	return func(ctx context.Context) (keyring.Ring, error) { return keyring.Open(ctx, js, c) }, nil
}

func (s *Server) serveOps(metrics *operational) error {
	if s.opts.OpsListen == "" {
		return nil
	}
	listener, tlsConfig, err := listenSafely("--ops-listen", s.opts.OpsListen, s.opts.OpsTLS, "--ops-tls-cert", "--ops-tls-key")
	if err != nil {
		return err
	}
	s.opsURL = reachable("http://" + listener.Addr().String())
	if tlsConfig != nil {
		s.opsURL = reachable("https://" + listener.Addr().String())
		listener = tls.NewListener(listener, tlsConfig)
	}
	s.ops = &http.Server{Handler: opsHandler(metrics, s.Ready), ReadHeaderTimeout: opsTimeout, WriteTimeout: opsTimeout,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	go s.ops.Serve(listener)
	return nil
}

// Stop stops answering, waits for the commit in flight, and closes everything in
// the order that makes the next start fast.
func (s *Server) Stop() error {
	var errs []error
	if s.edges != nil {
		s.edges.stop()
	}
	errs = append(errs, s.closeEdges())
	if s.engine != nil {
		errs = append(errs, s.engine.Close())
	}
	if s.ops != nil {
		errs = append(errs, s.ops.Close())
	}
	s.views.stopViews()
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.out != nil {
		s.out.Close()
	}
	if s.nats != nil {
		s.nats.Shutdown()
	}
	if s.head != nil {
		errs = append(errs, s.head.Close())
	}
	if s.dir != nil {
		errs = append(errs, s.dir.close())
	}
	return errors.Join(errs...)
}

// natsLogger passes on what the NATS server has to say, errors as such and the
// rest as debug.
type natsLogger struct{ log zerolog.Logger }

func (l natsLogger) Noticef(format string, v ...any) { l.log.Debug().Msgf("nats: "+format, v...) }
func (l natsLogger) Warnf(format string, v ...any)   { l.log.Warn().Msgf("nats: "+format, v...) }
func (l natsLogger) Fatalf(format string, v ...any)  { l.log.Error().Msgf("nats: "+format, v...) }
func (l natsLogger) Debugf(string, ...any)           {}
func (l natsLogger) Tracef(string, ...any)           {}

// Errorf leaves out whom a refused connection claimed to be: that may be a secret
// in the wrong field. Refusals are counted and summed up in the log of the vault.
func (l natsLogger) Errorf(format string, v ...any) {
	const refused = "authentication error"
	message := fmt.Sprintf(format, v...)
	if from, _, ok := strings.Cut(message, refused); ok {
		l.log.Debug().Msg("nats: " + from + refused)
		return
	}
	l.log.Error().Msg("nats: " + message)
}

// portFree tells that a port is taken before the NATS server does, in words.
func portFree(listen string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	return l.Close()
}

// reachable is the URL of a listener on all addresses, for a client here.
func reachable(listener string) string {
	u, err := url.Parse(listener)
	if err != nil {
		return listener
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsUnspecified() {
		return listener
	}
	u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	return u.String()
}

func splitListen(listen string) (host string, port int, err error) {
	host, service, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, err
	}
	port, err = net.LookupPort("tcp", service)
	if err != nil {
		return "", 0, err
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}
