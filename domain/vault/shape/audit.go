package shape

import (
	"encoding/base64"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/keytrail/keytrail/domain/event"
)

// cloudTrailTime is how CloudTrail writes a timestamp among the parameters.
const cloudTrailTime = "Jan 2, 2006, 3:04:05 PM"

// appendAudit appends v, a struct of this plan; orNull makes an object with no
// members null.
func (s *structure) appendAudit(dst []byte, v reflect.Value, orNull bool) []byte {
	start := len(dst)
	separator := byte('{')
	for i := range s.members {
		m := &s.members[i]
		if m.secret {
			continue
		}
		f := v.Field(m.field)
		if m.absent(f) {
			continue
		}
		dst = append(append(dst, separator), m.audit...)
		dst = m.appendValue(dst, f)
		separator = ','
	}
	switch {
	case len(dst) > start:
		return append(dst, '}')
	case orNull:
		return append(dst, "null"...)
	default:
		return append(dst, "{}"...)
	}
}

// absent tells whether f was not sent. What has no nil counts as absent when zero.
func (m *member) absent(f reflect.Value) bool {
	switch f.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return f.IsNil()
	case reflect.String:
		return f.Len() == 0
	}
	return f.IsZero()
}

func (m *member) appendValue(dst []byte, f reflect.Value) []byte {
	if m.pointer {
		f = f.Elem()
	}
	switch m.kind {
	case stringKind:
		return event.AppendString(dst, f.String())
	case integerKind:
		return strconv.AppendInt(dst, f.Int(), 10)
	case booleanKind:
		return strconv.AppendBool(dst, f.Bool())
	case blobKind:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), f.Bytes())
		return append(dst, '"')
	case textKind:
		return event.AppendString(dst, string(f.Bytes()))
	case timestampKind:
		t := f.Addr().Interface().(*Timestamp)
		dst = t.UTC().AppendFormat(append(dst, '"'), cloudTrailTime)
		return append(dst, '"')
	case structKind:
		return m.children.appendAudit(dst, f, false)
	case stringListKind:
		return appendList(dst, f.Len(), func(dst []byte, i int) []byte {
			return event.AppendString(dst, f.Index(i).String())
		})
	case structListKind:
		return appendList(dst, f.Len(), func(dst []byte, i int) []byte {
			return m.children.appendAudit(dst, f.Index(i), false)
		})
	default:
		return appendMap(dst, *f.Addr().Interface().(*map[string]string))
	}
}

func appendList(dst []byte, n int, entry func(dst []byte, i int) []byte) []byte {
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = entry(dst, i)
	}
	return append(dst, ']')
}

func appendMap(dst []byte, entries map[string]string) []byte {
	var few [8]string // keeps the keys of a usual encryption context off the heap
	dst = append(dst, '{')
	keys := slices.AppendSeq(few[:0], maps.Keys(entries))
	slices.Sort(keys)
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(event.AppendString(dst, key), ':')
		dst = event.AppendString(dst, entries[key])
	}
	return append(dst, '}')
}
