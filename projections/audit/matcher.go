package audit

import (
	"fmt"
	"math"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
)

// Matcher holds stored lines against conditions one at a time, as the view does
// with all of them: who watches records as they come asks as who looks back.
type Matcher struct {
	search *search
	header event.Header
}

// NewMatcher returns a matcher of an account's records that satisfy all of the
// conditions. TrailEventID cannot be asked: a line does not say of which
// installation it is.
func NewMatcher(account string, where []vault.TrailCondition) *Matcher {
	return &Matcher{search: newSearch(&vault.TrailQuery{Account: account, Where: where, From: math.MaxInt64, Through: math.MaxInt64})}
}

// Match reports whether the line's record is visible to the account and satisfies
// the conditions. The error is that of a line which is no record.
func (m *Matcher) Match(line []byte) (bool, error) {
	if err := event.ParseHeader(line, &m.header); err != nil {
		return false, fmt.Errorf("audit: %w", err)
	}
	if m.search.nothing {
		return false, nil
	}
	b := newBuilder()
	b.first = m.header.N
	b.addRecord(&m.header)
	return m.search.in(&b.block).has(0), nil
}
