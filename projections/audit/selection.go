package audit

import (
	"slices"
	"strconv"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
)

// search is a query, prepared for one block after the other.
type search struct {
	account      string
	where        map[column][]vault.TrailCondition
	from, to     uint64 // n, both included
	since, until int64  // microseconds, both included
	requests     []wantedID
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
			id := wantedID{text: w.Value}
			if id.isUUID = parseUUID([]byte(w.Value), &id.uuid); id.isUUID {
				s.terms = append(s.terms, term(vault.TrailRequestID, string(id.uuid[:])))
			} else {
				s.terms = append(s.terms, term(vault.TrailRequestID, w.Value))
			}
			s.requests = append(s.requests, id)
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
	judged                      // it has been worked out
)

// selection is a search over one block: a verdict for each code of each column
// that was come by.
type selection struct {
	*search
	b         *block
	who       []verdict
	resources []verdict
	plain     [columns][]verdict // nil: every value will do
}

var judges = map[column]func(string, vault.TrailCondition) bool{colOp: opIs, colOutcome: outcomeIs, colSource: sourceIs}

func (s *search) in(b *block) *selection {
	x := &selection{search: s, b: b, who: make([]verdict, len(b.values[colWho])+1), resources: make([]verdict, len(b.values[colResources])+1)}
	for c := range judges {
		if len(s.where[c]) > 0 {
			x.plain[c] = make([]verdict, len(b.values[c])+1)
		}
	}
	return x
}

func (x *selection) whoVerdict(code int) verdict {
	if x.who[code] == 0 {
		x.who[code] = judged
		if code > 0 {
			x.who[code] |= x.judgeWho(x.b.value(colWho, code))
		}
	}
	return x.who[code]
}

func (x *selection) resourcesVerdict(code int) verdict {
	if x.resources[code] == 0 {
		x.resources[code] = judged
		switch {
		case code > 0:
			if v := x.b.value(colResources, code); !lacks(v, x.where[colResources]) {
				x.resources[code] |= x.judgeResources(parseResources(v))
			}
		case len(x.where[colResources]) == 0:
			x.resources[code] |= own | foreign
		}
	}
	return x.resources[code]
}

// plainly reports whether a value satisfies the conditions on its column.
func (x *selection) plainly(c column, code int) bool {
	if x.plain[c][code] == 0 {
		x.plain[c][code] = judged
		if code > 0 {
			v, judge := text(x.b.value(c, code)), judges[c]
			if !slices.ContainsFunc(x.where[c], func(w vault.TrailCondition) bool { return !judge(v, w) }) {
				x.plain[c][code] |= own
			}
		}
	}
	return x.plain[c][code]&own != 0
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

// lacks reports that a value of a column, as it is stored, cannot satisfy all of
// the conditions: what they ask for stands in it nowhere. Most values of a block
// are done with that way, unparsed.
func lacks(value string, where []vault.TrailCondition) bool {
	return slices.ContainsFunc(where, func(w vault.TrailCondition) bool {
		return literal(w) && !strings.Contains(value, w.Value)
	})
}

// literal reports whether what a condition asks for is a part of the values that
// have it, letter by letter: no name of ours, and nothing that JSON escapes.
func literal(w vault.TrailCondition) bool {
	if w.Field == vault.TrailUserName || w.Field == vault.TrailResourceType {
		return false
	}
	for i := range len(w.Value) {
		if c := w.Value[i]; !letter(c) && strings.IndexByte("/-_.:+=@, ", c) < 0 || c >= 0x80 {
			return false
		}
	}
	return true
}

func (s *search) judgeWho(value string) verdict {
	if lacks(value, s.where[colWho]) {
		return 0
	}
	v := own | foreign
	if len(s.where[colWho]) == 0 {
		// A quote within a name is escaped, so this can be no part of one.
		if strings.Contains(value, `"account":"`+s.account+`"`) {
			v |= mine
		}
		return v
	}
	w := parseWho(value)
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

// part is the range of the block's records whose n the search wants.
func (x *selection) part() (first, end int) {
	if x.from > x.b.first {
		first = int(min(x.from-x.b.first, uint64(x.b.records)))
	}
	end = x.b.records
	if x.to < x.b.next()-1 {
		end = int(x.to + 1 - min(x.b.first, x.to+1))
	}
	return first, end
}

// has reports whether the i-th record of the block, one of its part, is one of
// those looked for.
func (x *selection) has(i int) bool {
	if at := x.b.at(i); at < x.since || at > x.until {
		return false
	}
	for _, id := range x.search.requests {
		if !x.b.hasRequest(i, id) {
			return false
		}
	}
	for c, wanted := range x.plain {
		if wanted != nil && !x.plainly(column(c), x.b.code(column(c), i)) {
			return false
		}
	}
	if len(x.where[colResources]) > 0 && x.resourcesVerdict(x.b.code(colResources, i))&(own|foreign) == 0 {
		return false
	}
	who := x.whoVerdict(x.b.code(colWho, i))
	if who&mine != 0 && (who&own == 0 || len(x.where[colResources]) == 0) {
		return who&own != 0
	}
	resources := x.resourcesVerdict(x.b.code(colResources, i))
	switch {
	case who&mine != 0:
		return resources&own != 0
	case resources&mine != 0:
		return who&resources&foreign != 0
	}
	return false
}

// wantedID is a request id that is looked for.
type wantedID struct {
	text   string
	uuid   [16]byte
	isUUID bool
}

func (b *block) hasRequest(i int, id wantedID) bool {
	code := b.code(colRequest, i)
	if id.isUUID {
		return code == 0 && string(b.request(i)) == string(id.uuid[:])
	}
	return code != 0 && text(b.value(colRequest, code)) == id.text
}

// requestID is the request id of the i-th record as text.
func (b *block) requestID(i int) string {
	if code := b.code(colRequest, i); code != 0 {
		return text(b.value(colRequest, code))
	}
	return formatUUID(b.request(i))
}
