package awsapi

import (
	"context"
	"net"
	"net/http"
	"testing"
)

// closable tells whether it was closed.
type closable struct {
	net.Conn
	closed bool
}

func (c *closable) Close() error         { c.closed = true; return nil }
func (c *closable) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 7} }

// TestWhoGoes: at the bound the longest silent goes, never one with a verified
// request in hand, and what has gone is forgotten.
func TestWhoGoes(t *testing.T) {
	s := newConnections(3)
	var all []*closable
	enter := func() *connection {
		conn := &closable{}
		all = append(all, conn)
		return s.enter(context.Background(), conn).Value(connectionKey{}).(*connection)
	}
	closed := func(want ...bool) {
		t.Helper()
		for i, w := range want {
			if all[i].closed != w {
				t.Errorf("connection %d: closed %v", i, all[i].closed)
			}
		}
	}
	first := enter()
	if first.source != "10.1.2.3" || first.local {
		t.Errorf("from %q, local %v", first.source, first.local)
	}
	s.busy(first)
	enter()
	enter()
	enter()
	closed(false, true, false, false)
	s.changed(all[0], http.StateIdle) // answered: now it is the youngest of those who wait
	enter()
	closed(false, true, true, false, false)
	s.changed(all[3], http.StateClosed)
	enter()
	closed(false, true, true, false, false, false)
	s.busy(first)
	s.changed(all[0], http.StateClosed)
	s.changed(all[0], http.StateIdle)
	if len(s.all) != 2 || s.waiting.Len() != 2 {
		t.Errorf("%d known, %d waiting", len(s.all), s.waiting.Len())
	}
	s.changed(all[4], http.StateActive)
	s.closeSilent()
	closed(false, true, true, false, false, true)
}

// TestNoneToSpare: when all are busy, the newcomer itself goes.
func TestNoneToSpare(t *testing.T) {
	s := newConnections(1)
	held, late := &closable{}, &closable{}
	s.busy(s.enter(context.Background(), held).Value(connectionKey{}).(*connection))
	s.enter(context.Background(), late)
	if held.closed || !late.closed {
		t.Errorf("closed: the busy one %v, the late one %v", held.closed, late.closed)
	}
}
