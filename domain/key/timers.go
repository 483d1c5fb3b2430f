package key

import (
	"container/heap"
	"time"
)

// due is when the key next changes by itself: at the end of its deletion window,
// when its imported material expires, in whatever state it is, or by automatic
// rotation, which waits while the key is not enabled. Zero means never.
func (k *Key) due() time.Time {
	var at time.Time
	switch k.State {
	case PendingDeletion:
		at = k.deletion
	case Enabled:
		at = k.NextRotation()
	}
	if expiry := k.ValidTo(); !expiry.IsZero() && (at.IsZero() || expiry.Before(at)) {
		at = expiry
	}
	return at
}

// Due calls yield with each key that must be deleted, lose its material or be
// rotated at now, in no given order, until yield returns false. Its cost is that of the keys that are
// due, not of all keys.
func (s *Store) Due(now time.Time, yield func(*Key) bool) {
	s.timers.walk(0, now, yield)
}

// NextDue is the earliest time at which Due has something; false if never.
func (s *Store) NextDue() (time.Time, bool) {
	if len(s.timers) == 0 {
		return time.Time{}, false
	}
	return s.timers[0].at, true
}

type timer struct {
	at  time.Time
	key *Key
}

// timers is a min-heap with one entry for each key that has a due time; a key
// knows its index, so that a change of plan needs no search.
type timers []timer

// set brings the key's entry in line with its due time.
func (t *timers) set(k *Key) {
	at := k.due()
	switch {
	case at.IsZero():
		t.drop(k)
	case k.timer < 0:
		heap.Push(t, timer{at, k})
	default:
		(*t)[k.timer].at = at
		heap.Fix(t, k.timer)
	}
}

func (t *timers) drop(k *Key) {
	if k.timer >= 0 {
		heap.Remove(t, k.timer)
	}
}

// walk visits the part of the heap that is due: below an entry that is not,
// nothing is.
func (t timers) walk(i int, now time.Time, yield func(*Key) bool) bool {
	if i >= len(t) || t[i].at.After(now) {
		return true
	}
	return yield(t[i].key) && t.walk(2*i+1, now, yield) && t.walk(2*i+2, now, yield)
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].key.timer, t[j].key.timer = i, j
}

// Push and Pop are container/heap's; nothing else calls them.
func (t *timers) Push(x any) {
	e := x.(timer)
	e.key.timer = len(*t)
	*t = append(*t, e)
}

func (t *timers) Pop() any {
	last := len(*t) - 1
	e := (*t)[last]
	e.key.timer = -1
	(*t)[last] = timer{}
	*t = (*t)[:last]
	return e
}
