package natsapi

import (
	"strconv"
	"strings"
)

// Subjects. A caller publishes its requests to one of
//
//	keytrail.api.<access key id>.<service>.<Operation>
//	keytrail.api.<access key id>.<connection>.<service>.<Operation>
//
// The server lets a connection publish under its own access key id alone, and in
// the second form under its own connection id alone (decimal, the client_id of
// the server's INFO), so the tokens prove who is calling and from where. The
// first form proves who; from where is known as long as all connections of the
// access key come from one address.
//
// audit.Query is another name of keytrail.QueryAudit: on NATS the trail is asked
// where one looks for it. Policies and records know the operation by one name.
const (
	apiPrefix   = "keytrail.api."
	inboxPrefix = "_INBOX."
	livePrefix  = "keytrail.live."

	auditService = "audit"
	auditQuery   = "Query"
)

// address is what a request's subject says.
type address struct {
	accessKey  string
	connection uint64 // 0: not said
	service    string
	operation  string
}

// parseSubject reads the subject of a request. The parts alias the subject.
func parseSubject(subject string) (address, bool) {
	rest, ok := strings.CutPrefix(subject, apiPrefix)
	if !ok {
		return address{}, false
	}
	var a address
	if a.accessKey, rest, ok = strings.Cut(rest, "."); !ok || !validAccessKey(a.accessKey) {
		return address{}, false
	}
	if a.service, rest, ok = strings.Cut(rest, "."); !ok {
		return address{}, false
	}
	if service, operation, long := strings.Cut(rest, "."); long {
		id, err := strconv.ParseUint(a.service, 10, 64)
		if err != nil || id == 0 {
			return address{}, false
		}
		a.connection, a.service, rest = id, service, operation
	}
	a.operation = rest
	if a.service == "" || a.operation == "" || strings.Contains(a.operation, ".") {
		return address{}, false
	}
	return a, true
}

// called is the operation that a request is for, under the name that policies and
// records know it by.
func (a *address) called() (service, operation string) {
	if a.service == auditService && a.operation == auditQuery {
		return "keytrail", "QueryAudit"
	}
	return a.service, a.operation
}

// ownInbox reports whether a reply subject lies in the caller's own inbox. NATS
// does not check reply subjects: without this, a caller could have the service
// publish where the caller itself may not.
func ownInbox(reply, accessKey string) bool {
	rest, ok := strings.CutPrefix(reply, inboxPrefix)
	if !ok {
		return false
	}
	rest, ok = strings.CutPrefix(rest, accessKey)
	if !ok || len(rest) < 2 || rest[0] != '.' {
		return false
	}
	empty := false // the token read last has no characters yet
	for i := range len(rest) {
		switch c := rest[i]; {
		case c == '.':
			if empty {
				return false
			}
			empty = true
		case c <= ' ' || c >= 0x7f || c == '*' || c == '>':
			return false
		default:
			empty = false
		}
	}
	return !empty
}

// validAccessKey bounds what may become a token of a subject: AWS has 16 to 128
// word characters. It is tried before anything is looked up.
func validAccessKey(id string) bool {
	if len(id) < 16 || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// token makes any text one literal token of a subject.
func token(s string) string {
	if s == "" {
		return "-"
	}
	bad := func(c byte) bool { return c <= ' ' || c >= 0x7f || c == '.' || c == '*' || c == '>' }
	for i := range len(s) {
		if bad(s[i]) {
			b := []byte(s)
			for j := range b {
				if bad(b[j]) {
					b[j] = '_'
				}
			}
			return string(b)
		}
	}
	return s
}
