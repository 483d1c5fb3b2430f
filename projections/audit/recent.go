package audit

import (
	"database/sql"
	"sync"
)

// recentBlocks is how many decoded blocks are kept, some 300 KiB each: pages of a
// list, joins, and most questions of people come back to the same ones.
const recentBlocks = 96

// recent are decoded blocks of the database that is open, in the order in which
// they were read. Blocks never change, so they are shared.
type recent struct {
	mu     sync.Mutex
	db     *sql.DB
	blocks map[uint64]*block // by n of their first record
	order  []uint64
}

func (r *recent) find(db *sql.DB, first uint64) *block {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db != db {
		return nil
	}
	return r.blocks[first]
}

func (r *recent) keep(db *sql.DB, b *block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db != db { // of a query that began before the view was emptied, or the first after
		r.db, r.blocks, r.order = db, map[uint64]*block{}, nil
	}
	if r.blocks[b.first] != nil {
		return
	}
	if len(r.order) == recentBlocks {
		delete(r.blocks, r.order[0])
		r.order = append(r.order[:0], r.order[1:]...)
	}
	r.blocks[b.first] = b
	r.order = append(r.order, b.first)
}

func (r *recent) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.db, r.blocks, r.order = nil, nil, nil
}
