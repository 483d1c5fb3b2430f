package natslog

import (
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/merkle"
)

// The headers of a commit's message. An auditor reads them with `nats stream
// view`; they are part of the format.
const (
	headerFirst = "Keytrail-First" // n of the first line, decimal
	headerCount = "Keytrail-Count" // number of lines, decimal
	headerRoot  = "Keytrail-Root"  // Merkle root after the commit, 64 hexadecimal digits
	headerID    = "Nats-Msg-Id"
	headerAfter = "Nats-Expected-Last-Sequence"
)

// What the server adds when it hands out a stored message.
const (
	headerSubject  = "Nats-Subject"
	headerSequence = "Nats-Sequence"
	headerTime     = "Nats-Time-Stamp"
	headerPending  = "Nats-Num-Pending" // messages that match the request, after this one
)

// encode makes the message of a commit that is valid, around its body.
func encode(c *eventstore.Commit, body []byte) *nats.Msg {
	return &nats.Msg{
		Subject: c.Subject.String(),
		Header: nats.Header{
			headerFirst: {strconv.FormatUint(c.First, 10)},
			headerCount: {strconv.Itoa(len(c.Lines))},
			headerRoot:  {c.Root.String()},
			headerID:    {c.ID},
			headerAfter: {strconv.FormatUint(c.After, 10)},
		},
		Data: body,
	}
}

// decode reads what encode wrote. Its error is an *eventstore.UnreadableError: the
// message at this sequence is no commit.
func decode(subject string, seq uint64, at time.Time, header nats.Header, body []byte) (eventstore.Stored, error) {
	c, err := decodeCommit(subject, header, body)
	if err != nil {
		return eventstore.Stored{}, &eventstore.UnreadableError{Seq: seq, Err: err}
	}
	return eventstore.Stored{Commit: c, Seq: seq, At: at}, nil
}

func decodeCommit(subject string, header nats.Header, body []byte) (c eventstore.Commit, err error) {
	if c.Subject, err = eventstore.ParseSubject(subject); err != nil {
		return c, err
	}
	if c.First, err = number(header, headerFirst); err != nil {
		return c, err
	}
	if c.After, err = number(header, headerAfter); err != nil {
		return c, err
	}
	count, err := number(header, headerCount)
	if err != nil {
		return c, err
	}
	if c.Root, err = merkle.ParseHash(header.Get(headerRoot)); err != nil {
		return c, fmt.Errorf("header %s: %w", headerRoot, err)
	}
	c.ID = header.Get(headerID)
	c.Lines, err = eventstore.SplitBody(body, int(min(count, eventstore.MaxCommitBytes+1)))
	return c, err
}

// fromDirect decodes a message that the server sent in answer to a direct get.
func fromDirect(m *nats.Msg) (eventstore.Stored, error) {
	seq, err := number(m.Header, headerSequence)
	if err != nil {
		return eventstore.Stored{}, fmt.Errorf("the server's answer: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(headerTime))
	if err != nil {
		return eventstore.Stored{}, fmt.Errorf("the server's answer: header %s: %w", headerTime, err)
	}
	return decode(m.Header.Get(headerSubject), seq, at, m.Header, m.Data)
}

func number(header nats.Header, name string) (uint64, error) {
	n, err := strconv.ParseUint(header.Get(name), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("header %s: %w", name, err)
	}
	return n, nil
}
