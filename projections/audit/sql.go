package audit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"modernc.org/libc"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/keytrail/keytrail/domain/vault"
)

// A SELECT of a caller runs on a database of its own in memory, made for it and
// gone after it, in which there is nothing but the table events: the records of
// the caller's account, read from the view as the SELECT goes along. What SQLite
// may do at all is said by authorize; how much, by these bounds.
const (
	sqlTime     = 5 * time.Second
	sqlMemory   = 64 << 20  // of SQLite while the SELECT runs
	sqlHardHeap = 256 << 20 // of SQLite in this process, whatever happens
	sqlValue    = 256 << 10 // bytes of one value or row: a CloudTrail record is no larger, and a step of SQLite over two of them is not long
)

var sqlLimits = map[int]int{
	sqlite3.SQLITE_LIMIT_LENGTH: sqlValue, sqlite3.SQLITE_LIMIT_SQL_LENGTH: 64 << 10, sqlite3.SQLITE_LIMIT_COLUMN: 100,
	sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100, sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20, sqlite3.SQLITE_LIMIT_VDBE_OP: 8_000,
	sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 20, sqlite3.SQLITE_LIMIT_ATTACHED: 0, sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 256,
	sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 1, sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1, sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}

// Ends of a SELECT that its author is told of.
var (
	errSQLTime   = fmt.Errorf("the query took longer than %s; ask for less, or with conditions on n, eventTime or another column as it is", sqlTime)
	errSQLMemory = fmt.Errorf("the query needed more than %d MiB of memory; ask for less", sqlMemory>>20)
)

// engine is SQLite as this package uses it: with its memory counted, and with the
// module of the table events.
type engine struct {
	driver *sqlite.Driver
	events *eventsModule
	tls    *libc.TLS
	one    chan struct{} // held by the SELECT that runs: the memory is its own then
}

// sqlEngine makes the engine before the first connection of the process is
// opened: SQLite's configuration cannot be changed afterwards.
var sqlEngine = sync.OnceValues(func() (*engine, error) {
	e := &engine{driver: &sqlite.Driver{}, events: &eventsModule{selects: map[string]*selecting{}}, tls: libc.NewTLS(), one: make(chan struct{}, 1)}
	list := libc.Xmalloc(e.tls, 8)
	if list == 0 {
		return nil, errors.New("audit: no memory")
	}
	defer libc.Xfree(e.tls, list)
	if rc := sqlite3.Xsqlite3_config(e.tls, sqlite3.SQLITE_CONFIG_MEMSTATUS, libc.VaList(list, int32(1))); rc != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("audit: SQLite does not count its memory: code %d", rc)
	}
	sqlite3.Xsqlite3_hard_heap_limit64(e.tls, sqlHardHeap)
	return e, errors.Join(registerFunctions(e.driver), e.driver.RegisterModule("keytrail_events", e.events))
})

// Connect and Driver make the engine a driver.Connector of databases in memory.
func (e *engine) Connect(context.Context) (driver.Conn, error) { return e.driver.Open(":memory:") }

// Driver is SQLite's.
func (e *engine) Driver() driver.Driver { return e.driver }

// used is how many bytes SQLite holds in this process. The caller holds one.
func (e *engine) used() int64 { return sqlite3.Xsqlite3_memory_used(e.tls) }

