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
	tlsConfig, err := s.opts.HTTPTLS.config("--http-tls-cert", "--http-tls-key")
	if err != nil {
		return err
	}
	if tlsConfig == nil {
		if err := loopback(s.opts.HTTPListen); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", s.opts.HTTPListen)
	if err != nil {
		return fmt.Errorf("--http-listen: %w", err)
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

func loopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("--http-listen: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--http-listen %s can be reached from other machines: it needs --http-tls-cert and --http-tls-key", listen)
	}
	return nil
}
