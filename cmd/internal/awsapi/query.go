package awsapi

import (
	"net/url"
	"strings"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

// maxParameters bounds a form. Ours: the longest inputs, simulations, have a few
// hundred parameters.
const maxParameters = 8192

// readForm decodes the parameters of AWS Query. In a body a plus sign is a space;
// in a query string it stands for itself, as it does in what was signed.
func readForm(text string, unescape func(string) (string, error)) (map[string]string, error) {
	form := make(map[string]string, min(strings.Count(text, "&")+1, maxParameters))
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := unescape(name)
		if err == nil {
			value, err = unescape(value)
		}
		if err != nil {
			return nil, fault.New(fault.MalformedQueryString, "The query string contains a syntax error.")
		}
		if _, twice := form[name]; twice {
			return nil, fault.New(fault.MalformedQueryString, "The query string has a parameter more than once.")
		}
		if len(form) == maxParameters {
			return nil, fault.New(fault.MalformedQueryString, "The query string has more than %d parameters.", maxParameters)
		}
		form[name] = value
	}
	return form, nil
}

// readQuery decodes a Query request: the operation that it names, and its input as
// AWS JSON. A wrong version makes a name that no operation has.
func readQuery(service string, body []byte, query string) (operation string, input []byte, err error) {
	text, unescape := string(body), url.QueryUnescape
	if len(body) == 0 {
		text, unescape = query, url.PathUnescape
	}
	form, err := readForm(text, unescape)
	if err != nil {
		return "", nil, err
	}
	operation = form["Action"]
	if v := form["Version"]; v != versions[service] && operation != "" {
		if v == "" {
			v = "NO_VERSION_SPECIFIED"
		}
		return operation + " for version " + v, nil, nil
	}
	return operation, vault.FormBody(service, operation, form), nil
}
