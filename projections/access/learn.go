package access

import (
	"bytes"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// cryptographic are the operations that use a key, by the name that a record has
// for them.
var cryptographic = func() map[string]string {
	names := map[string]string{}
	for _, operation := range vault.CryptographicOperations() {
		names[`"`+operation+`"`] = strings.TrimPrefix(operation, "kms:")
	}
	return names
}()

// services are the names of what is called, by how a record's operation begins.
var services = func() map[string]string {
	names := map[string]string{}
	for _, name := range vault.Services() {
		names[`"`+name] = name
	}
	return names
}()

const (
	readOperation = `"secretsmanager:GetSecretValue"`
	outcomeOK     = `"ok"`
)

// caller is what a record's caller counts for. Records of the same caller have the
// same bytes for it.
type caller struct {
	accessKey, role *made
}

// maxCallers bounds the callers that are remembered by their bytes.
const maxCallers = 8192

// learn takes the records of one commit. A line that cannot be read tells nothing:
// whether the log is intact is for other eyes.
func (v *View) learn(c *eventstore.Stored) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, line := range c.Lines {
		if event.ParseHeader(line, &v.header) == nil {
			v.record(&v.header, line, c.First+uint64(i))
		}
		if c.Subject == eventstore.State {
			v.forget(line)
		}
	}
}

func (v *View) record(h *event.Header, line []byte, n uint64) {
	if h.Via == nil {
		v.called(h)
	}
	if string(h.Outcome) != outcomeOK {
		return
	}
	if operation, ok := cryptographic[string(h.Op)]; ok {
		for id := range keyIDs(h.Resources) {
			u := v.keys[string(id)]
			if u == nil {
				u = &use{}
				v.keys[string(id)] = u
			}
			request, _ := event.ParseUUID(inner(h.Request))
			*u = use{operation, h.At, n, request}
		}
	} else if string(h.Op) == readOperation {
		v.read(inner(h.Resources), readVersion(line), int32(h.At/1e6/secondsOfDay))
	}
}

// read notes that a version of a secret was read. Of one that is read again on the same
// day there is nothing new.
func (v *View) read(arn, version []byte, day int32) {
	if len(arn) == 0 || len(version) == 0 {
		return
	}
	hash, old := hashVersion(version), v.secrets[string(arn)]
	for i := range old {
		if old[i].version == hash && old[i].day >= day {
			return
		}
	}
	v.secrets[event.Unquote(arn)] = old.noted(hash, day)
}

// readVersion is the version that a read was of: it stands in the record's event. Its
// mark cannot stand in a text, where quotes are escaped.
func readVersion(line []byte) []byte {
	i := bytes.LastIndex(line, []byte(`{"type":"SecretValueRead"`))
	if i < 0 {
		return nil
	}
	return event.Member(line[i:], "version")
}

// called notes a call for its caller: those that a service makes on a caller's
// behalf are not the caller's own.
func (v *View) called(h *event.Header) {
	who, ok := v.callers[string(h.Who)]
	if !ok {
		if len(v.callers) >= maxCallers {
			clear(v.callers)
		}
		who = v.caller(h.Who)
		v.callers[string(h.Who)] = who
	}
	if who == (caller{}) {
		return
	}
	service := services[string(h.Op[:max(bytes.IndexByte(h.Op, ':'), 0)])]
	if service == "" {
		return // an operation of no service
	}
	for _, m := range [...]*made{who.accessKey, who.role} {
		if m != nil {
			m.service, m.at = service, h.At
		}
	}
}

// caller finds or makes the entries of a caller who was known to the vault.
func (v *View) caller(who []byte) (c caller) {
	switch string(event.Member(who, "type")) {
	case "IAMUser", "Root":
		if id := event.Member(who, "accessKey"); bytes.HasPrefix(id, []byte("AKIA")) {
			c.accessKey = entry(v.accessKeys, string(id))
		}
	case "AssumedRole":
		id, _, _ := bytes.Cut(event.Member(who, "id"), []byte(":"))
		c.role = entry(v.roles, string(id))
	}
	return c
}

func entry(of map[string]*made, id string) *made {
	m := of[id]
	if m == nil {
		m = &made{}
		of[id] = m
	}
	return m
}

// forget drops what a change of state has ended.
func (v *View) forget(line []byte) {
	if event.ReadOutline(line, &v.outline) != nil {
		return
	}
	_ = v.outline.Events(func(eventType, raw []byte) bool { // what cannot be read has ended nothing
		switch string(eventType) {
		case "KeyDeleted":
			delete(v.keys, event.Unquote(event.Member(raw, "key")))
		case "SecretVersionPurged":
			arn := event.Unquote(event.Member(raw, "secret"))
			if old, ok := v.secrets[arn]; ok {
				v.secrets[arn] = old.gone(hashVersion(event.Member(raw, "version")))
			}
		case "SecretDeleted":
			delete(v.secrets, event.Unquote(event.Member(raw, "secret")))
		case "AccessKeyDeleted":
			delete(v.accessKeys, event.Unquote(event.Member(raw, "accessKey")))
			clear(v.callers)
		case "RoleDeleted":
			delete(v.roles, event.Unquote(event.Member(raw, "role")))
			clear(v.callers)
		}
		return true
	})
}

// keyIDs yields the ids of the keys among a record's resources.
func keyIDs(resources []byte) func(yield func(id []byte) bool) {
	return func(yield func(id []byte) bool) {
		const mark = ":key/"
		for rest := resources; ; {
			i := bytes.Index(rest, []byte(mark))
			if i < 0 {
				return
			}
			rest = rest[i+len(mark):]
			id, after, _ := bytes.Cut(rest, []byte(`"`))
			if !yield(id) {
				return
			}
			rest = after
		}
	}
}

// inner is what stands behind the opening of a string or of a list of strings, up
// to the end of the first.
func inner(value []byte) []byte {
	_, rest, _ := bytes.Cut(value, []byte(`"`))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	return text
}
