package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// answerBytes bounds what the records of one answer weigh in a reply, where an
// event is a string within JSON. The payload of a NATS message is bounded to a
// megabyte.
const answerBytes = 600 << 10

var errClosed = errors.New("audit: the view is closed")

// moment is the view as it stands at one time: what a query goes through.
type moment struct {
	view   *View
	db     *sql.DB
	blocks []summary
	tail   block
}

func (v *View) moment() (*moment, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.db == nil {
		return nil, errClosed
	}
	return &moment{view: v, db: v.db, blocks: v.blocks, tail: v.tail.block}, nil
}

// last is the n of the last record; none = false.
func (m *moment) last() (n uint64, ok bool) {
	if m.tail.records > 0 {
		return m.tail.next() - 1, true
	}
	if k := len(m.blocks); k > 0 {
		return m.blocks[k-1].first + m.blocks[k-1].records - 1, true
	}
	return 0, false
}

// Query answers from the records that the view holds. Its errors are those of the
// database and the log, and of ctx.
func (v *View) Query(ctx context.Context, q vault.TrailQuery) (*vault.TrailAnswer, error) {
	answer, err := v.query(ctx, &q)
	if errors.Is(err, errDamaged) {
		v.damaged.Store(true)
	}
	return answer, err
}

func (v *View) query(ctx context.Context, q *vault.TrailQuery) (*vault.TrailAnswer, error) {
	m, err := v.moment()
	if err != nil {
		return nil, err
	}
	if last, ok := m.last(); ok {
		q.Through = min(q.Through, last)
		if !q.Ascending {
			q.From = min(q.From, last)
		}
	}
	answer := &vault.TrailAnswer{Account: q.Account, Through: q.Through}
	switch {
	case q.SQL != "":
		return answer, m.runSQL(ctx, q, answer)
	case q.Actors:
		return answer, m.actors(ctx, q, answer)
	}
	return answer, m.records(ctx, q, answer)
}

// hit is one record that a search found.
type hit struct {
	*selection
	i int
}

func (h hit) n() uint64 { return h.b.first + uint64(h.i) }

// hits yields the records of the search in order of n.
func (m *moment) hits(ctx context.Context, s *search, ascending bool) iter.Seq2[hit, error] {
	return func(yield func(hit, error) bool) {
		if s.nothing {
			return
		}
		for k := range len(m.blocks) + 1 {
			if !ascending {
				k = len(m.blocks) - k
			}
			b, err := m.candidate(ctx, s, k)
			if err != nil {
				yield(hit{}, err)
				return
			}
			if b == nil {
				continue
			}
			x := s.in(b)
			first, end := x.part()
			for i := first; i < end; i++ {
				i := i
				if !ascending {
					i = first + end - 1 - i
				}
				if x.has(i) && !yield(hit{x, i}, nil) {
					return
				}
			}
		}
	}
}

// candidate is the k-th block if the search may find something in it; behind the
// stored ones comes the one in memory.
func (m *moment) candidate(ctx context.Context, s *search, k int) (*block, error) {
	if k == len(m.blocks) {
		if t := &m.tail; t.records > 0 && t.first <= s.to && t.next() > s.from && t.earliest <= s.until && t.latest >= s.since {
			return t, nil
		}
		return nil, nil
	}
	b := &m.blocks[k]
	if b.first > s.to || b.first+b.records <= s.from || b.earliest > s.until || b.latest < s.since {
		return nil, nil
	}
	var raw []byte
	if err := m.db.QueryRowContext(ctx, "SELECT filter FROM block WHERE first = ?", int64(b.first)).Scan(&raw); err != nil {
		return nil, found(err, b.first)
	}
	f, err := decodeFilter(raw)
	if err != nil {
		return nil, err
	}
	for _, t := range s.terms {
		if !f.has(t) {
			return nil, nil
		}
	}
	if have := m.view.read.find(m.db, b.first); have != nil {
		return have, nil
	}
	have, err := m.view.block(ctx, m.db, b.first)
	if err == nil {
		m.view.read.keep(m.db, have)
	}
	return have, err
}

func (v *View) block(ctx context.Context, db *sql.DB, first uint64) (*block, error) {
	var body []byte
	if err := db.QueryRowContext(ctx, "SELECT body FROM block WHERE first = ?", int64(first)).Scan(&body); err != nil {
		return nil, found(err, first)
	}
	b, err := decodeBlock(body)
	if err != nil {
		return nil, err
	}
	if b.first != first {
		return nil, fmt.Errorf("%w: the block of n=%d stands in the place of that of n=%d", errDamaged, b.first, first)
	}
	return b, nil
}

