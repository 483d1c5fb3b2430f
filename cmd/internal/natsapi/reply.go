package natsapi

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

// Headers of replies, in the spelling that they are published in.
const (
	HeaderRequestID = "Keytrail-Request-Id"
	HeaderReceipt   = "Keytrail-Receipt" // "n=<n> seq=<seq>"; absent when nothing was recorded
)

// reply answers one request and counts it. It runs in the goroutine that releases
// replies, so it only hands bytes to the connection; the body is not kept.
func (s *Service) reply(j *job, r vault.Reply) {
	defer s.inFlight.end()
	if r.RequestID == "" {
		r.RequestID = s.engine.NewRequestID()
	}
	m := blanks.Get().(*blank)
	m.msg.Subject, m.msg.Data = j.msg.Reply, r.Body
	m.set(HeaderRequestID, r.RequestID)
	if r.Receipt.Seq > 0 {
		m.set(HeaderReceipt, receipt(r.Receipt))
	}
	if r.Fault != nil {
		m.msg.Data = errorBody(j.service, r.Fault)
		m.set(micro.ErrorCodeHeader, strconv.Itoa(r.Fault.Status()))
		m.set(micro.ErrorHeader, headerText(string(r.Fault.Code)+": "+r.Fault.Message))
	}
	// A connection that is closed takes nothing: then nobody hears us any more.
	err := s.responder.PublishMsg(&m.msg)
	m.free()
	if errors.Is(err, nats.ErrMaxPayload) && r.Fault == nil {
		s.inFlight.begin()
		s.reply(j, vault.Reply{RequestID: r.RequestID, Receipt: r.Receipt, Fault: fault.New(fault.RequestEntityTooLarge,
			"The call was carried out and is on the record, but its answer of %d bytes is longer than a message of these NATS servers may be. Ask for less at a time, or over HTTP.", len(r.Body))})
		return
	}
	s.endpoint(j.service).count(time.Since(j.arrived), r.Fault)
	if r.Fault == nil {
		s.announced(&j.address)
	}
}

// blank is a reply to be filled in. Publishing copies it, so that it serves again.
type blank struct {
	msg    nats.Msg
	values [4]string // of the header, one for each name
	used   int
}

var blanks = sync.Pool{New: func() any { return &blank{msg: nats.Msg{Header: make(nats.Header, 4)}} }}

func (b *blank) set(name, value string) {
	b.values[b.used] = value
	b.msg.Header[name] = b.values[b.used : b.used+1 : b.used+1]
	b.used++
}

// free keeps nothing of the reply.
func (b *blank) free() {
	clear(b.msg.Header)
	b.msg.Subject, b.msg.Data, b.values, b.used = "", nil, [4]string{}, 0
	blanks.Put(b)
}

func receipt(r vault.Receipt) string {
	b := append(make([]byte, 0, 32), "n="...)
	b = strconv.AppendUint(b, r.N, 10)
	b = append(b, " seq="...)
	return string(strconv.AppendUint(b, r.Seq, 10))
}

// errorBody is a refusal in the AWS JSON protocol. The model of Secrets Manager
// spells the message's member with a capital letter.
func errorBody(service string, f *fault.Fault) []byte {
	member := `","message":`
	if service == "secretsmanager" {
		member = `","Message":`
	}
	b := make([]byte, 0, len(f.Code)+len(f.Message)+40)
	b = append(b, `{"__type":"`...)
	b = append(b, f.Code...)
	b = append(b, member...)
	b = event.AppendString(b, f.Message)
	return append(b, '}')
}

// headerText bounds a message and keeps it on one line.
func headerText(s string) string {
	const longest = 1024
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "")
	}
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}
