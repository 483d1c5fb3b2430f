// Package external is where a server meets NATS servers that are not its own: the
// directory of logins, the configuration that knows them, and the connections that
// use them. Both are written from one list, so that they fit together.
//
// What goes over the connections is not this room's matter, nor who may call.
package external

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/keytrail/keytrail/eventstore/natslog"
)

// Files of a directory of logins. Each login is the seed of an nkey in
// <name>.nk, for the names that natslog.ExternalLogins lists.
const (
	ConfigFile = "nats-server.conf" // what the servers have to know; no secret in it
	issuerFile = "issuer.nk"        // the account seed that signs the auth callout's answers
	caFile     = "ca.pem"           // optional: the authority of the servers' certificates
	suffix     = ".nk"
)

// Conns are the connections to the servers, one for each login.
type Conns struct {
	Writer, Responder, Callout, System *nats.Conn

	Issuer  nkeys.KeyPair
	Servers []string      // their URLs, one by one
	Options []nats.Option // how anybody reaches them: TLS
}

// Connect logs in to the servers at urls, several with commas between, with what
// is in dir. Off loopback it insists on TLS: what callers are answered goes over
// these connections.
func Connect(ctx context.Context, urls, dir string) (*Conns, error) {
	if dir == "" {
		return nil, errors.New("--nats-url needs --nats-creds DIR, the directory of logins that keytrail nats-config writes")
	}
	c := &Conns{}
	var err error
	if c.Servers, c.Options, err = servers(urls, dir); err != nil {
		return nil, err
	}
	seeds, err := readSeeds(dir)
	if err != nil {
		return nil, err
	}
	defer seeds.wipe()
	if c.Issuer, err = nkeys.FromSeed(seeds[issuerFile]); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, issuerFile), err)
	}
	for name, conn := range map[string]**nats.Conn{"writer": &c.Writer, "responder": &c.Responder, "callout": &c.Callout, "system": &c.System} {
		if *conn, err = c.connect(ctx, name, seeds[name+suffix]); err != nil {
			c.Close()
			return nil, fmt.Errorf("log in to %s as %s with %s: %w", urls, name, filepath.Join(dir, name+suffix), err)
		}
	}
	return c, nil
}

func (c *Conns) connect(ctx context.Context, login string, seed []byte) (*nats.Conn, error) {
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, err
	}
	timeout := 5 * time.Second
	if end, ok := ctx.Deadline(); ok {
		timeout = max(min(timeout, time.Until(end)), time.Millisecond)
	}
	options := append([]nats.Option{
		nats.Nkey(public, pair.Sign),
		nats.Name("keytrail " + login),
		nats.Timeout(timeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		// A login that was refused once, for a server that has not read its
		// configuration yet, is not given up.
		nats.IgnoreAuthErrorAbort(),
		// What cannot be sent now fails: its outcome must be known.
		nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}, c.Options...)
	return nats.Connect(strings.Join(c.Servers, ","), options...)
}

// Clustered reports whether the servers are a cluster, where streams have replicas.
func (c *Conns) Clustered() bool { return c.Writer.ConnectedClusterName() != "" }

// Close ends the connections.
func (c *Conns) Close() {
	for _, conn := range []*nats.Conn{c.Callout, c.Responder, c.System, c.Writer} {
		if conn != nil {
			conn.Close()
		}
	}
	if c.Issuer != nil {
		c.Issuer.Wipe()
	}
}

// servers takes the URLs apart and decides about TLS.
func servers(urls, dir string) (list []string, options []nats.Option, err error) {
	secure := false
	for _, s := range strings.Split(urls, ",") {
		s = strings.TrimSpace(s)
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Host == "":
			return nil, nil, fmt.Errorf("--nats-url: %q is not a URL such as nats://host:4222", u.Redacted())
		case u.Scheme != "nats" && u.Scheme != "tls":
			return nil, nil, fmt.Errorf("--nats-url: %s: the scheme is nats or tls", u.Redacted())
		case u.User != nil:
			return nil, nil, errors.New("--nats-url: a URL with a login is seen by everybody who lists processes: logins are in --nats-creds DIR")
		}
		secure = secure || u.Scheme == "tls" || !loopback(u.Hostname())
		list = append(list, s)
	}
	ca := filepath.Join(dir, caFile)
	_, err = os.Stat(ca)
	switch {
	case err == nil:
		return list, []nats.Option{nats.RootCAs(ca), nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12})}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, err
	case secure:
		return list, []nats.Option{nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12})}, nil
	}
	// Servers that these tell of may be elsewhere, and would be reached without TLS.
	return list, []nats.Option{nats.IgnoreDiscoveredServers()}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// seeds are the contents of the files of a directory.
type seeds map[string][]byte

func (s seeds) wipe() {
	for _, seed := range s {
		clear(seed)
	}
}

// readSeeds reads all files, and tells of all that are missing at once.
func readSeeds(dir string) (seeds, error) {
	all := seeds{}
	var missing []string
	for _, file := range seedFiles() {
		path := filepath.Join(dir, file)
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, file)
			continue
		}
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			return nil, fmt.Errorf("%s can be read by others (mode %04o): chmod 600 %s", path, mode, path)
		}
		all[file] = []byte(strings.TrimSpace(string(raw)))
		clear(raw)
	}
	if len(missing) > 0 {
		all.wipe()
		return nil, fmt.Errorf("--nats-creds: %s has no %s; keytrail nats-config --out DIR makes all of them, with the configuration of the servers", dir, strings.Join(missing, ", "))
	}
	return all, nil
}

func seedFiles() []string {
	files := []string{issuerFile}
	for _, l := range natslog.ExternalLogins() {
		files = append(files, l.Name+suffix)
	}
	return files
}
