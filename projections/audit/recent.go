package audit

import (
	ordered "container/list"
	"database/sql"
	"sync"
)

// recentBytes bounds what is kept of parts that were read: pages of a list, joins,
// and most questions of people come back to the same ones. A million records by a
// thousand callers have some 60 MB of parts, of which a question reads a few.
const recentBytes = 64 << 20

// recent are decoded parts of the database that is open. They never change, so
// they are shared. The one that was not asked for the longest makes room.
type recent struct {
	mu    sync.Mutex
	db    *sql.DB
	parts map[int64]*ordered.Element // by row; of *kept
	order *ordered.List              // the last asked first
	bytes int
}

type kept struct {
	row int64
	*content
}

func (r *recent) find(db *sql.DB, row int64) *content {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db != db || r.parts[row] == nil {
		return nil
	}
	r.order.MoveToFront(r.parts[row])
	return r.parts[row].Value.(*kept).content
}

func (r *recent) keep(db *sql.DB, row int64, c *content) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db != db { // of a query that began before the view was emptied, or the first after
		r.db, r.parts, r.order, r.bytes = db, map[int64]*ordered.Element{}, ordered.New(), 0
	}
	if r.parts[row] != nil {
		return
	}
	r.parts[row] = r.order.PushFront(&kept{row, c})
	r.bytes += c.size
	for r.bytes > recentBytes {
		oldest := r.order.Remove(r.order.Back()).(*kept)
		delete(r.parts, oldest.row)
		r.bytes -= oldest.size
	}
}

func (r *recent) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.db, r.parts, r.order, r.bytes = nil, nil, nil, 0
}