// runSQL runs the query's SELECT. What is wrong with it goes into the answer's
// Problem; an error is one of the view's own.
func (m *moment) runSQL(ctx context.Context, q *vault.TrailQuery, answer *vault.TrailAnswer) error {
	if problem := oneStatement(q.SQL); problem != "" {
		answer.Problem = problem
		return nil
	}
	e, err := sqlEngine()
	if err != nil {
		return err
	}
	select {
	case e.one <- struct{}{}:
		defer func() { <-e.one }()
	case <-ctx.Done():
		return ctx.Err()
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(sqlTime, func() { cancel(errSQLTime) }).Stop()
	s := &selecting{moment: m, ctx: limited, query: q,
		renderer: &renderer{account: q.Account, installation: q.Installation, region: q.Region},
		push:     !strings.Contains(strings.ToLower(q.SQL), "collate")} // SQLite does not say by which collation it compares
	err = e.run(limited, cancel, s, answer)
	switch cause := context.Cause(limited); {
	case s.failed != nil && limited.Err() == nil:
		return s.failed
	case errors.Is(cause, errSQLTime) || errors.Is(cause, errSQLMemory):
		answer.Problem = "The query was ended: " + cause.Error() + "."
	case ctx.Err() != nil:
		return ctx.Err()
	case s.functions > maxFunctions:
		answer.Problem = fmt.Sprintf("The query names more than %d functions.", maxFunctions)
	case err != nil:
		answer.Problem = sqlProblem(err)
	}
	if answer.Problem != "" {
		answer.Columns, answer.Rows, answer.More = nil, nil, false
	}
	return nil
}

func (e *engine) run(ctx context.Context, cancel context.CancelCauseFunc, s *selecting, answer *vault.TrailAnswer) error {
	db := sql.OpenDB(e)
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	id := e.events.begin(s)
	defer e.events.end(id)
	// Everything stays in memory, where it is counted: a sort that spills to disk
	// would fill the disk that the log needs.
	_, err = conn.ExecContext(ctx, "PRAGMA temp_store = MEMORY; CREATE VIRTUAL TABLE events USING keytrail_events("+id+")")
	if err != nil {
		return err
	}
	for limit, value := range sqlLimits {
		if _, err := sqlite.Limit(conn, limit, value); err != nil {
			return err
		}
	}
	err = conn.Raw(func(c any) error { return c.(sqlite.AuthorizerRegisterer).RegisterAuthorizer(s.authorize) })
	if err != nil {
		return err
	}
	watching := make(chan struct{})
	defer func() { <-watching }()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		defer close(watching)
		e.watch(ended, e.used()+sqlMemory, cancel)
	}()
	rows, err := conn.QueryContext(ctx, s.query.SQL)
	if err != nil {
		return err
	}
	defer rows.Close()
	return take(rows, s.query.Limit, answer)
}

// sqlProblem is an error of SQLite as the author of the statement reads it.
func sqlProblem(err error) string {
	text := err.Error()
	var e *sqlite.Error
	if errors.As(err, &e) {
		text = strings.TrimPrefix(strings.TrimSuffix(text, " ("+strconv.Itoa(e.Code())+")"), "SQL logic error: ")
		if e.Code()&0xff == sqlite3.SQLITE_AUTH {
			text = strings.TrimPrefix(text, "authorization denied: ") + "; a query reads the table events and nothing else, without recursion"
		}
	}
	return "SQL: " + text + "."
}

// watch ends the SELECT when SQLite has more memory than it may.
func (e *engine) watch(ended <-chan struct{}, most int64, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			if e.used() > most {
				cancel(errSQLMemory)
				return
			}
		}
	}
}

// take reads rows, up to a number and to what a reply can weigh.
func take(rows *sql.Rows, limit int, answer *vault.TrailAnswer) error {
	var err error
	if answer.Columns, err = rows.Columns(); err != nil {
		return err
	}
	answer.Rows = [][]any{}
	weight := 0
	for rows.Next() {
		row := make([]any, len(answer.Columns))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i := range row {
			row[i] = shown(row[i])
			weight += 24 // a number at its longest
			if s, ok := row[i].(string); ok {
				weight += inReply([]byte(s))
			}
		}
		if len(answer.Rows) == limit || weight > answerBytes {
			answer.More = true
			if len(answer.Rows) == 0 {
				return fmt.Errorf("one row is larger than the %d KiB that an answer may hold", answerBytes>>10)
			}
			return nil
		}
		answer.Rows = append(answer.Rows, row)
	}
	return rows.Err()
}

