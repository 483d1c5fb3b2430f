// Package demo tells the story of the article that Keytrail follows, on a running
// server, over real NATS connections: who can read a secret, through which key,
// by which of three roads, and what the trail says of it. Every step has an
// expected outcome; the demo is a test that people can read.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

// Options say where the server is and who tells the story.
type Options struct {
	URL       string
	AccessKey string // of an administrator
	Secret    string
	Out       io.Writer
	Colour    bool
}

// Result counts the steps.
type Result struct{ Steps, Expected int }

// Run tells the whole story. The error is that of a step that could not be made
// at all; unexpected outcomes are counted in the result.
func Run(ctx context.Context, o Options) (Result, error) {
	t := &teller{ctx: ctx, o: o, names: map[string]string{}}
	admin, err := t.connect("admin", o.AccessKey, o.Secret, "")
	if err != nil {
		return t.result, err
	}
	defer admin.Close()
	if err := t.watch(admin); err != nil {
		return t.result, err
	}
	for _, chapter := range []func(*teller, *client.Client){
		theSecret, theManagedKey, firstCase, secondCase, roadByIdentityPolicy, roadByKeyPolicy, roadByGrant, whoCan,
	} {
		chapter(t, admin)
		if t.err != nil {
			return t.result, t.err
		}
	}
	theTrail(t)
	return t.result, t.err
}

// teller carries the story from step to step.
type teller struct {
	ctx    context.Context
	o      Options
	result Result
	err    error
	reader *client.Client    // a session of the role SecretReader
	names  map[string]string // what steps leave for later ones

	mu    sync.Mutex
	trail []record
	made  map[string]bool // request ids of the calls that were made
}

type record struct {
	N       uint64 `json:"n"`
	Request string `json:"req"`
	Op      string `json:"op"`
	Via     string `json:"via"`
	Outcome string `json:"outcome"`
	Who     struct {
		ARN string `json:"arn"`
	} `json:"who"`
	Decision *struct {
		Checks []struct {
			Road string   `json:"road"`
			By   []string `json:"by"`
		} `json:"checks"`
	} `json:"decision"`
}

func (t *teller) connect(name, accessKey, secret, token string) (*client.Client, error) {
	c, err := client.Connect(t.ctx, client.Options{
		URL: t.o.URL, AccessKey: accessKey, Secret: secret, SessionToken: token, Agent: "keytrail-demo/" + name,
	})
	if err != nil {
		return nil, fmt.Errorf("connect as %s: %w", name, err)
	}
	return c, nil
}

// watch collects the records of the account as they are stored.
func (t *teller) watch(admin *client.Client) error {
	t.made = map[string]bool{}
	_, err := admin.Tail(t.ctx, func(line []byte) {
		var r record
		if json.Unmarshal(line, &r) == nil {
			t.mu.Lock()
			t.trail = append(t.trail, r)
			t.mu.Unlock()
		}
	})
	if err != nil {
		return fmt.Errorf("watch the trail: %w", err)
	}
	return nil
}

func (t *teller) colour(code, s string) string {
	if !t.o.Colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *teller) chapter(title, text string) {
	fmt.Fprintf(t.o.Out, "\n%s\n", t.colour("1", title))
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		fmt.Fprintf(t.o.Out, "  %s\n", strings.TrimSpace(line))
	}
	fmt.Fprintln(t.o.Out)
}

// step is one call with what is expected of it.
type step struct {
	who       *client.Client
	says      string // what a person would say
	service   string
	operation string
	in        any
	refused   string        // the error code that is expected; "" = success
	message   string        // what the refusal's message must contain
	into      any           // where the answer is decoded
	check     func() string // "" when the answer is as expected, else what is wrong
}

// do makes the step and tells how it went. It returns false when the outcome was
// not the expected one.
func (t *teller) do(s step) bool {
	if t.err != nil {
		return false
	}
	body, err := json.Marshal(s.in)
	if s.in == nil {
		body = []byte("{}")
	} else if err != nil {
		t.err = err
		return false
	}
	t.result.Steps++
	ctx, cancel := context.WithTimeout(t.ctx, 15*time.Second)
	defer cancel()
	reply, err := s.who.Call(ctx, s.service, s.operation, body)
	var refused *client.APIError
	if err != nil && !errors.As(err, &refused) {
		t.err = fmt.Errorf("%s %s: %w", s.service, s.operation, err)
		return false
	}
	wrong := s.verdict(reply, refused)
	mark := t.colour("32", "ok     ")
	switch {
	case wrong != "":
		mark = t.colour("31", "WRONG  ")
	case refused != nil:
		mark = t.colour("33", "refused")
	}
	fmt.Fprintf(t.o.Out, "  %s  %-62s %s\n", mark, s.says, t.colour("2", s.service+":"+s.operation))
	switch {
	case refused != nil:
		t.remember(refused.RequestID)
		fmt.Fprintf(t.o.Out, "           %s: %s\n", refused.Code, shorten(refused.Message))
		t.why(refused.RequestID)
	default:
		t.remember(reply.RequestID)
	}
	if wrong != "" {
		fmt.Fprintf(t.o.Out, "           %s\n", t.colour("31", wrong))
		return false
	}
	t.result.Expected++
	return true
}

