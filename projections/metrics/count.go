package metrics

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

// counts is everything that is counted. It lies in the snapshot as JSON.
type counts struct {
	Operations map[string]*outcomes `json:"operations"` // by "kms:Decrypt"
	Denials    map[denial]*refusals `json:"denials"`
	Events     map[string]uint64    `json:"events"`   // by event type
	Sessions   map[string]uint64    `json:"sessions"` // by operation
	KeyUses    *ranking             `json:"keyUses"`
	Reads      *ranking             `json:"secretReads"`
	Pending    *ranking             `json:"pendingKeyUses"`
	Expiring   expiring             `json:"expiring"`
	Unreadable uint64               `json:"unreadable"`
}

// outcomes of one operation.
type outcomes struct {
	OK      uint64               `json:"ok"`
	Refused map[string]*refusals `json:"refused,omitempty"` // by error code
}

// refusals are calls that were refused alike.
type refusals struct {
	N    uint64 `json:"n"`
	Last single `json:"last"`
}

// refused counts one more among those of its kind.
func refused[K comparable](of map[K]*refusals, kind K, last single) {
	r := of[kind]
	if r == nil {
		r = &refusals{}
		of[kind] = r
	}
	r.N++
	r.Last = last
}

// single is one call among those that were counted: a way from a number to its
// reasons.
type single struct {
	Request string `json:"request"`
	At      string `json:"at"` // as in the record
}

// mostRequest is longer than any request id that the vault makes, and short enough
// for an exemplar.
const mostRequest = 64

// singleOf is the call of a line; the zero single if the line does not say which.
func singleOf(o *event.Outline) single {
	if len(o.Request) == 0 || len(o.Request) > mostRequest || bytes.IndexByte(o.Request, '\\') >= 0 {
		return single{}
	}
	return single{string(o.Request), string(o.At)}
}

func newCounts(named int) *counts {
	return &counts{
		Operations: map[string]*outcomes{}, Denials: map[denial]*refusals{}, Events: map[string]uint64{}, Sessions: map[string]uint64{},
		Expiring: expiring{}, KeyUses: newRanking(named), Reads: newRanking(named), Pending: newRanking(named),
	}
}

// services are the services that there are; they do not change while the program
// runs, and to list them takes longer than to count a record.
var services = vault.Services()

// other stands for all that has no series of its own.
const other = "other"

// knownOperations is the operations that exist, here or in AWS. A caller may ask
// for any name, and must not be able to make a series of it.
func knownOperations() map[string]string {
	known := map[string]string{}
	for _, list := range [][]string{vault.Operations(), vault.AWSOperations()} {
		for _, name := range list {
			known[name] = name
		}
	}
	return known
}

// operation is the name under which a record is counted.
func (v *View) operation(o *event.Outline) string {
	if name, ok := v.known[string(o.Op)]; ok {
		return name
	}
	if o.Internal { // the vault's own calls are not for anyone to name
		return event.Unquote(o.Op)
	}
	service, _, _ := bytes.Cut(o.Op, []byte(":"))
	for _, known := range services {
		if known == string(service) {
			return known + ":" + other
		}
	}
	return other + ":" + other
}

// count counts one line. A line that cannot be read is counted as such: whether
// the log is intact is for other eyes, and the lines after it still count.
func (v *View) count(line []byte, o *event.Outline) {
	c := v.counts
	if err := event.ReadOutline(line, o); err != nil || !utf8.Valid(line) {
		c.Unreadable++
		return
	}
	name := v.operation(o)
	of := c.Operations[name]
	if of == nil {
		of = &outcomes{}
		c.Operations[name] = of
	}
	checks, err := o.Refused()
	if err != nil {
		c.Unreadable++
	}
	var last single
	if !o.OK() || len(checks) > 0 {
		last = singleOf(o)
	}
	if o.OK() {
		of.OK++
		if v.cryptographic[name] {
			for arn := range o.Resources {
				if name := resource(arn); bytes.Contains(name, keyMark) {
					c.KeyUses.use(name)
				}
			}
		}
	} else {
		code := event.Unquote(o.Outcome)
		if of.Refused == nil {
			of.Refused = map[string]*refusals{}
		}
		refused(of.Refused, code, last)
		c.refusal(code, o, v.cryptographic[name], last)
	}
	for i := range checks {
		refused(c.Denials, denialOf(&checks[i]), last)
	}
	if err := o.Events(func(eventType, raw []byte) bool { c.event(name, eventType, raw); return true }); err != nil {
		c.Unreadable++
	}
}

// refusal counts what a failed call tells beside its code. uses tells whether it was
// to use a key: to change one that is scheduled for deletion is no sign that anybody
// needs it.
func (c *counts) refusal(code string, o *event.Outline, uses bool, last single) {
	switch {
	case credentialCodes[fault.Code(code)]:
		service, _, _ := bytes.Cut(o.Op, []byte(":"))
		refused(c.Denials, denial{Service: knownService(string(service)), Access: "any", Reason: "credentials"}, last)
	case uses && code == string(fault.KMSInvalidStateException):
		if key, ok := bytes.CutSuffix(o.Message, []byte(" is pending deletion.")); ok {
			if n := c.Pending.use(resource(key)); n != nil {
				n.Last = &last
			}
		}
	}
}

func knownService(service string) string {
	for _, known := range services {
		if known == service {
			return known
		}
	}
	return other
}

// keyMark is in the ARNs of keys alone. The uses of a key are the calls that were
// carried out with it among their resources, events or not: a signature has none.
var keyMark = []byte(":key/")

// event counts one event of a record. Reads name secrets by their ARNs, deletions
// name keys by their ids.
func (c *counts) event(operation string, eventType, raw []byte) {
	c.Events[string(eventType)]++
	switch string(eventType) {
	case "SecretValueRead":
		c.Reads.use(secretName(resource(event.Member(raw, "secret"))))
	case "SessionIssued":
		_, name, _ := strings.Cut(operation, ":")
		c.Sessions[name]++
		c.Expiring.add(event.Member(raw, "expires"))
	case "KeyDeleted":
		gone := ":key/" + event.Unquote(event.Member(raw, "key"))
		ended := func(name string) bool { return strings.HasSuffix(name, gone) }
		c.KeyUses.drop(ended)
		c.Pending.drop(ended)
	case "SecretDeleted":
		gone := string(secretName(resource(event.Member(raw, "secret"))))
		c.Reads.drop(func(name string) bool { return name == gone })
	}
}

// resource is an ARN from its account on: "111122223333:key/…".
func resource(arn []byte) []byte {
	rest := arn
	for range 4 {
		_, after, found := bytes.Cut(rest, []byte(":"))
		if !found {
			return arn
		}
		rest = after
	}
	return rest
}

// secretName leaves out the six random characters that end a secret's ARN.
func secretName(resource []byte) []byte {
	const suffix = len("-AbCdEf")
	if n := len(resource) - suffix; n > 0 && resource[n] == '-' {
		return resource[:n]
	}
	return resource
}
