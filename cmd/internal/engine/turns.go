package engine

import (
	"slices"
	"sync"
	"time"
)

// turns shares a few places among many that wait: accounts have their turns one after
// the other, and within an account those that came first. However much one account
// asks for, another waits for one turn of each account that asks.
type turns struct {
	most, mostOf int // that may wait: of all, of one account

	mu      sync.Mutex
	free    int // places
	waiting int
	queues  map[string][]chan struct{} // of accounts that wait
	order   []string                   // these accounts, the next first
}

func newTurns(places, most, mostOf int) *turns {
	return &turns{free: places, most: most, mostOf: mostOf, queues: map[string][]chan struct{}{}}
}

// enter queues up for the account; false = too many wait. The channel is closed when
// the turn has come.
func (t *turns) enter(account string) (turn chan struct{}, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn = make(chan struct{})
	if t.free > 0 {
		t.free--
		close(turn)
		return turn, true
	}
	queue := t.queues[account]
	if t.waiting == t.most || len(queue) == t.mostOf {
		return nil, false
	}
	if len(queue) == 0 {
		t.order = append(t.order, account)
	}
	t.queues[account] = append(queue, turn)
	t.waiting++
	return turn, true
}

// come waits for a turn; false = it did not come in time, and the place in the queue
// is given up.
func (t *turns) come(account string, turn chan struct{}, patience time.Duration) bool {
	over := time.NewTimer(patience)
	defer over.Stop()
	select {
	case <-turn:
		return true
	case <-over.C:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.queues[account], turn)
	if i < 0 {
		return true // it has come just now
	}
	t.waiting--
	if t.queues[account] = slices.Delete(t.queues[account], i, i+1); len(t.queues[account]) == 0 {
		delete(t.queues, account)
		t.order = slices.DeleteFunc(t.order, func(a string) bool { return a == account })
	}
	return false
}

// leave gives a place to the next.
func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		t.free++
		return
	}
	account := t.order[0]
	t.order = t.order[1:]
	queue := t.queues[account]
	close(queue[0])
	t.waiting--
	if queue = queue[1:]; len(queue) == 0 {
		delete(t.queues, account)
		return
	}
	t.queues[account] = queue
	t.order = append(t.order, account)
}
