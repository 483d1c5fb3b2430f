package keyring

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Step is a point at which a Memory asks its hook whether to fail.
type Step struct {
	Op   string // "put" or "erase"
	ID   string
	Done bool // false: not done yet, true: done, and durable, but not reported
}

// Memory is a Ring in memory, for tests and simulation: deterministic, with
// faults on demand. It keeps apart what is durable from what its process
// knows, as the store on disk does.
type Memory struct {
	down atomic.Bool // closed or crashed

	mu      sync.Mutex
	durable map[string][]byte
	known   map[string][]byte
	hook    func(Step) error
}

var _ Ring = (*Memory)(nil)

// NewMemory returns an empty ring.
func NewMemory() *Memory {
	return &Memory{durable: map[string][]byte{}, known: map[string][]byte{}}
}

// SetHook installs the source of faults, nil for none. It is called before and
// after each entry that Put stores and each id that Erase destroys, in order;
// an error ends the call at that point. With Done false, that entry is not
// stored (or erased) but the ones before it are; with Done true, it is, and
// only the answer is lost. The hook must not call the ring, except that it may
// call Crash.
func (m *Memory) SetHook(hook func(Step) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = hook
}

// Crash ends the process that this Memory stands for: every call from now on,
// and whatever is left of one under way, is ErrClosed.
func (m *Memory) Crash() { m.down.Store(true) }

// Reopen returns a new ring, without a hook, over what is durable in m, and
// leaves m as after Crash.
func (m *Memory) Reopen() *Memory {
	m.down.Store(true)
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{durable: maps.Clone(m.durable), known: maps.Clone(m.durable)}
}

// Put implements Ring.
func (m *Memory) Put(ctx context.Context, entries ...Entry) error {
	if err := checkEntries(entries); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range entries {
		if err := m.put(ctx, e); err != nil {
			return fmt.Errorf("put %s: %w", e.ID, err)
		}
	}
	return nil
}

func (m *Memory) put(ctx context.Context, e Entry) error {
	if err := m.step(ctx, Step{Op: "put", ID: e.ID}); err != nil {
		return err
	}
	there, ok := m.durable[e.ID]
	if ok && !bytes.Equal(there, e.Sealed) {
		return ErrConflict
	}
	if !ok {
		there = slices.Clone(e.Sealed)
		m.durable[e.ID] = there
	}
	if err := m.step(ctx, Step{Op: "put", ID: e.ID, Done: true}); err != nil {
		return err
	}
	m.known[e.ID] = there
	return nil
}

// step is where the process may die, the caller give up, or the hook fail.
func (m *Memory) step(ctx context.Context, at Step) error {
	if err := ctx.Err(); err != nil && !at.Done {
		return err
	}
	if m.down.Load() {
		return ErrClosed
	}
	if m.hook != nil {
		if err := m.hook(at); err != nil {
			return err
		}
	}
	if m.down.Load() {
		return ErrClosed
	}
	return nil
}

// Get implements Ring.
func (m *Memory) Get(id string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down.Load() {
		return nil, fmt.Errorf("get %s: %w", id, ErrClosed)
	}
	b, ok := m.known[id]
	if !ok {
		return nil, fmt.Errorf("get %s: %w", id, ErrNotFound)
	}
	return slices.Clone(b), nil
}

// Erase implements Ring.
func (m *Memory) Erase(ctx context.Context, ids ...string) error {
	if err := checkIDs(ids); err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		delete(m.known, id)
	}
	for _, id := range ids {
		if err := m.step(ctx, Step{Op: "erase", ID: id}); err != nil {
			return fmt.Errorf("erase %s: %w", id, err)
		}
		delete(m.durable, id)
		if err := m.step(ctx, Step{Op: "erase", ID: id, Done: true}); err != nil {
			return fmt.Errorf("erase %s: %w", id, err)
		}
	}
	return nil
}

// IDs implements Ring, in sorted order.
func (m *Memory) IDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		m.mu.Lock()
		ids := slices.Sorted(maps.Keys(m.known))
		m.mu.Unlock()
		for _, id := range ids {
			if m.down.Load() || !yield(id) {
				return
			}
		}
	}
}

// Close implements Ring.
func (m *Memory) Close() error {
	m.down.Store(true)
	return nil
}
