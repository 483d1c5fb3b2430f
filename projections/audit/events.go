package audit

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"

	"modernc.org/sqlite/vtab"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
)

// eventsTable is the table that a SELECT asks. Columns are called as in a
// CloudTrail record, those of userIdentity without it; a column is NULL where
// the record has no such member. The package comment tells what they hold.
const eventsTable = `CREATE TABLE events(n INTEGER, eventTime TEXT, eventSource TEXT, eventName TEXT, readOnly INTEGER,
	type TEXT, principalId TEXT, arn TEXT, accountId TEXT, accessKeyId TEXT, userName TEXT, roleArn TEXT, invokedBy TEXT,
	sourceIPAddress TEXT, userAgent TEXT, errorCode TEXT, errorMessage TEXT, requestID TEXT, eventID TEXT,
	resources TEXT, keyArn TEXT, secretArn TEXT, record TEXT)`

// The columns of events, in order.
const (
	evN = iota
	evTime
	evSource
	evName
	evReadOnly
	evType
	evPrincipalID
	evARN
	evAccount
	evAccessKey
	evUserName
	evRole
	evInvokedBy
	evAddress
	evAgent
	evError
	evMessage
	evRequest
	evID
	evResources
	evKey
	evSecret
	evRecord
)

// pushed are the columns whose equality narrows the search, with the condition
// that holds at least for those records. SQLite compares again.
var pushed = map[int]vault.TrailField{
	evSource: vault.TrailEventSource, evName: vault.TrailEventName, evReadOnly: vault.TrailReadOnly,
	evARN: vault.TrailPrincipal, evRole: vault.TrailPrincipal,
	evAccessKey: vault.TrailAccessKey, evUserName: vault.TrailUserName, evAddress: vault.TrailSourceAddress,
	evError: vault.TrailErrorCode, evRequest: vault.TrailRequestID, evID: vault.TrailEventID,
	evKey: vault.TrailKey, evSecret: vault.TrailSecret,
}

// selecting is one SELECT while it runs.
type selecting struct {
	*moment
	*renderer
	ctx    context.Context
	query  *vault.TrailQuery
	push   bool  // conditions may narrow the search
	failed error // of the view, which SQLite would tell as its own

	functions int // that it names
}

// eventsModule makes the table of each SELECT, which names itself by a number.
type eventsModule struct {
	mu      sync.Mutex
	last    uint64
	selects map[string]*selecting
}

func (e *eventsModule) begin(s *selecting) (id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	id = strconv.FormatUint(e.last, 10)
	e.selects[id] = s
	return id
}

func (e *eventsModule) end(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.selects, id)
}

// Create makes the table of the SELECT that the last argument names.
func (e *eventsModule) Create(ctx vtab.Context, args []string) (vtab.Table, error) {
	e.mu.Lock()
	s := e.selects[args[len(args)-1]]
	e.mu.Unlock()
	if s == nil {
		return nil, errors.New("no such query")
	}
	return &eventsOf{s}, ctx.Declare(eventsTable)
}

// Connect is Create: the table is used by the connection that made it.
func (e *eventsModule) Connect(ctx vtab.Context, args []string) (vtab.Table, error) {
	return e.Create(ctx, args)
}

type eventsOf struct{ *selecting }

func (t *eventsOf) Disconnect() error          { return nil }
func (t *eventsOf) Destroy() error             { return nil }
func (t *eventsOf) Open() (vtab.Cursor, error) { return &eventsCursor{selecting: t.selecting}, nil }

// comparisons are the operators that narrow a search, as a plan has them.
var comparisons = map[vtab.ConstraintOp]byte{vtab.OpEQ: '=', vtab.OpGT: '>', vtab.OpGE: 'g', vtab.OpLT: '<', vtab.OpLE: 'l'}

// BestIndex makes the plan of a search: for each argument that Filter gets, the
// operator and the column. The order of n is the table's own.
func (t *eventsOf) BestIndex(info *vtab.IndexInfo) error {
	var plan strings.Builder
	cost := 1e7
	args := 0
	for i := range info.Constraints {
		c := &info.Constraints[i]
		op, ok := comparisons[c.Op]
		ranged := c.Column == evN || c.Column == -1 || c.Column == evTime
		_, equal := pushed[c.Column]
		if !ok || !c.Usable || !t.push || !ranged && !(equal && op == '=') {
			continue
		}
		plan.WriteByte(op)
		plan.WriteString(strconv.Itoa(max(c.Column, 0)))
		plan.WriteByte(';')
		c.ArgIndex = args
		args++
		cost /= 10
		if op == '=' {
			cost /= 100
		}
		c.Omit = c.Column == evTime // within is exact; the others SQLite looks at again
	}
	if len(info.OrderBy) == 1 && (info.OrderBy[0].Column == evN || info.OrderBy[0].Column == -1) {
		info.OrderByConsumed = true
		if info.OrderBy[0].Desc {
			info.IdxNum = 1
		}
	}
	info.IdxStr, info.EstimatedCost, info.EstimatedRows = plan.String(), cost, int64(max(cost/10, 1))
	return nil
}

