package audit

import (
	"strings"

	"github.com/keytrail/keytrail/domain/vault"
)

// search is a query, prepared for one block after the other.
type search struct {
	account      string
	management   bool                            // it sees what concerns no account
	where        map[part][]vault.TrailCondition // by column
	from, to     uint64                          // n, both included
	since, until int64                           // microseconds, both included
	requests     []wantedID
	literals     map[part][]string // by column: what must stand in its values as they are stored
	terms        []uint64
	nothing      bool // no record can satisfy it
}

// columnOf is where a field is decided. What is not here is decided otherwise.
var columnOf = map[vault.TrailField]part{
	vault.TrailEventName: colOp, vault.TrailEventSource: colOp, vault.TrailReadOnly: colOp,
	vault.TrailUserName: colWho, vault.TrailAccessKey: colWho, vault.TrailPrincipal: colWho, vault.TrailActorAccount: colWho,
	vault.TrailResourceType: colResources, vault.TrailResourceName: colResources, vault.TrailKey: colResources, vault.TrailSecret: colResources,
	vault.TrailErrorCode: colOutcome, vault.TrailSourceAddress: colSource,
}

func newSearch(q *vault.TrailQuery) *search {
	s := &search{account: q.Account, management: q.Management, where: map[part][]vault.TrailCondition{}, literals: map[part][]string{},
		since: 0, until: 1<<63 - 1}
	if !s.management {
		s.terms = append(s.terms, term(termVisible, q.Account))
	}
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
	for c, where := range s.where {
		for _, w := range where {
			if literal(w) {
				s.literals[c] = append(s.literals[c], w.Value)
			}
		}
	}
	s.nothing = s.nothing || s.from > s.to || s.since > s.until
	return s
}

// wantedID is a request id that is looked for.
type wantedID struct {
	text   string
	uuid   [16]byte
	isUUID bool
}

// lacks reports that a value of a column, as it is stored, cannot satisfy all of
// the conditions: what they ask for stands in it nowhere. Most values of a block
// are done with that way, unparsed.
func (s *search) lacks(c part, value string) bool {
	for _, wanted := range s.literals[c] {
		if !strings.Contains(value, wanted) {
			return true
		}
	}
	return false
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
