package audit

import (
	"slices"
	"strconv"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
)

// search is a query, prepared for one block after the other.
type search struct {
	account      string
	where        map[column][]vault.TrailCondition
	from, to     uint64 // n, both included
	since, until int64  // microseconds, both included
	requests     []string
	terms        []uint64
	nothing      bool // no record can satisfy it
}

// columnOf is where a field is decided. What is not here is decided otherwise.
var columnOf = map[vault.TrailField]column{
	vault.TrailEventName: colOp, vault.TrailEventSource: colOp, vault.TrailReadOnly: colOp,
	vault.TrailUserName: colWho, vault.TrailAccessKey: colWho, vault.TrailPrincipal: colWho, vault.TrailActorAccount: colWho,
	vault.TrailResourceType: colResources, vault.TrailResourceName: colResources, vault.TrailKey: colResources, vault.TrailSecret: colResources,
	vault.TrailErrorCode: colOutcome, vault.TrailSourceAddress: colSource,
}

func newSearch(q *vault.TrailQuery) *search {
	s := &search{account: q.Account, where: map[column][]vault.TrailCondition{}, since: 0, until: 1<<63 - 1,
		terms: []uint64{term(termVisible, q.Account)}}
	if s.from, s.to = 0, q.From; q.Ascending {
		s.from, s.to = q.From, q.Through
	}
	if !q.Since.IsZero() {
		s.since = q.Since.UnixMicro()
	}
	if !q.Until.IsZero() {
		s.until = q.Until.UnixMicro()
	}
	for _, w := range q.Where {
		switch w.Field {
		case vault.TrailEventID:
			n, ok := recordOf(q.Installation, w.Value)
			s.nothing = s.nothing || !ok
			s.from, s.to = max(s.from, n), min(s.to, n)
		case vault.TrailRequestID:
			s.requests = append(s.requests, w.Value)
			var id [16]byte
			if parseUUID([]byte(w.Value), &id) {
				s.terms = append(s.terms, term(vault.TrailRequestID, string(id[:])))
			} else {
				s.terms = append(s.terms, term(vault.TrailRequestID, w.Value))
			}
		case vault.TrailKey, vault.TrailSecret:
			s.where[colResources] = append(s.where[colResources], w)
			s.terms = append(s.terms, term(vault.TrailResourceName, w.Value))
		default:
			c, ok := columnOf[w.Field]
			s.nothing = s.nothing || !ok || w.Value == ""
			s.where[c] = append(s.where[c], w)
			s.terms = append(s.terms, term(w.Field, w.Value))
		}
	}
	s.nothing = s.nothing || s.from > s.to || s.since > s.until
	return s
}

// verdict is what one value of a column means for the search. Whether a record
// is the account's own changes what may be asked: the names of a foreign caller
// and the resources of others are not shown, and so are not found.
type verdict uint8

const (
	mine    verdict = 1 << iota // caller or resource of the account
	own                         // satisfies the conditions on a record of the account's own
	foreign                     // satisfies them on a record of a foreign caller
)

// selection is a search over one block: a verdict for each code of each column.
type selection struct {
	*search
	b         *block
	who       []verdict
	resources []verdict
	plain     [columns][]bool // nil: every value will do
}

func (s *search) in(b *block) *selection {
	x := &selection{search: s, b: b, who: make([]verdict, len(b.values[colWho])+1), resources: make([]verdict, len(b.values[colResources])+1)}
	for i, v := range b.values[colWho] {
		x.who[i+1] = s.judgeWho(v)
	}
	if len(s.where[colResources]) == 0 {
		x.resources[0] = own | foreign
	}
	for i, v := range b.values[colResources] {
		x.resources[i+1] = s.judgeResources(parseResources(v))
	}
	for c, judge := range map[column]func(string, vault.TrailCondition) bool{colOp: opIs, colOutcome: outcomeIs, colSource: sourceIs} {
		if len(s.where[c]) == 0 {
			continue
		}
		x.plain[c] = make([]bool, len(b.values[c])+1)
		for i, v := range b.values[c] {
			x.plain[c][i+1] = !slices.ContainsFunc(s.where[c], func(w vault.TrailCondition) bool { return !judge(text(v), w) })
		}
	}
	return x
}

func opIs(op string, w vault.TrailCondition) bool {
	_, name := operation(op)
	switch w.Field {
	case vault.TrailEventName:
		return name == w.Value
	case vault.TrailEventSource:
		return eventSource(op) == w.Value
	}
	return strconv.FormatBool(readOnly(op)) == w.Value
}

func outcomeIs(outcome string, w vault.TrailCondition) bool {
	return outcome != event.OutcomeOK && (outcome == w.Value || w.Value == vault.AnyError)
}

func sourceIs(source string, w vault.TrailCondition) bool { return source == w.Value }

func (s *search) judgeWho(value string) verdict {
	w := parseWho(value)
	v := own | foreign
	if w.Account == s.account {
		v |= mine
	}
	for _, cond := range s.where[colWho] {
		ok := false
		switch cond.Field {
		case vault.TrailUserName:
			ok = userName(&w) == cond.Value
		case vault.TrailAccessKey:
			ok = w.AccessKey == cond.Value
		case vault.TrailPrincipal:
			ok = slices.Contains(callerNames(&w), cond.Value)
		case vault.TrailActorAccount:
			if w.Account != cond.Value {
				v &^= own | foreign
			}
			continue
		}
		v &^= foreign
		if !ok {
			v &^= own
		}
	}
	return v
}

func (s *search) judgeResources(all []resource) verdict {
	v := own | foreign
	for _, r := range all {
		if r.account == s.account {
			v |= mine
		}
	}
	for _, cond := range s.where[colResources] {
		found := verdict(0)
		for _, r := range all {
			if !resourceIs(&r, cond) {
				continue
			}
			found |= own
			if r.account == s.account {
				found |= foreign
			}
		}
		v &= found | mine
	}
	return v
}

func resourceIs(r *resource, w vault.TrailCondition) bool {
	switch w.Field {
	case vault.TrailResourceType:
		return r.typ == w.Value
	case vault.TrailKey:
		return (r.typ == "AWS::KMS::Key" || r.typ == "AWS::KMS::Alias") && slices.Contains(r.names, w.Value)
	case vault.TrailSecret:
		return r.typ == "AWS::SecretsManager::Secret" && slices.Contains(r.names, w.Value)
	}
	return slices.Contains(r.names, w.Value)
}

// has reports whether the i-th record of the block is one of those looked for.
func (x *selection) has(i int) bool {
	who, resources := x.who[x.b.code(colWho, i)], x.resources[x.b.code(colResources, i)]
	switch {
	case who&mine != 0:
		if who&resources&own == 0 {
			return false
		}
	case resources&mine != 0:
		if who&resources&foreign == 0 {
			return false
		}
	default:
		return false
	}
	if n := x.b.first + uint64(i); n < x.from || n > x.to {
		return false
	}
	if at := x.b.at(i); at < x.since || at > x.until {
		return false
	}
	for c, allowed := range x.plain {
		if allowed != nil && !allowed[x.b.code(column(c), i)] {
			return false
		}
	}
	for _, id := range x.search.requests {
		if x.b.requestID(i) != id {
			return false
		}
	}
	return true
}

// requestID is the request id of the i-th record as text.
func (b *block) requestID(i int) string {
	if code := b.code(colRequest, i); code != 0 {
		return text(b.value(colRequest, code))
	}
	return formatUUID(b.request(i))
}
