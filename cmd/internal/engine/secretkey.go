package engine

import (
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
)

// SecretKey gives the secret that requests of an access key are signed with: see
// vault.SecretKey.
func (e *Engine) SecretKey(accessKey, token string) (identity.Credential, identity.SecretKey, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return vault.SecretKey(e.state, e.env(), accessKey, token)
}
