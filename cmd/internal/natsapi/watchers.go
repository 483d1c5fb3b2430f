package natsapi

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

// Whoever watches live records asks nothing while it does, but that it does is on the
// record: a client calls keytrail:TailRecords before it subscribes, and for one that
// subscribes without, the call is made here: as soon as there is something to see, and
// on external servers, which must be asked who subscribes, with the next review.

const (
	// watchPause is the least time between two looks at what connections subscribe to.
	watchPause = 200 * time.Millisecond
	// watchTimeout bounds one look with the records that it makes.
	watchTimeout = 10 * time.Second
	// Bounds of the subjects in a record, those of keytrail:TailRecords.
	mostSubjects, longestSubject = 16, 256
)

// keepWatch records who has begun to watch.
func (s *Service) keepWatch(ctx context.Context) {
	tick := time.NewTicker(s.options.ReviewEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.watch:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s.recordWatchers(ctx)
		select {
		case <-time.After(watchPause):
		case <-ctx.Done():
			return
		}
	}
}

// recordWatchers makes the call for those who watch and did not. One who may not
// watch any more is ended; what could not be recorded is tried again.
func (s *Service) recordWatchers(ctx context.Context) {
	silent := s.callers.silentTails()
	if len(silent) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	watched := s.liveSubjects(ctx, silent)
	for _, c := range silent {
		subjects := watched[c.id]
		if len(subjects) == 0 {
			continue
		}
		body, err := json.Marshal(map[string]any{"Subjects": subjects})
		if err != nil {
			continue
		}
		reply, err := s.engine.Call(ctx, &vault.Request{
			ID: s.engine.NewRequestID(), Service: "keytrail", Operation: "TailRecords", Body: body,
			Credential: c.caller.credential, Source: c.origin.source, Agent: c.origin.agent, Secure: c.origin.secure,
		})
		switch {
		case err != nil:
			return
		case reply.Fault == nil:
			s.callers.announce(c.id)
		case reply.Fault.Code != fault.ServiceUnavailable && reply.Fault.Code != fault.ThrottlingException:
			s.end(c)
		}
	}
}

// liveSubjects are the subjects of live records that connections subscribe to, of
// those given at least.
func (s *Service) liveSubjects(ctx context.Context, of []*connection) map[connectionID][]string {
	found := map[connectionID][]string{}
	note := func(id connectionID, subscribed []string) {
		for _, subject := range subscribed {
			if strings.HasPrefix(subject, livePrefix) && len(found[id]) < mostSubjects {
				found[id] = append(found[id], subject[:min(len(subject), longestSubject)])
			}
		}
	}
	if s.options.Server != nil {
		for _, c := range of {
			z, err := s.options.Server.NATS().Connz(&server.ConnzOptions{CID: c.id.number, Subscriptions: true})
			if err != nil {
				continue // it has gone
			}
			for _, conn := range z.Conns {
				note(c.id, conn.Subs)
			}
		}
		return found
	}
	for offset := 0; ; offset += page {
		more := false
		options := server.ConnzOptions{Offset: offset, Limit: page, Subscriptions: true}
		err := s.options.Callout.connections(ctx, options, func(r *server.ServerAPIConnzResponse) {
			more = more || len(r.Data.Conns) == page
			for _, conn := range r.Data.Conns {
				note(connectionID{r.Server.ID, conn.Cid}, conn.Subs)
			}
		})
		if err != nil || !more {
			return found // what it could not learn it learns the next time
		}
	}
}

// announced notes that the call was made over one of the caller's connections: its
// own, where the request says which.
func (s *Service) announced(a *address) {
	if a.service == "keytrail" && a.operation == "TailRecords" {
		s.callers.announceAs(a)
	}
}

// silentTails are the connections that may watch and have not said that they do.
func (s *callers) silentTails() []*connection {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []*connection
	for _, c := range s.byConnection {
		if c.tails && !c.announced {
			list = append(list, c)
		}
	}
	return list
}

func (s *callers) announce(id connectionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byConnection[id]; c != nil && c.tails && !c.announced {
		c.announced = true
		s.silent.Add(-1)
	}
}

func (s *callers) announceAs(a *address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.byAccessKey[a.accessKey]
	if who == nil {
		return
	}
	for id, c := range who.connections {
		if c.tails && !c.announced && (a.connection == 0 || id.number == a.connection) {
			c.announced = true
			s.silent.Add(-1)
		}
	}
}
