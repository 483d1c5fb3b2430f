package engine

import (
	"time"

	"github.com/keytrail/keytrail/domain/vault"
)

// timed tells Answered how long the caller of a request waits, from here to its
// reply.
func (e *Engine) timed(req *vault.Request, done func(vault.Reply)) func(vault.Reply) {
	began := time.Now()
	return func(r vault.Reply) {
		e.cfg.Answered(req.Service, req.ID, time.Since(began))
		done(r)
	}
}
