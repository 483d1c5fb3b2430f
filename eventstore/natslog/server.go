package natslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The accounts of the embedded server. Subjects of one are not those of another:
// a client in AccountClients can reach neither the stream nor JetStream at all.
const (
	AccountSystem  = "SYS"
	AccountVault   = "VAULT"   // JetStream; the writer
	AccountClients = "CLIENTS" // no JetStream; callers and the responder
)

// Bounds of the embedded server.
const (
	// MaxPayload of a message in bytes, headers included.
	MaxPayload = 4 << 20
	// maxPending is what may wait for a connection that reads slowly, in bytes:
	// several of the largest answers.
	maxPending = 64 << 20
	// MaxSubscriptions of a connection: clients have one for all replies, or one for
	// each call that is under way.
	MaxSubscriptions = 4096
	// writeDeadline is how long such a connection may take before it is closed.
	writeDeadline = 10 * time.Second
	// defaultReserve is what is left of the disk when appends begin to be
	// refused. The state files of JetStream and the head file still fit.
	defaultReserve = 64 << 20
	startTimeout   = 30 * time.Second
)

// ServerOptions of an embedded server.
type ServerOptions struct {
	// StoreDir is where JetStream keeps its files, in a folder jetstream.
	StoreDir string
	// Host and Port to listen on for clients: default 127.0.0.1 and any free
	// port. A host that is not loopback needs TLS.
	Host string
	Port int
	// DontListen leaves only connections from inside the process.
	DontListen bool
	// TLS of the client listener.
	TLS *tls.Config
	// Clients judges the connections that are not the server's own, and puts
	// those it lets in into AccountClients (see Server.Clients) with permissions
	// of their own. nil lets nobody in.
	Clients server.Authentication
	// Logger takes what the NATS server has to say; nil for silence.
	Logger server.Logger
	// UnsafeNoSync syncs in the background instead of at every write:
	// acknowledged commits can then be lost with the power. For benchmarks.
	UnsafeNoSync bool
	// ReserveBytes is the free space on disk below which Append refuses; 0 means
	// 64 MiB. After a refusal, an eighth more must be free.
	ReserveBytes uint64
}

// Server is a NATS server inside this process.
type Server struct {
	options   ServerOptions
	nats      *server.Server
	clients   *server.Account
	logins    *logins
	writer    *nats.Conn
	responder *nats.Conn
	full      atomic.Bool // the last commit found too little space
}

