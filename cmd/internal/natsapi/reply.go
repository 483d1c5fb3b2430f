package natsapi

import (
	"strconv"
	"strings"
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
	msg := nats.Msg{Subject: j.msg.Reply, Data: r.Body, Header: make(nats.Header, 4)}
	msg.Header[HeaderRequestID] = []string{r.RequestID}
	if r.Receipt.Seq > 0 {
		msg.Header[HeaderReceipt] = []string{receipt(r.Receipt)}
	}
	if r.Fault != nil {
		msg.Data = errorBody(j.service, r.Fault)
		msg.Header[micro.ErrorCodeHeader] = []string{strconv.Itoa(r.Fault.Status())}
		msg.Header[micro.ErrorHeader] = []string{headerText(string(r.Fault.Code) + ": " + r.Fault.Message)}
	}
	s.endpoint(j.service).count(time.Since(j.arrived), r.Fault)
	// A connection that is closed takes nothing: then nobody hears us any more.
	_ = s.responder.PublishMsg(&msg)
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
		s = s[:longest]
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
