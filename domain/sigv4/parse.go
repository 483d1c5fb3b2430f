package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
)

// Bounds of a signature. Access key ids have at most 128 characters by the
// service model; the others are ours, and wide.
const (
	maxAccessKey     = 128
	maxScopePart     = 64
	maxSignedHeaders = 64
)

// Signature is what a request says about its own signing. Until Verify has
// succeeded nothing of it is true.
type Signature struct {
	Scope
	AccessKey string
	Token     string    // session token, "" without
	Time      time.Time // when it was signed
	Presigned bool      // in the query and not in the header

	expires time.Duration // of a presigned request
	stamp   string        // Time as it was sent, basic ISO 8601
	signed  string        // names of the signed headers, as sent
	mac     [sha256.Size]byte
}

// Parse reads the signature of a request. Its errors are
// MissingAuthenticationToken for a request that has none and IncompleteSignature
// for one that cannot be read or leaves out what has to be signed.
func Parse(r *Request) (*Signature, error) {
	authorization := r.Header["Authorization"]
	inQuery := hasQuery(r.Query, "X-Amz-Algorithm") || hasQuery(r.Query, "X-Amz-Signature")
	var s *Signature
	var err error
	switch {
	case len(authorization) == 0 && !inQuery:
		return nil, fault.New(fault.MissingAuthenticationToken, "Missing Authentication Token")
	case len(authorization) > 1, len(authorization) == 1 && inQuery:
		return nil, incomplete("The request is signed more than once.")
	case inQuery:
		s, err = parseQuery(r)
	default:
		s, err = parseHeader(r, authorization[0])
	}
	if err != nil {
		return nil, err
	}
	return s, s.checkSigned(r)
}

func incomplete(format string, args ...any) error {
	return fault.New(fault.IncompleteSignature, format, args...)
}

// parseHeader does not echo the header: it may hold something else, such as a
// password.
func parseHeader(r *Request, authorization string) (*Signature, error) {
	scheme, rest, _ := strings.Cut(authorization, " ")
	if scheme != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': only '%s' is supported.", algorithm)
	}
	var credential, signed, signature string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		var into *string
		switch name {
		case "Credential":
			into = &credential
		case "SignedHeaders":
			into = &signed
		case "Signature":
			into = &signature
		default:
			return nil, incomplete("Authorization header has a parameter that is not known.")
		}
		if *into != "" {
			return nil, incomplete("Authorization header has the parameter '%s' twice.", name)
		}
		*into = value
	}
	stamp, err := headerDate(r)
	var missing []string
	for _, p := range [...]struct{ name, value string }{{"Credential", credential}, {"Signature", signature}, {"SignedHeaders", signed}} {
		if p.value == "" {
			missing = append(missing, "Authorization header requires '"+p.name+"' parameter.")
		}
	}
	if err != nil {
		missing = append(missing, err.Error())
	}
	if len(missing) > 0 {
		return nil, incomplete("%s", strings.Join(missing, " "))
	}
	token := r.Header["X-Amz-Security-Token"]
	if len(token) > 1 {
		return nil, incomplete("The request has several security tokens.")
	}
	s := &Signature{signed: signed, stamp: stamp}
	if len(token) == 1 {
		s.Token = token[0]
	}
	return s, s.complete(credential, signature)
}

type dateError string

func (e dateError) Error() string { return string(e) }

const (
	basicISO = "20060102T150405Z"
	httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"

	errNoDate  = dateError("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	errBadDate = dateError("Date must be in ISO-8601 'basic format'.")
)

// headerDate is the date of signing in basic ISO 8601.
func headerDate(r *Request) (string, error) {
	for _, name := range [...]string{"X-Amz-Date", "Date"} {
		switch date := r.Header[name]; len(date) {
		case 0:
		case 1:
			if name == "Date" {
				if t, err := time.Parse(httpDate, date[0]); err == nil {
					return t.Format(basicISO), nil
				}
			}
			return date[0], nil
		default:
			return "", errBadDate
		}
	}
	return "", errNoDate
}

func parseQuery(r *Request) (*Signature, error) {
	p := map[string]string{}
	for name, value := range parameters(r.Query) {
		if !strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		if _, twice := p[name]; twice {
			return nil, incomplete("The query parameter '%s' was sent more than once.", name)
		}
		p[name] = value
	}
	if p["X-Amz-Algorithm"] != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': only '%s' is supported.", algorithm)
	}
	var missing []string
	for _, name := range [...]string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if p[name] == "" {
			missing = append(missing, "AWS query-string parameters must include '"+name+"'.")
		}
	}
	if len(missing) > 0 {
		return nil, incomplete("%s", strings.Join(missing, " "))
	}
	s := &Signature{
		Presigned: true, Token: p["X-Amz-Security-Token"], signed: p["X-Amz-SignedHeaders"], stamp: p["X-Amz-Date"],
		expires: defaultExpires,
	}
	if given, ok := p["X-Amz-Expires"]; ok {
		seconds, err := strconv.ParseUint(given, 10, 32)
		if err != nil || seconds < 1 || seconds > longestExpires {
			return nil, incomplete("X-Amz-Expires must be a number of seconds from 1 to %d.", longestExpires)
		}
		s.expires = time.Duration(seconds) * time.Second
	}
	return s, s.complete(p["X-Amz-Credential"], p["X-Amz-Signature"])
}

// complete reads the parts that both places have in common.
func (s *Signature) complete(credential, signature string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.")
	}
	s.AccessKey, s.Scope = parts[0], Scope{Date: parts[1], Region: parts[2], Service: parts[3]}
	if !word(s.AccessKey, maxAccessKey) || !word(s.Date, len("yyyymmdd")) || !word(s.Region, maxScopePart) || !word(s.Service, maxScopePart) {
		return incomplete("Credential has an element that is empty, too long or not of letters, digits and hyphens.")
	}
	if parts[4] != terminator {
		return invalid("Credential should be scoped with a valid terminator: '%s'.", terminator)
	}
	var err error
	if s.Time, err = time.Parse(basicISO, s.stamp); err != nil {
		return incomplete("%s", errBadDate.Error())
	}
	if len(signature) != 2*len(s.mac) {
		return incomplete("Signature must be %d hexadecimal digits.", 2*len(s.mac))
	}
	if _, err := hex.Decode(s.mac[:], []byte(signature)); err != nil {
		return incomplete("Signature must be %d hexadecimal digits.", 2*len(s.mac))
	}
	return nil
}

func word(s string, longest int) bool {
	if s == "" || len(s) > longest {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// checkSigned refuses a signature that does not cover what gives the request its
// meaning: the host and every x-amz- header, the operation's name among them.
func (s *Signature) checkSigned(r *Request) error {
	host, last, n := false, "", 0
	for name := range strings.SplitSeq(s.signed, ";") {
		if n++; n > maxSignedHeaders || name <= last || strings.ToLower(name) != name {
			return incomplete("SignedHeaders must be at most %d names in lower case, sorted, each once.", maxSignedHeaders)
		}
		last = name
		host = host || name == "host"
	}
	if !host {
		return invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		if len(name) > len("X-Amz-") && strings.HasPrefix(name, "X-Amz-") && !s.signs(strings.ToLower(name)) {
			return invalid("There were headers present in the request which were not signed: %s", strings.ToLower(name))
		}
	}
	return nil
}

func (s *Signature) signs(header string) bool {
	for name := range strings.SplitSeq(s.signed, ";") {
		if name == header {
			return true
		}
	}
	return false
}
