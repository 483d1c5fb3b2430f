package natsapi

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/domain/event"
)

// Live records: each record that is on disk goes out as its stored line, on
//
//	keytrail.live.<account>.<service>.<Operation>.<outcome>
//
// to those of the account who watch. It is a view and not the evidence: who does
// not take records in time misses some, and reads them in the log.

type liveRecord struct {
	subject string
	line    []byte
}

// Stored is told of every commit on disk: see engine.Config.Stored. It runs in
// the goroutine that releases replies, so it only looks who watches, copies and
// hands over.
func (s *Service) Stored(p engine.Published) {
	if s.callers.tails.Load() == 0 {
		return
	}
	for i, r := range p.Records {
		var line []byte // shared by the accounts that it concerns
		for _, account := range concerned(r) {
			subject := liveSubject(account, r)
			if !s.watched(subject) {
				continue
			}
			if line == nil {
				line = bytes.Clone(p.Lines[i])
			}
			select {
			case s.live <- liveRecord{subject, line}:
			default:
				s.missed.Add(1)
			}
		}
	}
}

// watched reports whether anybody is subscribed. An external server does not say.
func (s *Service) watched(subject string) bool {
	return s.options.Server == nil || s.options.Server.Clients().SubscriptionInterest(subject)
}

func (s *Service) publishLive(ctx context.Context) {
	for {
		select {
		case r := <-s.live:
			_ = s.responder.Publish(r.subject, r.line)
		case <-ctx.Done():
			return
		}
	}
}

// concerned lists the accounts that a record is about: the caller's and those
// that own its resources.
func concerned(r *event.Record) []string {
	accounts := make([]string, 0, 2)
	if r.Who.Account != "" {
		accounts = append(accounts, r.Who.Account)
	}
	for _, name := range r.Resources {
		if account := accountOf(name); account != "" && !slices.Contains(accounts, account) {
			accounts = append(accounts, account)
		}
	}
	return accounts
}

// accountOf is the account in an ARN: its fifth field, of 12 digits.
func accountOf(name string) string {
	for range 4 {
		_, rest, ok := strings.Cut(name, ":")
		if !ok {
			return ""
		}
		name = rest
	}
	account, _, _ := strings.Cut(name, ":")
	if len(account) != 12 || strings.Trim(account, "0123456789") != "" {
		return ""
	}
	return account
}

func liveSubject(account string, r *event.Record) string {
	service, operation, _ := strings.Cut(r.Op, ":")
	return livePrefix + account + "." + token(service) + "." + token(operation) + "." + token(r.Outcome)
}
