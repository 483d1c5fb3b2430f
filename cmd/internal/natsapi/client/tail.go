package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Tail calls fn with the line of every record of the caller's account from now
// on, as it is stored, until stop is called, ctx ends or the connection is
// closed. It needs the IAM action keytrail:TailRecords at the time of Connect. fn
// runs in one goroutine; when it is too slow, records are dropped: the log has
// them all.
func (c *Client) Tail(ctx context.Context, fn func(line []byte)) (stop func(), err error) {
	account, err := c.announce(ctx)
	if err != nil {
		return nil, fmt.Errorf("tail: %w", err)
	}
	// The server answers a forbidden subscription with an error message on the
	// connection, before it answers the ping of the flush.
	sub, err := c.nc.Subscribe("keytrail.live."+account+".>", func(m *nats.Msg) { fn(m.Data) })
	if err != nil {
		return nil, fmt.Errorf("tail: %w", err)
	}
	end := context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	stop = func() {
		end()
		_ = sub.Unsubscribe()
	}
	flush, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := c.nc.FlushWithContext(flush); err != nil {
		stop()
		return nil, fmt.Errorf("tail: %w", err)
	}
	if err := c.nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), sub.Subject) {
		stop()
		return nil, fmt.Errorf("tail: keytrail:TailRecords is not allowed to this caller: %w", err)
	}
	return stop, nil
}

// announce puts on the record that this caller begins to watch, and learns whose
// records.
func (c *Client) announce(ctx context.Context) (account string, err error) {
	reply, err := c.Call(ctx, "keytrail", "TailRecords", nil)
	if err != nil {
		return "", err
	}
	var who struct{ Account string }
	if err := json.Unmarshal(reply.Body, &who); err != nil {
		return "", fmt.Errorf("keytrail TailRecords: %w", err)
	}
	if who.Account == "" {
		return "", errors.New("keytrail TailRecords: the reply names no account")
	}
	return who.Account, nil
}
