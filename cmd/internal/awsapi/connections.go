package awsapi

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// connections bounds how many there are. When one more comes, the one that has
// gone longest without a verified request in hand is closed: one that is idle, has
// sent nothing yet, or takes its time with headers or body. So strangers who open
// connections and stay silent drive out each other, and a caller whose idle
// connection is closed opens it again.
type connections struct {
	most int

	mu      sync.Mutex
	all     map[net.Conn]*connection
	waiting *list.List // of *connection, the longest waiting first
}

// connection is what is known of a caller before it has said anything.
type connection struct {
	conn   net.Conn
	source string // address without port
	local  bool   // it is on this machine
	begun  bool   // a request has begun to arrive, and has no answer yet
	place  *list.Element
}

func newConnections(most int) *connections {
	return &connections{most: most, all: map[net.Conn]*connection{}, waiting: list.New()}
}

type connectionKey struct{}

// enter is http.Server.ConnContext.
func (s *connections) enter(ctx context.Context, conn net.Conn) context.Context {
	c := &connection{conn: conn}
	c.source, c.local = sourceOf(conn.RemoteAddr())
	s.mu.Lock()
	s.all[conn] = c
	c.place = s.waiting.PushBack(c)
	var out *connection
	if len(s.all) > s.most {
		out = s.waiting.Front().Value.(*connection)
		s.forget(out)
	}
	s.mu.Unlock()
	if out != nil {
		_ = out.conn.Close() // it is gone either way
	}
	return context.WithValue(ctx, connectionKey{}, c)
}

// changed is http.Server.ConnState.
func (s *connections) changed(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.all[conn]
	switch {
	case c == nil:
	case state == http.StateActive:
		c.begun = true
	case state == http.StateIdle:
		c.begun = false
		s.wait(c)
	case state == http.StateClosed, state == http.StateHijacked:
		s.forget(c)
	}
}

func (s *connections) wait(c *connection) {
	if c.place == nil {
		c.place = s.waiting.PushBack(c)
	} else {
		s.waiting.MoveToBack(c.place)
	}
}

// busy tells that the connection has a verified request in hand: until it is idle
// again it is not closed.
func (s *connections) busy(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[c.conn] == c && c.place != nil {
		s.waiting.Remove(c.place)
		c.place = nil
	}
}

func (s *connections) forget(c *connection) {
	if c.place != nil {
		s.waiting.Remove(c.place)
		c.place = nil
	}
	delete(s.all, c.conn)
}

// closeSilent closes the connections on which nothing has been said, or nothing
// more. net/http would wait five seconds for the new ones of them at its end.
func (s *connections) closeSilent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn, c := range s.all {
		if !c.begun {
			_ = conn.Close() // it is gone either way
		}
	}
}

// sourceOf is the address without its port, and whether it is on this machine.
func sourceOf(a net.Addr) (source string, local bool) {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return "", false
	}
	ip := net.ParseIP(host)
	return host, ip != nil && ip.IsLoopback()
}