// eventsCursor goes through the records that a plan leaves.
type eventsCursor struct {
	*selecting
	scan   *scan
	at     hit
	done   bool
	lines  lineReader
	broken error // of reading the block, while a column is made
	known
}

// known is what was made of the values of the block that the cursor is in, by
// their codes.
type known struct {
	who   map[int]event.Who
	on    map[int][]resource
	plain [evRecord][]made
}

// made is a column's value; its zero value is one that is not made yet.
type made struct {
	is    bool
	value vtab.Value
}

// Filter begins the search of a plan.
func (c *eventsCursor) Filter(order int, plan string, vals []vtab.Value) error {
	q := vault.TrailQuery{Account: c.query.Account, Management: c.query.Management, Installation: c.query.Installation, From: math.MaxInt64, Through: math.MaxInt64}
	from, to, since, until := uint64(0), uint64(math.MaxInt64), int64(0), int64(math.MaxInt64)
	for i := 0; plan != "" && i < len(vals); i++ {
		var step string
		step, plan, _ = strings.Cut(plan, ";")
		column, err := strconv.Atoi(step[1:])
		if err != nil {
			return err
		}
		switch column {
		case evN:
			if n, ok := vals[i].(int64); ok {
				from, to = narrow(step[0], uint64(max(n, 0)), from, to, n < 0)
			}
		case evTime:
			since, until = within(step[0], vals[i], since, until)
		case evReadOnly:
			if n, ok := vals[i].(int64); ok && (n == 0 || n == 1) {
				q.Where = append(q.Where, vault.TrailCondition{Field: vault.TrailReadOnly, Value: strconv.FormatBool(n == 1)})
			}
		default:
			if s, ok := vals[i].(string); ok && s != internally {
				q.Where = append(q.Where, vault.TrailCondition{Field: pushed[column], Value: s})
			}
		}
	}
	s := newSearch(&q)
	s.from, s.to, s.since, s.until = max(s.from, from), min(s.to, to), since, until
	s.nothing = s.nothing || s.from > s.to || s.since > s.until
	c.scan = c.moment.scan(s, order == 0)
	c.lines = lineReader{log: c.view.log}
	return c.Next()
}

// Next goes to the next record.
func (c *eventsCursor) Next() error {
	h, ok, err := c.scan.next(c.ctx)
	if err != nil {
		return c.fails(err)
	}
	if c.done = !ok; ok {
		if h.b != c.at.b {
			c.known = known{who: map[int]event.Who{}, on: map[int][]resource{}}
		}
		c.at = h
	}
	return nil
}

// fails keeps an error of the view, which SQLite would tell as its own.
func (c *eventsCursor) fails(err error) error {
	if err != nil && c.failed == nil && c.ctx.Err() == nil {
		c.failed = err
	}
	return err
}

// Eof reports whether there is no record left.
func (c *eventsCursor) Eof() bool { return c.done }

// Rowid is the record's n.
func (c *eventsCursor) Rowid() (int64, error) { return int64(c.at.n()), nil }

// Close does nothing: a search holds nothing that must be given back.
func (c *eventsCursor) Close() error { return nil }

// Column is one column of the record, as its account sees it.
func (c *eventsCursor) Column(column int) (vtab.Value, error) {
	v := c.column(column)
	err := c.broken
	c.broken = nil
	return v, c.fails(err)
}

func (c *eventsCursor) column(column int) vtab.Value {
	switch column {
	case evN:
		return int64(c.at.n())
	case evTime:
		at, err := c.at.b.at(c.at.i)
		c.breaks(err)
		return timeText(at)
	case evSource, evName, evReadOnly:
		return c.once(column, colOp)
	case evError:
		return c.once(column, colOutcome)
	case evRequest:
		id, err := c.at.b.requestID(c.at.i)
		c.breaks(err)
		return id
	case evID:
		return eventID(c.installation, c.at.n())
	case evResources, evKey, evSecret:
		return c.resource(column)
	case evRecord:
		record, err := c.record()
		c.breaks(err)
		return record
	case evAddress, evAgent, evMessage:
		who := c.caller()
		switch {
		case who.Type == "AWSService" && column != evMessage:
			return internally
		case column == evAddress:
			return null(c.value(colSource))
		case column == evAgent:
			return null(c.value(colAgent))
		case c.value(colOutcome) == event.OutcomeOK:
			return nil
		case c.foreign(&who):
			return null(who.Unnamed(c.value(colMessage)))
		}
		return null(c.value(colMessage))
	}
	return c.identity(column)
}

