package audit

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

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
	next  func() (hit, error, bool)
	stop  func()
	at    hit
	done  bool
	lines lineReader
	who   map[int]event.Who  // of the block of at, by code
	on    map[int][]resource // likewise
}

// Filter begins the search of a plan.
func (c *eventsCursor) Filter(order int, plan string, vals []vtab.Value) error {
	c.Close()
	q := vault.TrailQuery{Account: c.query.Account, Installation: c.query.Installation, From: math.MaxInt64, Through: math.MaxInt64}
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
			if s, ok := vals[i].(string); ok {
				if at, ok := timeFrom(s); ok {
					since, until = within(step[0], at, since, until)
				}
			}
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
	c.next, c.stop = iter.Pull2(c.hits(c.ctx, s, order == 0))
	c.lines = lineReader{log: c.view.log}
	return c.Next()
}

// narrow takes a comparison of n into its bounds, both included.
func narrow(op byte, n, from, to uint64, negative bool) (uint64, uint64) {
	if negative {
		if op == '>' || op == 'g' {
			return from, to
		}
		return 1, 0
	}
	switch op {
	case '=':
		return max(from, n), min(to, n)
	case '>', 'g':
		return max(from, n), to
	}
	return from, min(to, n)
}

// within takes a comparison of the time into its bounds, both included.
func within(op byte, at, since, until int64) (int64, int64) {
	switch op {
	case '=':
		return max(since, at), min(until, at)
	case '>', 'g':
		return max(since, at), until
	}
	return since, min(until, at)
}

const (
	timeForm  = "2006-01-02T15:04:05.000000Z"
	firstTime = "0001-01-01T00:00:00.000000Z"
)

// timeFrom is the first time whose text is not before s, where s begins like
// one: "2026-11-23" is its midnight.
func timeFrom(s string) (micros int64, ok bool) {
	if len(s) < len("2006") || len(s) > len(timeForm) {
		return 0, false
	}
	if whole, ok := strings.CutSuffix(s, "Z"); ok && len(whole) == len("2006-01-02T15:04:05") {
		// Z comes after the point of a fraction: the whole second is before it.
		at, err := time.Parse("2006-01-02T15:04:05", whole)
		at = at.Add(time.Second)
		return at.UnixMicro(), err == nil && at.UnixMicro() >= 0
	}
	at, err := time.Parse(timeForm, s+firstTime[len(s):])
	return at.UnixMicro(), err == nil && at.UnixMicro() >= 0
}

// Next goes to the next record.
func (c *eventsCursor) Next() error {
	h, err, ok := c.next()
	if err != nil {
		if c.failed == nil && c.ctx.Err() == nil {
			c.failed = err
		}
		return err
	}
	if c.done = !ok; ok {
		if h.selection != c.at.selection {
			c.who, c.on = map[int]event.Who{}, map[int][]resource{}
		}
		c.at = h
	}
	return nil
}

// Eof reports whether there is no record left.
func (c *eventsCursor) Eof() bool { return c.done }

// Rowid is the record's n.
func (c *eventsCursor) Rowid() (int64, error) { return int64(c.at.n()), nil }

// Close ends the search.
func (c *eventsCursor) Close() error {
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
	return nil
}

// Column is one column of the record, as its account sees it.
func (c *eventsCursor) Column(column int) (vtab.Value, error) {
	b, i := c.at.b, c.at.i
	switch column {
	case evN:
		return int64(c.at.n()), nil
	case evTime:
		return time.UnixMicro(b.at(i)).UTC().Format(timeForm), nil
	case evSource:
		return eventSource(c.value(colOp)), nil
	case evName:
		_, name := operation(c.value(colOp))
		return name, nil
	case evReadOnly:
		if readOnly(c.value(colOp)) {
			return int64(1), nil
		}
		return int64(0), nil
	case evError:
		if code := c.value(colOutcome); code != event.OutcomeOK {
			return code, nil
		}
		return nil, nil
	case evRequest:
		return b.requestID(i), nil
	case evID:
		return eventID(c.installation, c.at.n()), nil
	case evResources, evKey, evSecret:
		return c.resource(column), nil
	case evRecord:
		record, err := c.record()
		if err != nil && c.failed == nil && c.ctx.Err() == nil {
			c.failed = err
		}
		return record, err
	case evAddress, evAgent, evMessage:
		who := c.caller()
		switch {
		case who.Type == "AWSService" && column != evMessage:
			return internally, nil
		case column == evAddress:
			return null(c.value(colSource)), nil
		case column == evAgent:
			return null(c.value(colAgent)), nil
		case c.value(colOutcome) == event.OutcomeOK:
			return nil, nil
		case who.Account != c.account:
			return null(withoutNames(c.value(colMessage), &who)), nil
		}
		return null(c.value(colMessage)), nil
	}
	return c.identity(column), nil
}

// value is a member of the record that is a string, "" if it is absent.
func (c *eventsCursor) value(col column) string {
	code := c.at.b.code(col, c.at.i)
	if code == 0 {
		return ""
	}
	return text(c.at.b.value(col, code))
}

func null(s string) vtab.Value {
	if s == "" {
		return nil
	}
	return s
}

func (c *eventsCursor) caller() event.Who {
	code := c.at.b.code(colWho, c.at.i)
	w, ok := c.who[code]
	if !ok {
		w = parseWho(c.at.b.value(colWho, code))
		c.who[code] = w
	}
	return w
}

// identity is a column of userIdentity.
func (c *eventsCursor) identity(column int) vtab.Value {
	who := c.caller()
	via := c.value(colVia)
	u := identity(&who, via)
	switch {
	case who.Type == "AWSService":
		u = userIdentity{AccountID: c.account, InvokedBy: internally}
	case who.Account != c.account:
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
	if who.Account != c.account || who.Type == "AWSService" {
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
	code := c.at.b.code(colResources, c.at.i)
	all, ok := c.on[code]
	if !ok && code != 0 {
		all = parseResources(c.at.b.value(colResources, code))
		c.on[code] = all
	}
	names := []string{}
	own := c.caller().Account == c.account
	for _, r := range all {
		switch {
		case !own && r.account != c.account:
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
