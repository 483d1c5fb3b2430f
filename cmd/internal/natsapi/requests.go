package natsapi

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/cmd/internal/refusals"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

// queueGroup shares requests between processes that serve the same log: there is
// one at a time, but for the moment of a takeover.
const queueGroup = "keytrail"

// job is one request on its way to the engine.
type job struct {
	address
	msg     *nats.Msg
	arrived time.Time
}

// inFlight counts the requests that have no answer yet.
type inFlight struct {
	count   atomic.Int64
	waiting atomic.Pointer[chan struct{}]
}

func (f *inFlight) begin() { f.count.Add(1) }

func (f *inFlight) end() {
	if f.count.Add(-1) == 0 {
		f.tell()
	}
}

// none returns a channel that closes when there are none. It is called once, when
// no request begins any more.
func (f *inFlight) none() <-chan struct{} {
	c := make(chan struct{})
	f.waiting.Store(&c)
	if f.count.Load() == 0 {
		f.tell()
	}
	return c
}

func (f *inFlight) tell() {
	if c := f.waiting.Swap(nil); c != nil {
		close(*c)
	}
}

// subscribe begins to hear requests and discovery.
func (s *Service) subscribe() error {
	if err := s.discoverable(); err != nil {
		return err
	}
	var err error
	s.requests, err = s.responder.QueueSubscribe(apiPrefix+">", queueGroup, s.receive)
	if err != nil {
		return err
	}
	return s.responder.Flush()
}

// receive runs in the one goroutine of the subscription: it checks what needs no
// state, hands over, and never waits. Past the bound of what may wait, the caller
// is throttled at once.
func (s *Service) receive(msg *nats.Msg) {
	a, ok := parseSubject(msg.Subject)
	if !ok {
		s.refusals.Note(refusals.Malformed, "", "")
		return
	}
	if !ownInbox(msg.Reply, a.accessKey) {
		// Nothing is answered: there is no subject that is certainly the caller's.
		s.refusals.Note(refusals.ForeignReply, "", a.accessKey)
		return
	}
	j := job{address: a, msg: msg, arrived: time.Now()}
	s.inFlight.begin()
	if len(msg.Data) > vault.MaxBody {
		s.refusals.Note(refusals.Oversized, "", a.accessKey)
		s.reply(&j, vault.Reply{Fault: fault.New(fault.RequestEntityTooLarge, "The request body of %d bytes is longer than %d.", len(msg.Data), vault.MaxBody)})
		return
	}
	size := int64(len(msg.Data))
	if s.queued.Add(size) <= queueBytes {
		select {
		case s.queue <- j:
			return
		default:
		}
	}
	s.queued.Add(-size)
	s.reply(&j, vault.Reply{Fault: fault.New(fault.ThrottlingException, "Rate exceeded: too many requests wait to be decided.")})
}

// work hands requests to the engine, which decides uses in this goroutine.
func (s *Service) work(ctx context.Context) {
	for {
		var j job
		select {
		case j = <-s.queue: // mostly, and at a third of the price
		default:
			select {
			case j = <-s.queue:
			case <-ctx.Done():
				return
			}
		}
		s.queued.Add(-int64(len(j.msg.Data)))
		s.carryOut(&j)
	}
}

func (s *Service) carryOut(j *job) {
	credential, from, ok := s.callers.find(&j.address)
	if !ok {
		s.strange(j)
		return
	}
	service, operation := j.called()
	req := &vault.Request{
		ID: s.engine.NewRequestID(), Service: service, Operation: operation,
		Credential: credential, Body: j.msg.Data,
		Source: from.source, Agent: from.agent, Secure: from.secure,
	}
	if agent := agentOf(j.msg.Header); agent != "" {
		req.Agent = agent
	}
	at := *j
	s.engine.Do(req, func(r vault.Reply) { s.reply(&at, r) })
}

// strange is a request of a connection that is not known here. On the embedded
// server it has ended, and nobody waits for the answer. External servers may have
// had it judged by another process, which has lost its place since: the client
// tries again, and the connection is ended so that it comes back as a known one.
func (s *Service) strange(j *job) {
	if s.options.Server != nil {
		s.inFlight.end()
		return
	}
	select {
	case s.unknown <- struct{}{}:
	default:
	}
	s.reply(j, vault.Reply{Fault: fault.New(fault.ServiceUnavailable, "Another process has taken over. Connect again and try again.")})
}

// agentOf is the one thing about a call that is believed as the client says it:
// what the client calls itself.
func agentOf(h nats.Header) string {
	if len(h) == 0 {
		return ""
	}
	if agent := h.Get("Keytrail-Agent"); agent != "" {
		return agent
	}
	return h.Get("User-Agent")
}
