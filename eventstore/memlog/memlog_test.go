package memlog_test

import (
	"testing"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

type store struct{ *memlog.Store }

func (s store) Open(*testing.T) eventstore.Log { return s.Store.Open() }

func (s store) Restart(*testing.T) {
	s.Crash()
	s.Reopen()
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Store { return store{memlog.NewStore(memlog.Options{})} })
}
