package shape

import (
	"math"
	"strconv"
	"time"
)

// Timestamp is a point in time as AWS JSON carries it: a number of seconds since
// the epoch with at most three decimals. It reads an ISO 8601 (RFC 3339) string
// too, and drops what is finer than a millisecond. A zero one is left out with
// the json option omitzero, and is null without it.
type Timestamp struct{ time.Time }

// At returns t cut to the precision of the wire, in UTC.
func At(t time.Time) Timestamp { return Timestamp{t.UTC().Truncate(time.Millisecond)} }

// Years that a timestamp may lie in: those that RFC 3339 can write.
var (
	earliest = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	latest   = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()
)

// AppendJSON appends the number, or null for the zero time.
func (t Timestamp) AppendJSON(dst []byte) []byte {
	if t.IsZero() {
		return append(dst, "null"...)
	}
	ms := t.UnixMilli()
	if ms < 0 {
		dst, ms = append(dst, '-'), -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	frac := ms % 1000
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(100); frac > 0; unit /= 10 {
		dst = append(dst, byte('0'+frac/unit))
		frac %= unit
	}
	return dst
}

// MarshalJSON is AppendJSON for encoding/json.
func (t Timestamp) MarshalJSON() ([]byte, error) { return t.AppendJSON(nil), nil }

// UnmarshalJSON reads a number of seconds, an ISO 8601 string, or null, which
// leaves t as it is. The error is a *SerializationError.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	s := scanner{data: b}
	s.space()
	if s.peek() == 'n' {
		return s.literal("null")
	}
	got, err := s.timestamp()
	if err != nil {
		return err
	}
	if s.space(); s.pos != len(s.data) {
		return errMalformed
	}
	*t = got
	return nil
}

func (s *scanner) timestamp() (Timestamp, error) {
	switch c := s.peek(); {
	case c == '"':
		raw, escaped, err := s.quoted()
		if err != nil {
			return Timestamp{}, err
		}
		text := raw
		if escaped {
			text = appendUnescaped(nil, raw)
		}
		t, err := time.Parse(time.RFC3339Nano, string(text))
		if err != nil {
			return Timestamp{}, mismatch('"', timestampKind)
		}
		return inRange(t.UnixMilli(), '"')
	case c == '-' || isDigit(c):
		raw, err := s.number()
		if err != nil {
			return Timestamp{}, err
		}
		ms, ok := epochMillis(raw)
		if !ok {
			return Timestamp{}, mismatch(c, timestampKind)
		}
		return inRange(ms, c)
	default:
		return Timestamp{}, mismatch(c, timestampKind)
	}
}

func inRange(ms int64, token byte) (Timestamp, error) {
	if ms < earliest || ms > latest {
		return Timestamp{}, mismatch(token, timestampKind)
	}
	return Timestamp{time.UnixMilli(ms).UTC()}, nil
}

// epochMillis reads a JSON number of seconds. Plain decimals are read digit by
// digit, because a float64 cannot hold every millisecond exactly.
func epochMillis(number []byte) (int64, bool) {
	digits, negative := number, false
	if digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	var ms int64
	i := 0
	for ; i < len(digits) && isDigit(digits[i]); i++ {
		if ms > latest { // far out of range already; digits beyond this would overflow
			return 0, false
		}
		ms = ms*10 + int64(digits[i]-'0')
	}
	frac := digits[i:]
	if len(frac) > 0 && frac[0] == '.' {
		frac = frac[1:]
	}
	taken := 0
	for ; taken < len(frac) && isDigit(frac[taken]); taken++ {
		if taken < 3 {
			ms = ms*10 + int64(frac[taken]-'0')
		}
	}
	if taken < len(frac) { // an exponent
		f, err := strconv.ParseFloat(string(number), 64)
		f = math.Trunc(f * 1000)
		if err != nil || math.Abs(f) > float64(latest) {
			return 0, false
		}
		return int64(f), true
	}
	for ; taken < 3; taken++ {
		ms *= 10
	}
	if negative {
		ms = -ms
	}
	return ms, true
}
