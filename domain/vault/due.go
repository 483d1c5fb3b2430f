package vault

import "time"

// Due lists the calls that the vault has to make by itself now: keys and secrets
// whose window has ended, key rotations. They carry no credentials and no request
// id, and name operations that no client can call. Until one is on the log, what
// is past its time is treated as gone all the same.
func Due(st *State, now time.Time) []Request {
	return append(dueKeys(st, now), dueSecrets(st, now)...)
}
