package event

import (
	"fmt"
	"strconv"
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
	year, month, day := d[0], d[1], d[2]
	if month < 1 || month > 12 || day < 1 || day > daysOf(year, month) || d[3] > 23 || d[4] > 59 || d[5] > 59 {
		return 0, fmt.Errorf("%q is no time", quoted)
	}
	seconds := ((daysSince1970(year, month, day)*24+d[3])*60+d[4])*60 + d[5]
	return int64(seconds)*1e6 + int64(d[6]), nil
}

// daysOf is how many days the month has.
func daysOf(year, month int) int {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
}

// daysSince1970 counts the days of the Gregorian calendar; package time takes
// several times as long, for every line of a view. Years begin in March here, so
// that a leap day is the last of its year, and 400 years late, so that none is
// negative.
func daysSince1970(year, month, day int) int {
	year += 400
	if month < 3 {
		year, month = year-1, month+12
	}
	const before = 146_097 + 719_468 // days in 400 years, and from the first of March of the year 0
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - before
}
