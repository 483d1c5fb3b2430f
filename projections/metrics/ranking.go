package metrics

import (
	"cmp"
	"slices"
)

// Bounds of a ranking.
const (
	// period is how many uses the ranking is kept over before it is drawn anew.
	period = 1 << 14
	// candidates is how many names without a series are watched in a period. One
	// that makes up a hundredth of the uses is among the first 1,024 names of its
	// period with a probability of 1 - 0.99^1024, all but three in a hundred
	// thousand times.
	candidates = 1 << 10
)

// ranking counts uses by name in a bounded number of series: those of the names
// that are used most of late, and one for all others. Each use is counted in
// exactly one series, and a series only grows, so that rates over them are true
// whatever the ranking does; a name that comes back after it had lost its series
// begins at zero, as a counter may.
//
// What has a series is decided by the order of the log alone: free series go to
// whoever comes first, and at the end of every period names that were used more
// than twice as often as one with a series take its place.
type ranking struct {
	Limit   int               `json:"limit"`
	Uses    uint64            `json:"uses"`
	Named   map[string]*named `json:"named"`
	Other   uint64            `json:"other"`
	Unnamed map[string]uint64 `json:"unnamed"` // uses in this period of names without a series
}

type named struct {
	Total  uint64  `json:"total"`
	Recent uint64  `json:"recent"`         // in this period
	Last   *single `json:"last,omitempty"` // of refusals
}

func newRanking(limit int) *ranking {
	return &ranking{Limit: limit, Named: map[string]*named{}, Unnamed: map[string]uint64{}}
}

// use counts a use, and returns the series of its name if it has one by then.
func (r *ranking) use(name []byte) *named {
	n := r.Named[string(name)]
	switch {
	case n != nil:
		n.Total++
		n.Recent++
	case len(r.Named) < r.Limit:
		n = &named{Total: 1, Recent: 1}
		r.Named[string(name)] = n
	default:
		r.Other++
		if _, watched := r.Unnamed[string(name)]; watched || len(r.Unnamed) < candidates && r.Limit > 0 {
			r.Unnamed[string(name)]++
		}
	}
	if r.Uses++; r.Uses%period == 0 {
		r.draw()
		return r.Named[string(name)]
	}
	return n
}

// draw ends a period: the most used names without a series take the places of
// the least used names with one.
func (r *ranking) draw() {
	least := make([]string, 0, len(r.Named))
	for name := range r.Named {
		least = append(least, name)
	}
	slices.SortFunc(least, func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Named[a].Recent, r.Named[b].Recent), cmp.Compare(a, b))
	})
	most := make([]string, 0, len(r.Unnamed))
	for name := range r.Unnamed {
		most = append(most, name)
	}
	slices.SortFunc(most, func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Unnamed[b], r.Unnamed[a]), cmp.Compare(a, b))
	})
	for i := 0; i < min(len(least), len(most)) && r.Unnamed[most[i]] > 2*r.Named[least[i]].Recent; i++ {
		delete(r.Named, least[i])
		r.Named[most[i]] = &named{}
	}
	for _, n := range r.Named {
		n.Recent = 0
	}
	clear(r.Unnamed)
}

// drop ends the series of what has ended.
func (r *ranking) drop(ended func(name string) bool) {
	for name := range r.Named {
		if ended(name) {
			delete(r.Named, name)
		}
	}
	for name := range r.Unnamed {
		if ended(name) {
			delete(r.Unnamed, name)
		}
	}
}
