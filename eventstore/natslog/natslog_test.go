package natslog_test

import (
	"testing"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

// embedded is a log in an embedded server, in a folder that outlives restarts.
type embedded struct {
	dir    string
	server *natslog.Server
}

func newEmbedded(t testing.TB) *embedded {
	e := &embedded{dir: t.TempDir()}
	e.start(t)
	t.Cleanup(func() { e.server.Shutdown() })
	return e
}

func (e *embedded) start(t testing.TB) {
	t.Helper()
	var err error
	e.server, err = natslog.StartServer(natslog.ServerOptions{StoreDir: e.dir, DontListen: true})
	if err != nil {
		t.Fatal(err)
	}
}

func (e *embedded) open(t testing.TB) *natslog.Log {
	t.Helper()
	log, err := natslog.Open(t.Context(), e.server.WriterConn(), natslog.Options{Server: e.server})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

func (e *embedded) Open(t *testing.T) eventstore.Log { return e.open(t) }

func (e *embedded) Restart(t *testing.T) {
	e.server.Shutdown()
	e.start(t)
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return newEmbedded(t) })
}
