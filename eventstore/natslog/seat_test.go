package natslog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// Who waits for the seat has it when the holder leaves or loses its connection,
// hears who the holder is, and does not wait for a holder that hangs.
func TestSeat(t *testing.T) {
	for name, end := range map[string]func(s *natslog.Seat, disconnect func()){
		"left":       func(s *natslog.Seat, _ func()) { s.Leave(eventstore.ErrFenced) },
		"connection": func(_ *natslog.Seat, disconnect func()) { disconnect() },
	} {
		t.Run(name, func(t *testing.T) {
			one, _ := external(t, true)
			holder := natslog.NewSeat(one, "the holder", nil)
			if err := holder.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			holder.Take()
			heard := make(chan string, 4)
			waiting := natslog.NewSeat(again(t, one), "the other", func(holder string) { heard <- holder })
			short, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			if err := waiting.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("the seat is taken: %v", err)
			}
			if got := <-heard; got != "the holder" || len(heard) > 0 {
				t.Errorf("held by %q, and %d more", got, len(heard))
			}
			end(holder, one.Close)
			long, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := waiting.Wait(long); err != nil {
				t.Fatalf("the seat is free: %v", err)
			}
		})
	}
	t.Run("claimed", func(t *testing.T) {
		one, _ := external(t, true)
		holder, other := natslog.NewSeat(one, "the holder", nil), natslog.NewSeat(again(t, one), "the other", nil)
		for range 2 { // the second time, what the first left is not taken for new
			if err := other.Claim(t.Context()); err != nil {
				t.Fatalf("nobody holds the seat: %v", err)
			}
			holder.Take()
			if len(holder.Claimed()) != 0 {
				t.Fatal("claimed before it was taken")
			}
			if err := other.Claim(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(holder.Claimed()) != 1 {
				t.Fatal("the holder does not hear the claim")
			}
			holder.Leave(eventstore.ErrFenced)
		}
	})
	t.Run("hangs", func(t *testing.T) {
		one, _ := external(t, true)
		if _, err := one.SubscribeSync("keytrail.writer"); err != nil { // and never answers
			t.Fatal(err)
		}
		long, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := natslog.NewSeat(again(t, one), "the other", nil).Wait(long); err != nil {
			t.Fatal(err)
		}
	})
}

// again is one more connection of the same login.
func again(t *testing.T, nc *nats.Conn) *nats.Conn {
	t.Helper()
	other, err := nc.Opts.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	return other
}
