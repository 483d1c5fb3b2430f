package event

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// selfAppending events write their members without reflection: the ones that
// every use of a key or a secret carries.
type selfAppending interface {
	appendMembers(dst []byte) []byte
}

func (e *Encrypted) appendMembers(dst []byte) []byte {
	return appendMember(appendMember(dst, "key", e.Key), "material", e.Material)
}

func (e *Decrypted) appendMembers(dst []byte) []byte {
	return appendMember(appendMember(dst, "key", e.Key), "material", e.Material)
}

func (e *DataKeyGenerated) appendMembers(dst []byte) []byte {
	return appendMember(appendMember(dst, "key", e.Key), "material", e.Material)
}

func (e *SecretValueRead) appendMembers(dst []byte) []byte {
	return appendMember(appendMember(dst, "secret", e.Secret), "version", e.Version)
}

// AppendLine appends the record as one line of JSON, without a newline, its
// members in the fixed order of the log. The error is that of an event which
// cannot be marshalled, and is a defect of the caller.
func (r *Record) AppendLine(dst []byte) ([]byte, error) {
	return r.AppendBody(AppendNumber(dst, r.N))
}

// AppendNumber appends the beginning of a line: what comes before the body. A
// record gets its n only when its commit is put together; the body is encoded
// long before, by whoever decided the call.
func AppendNumber(dst []byte, n uint64) []byte {
	return appendUint(append(dst, `{"n":`...), n)
}

// AppendBody appends the rest of the line after AppendNumber.
func (r *Record) AppendBody(dst []byte) ([]byte, error) {
	dst = append(dst, `,"at":`...)
	dst = appendTime(dst, r.At)
	dst = appendMember(dst, "req", r.Request)
	dst = appendMember(dst, "op", r.Op)
	dst = append(dst, `,"who":`...)
	dst = r.Who.appendJSON(dst)
	dst = appendMember(dst, "via", r.Via)
	dst = appendMember(dst, "src", r.Source)
	dst = appendMember(dst, "agent", r.Agent)
	dst = appendRaw(dst, "params", r.Params)
	dst = appendMember(dst, "outcome", r.Outcome)
	dst = appendMember(dst, "message", r.Message)
	dst = appendRaw(dst, "response", r.Response)
	dst = appendRaw(dst, "extra", r.Extra)
	dst = appendStrings(dst, "resources", r.Resources)
	if r.Decision != nil {
		dst = append(dst, `,"decision":`...)
		dst = r.Decision.appendJSON(dst)
	}
	if len(r.Events) > 0 {
		dst = append(dst, `,"events":[`...)
		for i, e := range r.Events {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendEvent(dst, e); err != nil {
				return dst, err
			}
		}
		dst = append(dst, ']')
	}
	return append(dst, '}'), nil
}

func appendEvent(dst []byte, e Event) ([]byte, error) {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, e.EventType()...)
	dst = append(dst, `","v":`...)
	dst = appendUint(dst, uint64(version(e.EventType())))
	if s, ok := e.(selfAppending); ok {
		return append(s.appendMembers(dst), '}'), nil
	}
	members, err := json.Marshal(e)
	if err != nil {
		return dst, fmt.Errorf("encode event %s: %w", e.EventType(), err)
	}
	if len(members) == len("{}") {
		return append(dst, '}'), nil
	}
	dst = append(dst, ',')
	return append(dst, members[1:]...), nil
}

func (w *Who) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"type":`...)
	dst = AppendString(dst, w.Type)
	dst = appendMember(dst, "arn", w.ARN)
	dst = appendMember(dst, "id", w.ID)
	dst = appendMember(dst, "account", w.Account)
	dst = appendMember(dst, "accessKey", w.AccessKey)
	dst = appendMember(dst, "name", w.Name)
	dst = appendMember(dst, "issuer", w.IssuerARN)
	dst = appendMember(dst, "issued", w.Issued)
	dst = appendMember(dst, "sourceIdentity", w.Source)
	return append(dst, '}')
}

func (d *Decision) appendJSON(dst []byte) []byte {
	if d.Allowed {
		dst = append(dst, `{"allowed":true,"checks":[`...)
	} else {
		dst = append(dst, `{"allowed":false,"checks":[`...)
	}
	for i := range d.Checks {
		c := &d.Checks[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"action":`...)
		dst = AppendString(dst, c.Action)
		dst = appendMember(dst, "on", c.Resource)
		if c.Allowed {
			dst = append(dst, `,"allowed":true`...)
		} else {
			dst = append(dst, `,"allowed":false`...)
		}
		dst = appendMember(dst, "road", c.Road)
		dst = appendStrings(dst, "by", c.By)
		if c.More > 0 {
			dst = appendUint(append(dst, `,"more":`...), uint64(c.More))
		}
		dst = appendStrings(dst, "missing", c.Missing)
		if len(c.Context) > 0 {
			dst = appendContext(append(dst, `,"context":`...), c.Context)
		}
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// appendContext writes the keys in order, so that equal records have equal bytes.
func appendContext(dst []byte, context map[string][]string) []byte {
	separator := byte('{')
	for _, key := range slices.Sorted(maps.Keys(context)) {
		dst = AppendString(append(dst, separator), key)
		dst = append(dst, ":["...)
		for i, value := range context[key] {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, value)
		}
		dst = append(dst, ']')
		separator = ','
	}
	return append(dst, '}')
}
