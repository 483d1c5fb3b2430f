package audit

import (
	"context"
	"errors"
	"fmt"
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

var (
	errClosed = errors.New("audit: the view is closed")
	errBehind = errors.New("audit: the view does not hold what was asked about")
)

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
	if m.seen < q.Held {
		return nil, fmt.Errorf("%w: it is at sequence %d, the question at %d", errBehind, m.seen, q.Held)
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

// records renders what the search finds, up to the query's limit.
func (m *moment) records(ctx context.Context, q *vault.TrailQuery, answer *vault.TrailAnswer) error {
	r := &renderer{account: q.Account, installation: q.Installation, region: q.Region}
	lines := lineReader{log: m.view.log}
	weight := 0
	found := m.scan(newSearch(q), q.Ascending)
	for {
		h, ok, err := found.next(ctx)
		if err != nil || !ok {
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
	seq, at, err := b.place(i)
	if err != nil {
		return nil, err
	}
	if r.commit.Seq != seq {
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
	names := &actorNames{account: q.Account, known: map[string]string{}}
	found := m.scan(newSearch(q), true)
	for {
		h, ok, err := found.next(ctx)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := count(counted, names, h); err != nil {
			return err
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

// count takes a record into the counts of who did it.
func count(counted map[string]*vault.TrailActor, names *actorNames, h hit) error {
	who, err := h.b.value(colWho, h.i)
	if err != nil {
		return err
	}
	outcome, err := h.b.value(colOutcome, h.i)
	if err != nil {
		return err
	}
	micros, err := h.b.at(h.i)
	if err != nil {
		return err
	}
	name := names.of(who)
	a, at := counted[name], time.UnixMicro(micros).UTC()
	if a == nil {
		a = &vault.TrailActor{Principal: name, First: at, Last: at}
		counted[name] = a
	}
	if text(outcome) == event.OutcomeOK {
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
	return nil
}

// actorNames are what callers are called, by their stored value. Roles may have had
// millions of sessions, each a value of its own: the last ones are remembered.
type actorNames struct {
	account string
	known   map[string]string
}

const mostNames = 16 << 10

func (a *actorNames) of(who string) string {
	name, ok := a.known[who]
	if !ok {
		if len(a.known) == mostNames {
			clear(a.known)
		}
		name = actorName(who, a.account)
		a.known[who] = name
	}
	return name
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
