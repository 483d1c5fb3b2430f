package awsapi

import "github.com/keytrail/keytrail/cmd/internal/refusals"

// Refused returns how often each reason to refuse somebody who is not known to be
// calling was met since the start.
func (s *Service) Refused() map[refusals.Reason]uint64 { return s.refusals.Totals() }

// Connections returns how many connections there are, those of strangers included.
func (s *Service) Connections() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return len(s.conns.all)
}
