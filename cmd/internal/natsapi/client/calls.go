package client

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// calls matches replies to the calls that wait for them, over one wildcard
// subscription: <inbox>.<number of the call>.
type calls struct {
	inbox string // with its last dot

	received atomic.Uint64 // messages that receive is done with

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]func(*Reply, error)
	sub     *nats.Subscription // of the inbox; nil until there is one
}

func newCalls(inbox string) *calls {
	return &calls{inbox: inbox, waiting: map[uint64]func(*Reply, error){}}
}

// newInbox draws an inbox that nobody can guess, below the one that the server
// lets this caller subscribe to.
func newInbox(accessKey string) (string, error) {
	var b [15]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("draw an inbox: %w", err)
	}
	return "_INBOX." + accessKey + "." + base32.StdEncoding.EncodeToString(b[:]) + ".", nil
}

// subscribe begins to hear replies.
func (s *calls) subscribe(nc *nats.Conn) error {
	sub, err := nc.Subscribe(s.inbox+"*", s.receive)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sub = sub
	return err
}

func (s *calls) add(done func(*Reply, error)) (id uint64, reply string) {
	s.mu.Lock()
	s.last++
	id = s.last
	s.waiting[id] = done
	s.mu.Unlock()
	return id, s.inbox + strconv.FormatUint(id, 36)
}

// forget reports whether the call was waiting still.
func (s *calls) forget(id uint64) bool { return s.take(id) != nil }

func (s *calls) take(id uint64) func(*Reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := s.waiting[id]
	delete(s.waiting, id)
	return done
}

// disconnected fails the calls that wait, but for those whose replies have
// arrived: a server that stops answers what it has and then closes the
// connection, and the connection's library may tell of the end first.
func (s *calls) disconnected(err error) {
	s.mu.Lock()
	last, sub := s.last, s.sub
	s.mu.Unlock()
	for end := time.Now().Add(settleTimeout); sub != nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		pending, _, failed := sub.Pending()
		delivered, _ := sub.Delivered()
		if failed != nil || pending == 0 && s.received.Load() >= uint64(delivered) {
			break
		}
	}
	s.failUpTo(last, err)
}

// settleTimeout bounds how long replies that have arrived may take to be handed
// over.
const settleTimeout = 2 * time.Second

// fail ends every call that waits.
func (s *calls) fail(err error) { s.failUpTo(math.MaxUint64, err) }

// failUpTo ends the calls that wait up to the number last: those after it were
// made on the next connection.
func (s *calls) failUpTo(last uint64, err error) {
	s.mu.Lock()
	var waiting []func(*Reply, error)
	for id, done := range s.waiting {
		if id <= last {
			waiting = append(waiting, done)
			delete(s.waiting, id)
		}
	}
	s.mu.Unlock()
	for _, done := range waiting {
		done(nil, err)
	}
}

// receive takes one message of the inbox. What is no reply of the service (it has
// no request id) is ignored: somebody else may have named this inbox.
func (s *calls) receive(m *nats.Msg) {
	defer s.received.Add(1)
	id, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, s.inbox), 36, 64)
	if err != nil {
		return
	}
	nobody := len(m.Data) == 0 && header(m, "Status") == "503"
	if !nobody && header(m, "Keytrail-Request-Id") == "" {
		return
	}
	done := s.take(id)
	if done == nil {
		return
	}
	if nobody {
		done(nil, ErrNoServer)
		return
	}
	done(outcome(m))
}

// header reads a header in the spelling that the service publishes.
func header(m *nats.Msg, name string) string {
	if v := m.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func outcome(m *nats.Msg) (*Reply, error) {
	requestID := header(m, "Keytrail-Request-Id")
	if status := header(m, "Nats-Service-Error-Code"); status != "" {
		e := refusal(m.Data, status, header(m, "Nats-Service-Error"), requestID)
		e.Recorded = header(m, "Keytrail-Receipt") != ""
		return nil, e
	}
	r := &Reply{Body: m.Data, RequestID: requestID}
	n, seq, _ := strings.Cut(header(m, "Keytrail-Receipt"), " ")
	var err error
	if r.N, err = strconv.ParseUint(strings.TrimPrefix(n, "n="), 10, 64); err == nil {
		r.Seq, err = strconv.ParseUint(strings.TrimPrefix(seq, "seq="), 10, 64)
	}
	if err != nil {
		return nil, fmt.Errorf("reply of request %s has no receipt: %w", requestID, err)
	}
	return r, nil
}

func refusal(body []byte, status, text, requestID string) *APIError {
	e := &APIError{RequestID: requestID}
	e.Status, _ = strconv.Atoi(status)
	// encoding/json matches member names without regard to case: message and
	// Message are one.
	var told struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &told) == nil && told.Type != "" {
		e.Code, e.Message = told.Type, told.Message
		return e
	}
	e.Code, e.Message, _ = strings.Cut(text, ": ")
	return e
}
