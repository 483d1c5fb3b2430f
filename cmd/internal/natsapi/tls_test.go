package natsapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/keytrail/keytrail/cmd/internal/natsapi"
	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

var entropy = rand.Reader

func TestListenerBeyondTheMachineNeedsTLS(t *testing.T) {
	_, err := natslog.StartServer(natslog.ServerOptions{StoreDir: t.TempDir(), Host: "0.0.0.0", Clients: natsapi.NewAuthenticator()})
	if err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Fatalf("start: %v, want a refusal that names TLS", err)
	}
}

func TestTLS(t *testing.T) {
	certificate, pool := selfSigned(t)
	w := newWorld(t, setting{server: func(o *natslogOptions) {
		o.Host, o.TLS = "0.0.0.0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(w.nats.ClientURL(), "nats://"), "tls://"))
	check(t, err)
	o := w.admin.options(w)
	o.URL = "tls://127.0.0.1:" + port
	o.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	c, err := client.Connect(t.Context(), o)
	check(t, err)
	defer c.Close()
	w.call(c, "sts", "GetCallerIdentity", nil)

	o.TLS = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if c, err := client.Connect(t.Context(), o); err == nil {
		c.Close()
		t.Error("connected to a server whose certificate nobody vouches for")
	}
}

// The judge of connections does not rely on the listener.
func TestUnencryptedFromElsewhere(t *testing.T) {
	auth := natsapi.NewAuthenticator()
	w := newWorld(t, setting{auth: auth})
	for _, tc := range []struct {
		address net.Addr
		tls     *tls.ConnectionState
		kind    int
		in      bool
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil, server.CLIENT, true},
		{&net.TCPAddr{IP: net.IPv6loopback, Port: 1}, nil, server.CLIENT, true},
		{&net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 1}, nil, server.CLIENT, false},
		{&net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 1}, nil, server.CLIENT, false},
		{&net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 1}, &tls.ConnectionState{}, server.CLIENT, true},
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil, server.LEAF, false},
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil, server.ROUTER, false},
	} {
		c := &knock{address: tc.address, tls: tc.tls, kind: tc.kind, opts: server.ClientOpts{Username: w.admin.id, Password: w.admin.secret}}
		if in := auth.Check(c); in != tc.in || in != (c.user != nil) {
			t.Errorf("%s, TLS %v, kind %d: let in %v", tc.address, tc.tls != nil, tc.kind, in)
		}
	}
}

// knock is a connection as the server shows it to those who judge it.
type knock struct {
	address net.Addr
	tls     *tls.ConnectionState
	kind    int
	opts    server.ClientOpts
	user    *server.User
}

var knocks uint64 = 1 << 40 // ids that the server will not give

func (k *knock) GetOpts() *server.ClientOpts                 { return &k.opts }
func (k *knock) GetTLSConnectionState() *tls.ConnectionState { return k.tls }
func (k *knock) RegisterUser(u *server.User)                 { k.user = u }
func (k *knock) RemoteAddress() net.Addr                     { return k.address }
func (k *knock) GetNonce() []byte                            { return nil }
func (k *knock) Kind() int                                   { return k.kind }
func (k *knock) GetID() uint64                               { knocks++; return knocks }

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "keytrail test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	parsed, err := x509.ParseCertificate(der)
	check(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
