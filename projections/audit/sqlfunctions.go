package audit

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"modernc.org/sqlite"
)

// SQLite looks whether a SELECT was ended where it goes on to the next row, and not
// between two functions of one. So what one row can take must be bounded before: by
// the number of functions, and by what each does with the longest values there are.
// Some take a time that grows with the product of two lengths, which are minutes.
// Those that a question about events can need are made here anew, in linear time; the
// others are refused.

// maxFunctions bounds how many functions a SELECT names.
const maxFunctions = 64

// slowFunctions take the product of the lengths of their arguments.
var slowFunctions = map[string]bool{"unhex": true, "json_patch": true, "jsonb_patch": true}

var errTooLong = errors.New("string or blob too big")

// registerFunctions puts the linear ones in the place of SQLite's.
func registerFunctions(d *sqlite.Driver) error {
	var failed error
	add := func(name string, args int32, f func(args []driver.Value) (driver.Value, error)) {
		err := d.RegisterDeterministicScalarFunction(name, args, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			for _, a := range args {
				if a == nil {
					return nil, nil
				}
			}
			return f(args)
		})
		failed = errors.Join(failed, err)
	}
	add("instr", 2, instr)
	add("replace", 3, replace)
	add("trim", 2, trimmed(strings.TrimFunc))
	add("ltrim", 2, trimmed(strings.TrimLeftFunc))
	add("rtrim", 2, trimmed(strings.TrimRightFunc))
	return failed
}

// asText is a value as SQLite makes text of it.
func asText(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		s := strconv.FormatFloat(v, 'g', 15, 64)
		if strings.Trim(s, "-0123456789") == "" {
			s += ".0"
		}
		return s
	}
	return ""
}

// instr is the place of the second value in the first, from 1, in characters; 0 = it
// is not there.
func instr(args []driver.Value) (driver.Value, error) {
	in, ok := args[0].([]byte)
	what, both := args[1].([]byte)
	if ok && both {
		return int64(bytes.Index(in, what) + 1), nil
	}
	text := asText(args[0])
	at := strings.Index(text, asText(args[1]))
	if at < 0 {
		return int64(0), nil
	}
	return int64(utf8.RuneCountInString(text[:at]) + 1), nil
}

func replace(args []driver.Value) (driver.Value, error) {
	text, old, with := asText(args[0]), asText(args[1]), asText(args[2])
	if old == "" {
		return text, nil
	}
	n := strings.Count(text, old)
	if len(text)+n*(len(with)-len(old)) > sqlValue {
		return nil, errTooLong
	}
	return strings.ReplaceAll(text, old, with), nil
}

// trimmed takes the characters of the second value from the ends of the first.
func trimmed(by func(string, func(rune) bool) string) func([]driver.Value) (driver.Value, error) {
	return func(args []driver.Value) (driver.Value, error) {
		set := map[rune]bool{}
		for _, r := range asText(args[1]) {
			set[r] = true
		}
		return by(asText(args[0]), func(r rune) bool { return set[r] }), nil
	}
}
