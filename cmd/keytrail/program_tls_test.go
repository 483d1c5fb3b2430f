package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a self-signed certificate for the loopback addresses.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "keytrail test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: signed}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestProgramTLS: off loopback with a certificate, which a client must know.
func TestProgramTLS(t *testing.T) {
	cert, key := certificate(t)
	p := serve(t, t.TempDir(), "--nats-listen", "0.0.0.0:0", "--nats-tls-cert", cert, "--nats-tls-key", key)
	_, port, ok := strings.Cut(strings.TrimPrefix(p.env["KEYTRAIL_NATS_URL"], "tls://"), ":")
	if !ok {
		t.Fatalf("admin.env has the URL %s", p.env["KEYTRAIL_NATS_URL"])
	}
	url := "tls://127.0.0.1:" + port
	call := []string{"call", "sts", "GetCallerIdentity", "--nats-url", url}
	p.run(t, "", append(call, "--nats-ca", cert)...).want(t, 0, ":user/admin")
	p.run(t, "", call...).want(t, 1, "certificate")
	// The address in admin.env is one that works as it stands.
	p.run(t, "", "call", "sts", "GetCallerIdentity", "--nats-ca", cert).want(t, 0, ":user/admin")
	env := map[string]string{"KEYTRAIL_NATS_CA": cert}
	for name, value := range p.env {
		env[name] = value
	}
	keytrail(t, env, "", "call", "sts", "GetCallerIdentity").want(t, 0, ":user/admin")
	// Nobody speaks in the clear, not even on loopback.
	p.run(t, "", "call", "sts", "GetCallerIdentity", "--nats-url", "nats://127.0.0.1:"+port).want(t, 1)
	p.stop(t)

	for _, files := range [][2]string{{cert, filepath.Join(filepath.Dir(key), "none.pem")}, {cert, cert}, {cert, ""}, {"", key}} {
		s := spawn(t, t.TempDir(), nil, "--nats-tls-cert", files[0], "--nats-tls-key", files[1])
		if s.wait(t) == nil || !strings.Contains(s.stderr.String(), "--nats-tls-cert, --nats-tls-key") {
			t.Errorf("%q: %v\n%s", files, s.err, s.stderr)
		}
	}
}
