package metrics

import (
	"fmt"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
)

// Classes of outcomes.
const (
	outcomeOK      = "ok"
	outcomeDenied  = "denied"  // the caller is not known or not allowed
	outcomeInvalid = "invalid" // the call cannot be carried out as it was asked
	outcomeFailed  = "failed"  // the vault could not carry it out
)

// credentialCodes are the outcomes of calls whose caller is not known.
var credentialCodes = map[fault.Code]bool{
	fault.UnrecognizedClientException: true, fault.InvalidClientTokenID: true,
	fault.ExpiredTokenException: true, fault.ExpiredToken: true,
	fault.InvalidSignatureException: true, fault.SignatureDoesNotMatch: true,
	fault.IncompleteSignature: true, fault.MissingAuthenticationToken: true,
}

// class is that of an error code as records have it.
func class(code string) string {
	c := fault.Code(code)
	switch {
	case c == fault.AccessDenied || c == fault.AccessDeniedException || credentialCodes[c]:
		return outcomeDenied
	case fault.New(c, "").Status() >= 500:
		return outcomeFailed
	}
	return outcomeInvalid
}

// denial is what is counted of an action that was not allowed.
type denial struct {
	Service string
	Access  string // class of the action, see access
	Reason  string // what was missing; "explicit-deny"; "credentials"
}

// MarshalText and UnmarshalText make a denial the key of a JSON object.
func (d denial) MarshalText() ([]byte, error) {
	return []byte(d.Service + " " + d.Access + " " + d.Reason), nil
}

func (d *denial) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), " ")
	if len(parts) != 3 {
		return fmt.Errorf("denial %q does not have three parts", text)
	}
	d.Service, d.Access, d.Reason = parts[0], parts[1], parts[2]
	return nil
}

// denialOf names the reason that AWS's message gives: an explicit deny, or the
// first thing that was missing.
func denialOf(c *event.Check) denial {
	service, action, _ := strings.Cut(c.Action, ":")
	d := denial{Service: knownService(service), Access: access(service, action), Reason: "nothing-allows"}
	switch {
	case c.Road == "denied-explicit":
		d.Reason = "explicit-deny"
	case len(c.Missing) > 0:
		if _, need, ok := strings.Cut(c.Missing[0], " lacks "); ok && !strings.Contains(need, " ") {
			d.Reason = need
		}
	}
	return d
}

// access is the class of an action: use of keys and secrets, reading about them,
// changing who may do what, or changing anything else.
func access(service, action string) string {
	for _, prefix := range [...]string{"Encrypt", "Decrypt", "ReEncrypt", "Generate", "Sign", "Verify", "Derive", "GetSecretValue", "BatchGet", "AssumeRole"} {
		if strings.HasPrefix(action, prefix) {
			return "use"
		}
	}
	for _, prefix := range [...]string{"Get", "List", "Describe", "Lookup", "Simulate", "Explain", "Query", "Tail", "Who"} {
		if strings.HasPrefix(action, prefix) {
			return "read"
		}
	}
	if service == "iam" || strings.Contains(action, "Policy") || strings.Contains(action, "Grant") {
		return "permissions"
	}
	return "write"
}