func (s step) verdict(reply *client.Reply, refused *client.APIError) string {
	switch {
	case refused != nil && s.refused == "":
		return "expected success"
	case refused != nil:
		if refused.Code != s.refused || !strings.Contains(refused.Message, s.message) {
			return fmt.Sprintf("expected %s with %q", s.refused, s.message)
		}
		return ""
	case s.refused != "":
		return "expected a refusal with " + s.refused
	}
	if s.into != nil {
		if err := json.Unmarshal(reply.Body, s.into); err != nil {
			return "the answer cannot be read: " + err.Error()
		}
	}
	if s.check != nil {
		return s.check()
	}
	return ""
}

func (t *teller) remember(requestID string) {
	t.mu.Lock()
	t.made[requestID] = true
	t.mu.Unlock()
}

// why prints the reason that the record of a refused call holds.
func (t *teller) why(requestID string) {
	admin, err := t.connect("explain", t.o.AccessKey, t.o.Secret, "")
	if err != nil {
		t.err = err
		return
	}
	defer admin.Close()
	body, _ := json.Marshal(map[string]string{"RequestId": requestID})
	reply, err := admin.Call(t.ctx, "keytrail", "ExplainRequest", body)
	if err != nil {
		t.err = fmt.Errorf("explain %s: %w", requestID, err)
		return
	}
	t.remember(reply.RequestID)
	var told struct {
		Records []struct {
			Operation string
			Checks    []struct {
				Action, Road string
				Allowed      bool
				Missing      []string
			}
		}
	}
	if err := json.Unmarshal(reply.Body, &told); err != nil {
		t.err = err
		return
	}
	for _, r := range told.Records {
		for _, c := range r.Checks {
			if !c.Allowed && len(c.Missing) > 0 {
				fmt.Fprintf(t.o.Out, "           %s\n", t.colour("2", "why: "+c.Action+": "+lacking(c.Missing)))
			} else if !c.Allowed {
				fmt.Fprintf(t.o.Out, "           %s\n", t.colour("2", "why: "+c.Action+": "+c.Road))
			}
		}
	}
}

// lacking says what would have opened each road to an action.
func lacking(missing []string) string {
	said := make([]string, len(missing))
	for i, m := range missing {
		said[i] = m
		if words := wanted[m]; words != "" {
			said[i] = words
		}
	}
	return "there is no " + strings.Join(said, ", no ")
}

var wanted = map[string]string{
	"identity-policy lacks identity-policy":       "IAM policy that allows it",
	"key-policy-delegation lacks identity-policy": "IAM policy that allows it",
	"key-policy-delegation lacks delegation":      "key policy that lets IAM policies decide",
	"key-policy lacks key-policy":                 "statement in the key policy",
	"grant lacks grant":                           "grant",
}

// shorten keeps a message on two lines of a terminal: ids are long.
func shorten(message string) string {
	const longest = 200
	if len(message) > longest {
		return message[:longest] + "…"
	}
	return message
}

// theTrail shows what the log holds of the story, and checks that nothing is
// missing: every call that was made has its record.
func theTrail(t *teller) {
	t.chapter("The trail", `Every call above, allowed or refused, was a record on disk before its answer was given.
		Calls that Secrets Manager made in KMS for the caller are records of their own.`)
	t.result.Steps++
	missing := t.awaitTrail()
	t.mu.Lock()
	defer t.mu.Unlock()
	table := tabwriter.NewWriter(t.o.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  %5s\toperation\tprincipal\toutcome\tdecided by\n", "n")
	for _, r := range t.trail {
		op := r.Op
		if r.Via != "" {
			op += " via " + r.Via
		}
		by := ""
		if r.Decision != nil {
			for _, c := range r.Decision.Checks {
				by = strings.TrimPrefix(by+", "+c.Road, ", ")
			}
		}
		if strings.HasPrefix(r.Op, "keytrail:") {
			continue
		}
		fmt.Fprintf(table, "  %5d\t%s\t%s\t%s\t%s\n", r.N, op, lastPart(r.Who.ARN), r.Outcome, by)
	}
	table.Flush()
	if len(missing) > 0 {
		fmt.Fprintf(t.o.Out, "\n  %s %d calls have no record: %v\n", t.colour("31", "WRONG"), len(missing), missing)
		return
	}
	t.result.Expected++
	fmt.Fprintf(t.o.Out, "\n  %s  all %d calls of this story have their records; %d records in all\n", t.colour("32", "ok     "), len(t.made), len(t.trail))
}

// awaitTrail waits until the live records have caught up, and returns the calls
// that have none.
func (t *teller) awaitTrail() (missing []string) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		missing = missing[:0]
		t.mu.Lock()
		have := map[string]bool{}
		for _, r := range t.trail {
			have[r.Request] = true
		}
		for id := range t.made {
			if !have[id] {
				missing = append(missing, id)
			}
		}
		t.mu.Unlock()
		if len(missing) == 0 || time.Now().After(deadline) {
			return missing
		}
	}
}

func lastPart(arn string) string {
	if i := strings.LastIndexByte(arn, ':'); i >= 0 {
		arn = arn[i+1:]
	}
	return strings.TrimPrefix(arn, "assumed-role/")
}
