package natsapi

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/keytrail/keytrail/domain/identity"
)

// origin is where a connection comes from, as the server saw it.
type origin struct {
	source string // address without port; "" = not known
	agent  string // what the client calls itself
	secure bool   // TLS, or it never left the machine
}

// connectionID is a connection's number at its server; server is "" for the
// embedded one.
type connectionID struct {
	server string
	number uint64
}

// connection is one that was let in.
type connection struct {
	id     connectionID
	caller *caller
	origin origin
	since  time.Time
	tails  bool // may subscribe to the account's live records
	// announced: that it does so is on the record. Guarded by callers.mu.
	announced bool
}

// caller is one access key with its connections. The credential of a session,
// opened from its token at connect, lives as long as one of them does.
type caller struct {
	credential  identity.Credential
	account     string
	connections map[connectionID]*connection
	shared      origin // what is true of all connections
}

// callers is who is connected.
type callers struct {
	tails  atomic.Int64 // connections that may tail; read without the lock
	silent atomic.Int64 // those of them that have not said that they do

	mu           sync.RWMutex
	byAccessKey  map[string]*caller
	byConnection map[connectionID]*connection
}

func newCallers() *callers {
	return &callers{byAccessKey: map[string]*caller{}, byConnection: map[connectionID]*connection{}}
}

// add enters a connection. It refuses one whose id is there already: a second
// CONNECT must not turn a connection into another caller's.
func (s *callers) add(c *connection, credential identity.Credential, account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byConnection[c.id] != nil {
		return false
	}
	who := s.byAccessKey[credential.AccessKey]
	if who == nil {
		who = &caller{credential: credential, account: account, connections: map[connectionID]*connection{}}
		s.byAccessKey[credential.AccessKey] = who
	}
	c.caller = who
	who.connections[c.id] = c
	who.share()
	s.byConnection[c.id] = c
	if c.tails {
		s.tails.Add(1)
		s.silent.Add(1)
	}
	return true
}

// remove forgets connections, and with the last one of an access key its
// credential.
func (s *callers) remove(ids ...connectionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		c := s.byConnection[id]
		if c == nil {
			continue
		}
		delete(s.byConnection, id)
		delete(c.caller.connections, id)
		if c.tails {
			s.tails.Add(-1)
			if !c.announced {
				s.silent.Add(-1)
			}
		}
		if len(c.caller.connections) == 0 {
			delete(s.byAccessKey, c.caller.credential.AccessKey)
		} else {
			c.caller.share()
		}
	}
}

// find gives the credential and origin for the subject of a request. It fails
// when the caller's last connection is gone: there is nobody to answer.
func (s *callers) find(a *address) (identity.Credential, origin, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	who := s.byAccessKey[a.accessKey]
	if who == nil {
		return identity.Credential{}, origin{}, false
	}
	if a.connection == 0 {
		return who.credential, who.shared, true
	}
	from, ok := who.from(a.connection)
	return who.credential, from, ok
}

// from is the origin of the connection with the number. Two servers may have
// given the same number to connections of one access key: then it says no more
// than the access key does.
func (w *caller) from(number uint64) (from origin, ok bool) {
	if c := w.connections[connectionID{"", number}]; c != nil {
		return c.origin, true
	}
	for id, c := range w.connections {
		if id.number == number {
			if ok {
				return w.shared, true
			}
			from, ok = c.origin, true
		}
	}
	return from, ok
}

func (s *callers) has(id connectionID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byConnection[id] != nil
}

// forget removes the connections that are gone.
func (s *callers) forget(gone func(*connection) bool) {
	var ids []connectionID
	s.each(func(_ identity.Credential, connections []*connection) {
		for _, c := range connections {
			if gone(c) {
				ids = append(ids, c.id)
			}
		}
	})
	s.remove(ids...)
}

// each calls fn for every caller, with its connections, outside of the lock.
func (s *callers) each(fn func(identity.Credential, []*connection)) {
	s.mu.RLock()
	type entry struct {
		credential  identity.Credential
		connections []*connection
	}
	all := make([]entry, 0, len(s.byAccessKey))
	for _, who := range s.byAccessKey {
		e := entry{who.credential, make([]*connection, 0, len(who.connections))}
		for _, c := range who.connections {
			e.connections = append(e.connections, c)
		}
		all = append(all, e)
	}
	s.mu.RUnlock()
	for _, e := range all {
		fn(e.credential, e.connections)
	}
}

// share recomputes what is true of all connections. Where they differ, the
// source is not known: a policy that allows an address range then does not
// apply, and one that denies everything outside of it does.
func (w *caller) share() {
	first := true
	for _, c := range w.connections {
		if first {
			w.shared, first = c.origin, false
			continue
		}
		if c.origin.source != w.shared.source {
			w.shared.source = ""
		}
		if c.origin.agent != w.shared.agent {
			w.shared.agent = ""
		}
		w.shared.secure = w.shared.secure && c.origin.secure
	}
}

func (s *callers) count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.byConnection)
}