// found is the error of looking up a block that must be there. What SQLite itself
// calls corrupt is damage like any other.
func found(err error, first uint64) error {
	switch {
	case err == nil || errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: the block of n=%d is not there", errDamaged, first)
	case corrupt(err):
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return fmt.Errorf("audit: read the block of n=%d: %w", first, err)
}

// records renders what the search finds, up to the query's limit.
func (m *moment) records(ctx context.Context, q *vault.TrailQuery, answer *vault.TrailAnswer) error {
	r := &renderer{account: q.Account, installation: q.Installation, region: q.Region}
	lines := lineReader{log: m.view.log}
	weight := 0
	for h, err := range m.hits(ctx, newSearch(q), q.Ascending) {
		if err != nil {
			return err
		}
		if len(answer.Records) == q.Limit {
			answer.Next, answer.More = h.n(), true
			return nil
		}
		rendered, err := m.rendered(ctx, &lines, r, h)
		if err != nil {
			return err
		}
		weight += entryBytes + inReply(rendered.Event)
		if weight > answerBytes && len(answer.Records) > 0 {
			answer.Next, answer.More = h.n(), true
			return nil
		}
		answer.Records = append(answer.Records, rendered)
	}
	return nil
}

// rendered is a record that was found, as its account sees it.
func (m *moment) rendered(ctx context.Context, lines *lineReader, r *renderer, h hit) (vault.TrailRecord, error) {
	line, err := lines.line(ctx, h.b, h.i)
	if err != nil {
		return vault.TrailRecord{}, err
	}
	record, err := event.ParseLine(line)
	if err != nil {
		return vault.TrailRecord{}, fmt.Errorf("audit: n=%d: %w", h.n(), err)
	}
	if record.N != h.n() {
		return vault.TrailRecord{}, fmt.Errorf("%w: n=%d is in the place of n=%d", errDamaged, record.N, h.n())
	}
	rendered, err := r.render(record)
	if err != nil {
		return rendered, fmt.Errorf("audit: n=%d: %w", h.n(), err)
	}
	return rendered, nil
}

// entryBytes is what an entry of LookupEvents has besides its event, about.
const entryBytes = 512

// inReply is how many bytes a text is as a JSON string.
func inReply(text []byte) int {
	n := len(text) + 2
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			n++
		case c == '<' || c == '>' || c == '&' || c < ' ':
			n += 5
		}
	}
	return n
}

// lineReader reads lines from the log, one commit at a time.
type lineReader struct {
	log    eventstore.Log
	commit eventstore.Stored
}

func (r *lineReader) line(ctx context.Context, b *block, i int) ([]byte, error) {
	seq, at := b.seq(i)
	if r.commit.Seq != seq {
		var err error
		if r.commit, err = r.log.Get(ctx, seq); err != nil {
			return nil, fmt.Errorf("audit: read sequence %d: %w", seq, err)
		}
	}
	if at >= len(r.commit.Lines) {
		return nil, fmt.Errorf("%w: sequence %d has no line %d", errDamaged, seq, at)
	}
	return r.commit.Lines[at], nil
}

// actors counts what the search finds by who did it. A session counts as its role.
func (m *moment) actors(ctx context.Context, q *vault.TrailQuery, answer *vault.TrailAnswer) error {
	counted := map[string]*vault.TrailActor{}
	var of *selection
	var names []string
	for h, err := range m.hits(ctx, newSearch(q), true) {
		if err != nil {
			return err
		}
		if h.selection != of {
			of, names = h.selection, make([]string, len(h.who))
		}
		code := h.b.code(colWho, h.i)
		if names[code] == "" {
			names[code] = actorName(h.b.value(colWho, code), q.Account)
		}
		a := counted[names[code]]
		at := time.UnixMicro(h.b.at(h.i)).UTC()
		if a == nil {
			a = &vault.TrailActor{Principal: names[code], First: at, Last: at}
			counted[names[code]] = a
		}
		if text(h.b.value(colOutcome, h.b.code(colOutcome, h.i))) == event.OutcomeOK {
			a.Done++
		} else {
			a.Failed++
		}
		if at.Before(a.First) {
			a.First = at
		}
		if at.After(a.Last) {
			a.Last = at
		}
	}
	answer.Actors = []vault.TrailActor{}
	for _, a := range counted {
		answer.Actors = append(answer.Actors, *a)
	}
	slices.SortFunc(answer.Actors, func(a, b vault.TrailActor) int {
		if c := b.Last.Compare(a.Last); c != 0 {
			return c
		}
		return strings.Compare(a.Principal, b.Principal)
	})
	if answer.More = len(answer.Actors) > q.Limit; answer.More {
		answer.Actors = answer.Actors[:q.Limit]
	}
	return nil
}

func actorName(value, account string) string {
	w := parseWho(value)
	switch {
	case w.Account != account && w.Account != "":
		id, _, _ := strings.Cut(w.ID, ":")
		return w.Account + "/" + id
	case w.IssuerARN != "":
		return w.IssuerARN
	case w.ARN != "":
		return w.ARN
	case w.ID != "":
		return w.ID
	}
	return w.Type
}