// once is a column that is made of one column of the block: once for each value.
func (c *eventsCursor) once(column int, of part) vtab.Value {
	values, code := c.coded(of)
	if c.plain[column] == nil {
		c.plain[column] = make([]made, len(values.values)+1)
	}
	m := &c.plain[column][code]
	if m.is {
		return m.value
	}
	m.is = true
	switch value := text(values.value(code)); column {
	case evSource:
		m.value = eventSource(value)
	case evName:
		_, name := operation(value)
		m.value = name
	case evReadOnly:
		m.value = int64(0)
		if readOnly(value) {
			m.value = int64(1)
		}
	case evError:
		if value != event.OutcomeOK {
			m.value = value
		}
	}
	return m.value
}

func (c *eventsCursor) breaks(err error) {
	if err != nil {
		c.broken = err
	}
}

// coded is a column of the block and the record's code in it.
func (c *eventsCursor) coded(of part) (*content, int) {
	column, err := c.at.b.part(of)
	if err != nil {
		c.breaks(err)
		return &content{}, 0
	}
	return column, int(column.codes.at(c.at.i))
}

// value is a member of the record that is a string, "" if it is absent.
func (c *eventsCursor) value(of part) string {
	column, code := c.coded(of)
	if code == 0 {
		return ""
	}
	return text(column.value(code))
}

func null(s string) vtab.Value {
	if s == "" {
		return nil
	}
	return s
}

func (c *eventsCursor) caller() event.Who {
	whos, code := c.coded(colWho)
	w, ok := c.who[code]
	if !ok {
		w = parseWho(whos.value(code))
		c.who[code] = w
	}
	return w
}

func (c *eventsCursor) foreign(who *event.Who) bool { return isForeign(who, c.account, c.resources()) }

// resources are what the record was about.
func (c *eventsCursor) resources() []resource {
	resources, code := c.coded(colResources)
	all, ok := c.on[code]
	if !ok && code != 0 {
		all = parseResources(resources.value(code))
		c.on[code] = all
	}
	return all
}

// identity is a column of userIdentity.
func (c *eventsCursor) identity(column int) vtab.Value {
	who := c.caller()
	via := c.value(colVia)
	u := identity(&who, via)
	switch {
	case who.Type == "AWSService":
		u = userIdentity{AccountID: c.account, InvokedBy: internally}
	case c.foreign(&who):
		u = userIdentity{Type: "AWSAccount", PrincipalID: who.ID, AccountID: who.Account, InvokedBy: u.InvokedBy}
	}
	switch column {
	case evType:
		return null(u.Type)
	case evPrincipalID:
		return null(u.PrincipalID)
	case evARN:
		return null(u.ARN)
	case evAccount:
		return null(u.AccountID)
	case evAccessKey:
		return null(u.AccessKeyID)
	case evInvokedBy:
		return null(u.InvokedBy)
	}
	if c.foreign(&who) || who.Type == "AWSService" {
		return nil
	}
	if column == evRole {
		return null(who.IssuerARN)
	}
	return null(userName(&who))
}

// resource is a column about the record's resources: those that the account may
// see.
func (c *eventsCursor) resource(column int) vtab.Value {
	names := []string{}
	who := c.caller()
	foreign := c.foreign(&who)
	for _, r := range c.resources() {
		switch {
		case foreign && r.account != c.account:
		case column == evKey && r.typ == "AWS::KMS::Key", column == evSecret && r.typ == "AWS::SecretsManager::Secret":
			return r.arn
		default:
			names = append(names, r.arn)
		}
	}
	if column != evResources || len(names) == 0 {
		return nil
	}
	raw, err := json.Marshal(names)
	if err != nil {
		return nil
	}
	return string(raw)
}

// record is the CloudTrail record itself, from its line in the log.
func (c *eventsCursor) record() (vtab.Value, error) {
	rendered, err := c.moment.rendered(c.ctx, &c.lines, c.renderer, c.at)
	return string(rendered.Event), err
}
