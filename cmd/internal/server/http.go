package server

import (
	"crypto/tls"
	"fmt"
	"net"

	"github.com/keytrail/keytrail/cmd/internal/awsapi"
)

// KeyPair names the files of a certificate and its key, both PEM; both empty is
// no TLS.
type KeyPair struct{ Cert, Key string }

// config loads the pair. The flags' names are for the error.
func (p KeyPair) config(certFlag, keyFlag string) (*tls.Config, error) {
	if p == (KeyPair{}) {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", certFlag, keyFlag, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// serveHTTP begins to answer the AWS protocols. Off loopback it wants TLS: callers
// send session tokens, and get secrets.
func (s *Server) serveHTTP() error {
	if s.opts.HTTPListen == "" {
		return nil
	}
	listener, tlsConfig, err := listenSafely("--http-listen", s.opts.HTTPListen, s.opts.HTTPTLS, "--http-tls-cert", "--http-tls-key")
	if err != nil {
		return err
	}
	service := awsapi.New(s.engine, awsapi.Options{TLS: tlsConfig})
	s.aws.Store(service)
	service.Serve(listener)
	if s.awsURL != "" {
		return nil // opened again, at the same address
	}
	s.opts.HTTPListen = listener.Addr().String()
	scheme := "http://"
	if tlsConfig != nil {
		scheme = "https://"
	}
	s.awsURL = reachable(scheme + listener.Addr().String())
	return nil
}

// listenSafely listens on the address that a flag names. What other machines can
// reach needs TLS.
func listenSafely(flag, address string, pair KeyPair, certFlag, keyFlag string) (net.Listener, *tls.Config, error) {
	tlsConfig, err := pair.config(certFlag, keyFlag)
	if err != nil {
		return nil, nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", flag, err)
	}
	if ip := net.ParseIP(host); tlsConfig == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, nil, fmt.Errorf("%s %s can be reached from other machines: it needs %s and %s", flag, address, certFlag, keyFlag)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", flag, err)
	}
	return listener, tlsConfig, nil
}
