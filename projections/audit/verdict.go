package audit

import (
	"slices"
	"strconv"
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
)

// verdict is what one value of a column means for the search. Whether a record
// is the account's own changes what may be asked: the names of a foreign caller
// and the resources of others are not shown, and so are not found.
type verdict uint8

const (
	mine    verdict = 1 << iota // caller or resource of the account
	own                         // satisfies the conditions on a record of the account's own
	foreign                     // satisfies them on a record of a foreign caller
	judged                      // it has been worked out
	nobody                      // a caller of no account: Keytrail itself, or one that is not known
	owned                       // a resource of some account
)

var judges = map[part]func(string, vault.TrailCondition) bool{colOp: opIs, colOutcome: outcomeIs, colSource: sourceIs}

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
	if s.lacks(colWho, value) {
		return 0
	}
	v := own | foreign
	if len(s.where[colWho]) == 0 {
		// A quote within a name is escaped, so this can be no part of one.
		if strings.Contains(value, `"account":"`+s.account+`"`) {
			v |= mine
		} else if !strings.Contains(value, `"account":"`) {
			v |= nobody
		}
		return v
	}
	w := parseWho(value)
	switch w.Account {
	case s.account:
		v |= mine
	case "":
		v |= nobody
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
		if arn.IsAccount(r.account) {
			v |= owned
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
		v &= found | mine | owned
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
