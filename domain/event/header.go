package event

import (
	"fmt"
	"strconv"
	"time"
)

// Header is what a view indexes of a line: what stands before the decision and
// the events, cut out and not decoded. Each value is JSON as it is stored, nil
// where the line has none, and aliases the line.
type Header struct {
	N         uint64
	At        int64 // microseconds since the Unix epoch
	Request   []byte
	Op        []byte
	Who       []byte // an object
	Via       []byte
	Source    []byte
	Agent     []byte
	Outcome   []byte
	Message   []byte
	Resources []byte // a list of strings
	repeats   *repeats
}

// ParseHeader cuts a line that AppendLine wrote. It relies on the fixed order of
// the members and reads no further than the resources: what follows is most of a
// line. The lines of one log are best read into the same Header, see ReadOutline.
func ParseHeader(line []byte, o *Header) error {
	if o.repeats == nil {
		o.repeats = &repeats{}
	}
	*o = Header{repeats: o.repeats}
	s := scanner{b: line}
	if !s.eat('{') {
		return fmt.Errorf("%w: not an object", ErrMalformed)
	}
	var at []byte
	numbered := false
	for place := 0; ; place++ {
		name, err := o.repeats.name(&s, place)
		if err != nil {
			return err
		}
		if string(name) == "decision" || string(name) == "events" {
			break
		}
		value, err := o.repeats.value(&s, place)
		if err != nil {
			return fmt.Errorf("%w: member %s", err, name)
		}
		var into *[]byte
		switch string(name) {
		case "n":
			n, err := strconv.ParseUint(string(value), 10, 64)
			if err != nil {
				return fmt.Errorf("%w: n", ErrMalformed)
			}
			o.N, numbered = n, true
		case "at":
			into = &at
		case "req":
			into = &o.Request
		case "op":
			into = &o.Op
		case "who":
			into = &o.Who
		case "via":
			into = &o.Via
		case "src":
			into = &o.Source
		case "agent":
			into = &o.Agent
		case "outcome":
			into = &o.Outcome
		case "message":
			into = &o.Message
		case "resources":
			into = &o.Resources
		}
		if into != nil {
			*into = value
		}
		if !s.eat(',') {
			break
		}
	}
	if !numbered || o.Op == nil || o.Who == nil || o.Outcome == nil {
		return fmt.Errorf("%w: n, op, who or outcome is missing", ErrMalformed)
	}
	var err error
	if o.At, err = microseconds(at); err != nil {
		return fmt.Errorf("%w: at: %w", ErrMalformed, err)
	}
	return nil
}

// microseconds reads a time as appendTime writes it.
func microseconds(quoted []byte) (int64, error) {
	const form = `"2006-01-02T15:04:05.000000Z"`
	if len(quoted) != len(form) {
		return 0, fmt.Errorf("%q is not of the form %s", quoted, form)
	}
	var d [7]int // year, month, day, hour, minute, second, microsecond
	at := 1
	for i, width := range [...]int{4, 2, 2, 2, 2, 2, 6} {
		for _, c := range quoted[at : at+width] {
			if c < '0' || c > '9' {
				return 0, fmt.Errorf("%q is not of the form %s", quoted, form)
			}
			d[i] = d[i]*10 + int(c-'0')
		}
		at += width
		if quoted[at] != form[at] {
			return 0, fmt.Errorf("%q is not of the form %s", quoted, form)
		}
		at++
	}
	t := time.Date(d[0], time.Month(d[1]), d[2], d[3], d[4], d[5], d[6]*1000, time.UTC)
	if t.Year() != d[0] || t.Month() != time.Month(d[1]) || t.Day() != d[2] || t.Hour() != d[3] || t.Minute() != d[4] || t.Second() != d[5] {
		return 0, fmt.Errorf("%q is no time", quoted)
	}
	return t.UnixMicro(), nil
}