// shown is a value as JSON can have it: bytes in base64, numbers that JSON does
// not have as text.
func shown(v any) any {
	switch v := v.(type) {
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case string:
		if !utf8.ValidString(v) {
			return strings.ToValidUTF8(v, "\uFFFD")
		}
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	}
	return v
}

// readable are the tables of a SELECT: the account's events, and those that take
// JSON apart.
var readable = map[string]bool{"events": true, "json_each": true, "json_tree": true}

// internalTables tell of the database, not of events.
var internalTables = map[string]bool{"dbstat": true, "bytecode": true, "tables_used": true}

// unsafeFunctions reach out of the SELECT, and have no use in one.
var unsafeFunctions = map[string]bool{"load_extension": true, "fts3_tokenizer": true, "fts5": true, "rtreecheck": true, "sqlite_log": true}

// authorize lets SQLite compile reading and nothing else. Recursion is how a
// short statement makes endless rows, and no question about events needs it.
func authorize(action sqlite.AuthorizerActionCode, arg1, arg2, _, _ string) sqlite.AuthorizerReturnCode {
	ok := false
	switch action {
	case sqlite3.SQLITE_SELECT:
		ok = true
	case sqlite3.SQLITE_READ:
		// Without a column, the table may be one that the SELECT itself names.
		name := strings.ToLower(arg1)
		ok = readable[name] || arg2 == "" && !strings.HasPrefix(name, "sqlite_") && !strings.HasPrefix(name, "pragma_") && !internalTables[name]
	case sqlite3.SQLITE_FUNCTION:
		name := strings.ToLower(arg2)
		ok = !unsafeFunctions[name] && !slowFunctions[name]
	}
	if ok {
		return sqlite.AuthorizerOK
	}
	return sqlite.AuthorizerDeny
}

// authorize is authorize for as many functions as one SELECT may name.
func (s *selecting) authorize(action sqlite.AuthorizerActionCode, arg1, arg2, arg3, arg4 string) sqlite.AuthorizerReturnCode {
	if action == sqlite3.SQLITE_FUNCTION {
		if s.functions++; s.functions > maxFunctions {
			return sqlite.AuthorizerDeny
		}
	}
	return authorize(action, arg1, arg2, arg3, arg4)
}

// oneStatement says what is wrong with a text that is not one SELECT. What begins
// like one and is none, the authorizer refuses.
func oneStatement(text string) string {
	const want = "Sql is one SELECT statement over the table events."
	if strings.IndexByte(text, 0) >= 0 {
		return want
	}
	first, ended := "", false
	for rest := text; rest != ""; {
		size, kind := token(rest)
		word := rest[:size]
		rest = rest[size:]
		switch {
		case kind == blank:
			continue
		case ended:
			return want
		case word == ";":
			ended = true
		case first == "":
			first = strings.ToLower(word)
		}
	}
	if first != "select" && first != "with" && first != "values" {
		return want
	}
	return ""
}

// Kinds of tokens, as far as oneStatement needs them.
const (
	blank = iota // space or a comment
	solid
)

// token is the size of the first token of SQL.
func token(s string) (size, kind int) {
	through := func(from int, end string, kind int) (int, int) {
		if i := strings.Index(s[from:], end); i >= 0 {
			return from + i + len(end), kind
		}
		return len(s), kind
	}
	switch c := s[0]; {
	case c == ' ' || c >= '\t' && c <= '\r':
		return 1, blank
	case strings.HasPrefix(s, "--"):
		return through(2, "\n", blank)
	case strings.HasPrefix(s, "/*"):
		return through(2, "*/", blank)
	case c == '\'' || c == '"' || c == '`':
		return through(1, string(c), solid) // a doubled quote begins the next one
	case c == '[':
		return through(1, "]", solid)
	case letter(c):
		n := 1
		for n < len(s) && letter(s[n]) {
			n++
		}
		return n, solid
	}
	return 1, solid
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
}

// corrupt reports whether SQLite found its file to be none of its own.
func corrupt(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_CORRUPT || e.Code()&0xff == sqlite3.SQLITE_NOTADB)
}
