package engine

import "errors"

// Reasons for Open to fail that are not the log's own. They are wrapped: use
// errors.Is.
var (
	ErrWrongRootKey      = errors.New("wrong root key")
	ErrKeyringIncomplete = errors.New("the keyring is not the one of this log, or has lost data")
)