// StartServer starts the server and returns when it is ready: its streams are
// read back and its listener is open. A damaged stream is not noticed here.
func StartServer(options ServerOptions) (*Server, error) {
	if options.Host == "" {
		options.Host = "127.0.0.1"
	}
	if options.ReserveBytes == 0 {
		options.ReserveBytes = defaultReserve
	}
	if !options.DontListen && options.TLS == nil && !isLoopback(options.Host) {
		return nil, fmt.Errorf("natslog: %s is not a loopback address, so a listener on it needs TLS: set --nats-tls-cert and --nats-tls-key", options.Host)
	}
	logins, err := newLogins(options.Clients)
	if err != nil {
		return nil, fmt.Errorf("natslog: start server: %w", err)
	}
	port := options.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	ns, err := server.NewServer(&server.Options{
		ServerName:                 "keytrail",
		Host:                       options.Host,
		Port:                       port,
		DontListen:                 options.DontListen,
		TLSConfig:                  options.TLS,
		TLS:                        options.TLS != nil,
		TLSTimeout:                 5,
		AuthTimeout:                5,
		Accounts:                   []*server.Account{server.NewAccount(AccountSystem), server.NewAccount(AccountVault), server.NewAccount(AccountClients)},
		SystemAccount:              AccountSystem,
		CustomClientAuthentication: logins,
		JetStream:                  true,
		StoreDir:                   options.StoreDir,
		SyncAlways:                 !options.UnsafeNoSync,
		// Space is checked before every append; JetStream's own limit is a guess
		// made at start, 75 % of what is free then.
		JetStreamMaxStore: math.MaxInt64 / 4,
		MaxPayload:        MaxPayload,
		MaxPending:        maxPending,
		MaxSubs:           MaxSubscriptions,
		WriteDeadline:     writeDeadline,
		// A caller that does not read its replies loses them, from three quarters of
		// maxPending on. The server would else hold up whoever publishes to it, and
		// that is the one connection that answers everybody.
		NoFastProducerStall:    true,
		NoSigs:                 true,
		NoLog:                  options.Logger == nil,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, fmt.Errorf("natslog: start server: %w", err)
	}
	if options.Logger != nil {
		ns.SetLoggerV2(options.Logger, false, false, false)
	}
	s := &Server{options: options, nats: ns, logins: logins}
	if err := s.start(); err != nil {
		s.Shutdown()
		return nil, fmt.Errorf("natslog: start server: %w", err)
	}
	return s, nil
}

func (s *Server) start() error {
	// The server has made its own accounts after those of its options.
	vault, err := s.nats.LookupAccount(AccountVault)
	if err != nil {
		return fmt.Errorf("account %s: %w", AccountVault, err)
	}
	if s.clients, err = s.nats.LookupAccount(AccountClients); err != nil {
		return fmt.Errorf("account %s: %w", AccountClients, err)
	}
	s.logins.enter(vault, s.clients)
	if !s.options.DontListen {
		// The server would report a port in use to its log alone.
		if err := s.probe(); err != nil {
			return err
		}
	}
	s.nats.Start()
	if !s.nats.ReadyForConnections(startTimeout) {
		return fmt.Errorf("not ready for connections within %s", startTimeout)
	}
	if s.nats.JetStreamConfig() == nil {
		return errors.New("JetStream did not start")
	}
	if err := vault.EnableJetStream(nil, nil); err != nil {
		return fmt.Errorf("enable JetStream: %w", err)
	}
	if s.writer, err = s.connect(loginWriter); err != nil {
		return err
	}
	s.responder, err = s.connect(loginResponder)
	return err
}

// probe finds out whether the port can be had.
func (s *Server) probe() error {
	l, err := net.Listen("tcp", net.JoinHostPort(s.options.Host, fmt.Sprint(s.options.Port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// connect opens a connection inside the process under one of the server's own
// logins. A request that cannot be sent at once fails instead of waiting for a
// reconnection.
func (s *Server) connect(login string) (*nats.Conn, error) {
	nc, err := nats.Connect("", nats.InProcessServer(s.nats),
		nats.Name("keytrail "+login),
		nats.UserInfo(login, s.logins.passwords[login]),
		nats.ReconnectBufSize(-1),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(50*time.Millisecond),
		// Errors reach the callers of the operations; the default handler prints.
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	)
	if err != nil {
		return nil, fmt.Errorf("connect as %s: %w", login, err)
	}
	return nc, nil
}

// createStream creates the log's stream over a connection of its own, for the
// writer may not. The stream's files are then synced with the folders they are
// in, which JetStream does not do.
func (s *Server) createStream(ctx context.Context, config jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	// JetStream goes on without a stream that it cannot read back. A new one in
	// its place would bury what is left of it.
	if dir := StreamDir(s.options.StoreDir); exists(dir) {
		return nil, fmt.Errorf("%s exists, but the server could not read a stream %s from it: restore it from a backup", dir, StreamName)
	}
	nc, err := s.connect(loginSetup)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	stream, err := js.CreateStream(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("create stream %s: %w", StreamName, err)
	}
	if err := syncTree(s.options.StoreDir, StreamDir(s.options.StoreDir)); err != nil {
		return nil, fmt.Errorf("create stream %s: %w", StreamName, err)
	}
	return stream.CachedInfo(), nil
}

// WriterConn is the connection that may append to the log and keep the keyring.
// It belongs to the Server.
func (s *Server) WriterConn() *nats.Conn { return s.writer }

// ResponderConn is the connection that answers callers: it hears
// keytrail.api.> and may publish to inboxes and live subjects only.
func (s *Server) ResponderConn() *nats.Conn { return s.responder }

// ClientURL is where clients connect.
func (s *Server) ClientURL() string { return s.nats.ClientURL() }

// Clients is the account that ServerOptions.Clients puts connections into.
func (s *Server) Clients() *server.Account { return s.clients }

// NATS is the server itself, for what this package does not wrap: ending
// connections, statistics.
func (s *Server) NATS() *server.Server { return s.nats }

// Health is nil while JetStream can write. After a failed write or fsync it
// cannot until the server is started again, and this is where the reason shows.
func (s *Server) Health() error {
	if h := s.nats.Healthz(&server.HealthzOptions{JSEnabledOnly: false}); h.Status != "ok" {
		return fmt.Errorf("natslog: server: %s: %s", h.Status, h.Error)
	}
	return nil
}

// Shutdown closes the server's own connections and all others, writes what
// makes the next start fast, and returns when all of it is done.
func (s *Server) Shutdown() {
	for _, nc := range []*nats.Conn{s.responder, s.writer} {
		if nc != nil {
			nc.Close()
		}
	}
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// StreamDir is where an embedded server with this store directory has the
// files of the log.
func StreamDir(storeDir string) string {
	return filepath.Join(storeDir, server.JetStreamStoreDir, AccountVault, "streams", StreamName)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
