package secret

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/keytrail/keytrail/domain/event"
)

// Due calls yield with each secret whose recovery window has ended at now, in no
// given order, until yield returns false. Its cost is that of the secrets that are
// due, not of all secrets.
func (s *Store) Due(now time.Time, yield func(*Secret) bool) {
	s.timers.walk(0, now.UnixMicro(), yield)
}

// NextDue is the earliest time at which Due has something; false if never.
func (s *Store) NextDue() (time.Time, bool) {
	if len(s.timers) == 0 {
		return time.Time{}, false
	}
	return fromMicros(s.timers[0].rare.deletion), true
}

func (s *Store) schedule(x *Secret, e *event.SecretDeletionScheduled) error {
	if x.Scheduled() {
		return fmt.Errorf("is marked for deletion already")
	}
	if e.At.IsZero() || e.At.Before(e.Deleted) {
		return fmt.Errorf("recovery window from %s ends at %s", e.Deleted, e.At)
	}
	r := x.makeRare()
	r.deleted, r.deletion = micros(e.Deleted), micros(e.At)
	heap.Push(&s.timers, x)
	return nil
}

func (s *Store) restore(x *Secret) error {
	if !x.Scheduled() {
		return fmt.Errorf("is not marked for deletion")
	}
	s.timers.drop(x)
	x.rare.deleted, x.rare.deletion = 0, 0
	x.dropRare()
	return nil
}

// timers is a min-heap of the secrets that are scheduled; each knows its index, so
// that a change of plan needs no search.
type timers []*Secret

func (t *timers) drop(x *Secret) {
	if x.Scheduled() {
		heap.Remove(t, x.rare.timer)
	}
}

// walk visits the part of the heap that is due: below an entry that is not,
// nothing is.
func (t timers) walk(i int, now int64, yield func(*Secret) bool) bool {
	if i >= len(t) || t[i].rare.deletion > now {
		return true
	}
	return yield(t[i]) && t.walk(2*i+1, now, yield) && t.walk(2*i+2, now, yield)
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].rare.deletion < t[j].rare.deletion }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].rare.timer, t[j].rare.timer = i, j
}

// Push and Pop are container/heap's; nothing else calls them.
func (t *timers) Push(x any) {
	secret := x.(*Secret)
	secret.rare.timer = len(*t)
	*t = append(*t, secret)
}

func (t *timers) Pop() any {
	last := len(*t) - 1
	secret := (*t)[last]
	secret.rare.timer = -1
	(*t)[last] = nil
	*t = (*t)[:last]
	return secret
}
