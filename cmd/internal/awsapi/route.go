package awsapi

import (
	"net/http"
	"strings"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/sigv4"
)

// route is where a request goes, and in which protocol its answer comes back.
type route struct {
	query     bool // AWS Query, else AWS JSON
	service   string
	operation string // of AWS JSON; that of AWS Query is in the form
	content   string // of a JSON answer
	asJSON    bool   // an AWS Query answer is asked for in JSON
}

const (
	jsonContent = "application/x-amz-json-1.1"
	json10      = "application/x-amz-json-1.0"
	plainJSON   = "application/json"
)

// targets are the beginnings of X-Amz-Target: SDKs write CloudTrail's in a long
// and in a short form.
var targets = map[string]string{
	"TrentService":        "kms",
	"secretsmanager":      "secretsmanager",
	"CloudTrail_20131101": "cloudtrail",
	"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101": "cloudtrail",
}

// versions of the services that speak Query.
var versions = map[string]string{"iam": "2010-05-08", "sts": "2011-06-15"}

// global services are signed for us-east-1, whatever Region the vault is in.
const globalRegion = "us-east-1"

func errNoOperation() error { return fault.New(fault.UnknownOperationException, "") }

// routeOf tells the protocols apart: what names its target is AWS JSON, anything
// else is AWS Query if its signature is for a service that speaks it. A request
// that is neither is answered as JSON.
func routeOf(r *http.Request, s *sigv4.Signature) (route, error) {
	target := r.Header["X-Amz-Target"]
	if len(target) == 0 {
		if s == nil {
			return route{query: true, asJSON: r.Header.Get("Accept") == plainJSON}, nil
		}
		if versions[s.Service] == "" {
			return route{content: jsonContent, service: s.Service}, errNoOperation()
		}
		rt := route{query: true, service: s.Service}
		// STS answers in JSON whoever asks for it: those do who forward a request that
		// somebody else signed, to learn who that is.
		rt.asJSON = s.Service == "sts" && r.Header.Get("Accept") == plainJSON
		if r.URL.Path != "/" && r.URL.Path != "" || r.Method != http.MethodPost && r.Method != http.MethodGet {
			return rt, fault.New(fault.UnknownOperationException, "Requests are made by POST or GET to the path /.")
		}
		return rt, nil
	}
	rt := route{content: contentOf(r)}
	dot := strings.LastIndexByte(target[0], '.')
	if dot < 0 || len(target) > 1 {
		return route{content: jsonContent}, errNoOperation()
	}
	rt.service, rt.operation = targets[target[0][:dot]], target[0][dot+1:]
	if rt.service == "" || rt.content == "" || r.Method != http.MethodPost || r.URL.Path != "/" && r.URL.Path != "" {
		rt.content = jsonContent
		return rt, errNoOperation()
	}
	return rt, nil
}

// contentOf is the version of AWS JSON that the request is in, "" if in none.
func contentOf(r *http.Request) string {
	content, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch content = strings.ToLower(strings.TrimSpace(content)); content {
	case jsonContent, json10:
		return content
	}
	return ""
}

// regions is where a signature for the service may be for.
func (s *Service) regions(service string) []string {
	if versions[service] != "" && s.region != globalRegion {
		return []string{s.region, globalRegion}
	}
	return []string{s.region}
}
