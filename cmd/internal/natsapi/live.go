package natsapi

import (
	"bytes"
	"context"
	"strings"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
)

// Live records: each record that is on disk goes out as a line, on
//
//	keytrail.live.<account>.<service>.<Operation>.<outcome>
//
// to those of the accounts that it concerns who watch, as vault.Seen shows it to
// them. It is a view and not the evidence: who does not take records in time misses
// some, and reads them in the log.

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
	management := ""
	if m := s.management.Load(); m != nil {
		management = *m
	}
	for i, r := range p.Records {
		var whole []byte // the stored line, for those who see the record itself
		for _, account := range vault.Concerned(r, management) {
			subject := liveSubject(account, r)
			if !s.watched(subject) {
				continue
			}
			var line []byte
			if seen := vault.Seen(r, account); seen != r {
				line, _ = seen.AppendLine(nil) // of a record that was encoded before, with less in it
			} else {
				if whole == nil {
					whole = bytes.Clone(p.Lines[i])
				}
				line = whole
			}
			if s.options.Server != nil && s.callers.silent.Load() > 0 {
				select {
				case s.watch <- struct{}{}:
				default:
				}
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

func liveSubject(account string, r *event.Record) string {
	service, operation, _ := strings.Cut(r.Op, ":")
	return livePrefix + account + "." + token(service) + "." + token(operation) + "." + token(r.Outcome)
}
