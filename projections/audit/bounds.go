package audit

import (
	"strconv"
	"time"

	"modernc.org/sqlite/vtab"
)

// Comparisons of a SELECT as bounds of a search.

// narrow takes a comparison of n into its bounds, both included.
func narrow(op byte, n, from, to uint64, negative bool) (uint64, uint64) {
	if negative {
		if op == '>' || op == 'g' {
			return from, to
		}
		return 1, 0
	}
	switch op {
	case '=':
		return max(from, n), min(to, n)
	case '>', 'g':
		return max(from, n), to
	}
	return from, min(to, n)
}

const timeForm = "2006-01-02T15:04:05.000000Z"

// lastTime is the last whose text has this form, microseconds since the Unix epoch.
const lastTime = 253402300799_999999

func timeText(micros int64) string { return time.UnixMicro(micros).UTC().Format(timeForm) }

// within takes a comparison of the time's text with any value into bounds of the
// time, both included. The order of the texts is that of the times, so whatever
// text is compared with has its place among them.
func within(op byte, with vtab.Value, since, until int64) (int64, int64) {
	var s string
	switch with := with.(type) {
	case string:
		s = with
	case int64: // compared as text, for that is what the column has
		s = strconv.FormatInt(with, 10)
	case float64:
		s = strconv.FormatFloat(with, 'g', 15, 64)
	case []byte: // behind all texts
		if op == '<' || op == 'l' {
			return since, until
		}
		return 1, 0
	default: // NULL
		return 1, 0
	}
	at, after := int64(0), int64(lastTime+1) // the first time whose text is not before s
	for at < after {
		if middle := (at + after) / 2; timeText(middle) < s {
			at = middle + 1
		} else {
			after = middle
		}
	}
	same := at <= lastTime && timeText(at) == s
	switch {
	case op == '=' && !same:
		return 1, 0
	case op == '=':
		return max(since, at), min(until, at)
	case op == '>' && same:
		return max(since, at+1), until
	case op == '>' || op == 'g':
		return max(since, at), until
	case op == 'l' && same:
		return since, min(until, at)
	}
	return since, min(until, at-1)
}
