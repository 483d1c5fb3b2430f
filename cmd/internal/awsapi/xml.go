package awsapi

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What of the JSON replies of IAM and STS is not rendered as it stands: members
// that are times, policy documents (which IAM escapes once more) and maps.
var (
	times = map[string]bool{
		"CreateDate": true, "UpdateDate": true, "Expiration": true, "LastUsedDate": true, "PasswordLastUsed": true,
		"GeneratedTime": true,
	}
	documents = map[string]bool{"PolicyDocument": true, "AssumeRolePolicyDocument": true, "Document": true}
	maps      = map[string]bool{"SummaryMap": true, "EvalDecisionDetails": true}
)

// emptyResult has the operations whose result has no members and is there all the
// same: clients look for its element. Others without a result have none.
var emptyResult = map[string]bool{"UpdateRole": true}

var errReply = errors.New("awsapi: a reply that is not JSON")

// appendResult renders the JSON reply of an operation as the answer of AWS Query.
// Members that are null are absent. The reply is ours and not a stranger's; it may
// hold a secret, so nothing of it is kept outside of dst.
func appendResult(dst []byte, service, operation, requestID string, reply []byte) ([]byte, error) {
	x := xmlWriter{dst: dst, src: reply, escaped: service == "iam"}
	x.add("<", operation, `Response xmlns="https://`, service, ".amazonaws.com/doc/", versions[service], `/">`)
	x.space()
	if s := strings.TrimSpace(string(x.src[x.at:min(len(x.src), x.at+4)])); s != "{}" && s != "null" || emptyResult[operation] {
		x.element(operation + "Result")
		x.space()
	} else {
		x.at = len(x.src)
	}
	x.add("<ResponseMetadata><RequestId>", requestID, "</RequestId></ResponseMetadata></", operation, "Response>")
	if x.failed || x.at != len(x.src) {
		return x.dst, errReply
	}
	return x.dst, nil
}

// xmlWriter goes over src once and writes elements.
type xmlWriter struct {
	dst     []byte
	src     []byte
	at      int
	depth   int
	escaped bool // policy documents
	failed  bool
}

func (x *xmlWriter) add(parts ...string) {
	for _, p := range parts {
		x.dst = append(x.dst, p...)
	}
}

func (x *xmlWriter) space() {
	for x.at < len(x.src) && strings.IndexByte(" \t\r\n", x.src[x.at]) >= 0 {
		x.at++
	}
}

func (x *xmlWriter) peek() byte {
	if x.space(); x.at < len(x.src) {
		return x.src[x.at]
	}
	return 0
}

// next takes c if it comes next.
func (x *xmlWriter) next(c byte) bool {
	if x.peek() != c {
		return false
	}
	x.at++
	return true
}

func (x *xmlWriter) fail() { x.failed, x.at = true, len(x.src) }

const maxDepth = 32

// element renders the value at hand as the element of that name.
func (x *xmlWriter) element(name string) {
	if x.depth++; x.depth > maxDepth {
		x.fail()
		return
	}
	defer func() { x.depth-- }()
	switch c := x.peek(); {
	case c == 'n':
		x.word()
		return
	case c == '{':
		x.open(name)
		x.object(maps[name])
	case c == '[':
		x.open(name)
		x.array()
	case c == '"':
		x.open(name)
		s := x.text()
		if x.escaped && documents[name] {
			x.dst = appendEscaped(x.dst, s)
		} else {
			x.dst = appendText(x.dst, s)
		}
		clear(s)
	default:
		w := x.word()
		x.open(name)
		if times[name] {
			w = isoTime(w)
		}
		x.add(w)
	}
	x.add("</", name, ">")
}

func (x *xmlWriter) open(name string) { x.add("<", name, ">") }

func (x *xmlWriter) object(isMap bool) {
	x.at++
	for first := true; !x.next('}'); first = false {
		if !first && !x.next(',') || x.peek() != '"' {
			x.fail()
			return
		}
		name := string(x.text())
		if !x.next(':') {
			x.fail()
			return
		}
		if !isMap {
			if !elementName(name) {
				x.fail()
				return
			}
			x.element(name)
			continue
		}
		x.add("<entry><key>")
		x.dst = appendText(x.dst, []byte(name))
		x.add("</key>")
		x.element("value")
		x.add("</entry>")
	}
}

func (x *xmlWriter) array() {
	x.at++
	for first := true; !x.next(']'); first = false {
		if !first && !x.next(',') || x.failed || x.at >= len(x.src) {
			x.fail()
			return
		}
		x.element("member")
	}
}

// word takes a number, true, false or null.
func (x *xmlWriter) word() string {
	from := x.at
	for x.at < len(x.src) && strings.IndexByte(",]} \t\r\n", x.src[x.at]) < 0 {
		x.at++
	}
	w := string(x.src[from:x.at])
	if w != "true" && w != "false" && w != "null" {
		if _, err := strconv.ParseFloat(w, 64); err != nil {
			x.fail()
			return ""
		}
	}
	return w
}

// text takes a string and gives what it says, in memory of its own.
func (x *xmlWriter) text() []byte {
	x.at++
	s := make([]byte, 0, 64)
	for x.at < len(x.src) {
		c := x.src[x.at]
		x.at++
		switch {
		case c == '"':
			return s
		case c != '\\':
			s = append(s, c)
		case x.at == len(x.src):
		default:
			c = x.src[x.at]
			x.at++
			if c == 'u' {
				s = x.unicode(s)
			} else if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
				s = append(s, "\"\\/\b\f\n\r\t"[i])
			} else {
				x.fail()
			}
		}
	}
	x.fail()
	return nil
}

func (x *xmlWriter) unicode(s []byte) []byte {
	half := func() rune {
		if x.at+4 > len(x.src) {
			x.fail()
			return utf8.RuneError
		}
		n, err := strconv.ParseUint(string(x.src[x.at:x.at+4]), 16, 16)
		x.at += 4
		if err != nil {
			x.fail()
		}
		return rune(n)
	}
	r := half()
	if r >= 0xD800 && r < 0xDC00 && x.at+6 <= len(x.src) && x.src[x.at] == '\\' && x.src[x.at+1] == 'u' {
		x.at += 2
		low := half()
		r = 0x10000 + (r-0xD800)<<10 + (low - 0xDC00)
	}
	return utf8.AppendRune(s, r)
}

func elementName(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

// isoTime is a number of seconds since the epoch as these services write times:
// ISO 8601 without fractions.
func isoTime(number string) string {
	whole, _, _ := strings.Cut(number, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return number
	}
	return time.Unix(seconds, 0).UTC().Format("2006-01-02T15:04:05Z")
}

// appendText escapes character data. What XML 1.0 cannot carry becomes U+FFFD.
func appendText(dst, s []byte) []byte {
	for len(s) > 0 {
		r, size := utf8.DecodeRune(s)
		switch {
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '\r':
			dst = append(dst, "&#xD;"...) // a reader would make a line end of it
		case r < ' ' && r != '\t' && r != '\n', r == 0xFFFE, r == 0xFFFF:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		default:
			dst = utf8.AppendRune(dst, r)
		}
		s = s[size:]
	}
	return dst
}

// appendEscaped escapes all but the unreserved characters of RFC 3986, as IAM
// does with policy documents.
func appendEscaped(dst, s []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range s {
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
