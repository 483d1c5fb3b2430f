package natsapi

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/eventstore/natslog"
)

// probeUser is no access key: no caller and no record ever has that name.
const probeUser = "keytrail-probe"

// probe is a connection of our own by which servers show that they have their
// clients judged here. Where they do not, whoever they let in might claim any
// access key.
type probe struct {
	secret [32]byte
	asked  atomic.Bool
}

func (p *probe) is(c *presented) bool {
	if c.accessKey != probeUser || subtle.ConstantTimeCompare([]byte(c.secret), []byte(p.password())) != 1 {
		return false
	}
	p.asked.Store(true)
	return true
}

func (p *probe) password() string { return hex.EncodeToString(p.secret[:]) }

// Bounds of the trial of one server.
const (
	trialTimeout = 5 * time.Second
	trialPause   = 250 * time.Millisecond
	trials       = 5 // another process that is about to leave its place may be asked in between
)

// ErrNotJudge: a server does not have its clients judged by this process.
var ErrNotJudge = errors.New("the auth callout is not ours")

// try connects to each of the servers like a client that this process lets in. A
// server that cannot be reached now is passed over; one must be there.
func (c *Callout) try() error {
	if len(c.Servers) == 0 {
		return nil
	}
	if _, err := rand.Read(c.probe.secret[:]); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	var away error
	reached := 0
	for _, url := range c.Servers {
		err := c.tryServer(url)
		switch {
		case err == nil:
			reached++
		case errors.Is(err, ErrNotJudge):
			return fmt.Errorf("server %s: %w", url, err)
		default:
			away = errors.Join(away, fmt.Errorf("server %s: %w", url, err))
		}
	}
	if reached == 0 {
		return away
	}
	return nil
}

func (c *Callout) tryServer(url string) error {
	options := append([]nats.Option{}, c.Options...)
	options = append(options, nats.Name(probeUser), nats.UserInfo(probeUser, c.probe.password()), nats.NoReconnect(), nats.Timeout(trialTimeout))
	for trial := 1; ; trial++ {
		c.probe.asked.Store(false)
		nc, err := nats.Connect(url, options...)
		asked := c.probe.asked.Load()
		switch {
		case err == nil:
			nc.Close()
			if asked {
				return nil
			}
			return fmt.Errorf("%w: it let a stranger in without asking", ErrNotJudge)
		case asked:
			return fmt.Errorf("%w: it did not take the answer; auth_callout.issuer is not the public key of issuer.nk, or there is no account %s", ErrNotJudge, natslog.AccountClients)
		case unreachable(err):
			return err
		case trial == trials: // also a server that is slow to let in, whose own PING the client does not expect
			return fmt.Errorf("%w: it did not ask (%w); its configuration has no authorization { auth_callout } for account %s, or another keytrail answers", ErrNotJudge, err, natslog.AccountAuth)
		}
		time.Sleep(trialPause)
	}
}

// unreachable tells a server that is not there from one that does not let us in.
func unreachable(err error) bool {
	var network *net.OpError
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrSecureConnWanted) || errors.As(err, &network)
}
