package server_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/keytrail/keytrail/cmd/internal/external"
)

// newCluster is a site of three servers with the same configuration.
func newCluster(t *testing.T) (s *site, nodes []*natsserver.Server) {
	t.Helper()
	creds := filepath.Join(t.TempDir(), "creds")
	check(t, external.Write(creds, external.Config{Listen: "127.0.0.1:-1", StoreDir: t.TempDir()}))
	var routes []*url.URL // JetStream wants to know them before it starts
	for range 3 {
		routes = append(routes, &url.URL{Scheme: "nats", Host: freePort(t)})
	}
	for i, route := range routes {
		o, err := natsserver.ProcessConfigFile(filepath.Join(creds, external.ConfigFile))
		check(t, err)
		var port int
		_, err = fmt.Sscanf(route.Port(), "%d", &port)
		check(t, err)
		o.NoLog, o.NoSigs = true, true
		o.ServerName, o.StoreDir, o.Routes = fmt.Sprintf("node-%d", i), t.TempDir(), routes
		o.Cluster = natsserver.ClusterOpts{Name: "keytrail", Host: "127.0.0.1", Port: port}
		ns, err := natsserver.NewServer(o)
		check(t, err)
		ns.Start()
		t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
		nodes = append(nodes, ns)
	}
	var urls []string
	for _, ns := range nodes {
		if !ns.ReadyForConnections(20 * time.Second) {
			t.Fatal("a NATS server does not start")
		}
		urls = append(urls, ns.ClientURL())
	}
	eventually(t, "the servers are a cluster with JetStream", func() bool {
		for _, ns := range nodes {
			if !ns.JetStreamIsCurrent() {
				return false
			}
		}
		return true
	})
	return &site{strings.Join(urls, ","), creds, nodes[0]}, nodes
}

// A takeover on three replicas, and then the loss of a server: what was
// acknowledged stays, and calls go on.
func TestTakeoverCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("elects leaders")
	}
	s, nodes := newCluster(t)
	admin := takeover(t, s)
	created := persist(t, admin, "secretsmanager", "CreateSecret", object{"Name": "before", "SecretString": "the loss", "ClientRequestToken": "00000000-0000-4000-8000-000000000001"})
	nodes[1].Shutdown()
	nodes[1].WaitForShutdown()
	if got := persist(t, admin, "secretsmanager", "GetSecretValue", object{"SecretId": "before"}); got["ARN"] != created["ARN"] || got["SecretString"] != "the loss" {
		t.Errorf("after the loss of a server: %v, was %v", got, created)
	}
	persist(t, admin, "secretsmanager", "CreateSecret", object{"Name": "after", "SecretString": "the loss", "ClientRequestToken": "00000000-0000-4000-8000-000000000002"})
}
