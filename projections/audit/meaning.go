package audit

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
)

// What the values of a block mean. It is worked out of the stored JSON when a
// block is closed or asked, once for each value: nothing that is interpreted is
// stored but the terms of the filter.

// text is the string that a value of a block is, "" for what is none.
func text(value string) string {
	if len(value) >= 2 && value[0] == '"' && strings.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	var s string
	if json.Unmarshal([]byte(value), &s) != nil {
		return ""
	}
	return s
}

// list is the list of strings that a value of a block is.
func list(value string) []string {
	var l []string
	if json.Unmarshal([]byte(value), &l) != nil {
		return nil
	}
	return l
}

// who is a caller, as lines have it.
type who struct {
	Type      string `json:"type"`
	ARN       string `json:"arn"`
	ID        string `json:"id"`
	Account   string `json:"account"`
	AccessKey string `json:"accessKey"`
	Name      string `json:"name"`
	IssuerARN string `json:"issuer"`
	Issued    string `json:"issued"`
	Source    string `json:"sourceIdentity"`
}

func parseWho(value string) event.Who {
	var w who
	if json.Unmarshal([]byte(value), &w) != nil {
		return event.Who{}
	}
	return event.Who(w)
}

// userName is what CloudTrail looks a caller up by: a user's name, a session's
// name, root.
func userName(w *event.Who) string {
	switch w.Type {
	case "AssumedRole", "FederatedUser":
		_, session, _ := strings.Cut(w.ID, ":")
		return session
	case "Root":
		return "root"
	case "AWSService":
		return w.ID
	}
	return w.Name
}

// callerNames are the names that a principal is asked for by.
func callerNames(w *event.Who) []string {
	names := []string{w.ARN, w.IssuerARN, w.ID, w.Name}
	if role, _, ok := strings.Cut(w.ID, ":"); ok && w.Type == "AssumedRole" {
		names = append(names, role)
	}
	return names
}

// operation takes apart what a call is: "kms:Decrypt".
func operation(op string) (service, name string) {
	service, name, _ = strings.Cut(op, ":")
	return service, name
}

func eventSource(op string) string {
	service, _ := operation(op)
	return service + ".amazonaws.com"
}

// readOnly is CloudTrail's flag: uses of keys and values are read-only, whatever
// IAM calls them. An operation that Keytrail does not have goes by its name. To
// rebuild a view changes nothing that the log says, and still is no reading: what
// others ask of the view meanwhile has no answer, or an incomplete one.
func readOnly(op string) bool {
	service, name := operation(op)
	if op == "keytrail:RebuildProjection" {
		return false
	}
	if vault.Has(service, name) {
		return !vault.Changes(service, name)
	}
	for _, prefix := range []string{"Get", "List", "Describe", "BatchGet", "Lookup"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// resourceTypes are CloudTrail's names: service and first part of the resource.
var resourceTypes = map[string]string{
	"kms:key": "AWS::KMS::Key", "kms:alias": "AWS::KMS::Alias", "secretsmanager:secret": "AWS::SecretsManager::Secret",
	"iam:user": "AWS::IAM::User", "iam:role": "AWS::IAM::Role", "iam:group": "AWS::IAM::Group", "iam:policy": "AWS::IAM::Policy",
}

// resource is an ARN with what it is asked for by.
type resource struct {
	arn     string
	account string
	typ     string
	names   []string
}

func parseResource(name string) resource {
	r := resource{arn: name, names: []string{name}}
	a, err := arn.Parse(name)
	if err != nil {
		return r
	}
	r.account = a.Account
	kind, id := a.Split()
	r.typ = resourceTypes[a.Service+":"+kind]
	switch {
	case r.typ == "AWS::KMS::Alias":
		r.names = append(r.names, a.Resource)
	case r.typ == "AWS::SecretsManager::Secret":
		if i := strings.LastIndexByte(id, '-'); i > 0 {
			r.names = append(r.names, id[:i], strings.TrimSuffix(name, id[i:]))
		}
		r.names = append(r.names, id)
	case a.Service == "iam":
		r.names = append(r.names, id[strings.LastIndexByte(id, '/')+1:])
	case id != "":
		r.names = append(r.names, id)
	}
	return r
}

func parseResources(value string) []resource {
	names := list(value)
	out := make([]resource, len(names))
	for i, n := range names {
		out[i] = parseResource(n)
	}
	return out
}

// terms are the hashes of everything that the block, of which all is held, can be
// asked for.
func (b *block) terms() []uint64 {
	set := map[uint64]struct{}{}
	add := func(field vault.TrailField, values ...string) {
		for _, v := range values {
			if v != "" {
				set[term(field, v)] = struct{}{}
			}
		}
	}
	for _, v := range b.held[colOp].values {
		op := text(v)
		_, name := operation(op)
		add(vault.TrailEventName, name)
		add(vault.TrailEventSource, eventSource(op))
		add(vault.TrailReadOnly, fmt.Sprint(readOnly(op)))
	}
	for _, v := range b.held[colWho].values {
		w := parseWho(v)
		add(vault.TrailUserName, userName(&w))
		add(vault.TrailAccessKey, w.AccessKey)
		add(vault.TrailPrincipal, callerNames(&w)...)
		add(vault.TrailActorAccount, w.Account)
		add(termVisible, w.Account)
	}
	for _, v := range b.held[colResources].values {
		for _, r := range parseResources(v) {
			add(vault.TrailResourceName, r.names...)
			add(vault.TrailResourceType, r.typ)
			add(termVisible, r.account)
		}
	}
	for _, v := range b.held[colOutcome].values {
		if code := text(v); code != event.OutcomeOK {
			add(vault.TrailErrorCode, code, vault.AnyError)
		}
	}
	for _, v := range b.held[colSource].values {
		add(vault.TrailSourceAddress, text(v))
	}
	for _, v := range b.held[colRequest].values {
		add(vault.TrailRequestID, text(v))
	}
	terms := make([]uint64, 0, len(set)+int(b.records))
	for t := range set {
		terms = append(terms, t)
	}
	for ids, before := b.held[partUUIDs].bytes, ""; len(ids) > 0; ids = ids[16:] {
		if id := string(ids[:16]); id != before {
			terms, before = append(terms, term(vault.TrailRequestID, id)), id
		}
	}
	return terms
}
