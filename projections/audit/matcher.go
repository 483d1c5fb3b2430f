package audit

import (
	"fmt"
	"math"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
)

// Matcher holds stored lines against conditions one at a time, as the view does
// with all of them: who watches records as they come asks as who looks back. It is
// used by one goroutine.
type Matcher struct {
	header    event.Header
	block     *builder   // of the lines that were matched
	selection *selection // over it, with what is known of its values
}

// matched is how many lines are remembered, for what they have in common with those
// that follow.
const matched = 4096

// NewMatcher returns a matcher of an account's records that satisfy all of the
// conditions; the management account's are also those of no account. TrailEventID cannot be asked: a line does not say of which
// installation it is.
func NewMatcher(account string, management bool, where []vault.TrailCondition) *Matcher {
	s := newSearch(&vault.TrailQuery{Account: account, Management: management, Where: where, From: math.MaxInt64, Through: math.MaxInt64})
	return &Matcher{selection: s.in(nil)}
}

// Match reports whether the line's record is visible to the account and satisfies
// the conditions. The error is that of a line which is no record.
func (m *Matcher) Match(line []byte) (bool, error) {
	if err := event.ParseHeader(line, &m.header); err != nil {
		return false, fmt.Errorf("audit: %w", err)
	}
	if m.selection.nothing {
		return false, nil
	}
	if m.block == nil || m.block.records == matched || m.block.weight > blockBytes {
		m.block = newBuilder()
		m.selection = m.selection.in(m.block.live())
	}
	m.block.addRecord(&m.header)
	m.selection.b.summary = m.block.summary
	found, err := m.selection.among([]int32{int32(m.block.records) - 1})
	return len(found) > 0, err
}
