package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrMalformed is wrapped by every error about a line that is not a record.
var ErrMalformed = errors.New("malformed record")

// Unknown is an event of a type, or of a version, that this program does not
// know. A projection of state fails closed on it; a view of the log shows it.
type Unknown struct {
	Type    string
	Version int
	Raw     json.RawMessage
}

// EventType is the type as stored.
func (u *Unknown) EventType() string { return u.Type }

// upcasters lift the stored members of an event from one version to the next.
// They are pure and run when a line is read; the stored bytes never change.
var upcasters = map[string]map[int]func(json.RawMessage) (json.RawMessage, error){}

// versions holds the current version of every event whose version is not 1.
var versions = map[string]int{}

func version(eventType string) int {
	if v, ok := versions[eventType]; ok {
		return v
	}
	return 1
}

// stored is the line as JSON; its member names are the log's format.
type stored struct {
	N         *uint64           `json:"n"`
	At        time.Time         `json:"at"`
	Request   string            `json:"req"`
	Op        string            `json:"op"`
	Who       storedWho         `json:"who"`
	Via       string            `json:"via"`
	Source    string            `json:"src"`
	Agent     string            `json:"agent"`
	Params    json.RawMessage   `json:"params"`
	Outcome   string            `json:"outcome"`
	Message   string            `json:"message"`
	Response  json.RawMessage   `json:"response"`
	Extra     json.RawMessage   `json:"extra"`
	Resources []string          `json:"resources"`
	Decision  *storedDecision   `json:"decision"`
	Events    []json.RawMessage `json:"events"`
}

type storedWho struct {
	Type      string `json:"type"`
	ARN       string `json:"arn"`
	ID        string `json:"id"`
	Account   string `json:"account"`
	AccessKey string `json:"accessKey"`
	Name      string `json:"name"`
	IssuerARN string `json:"issuer"`
	Issued    string `json:"issued"`
	Source    string `json:"sourceIdentity"`
}

type storedDecision struct {
	Allowed bool          `json:"allowed"`
	Checks  []storedCheck `json:"checks"`
}

type storedCheck struct {
	Action   string   `json:"action"`
	Resource string   `json:"on"`
	Allowed  bool     `json:"allowed"`
	Road     string   `json:"road"`
	By       []string `json:"by"`
	More     int      `json:"more"`
	Missing  []string `json:"missing"`

	Context map[string][]string `json:"context"`
}

// ParseLine reads one stored line. An event that the catalogue does not know
// comes back as *Unknown; every other defect is an error that wraps ErrMalformed.
func ParseLine(line []byte) (*Record, error) {
	var s stored
	if err := json.Unmarshal(line, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if s.N == nil || s.Op == "" || s.Outcome == "" || s.At.IsZero() {
		return nil, fmt.Errorf("%w: n, at, op or outcome is missing", ErrMalformed)
	}
	r := &Record{
		N: *s.N, At: s.At, Request: s.Request, Op: s.Op, Who: Who(s.Who), Via: s.Via,
		Source: s.Source, Agent: s.Agent, Params: s.Params, Outcome: s.Outcome,
		Message: s.Message, Response: s.Response, Extra: s.Extra, Resources: s.Resources,
	}
	if s.Decision != nil {
		r.Decision = &Decision{Allowed: s.Decision.Allowed, Checks: make([]Check, len(s.Decision.Checks))}
		for i, c := range s.Decision.Checks {
			r.Decision.Checks[i] = Check(c)
		}
	}
	for _, raw := range s.Events {
		e, err := parseEvent(raw)
		if err != nil {
			return nil, err
		}
		r.Events = append(r.Events, e)
	}
	return r, nil
}

func parseEvent(raw json.RawMessage) (Event, error) {
	name, v, ok := head(raw)
	if !ok {
		var h struct {
			Type    string `json:"type"`
			Version int    `json:"v"`
		}
		if err := json.Unmarshal(raw, &h); err != nil {
			return nil, fmt.Errorf("%w: event: %w", ErrMalformed, err)
		}
		name, v = h.Type, h.Version
	}
	if name == "" || v < 1 {
		return nil, fmt.Errorf("%w: event without type or version", ErrMalformed)
	}
	empty, known := catalogue[name]
	if !known || v > version(name) {
		return &Unknown{Type: name, Version: v, Raw: raw}, nil
	}
	for ; v < version(name); v++ {
		lift, ok := upcasters[name][v]
		if !ok {
			return nil, fmt.Errorf("%w: event %s has no upcaster from version %d", ErrMalformed, name, v)
		}
		var err error
		if raw, err = lift(raw); err != nil {
			return nil, fmt.Errorf("%w: event %s from version %d: %w", ErrMalformed, name, v, err)
		}
	}
	e := empty()
	if err := json.Unmarshal(raw, e); err != nil {
		return nil, fmt.Errorf("%w: event %s: %w", ErrMalformed, name, err)
	}
	return e, nil
}
