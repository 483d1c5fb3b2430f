package sigv4

import "sync"

// Use names a signing key: whose it is, and its scope. Token is a hash of the
// session token of temporary credentials, zero for long-term ones.
type Use struct {
	AccessKey string
	Token     [32]byte
	Scope
}

// Keys keeps derived signing keys, each with what its owner was found to be, so
// that a key is derived once a day for each credential and not once a request.
// It holds at most two generations of size entries, and wipes what it drops: when
// the young generation is full it becomes the old one. Safe for concurrent use.
//
// Only keys that have verified a signature may be put in, or strangers could
// drive out the keys of callers.
type Keys[T any] struct {
	mu         sync.RWMutex
	size       int
	young, old map[Use]*kept[T]
}

type kept[T any] struct {
	key  Key
	what T
}

// NewKeys returns an empty cache with generations of size entries.
func NewKeys[T any](size int) *Keys[T] {
	return &Keys[T]{size: size, young: map[Use]*kept[T]{}}
}

// Get gives a copy of the key, and what was put in with it.
func (k *Keys[T]) Get(u Use) (key Key, what T, ok bool) {
	k.mu.RLock()
	have := k.young[u]
	if have != nil {
		key, what = have.key, have.what
	}
	k.mu.RUnlock()
	if have != nil {
		return key, what, true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if have = k.old[u]; have == nil {
		return key, what, false
	}
	delete(k.old, u)
	k.add(u, have)
	return have.key, have.what, true
}

// Put keeps a copy of the key.
func (k *Keys[T]) Put(u Use, key Key, what T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.add(u, &kept[T]{key, what})
}

func (k *Keys[T]) add(u Use, entry *kept[T]) {
	if len(k.young) >= k.size {
		for _, dropped := range k.old {
			dropped.key.Zero()
		}
		k.old, k.young = k.young, make(map[Use]*kept[T], k.size)
	}
	k.young[u] = entry
}

// Drop wipes every key of an access key.
func (k *Keys[T]) Drop(accessKey string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, generation := range [...]map[Use]*kept[T]{k.young, k.old} {
		for u, have := range generation {
			if u.AccessKey == accessKey {
				have.key.Zero()
				delete(generation, u)
			}
		}
	}
}

// Len is how many keys are kept.
func (k *Keys[T]) Len() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.young) + len(k.old)
}
