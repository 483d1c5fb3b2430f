package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// moment is the view as it stands at one time: what a query goes through.
type moment struct {
	view   *View
	db     *sql.DB
	stmt   *sql.Stmt // reads a part by its row
	blocks []summary
	tail   *block
	seen   uint64 // sequence of the last commit
}

func (v *View) moment() (*moment, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.db == nil {
		return nil, errClosed
	}
	return &moment{view: v, db: v.db, stmt: v.read, blocks: v.blocks, tail: v.tail.block(), seen: v.seen}, nil
}

// last is the n of the last record; none = false.
func (m *moment) last() (n uint64, ok bool) {
	if m.tail.records > 0 {
		return m.tail.next() - 1, true
	}
	if k := len(m.blocks); k > 0 {
		return m.blocks[k-1].next() - 1, true
	}
	return 0, false
}

// hit is one record that a search found: the i-th of a block.
type hit struct {
	b *block
	i int
}

func (h hit) n() uint64 { return h.b.first + uint64(h.i) }

// scan goes through the records that a search finds, in order of n, block by
// block.
type scan struct {
	*moment
	*search
	ascending bool
	k         int     // blocks that were looked at
	b         *block  // the one that is gone through
	list      []int32 // its records that are left
}

func (m *moment) scan(s *search, ascending bool) *scan {
	return &scan{moment: m, search: s, ascending: ascending}
}

// next is the next record; none = false.
func (s *scan) next(ctx context.Context) (hit, bool, error) {
	for len(s.list) == 0 {
		if s.nothing || s.k > len(s.blocks) {
			return hit{}, false, nil
		}
		if err := s.block(ctx); err != nil {
			return hit{}, false, err
		}
	}
	at := len(s.list) - 1
	if s.ascending {
		at = 0
	}
	h := hit{s.b, int(s.list[at])}
	if s.ascending {
		s.list = s.list[1:]
	} else {
		s.list = s.list[:at]
	}
	return h, true, nil
}

// block looks at the next block.
func (s *scan) block(ctx context.Context) error {
	k := s.k
	if !s.ascending {
		k = len(s.blocks) - k
	}
	s.k++
	var err error
	if s.b, err = s.candidate(ctx, k); err != nil || s.b == nil {
		return err
	}
	s.list, err = s.in(s.b).find()
	return err
}

// candidate is the k-th block if the search may find something in it; behind the
// stored ones comes the one in memory.
func (s *scan) candidate(ctx context.Context, k int) (*block, error) {
	b := s.tail
	if k < len(s.blocks) {
		b = s.stored(ctx, s.blocks[k])
	}
	if b.records == 0 || b.first > s.to || b.next() <= s.from || b.earliest > s.until || b.latest < s.since {
		return nil, nil
	}
	if b == s.tail {
		return b, nil
	}
	f, err := b.part(partFilter)
	if err != nil {
		return nil, err
	}
	for _, t := range s.terms {
		if !filter(f.bytes).has(t) {
			return nil, nil
		}
	}
	return b, nil
}

// stored is a block whose parts are read when they are asked for.
func (m *moment) stored(ctx context.Context, s summary) *block {
	return &block{summary: s, base: s.earliest, load: func(p part) (*content, error) {
		row := rowOf(s.first, p)
		if have := m.view.recent.find(m.db, row); have != nil {
			return have, nil
		}
		var raw []byte
		if err := m.stmt.QueryRowContext(ctx, row).Scan(&raw); err != nil {
			return nil, unread(err, &s, p)
		}
		c, err := s.decode(p, raw)
		if err == nil {
			m.view.recent.keep(m.db, row, c)
		}
		return c, err
	}}
}

// unread is the error of reading a part that must be there. What SQLite itself
// calls corrupt is damage like any other.
func unread(err error, s *summary, p part) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: part %d of the block of n=%d is not there", errDamaged, p, s.first)
	case corrupt(err):
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return fmt.Errorf("audit: read part %d of the block of n=%d: %w", p, s.first, err)
}
