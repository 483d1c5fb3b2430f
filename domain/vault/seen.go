package vault

import (
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
)

// ofService is the type of a caller that is Keytrail itself.
const ofService = "AWSService"

// Concerned lists the accounts that a record is about: the caller's and those that
// own its resources. What is about no account at all, such as refused connections
// and the openings of the log, is the management account's.
func Concerned(r *event.Record, management string) []string {
	accounts := make([]string, 0, 2)
	if r.Who.Account != "" {
		accounts = append(accounts, r.Who.Account)
	}
	for _, name := range r.Resources {
		if account := accountOfARN(name); account != "" && !slices.Contains(accounts, account) {
			accounts = append(accounts, account)
		}
	}
	if len(accounts) == 0 && management != "" {
		accounts = append(accounts, management)
	}
	return accounts
}

// Seen is a record as one of the accounts that it concerns may see it, as CloudTrail
// delivers a call on a resource to the resource's owner: of a caller of another
// account the account and the unique id, and of what was judged and changed only
// what is the owner's. The caller's own account sees the record itself, but for which
// statements of another account's policy decided.
func Seen(r *event.Record, account string) *event.Record {
	if r.Who.Account == account {
		return seenByCaller(r)
	}
	if r.Who.Account == "" && r.Who.Type != ofService {
		return r
	}
	seen := *r
	seen.Resources = nil
	for _, name := range r.Resources {
		if accountOfARN(name) == account {
			seen.Resources = append(seen.Resources, name)
		}
	}
	if len(seen.Resources) < len(r.Resources) {
		seen.Events = nil // which of them is whose, events do not say
	}
	if r.Who.Type == ofService {
		return &seen
	}
	seen.Who = event.Who{Type: "AWSAccount", ID: r.Who.ID, Account: r.Who.Account}
	seen.Message = r.Who.Unnamed(r.Message)
	if r.Decision != nil {
		seen.Decision = &event.Decision{Allowed: r.Decision.Allowed}
		for _, check := range r.Decision.Checks {
			if accountOfARN(check.Resource) != account {
				continue
			}
			check.Context, check.More = nil, 0 // the caller's tags and addresses, and policies, are among it
			check.By = slices.DeleteFunc(slices.Clone(check.By), ofCaller)
			seen.Decision.Checks = append(seen.Decision.Checks, check)
		}
	}
	return &seen
}

// seenByCaller is the record, or a copy of it that leaves out the statements of
// policies of other accounts: their places and names tell what else such a policy says.
func seenByCaller(r *event.Record) *event.Record {
	if r.Decision == nil {
		return r
	}
	var seen *event.Record
	for i := range r.Decision.Checks {
		by, changed := sourcesAlone(&r.Decision.Checks[i], r.Who.Account)
		if !changed {
			continue
		}
		if seen == nil {
			copied := *r
			copied.Decision = &event.Decision{Allowed: r.Decision.Allowed, Checks: slices.Clone(r.Decision.Checks)}
			seen = &copied
		}
		seen.Decision.Checks[i].By = by
	}
	if seen == nil {
		return r
	}
	return seen
}

// sourcesAlone names of what decided on a resource of another account the policy, and
// not the statement.
func sourcesAlone(check *event.Check, account string) (by []string, changed bool) {
	if owner := accountOfARN(check.Resource); owner == "" || owner == account {
		return check.By, false
	}
	for _, id := range check.By {
		if source, _, ok := strings.Cut(id, "#"); ok && !ofCaller(id) {
			id, changed = source, true
		}
		if !slices.Contains(by, id) {
			by = append(by, id)
		}
	}
	return by, changed
}

// ofCaller reports whether what decided is a policy of the caller's account: it is
// none of the resource's.
func ofCaller(by string) bool {
	for _, prefix := range []string{"key-policy", "secret-policy", "trust-policy", "grant/"} {
		if strings.HasPrefix(by, prefix) {
			return false
		}
	}
	return true
}
