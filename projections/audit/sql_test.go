package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/projections/audit"
)

// run runs a SELECT as an account.
func run(t testing.TB, v *audit.View, account, sql string) *vault.TrailAnswer {
	t.Helper()
	q := query(account)
	q.SQL, q.Limit = sql, 1000
	return ask(t, v, q)
}

// selected demands rows, and gives them as text.
func selected(t testing.TB, v *audit.View, account, sql string) string {
	t.Helper()
	a := run(t, v, account, sql)
	if a.Problem != "" {
		t.Fatalf("%s\n%s", sql, a.Problem)
	}
	raw, err := json.Marshal(a.Rows)
	check(t, err)
	return string(raw)
}

// TestSQLColumns: every column says what the CloudTrail record says.
func TestSQLColumns(t *testing.T) {
	w := newWritten(t, 21).write(6000, 300)
	v := w.newView()
	for _, account := range []string{mine, other} {
		a := run(t, v, account, "SELECT * FROM events WHERE n % 7 = 0 LIMIT 700")
		if a.Problem != "" || len(a.Rows) < 100 {
			t.Fatalf("%d rows: %s", len(a.Rows), a.Problem)
		}
		for _, row := range a.Rows {
			got := map[string]any{}
			for i, name := range a.Columns {
				got[name] = row[i]
			}
			compareColumns(t, &w.records[got["n"].(int64)], account, got)
		}
	}
}

func compareColumns(t *testing.T, r *event.Record, account string, got map[string]any) {
	t.Helper()
	var e struct {
		EventTime, EventSource, EventName, SourceIPAddress, UserAgent, ErrorCode, ErrorMessage, RequestID, EventID string
		ReadOnly                                                                                                   bool
		UserIdentity                                                                                               struct {
			Type, PrincipalId, Arn, AccountId, AccessKeyId, InvokedBy string
			SessionContext                                            struct{ SessionIssuer struct{ Arn string } }
		}
		Resources []struct{ ARN string }
	}
	check(t, json.Unmarshal([]byte(got["record"].(string)), &e))
	u := &e.UserIdentity
	want := map[string]any{
		"eventSource": e.EventSource, "eventName": e.EventName, "sourceIPAddress": e.SourceIPAddress, "userAgent": e.UserAgent,
		"errorCode": e.ErrorCode, "errorMessage": e.ErrorMessage, "requestID": e.RequestID, "eventID": e.EventID,
		"type": u.Type, "principalId": u.PrincipalId, "arn": u.Arn, "accountId": u.AccountId, "accessKeyId": u.AccessKeyId,
		"invokedBy": u.InvokedBy, "roleArn": u.SessionContext.SessionIssuer.Arn,
		"eventTime": r.At.Format("2006-01-02T15:04:05.000000Z"), "n": int64(r.N), "readOnly": map[bool]int64{true: 1}[e.ReadOnly],
	}
	for name, value := range want {
		if value == "" {
			value = nil
		}
		if got[name] != value {
			t.Fatalf("column %s is %v, want %v\n%v", name, got[name], value, got)
		}
	}
	visible := []string{}
	for _, res := range r.Resources {
		if r.Who.Account == account || len(vault.Concerned(r, "")) == 0 || strings.Contains(res, ":"+account+":") {
			visible = append(visible, res)
		}
	}
	first := func(part string) any {
		for _, res := range visible {
			if strings.Contains(res, part) {
				return res
			}
		}
		return nil
	}
	var resources []string
	if text, ok := got["resources"].(string); ok {
		check(t, json.Unmarshal([]byte(text), &resources))
	}
	if len(resources) != len(visible) || got["keyArn"] != first(":key/") || got["secretArn"] != first(":secret:") || len(visible) > 0 && !slices.Equal(resources, visible) {
		t.Fatalf("resources %v, %v, %v of %v", got["resources"], got["keyArn"], got["secretArn"], r.Resources)
	}
}

// TestSQLAgainstAScan: conditions that narrow the search lose nothing and add
// nothing: each finds what it finds where SQLite must look at every record.
func TestSQLAgainstAScan(t *testing.T) {
	w := newWritten(t, 22).write(9000, 400)
	v := w.newView()
	texts := []string{"eventSource", "eventName", "type", "principalId", "arn", "accountId", "accessKeyId", "userName", "roleArn", "sourceIPAddress",
		"errorCode", "requestID", "eventID", "keyArn", "secretArn", "eventTime"}
	for i := range 120 {
		account := pick(w.world, mine, other)
		var where, plain []string
		for range 1 + w.IntN(2) {
			sample := run(t, v, account, fmt.Sprintf("SELECT n, readOnly, %s FROM events ORDER BY n LIMIT 1 OFFSET %d", strings.Join(texts, ", "), w.IntN(3000))).Rows[0]
			column := w.IntN(len(texts))
			name, op, value := texts[column], pick(w.world, "=", "=", "=", "IN", "IS"), fmt.Sprintf("'%v'", sample[2+column])
			switch {
			case sample[2+column] == nil || op == "IS" && w.IntN(2) == 0:
				op, value = "IS", "NULL"
			case name == "eventTime":
				op, value = pick(w.world, ">", ">=", "<", "<=", "="), value[:5+w.IntN(len(value)-5)]
				value = strings.TrimSuffix(value, "'") + "'"
				if len(value) > 21 && w.IntN(2) == 0 {
					value = value[:20] + "Z'"
				}
			case op == "IN":
				value = "(" + value + ", 'none')"
			}
			switch w.IntN(8) {
			case 0:
				name, op, value = "n", pick(w.world, ">", ">=", "<", "<=", "="), fmt.Sprint(sample[0].(int64)-int64(w.IntN(2)))
			case 1:
				name, op, value = "readOnly", "=", fmt.Sprint(sample[1])
			case 2:
				name, op, value = "n", pick(w.world, ">", "<"), pick(w.world, "-3", "2.5", "NULL")
			}
			where = append(where, name+" "+op+" "+value)
			plain = append(plain, "+"+name+" "+op+" "+value) // what has an operator before it is no column to SQLite
		}
		order := pick(w.world, [2]string{"n", "+n"}, [2]string{"n DESC", "+n DESC"}, [2]string{"eventTime, n", "eventTime, n"}, [2]string{"rowid DESC", "+n DESC"})
		got := selected(t, v, account, "SELECT n FROM events WHERE "+strings.Join(where, " AND ")+" ORDER BY "+order[0])
		want := selected(t, v, account, "SELECT n FROM events WHERE "+strings.Join(plain, " AND ")+" ORDER BY "+order[1])
		if got != want {
			t.Fatalf("%d: %v ORDER BY %s\n%.300s\nwant\n%.300s", i, where, order, got, want)
		}
	}
}

// TestSQLCollation: a comparison that takes no notice of case is not narrowed by
// one that does.
func TestSQLCollation(t *testing.T) {
	w := newWritten(t, 23).write(5000, 100)
	v := w.newView()
	want := selected(t, v, mine, "SELECT count(*) FROM events WHERE eventName = 'Decrypt'")
	for _, where := range []string{"eventName = 'dEcRyPt' COLLATE NOCASE", "eventName COLLATE nocase = 'decrypt'", "lower(eventName) = 'decrypt'", "eventName LIKE 'DECRYPT'"} {
		if got := selected(t, v, mine, "SELECT count(*) FROM events WHERE "+where); got != want || got == "[[0]]" {
			t.Errorf("%s: %s, want %s", where, got, want)
		}
	}
}

// TestSQLTimes: the time compared with any value finds what it finds where SQLite
// compares it itself.
func TestSQLTimes(t *testing.T) {
	w := newWritten(t, 25).write(1200, 10)
	v := w.newView()
	at := run(t, v, mine, "SELECT eventTime FROM events WHERE n >= 700 LIMIT 1").Rows[0][0].(string)
	some := 0
	for _, value := range []string{
		"'" + at + "'", "'" + at[:26] + "'", "'" + at[:19] + "Z'", "'" + at[:19] + "'", "'" + at[:10] + "'", "'" + at + "x'", "'" + at[:25] + "y'",
		"'2026-1'", "'2026-13-45'", "'1969-12-31'", "'0'", "''", "'x'", "'9999-12-31T23:59:59.999999Z'", "'9999-12-31T23:59:59.999999Zz'",
		"2026", "2026.5", "-1", "1e300", "x''", "x'39'", "NULL", "'2026-' || '11-23T10'", "strftime('%Y', '" + at + "')",
	} {
		for _, op := range []string{"<", "<=", "=", ">=", ">", "IS", "<>"} {
			got := selected(t, v, mine, "SELECT count(*), min(n), max(n) FROM events WHERE eventTime "+op+" "+value)
			want := selected(t, v, mine, "SELECT count(*), min(n), max(n) FROM events WHERE CASE WHEN 1 THEN CAST(eventTime AS TEXT) END "+op+" "+castable(value))
			if got != want {
				t.Errorf("eventTime %s %s: %s, want %s", op, value, got, want)
			}
			if got != "[[0,null,null]]" {
				some++
			}
		}
	}
	if some < 50 {
		t.Errorf("%d of the comparisons find something", some)
	}
	got := selected(t, v, mine, "SELECT count(*) FROM events WHERE (eventTime, n) > ('"+at+"', 700)")
	if want := selected(t, v, mine, "SELECT count(*) FROM events WHERE eventTime > '"+at+"' OR eventTime = '"+at+"' AND n > 700"); got != want || got == "[[0]]" {
		t.Errorf("a pair is compared as %s, want %s", got, want)
	}
}

// castable is a number as the text that a column of text compares with.
func castable(value string) string {
	if value != "NULL" && strings.Trim(value, "-.e0123456789") == "" {
		return "CAST(" + value + " AS TEXT)"
	}
	return value
}

// TestSQLUses: what people ask.
func TestSQLUses(t *testing.T) {
	w := newWritten(t, 24).write(5000, 100)
	v := w.newView()
	for _, tt := range []struct{ sql, want string }{
		{"SELECT 1, 'a', 2.5, NULL, x'00ff'", `[[1,"a",2.5,null,"AP8="]]`},
		{"SELECT 1e999, -1e999", `[["+Inf","-Inf"]]`},
		{"SELECT 'a;b' -- ; a comment\n ; ", `[["a;b"]]`},
		{"/* ; */ VALUES (1), (2)", `[[1],[2]]`},
		{"WITH d AS (SELECT eventName AS e, count(*) AS c FROM events GROUP BY 1) SELECT sum(c) = (SELECT count(*) FROM events) FROM d", `[[1]]`},
		{"SELECT count(DISTINCT record ->> '$.eventVersion'), min(record ->> '$.eventVersion') FROM events WHERE n < 50", `[[1,"1.11"]]`},
		{"SELECT count(*) > 0 FROM events, json_each(events.resources) WHERE json_each.value LIKE 'arn:aws:kms:%'", `[[1]]`},
		{"SELECT count(*) FROM events AS a JOIN events AS b ON a.requestID = b.requestID AND a.n + 1 = b.n AND b.invokedBy IS NOT NULL WHERE a.n < 100", ""},
		{"WITH d AS (SELECT n FROM events WHERE n < 50) SELECT count(*) = 2500 FROM (VALUES (1)), d a, d b", ""},
		{"SELECT count(*) = (SELECT count(*) FROM events) FROM events a JOIN events b USING (n)", "[[1]]"},
		{"SELECT eventName, count(*) FILTER (WHERE errorCode IS NOT NULL), row_number() OVER (ORDER BY eventName) FROM events GROUP BY 1 ORDER BY 1 LIMIT 2", ""},
	} {
		if got := selected(t, v, mine, tt.sql); tt.want != "" && got != tt.want {
			t.Errorf("%s\n%s, want %s", tt.sql, got, tt.want)
		}
	}
	a := run(t, v, mine, "SELECT n, eventName AS what FROM events")
	if len(a.Rows) != 1000 || !a.More || !slices.Equal(a.Columns, []string{"n", "what"}) {
		t.Errorf("%d rows, more: %v, columns %v", len(a.Rows), a.More, a.Columns)
	}
	if a := run(t, v, mine, "SELECT printf('%.*c', 100000, 'x') FROM events"); len(a.Rows) == 0 || len(a.Rows) > 6 || !a.More {
		t.Errorf("%d rows of 100 kB, more: %v", len(a.Rows), a.More)
	}
}

// TestSQLRefused: nothing but reading, and nothing but the account's events.
func TestSQLRefused(t *testing.T) {
	w := newWritten(t, 25).write(6000, 100)
	path := filepath.Join(t.TempDir(), "audit.db")
	v := w.view(path)
	aside := filepath.Join(t.TempDir(), "aside.db")
	for _, sql := range []string{
		" ", ";", "-- nothing", "SELECT", "SELECT 1; SELECT 2", "SELECT 1;;", "SELECT 1; DROP TABLE events", "SELECT 1\x00; SELECT 2",
		"INSERT INTO events(n) VALUES (1)", "UPDATE events SET n = 1", "DELETE FROM events", "DROP TABLE events", "REPLACE INTO events(n) VALUES (1)",
		"CREATE TABLE t(x)", "CREATE TEMP TABLE t AS SELECT * FROM events", "CREATE VIEW v AS SELECT 1", "CREATE TEMP TRIGGER x INSERT ON events BEGIN SELECT 1; END",
		"CREATE VIRTUAL TABLE e USING keytrail_events(1)", "CREATE VIRTUAL TABLE temp.e USING fts5(x)", "ALTER TABLE events RENAME TO e",
		"WITH x AS (SELECT 1) DELETE FROM events", "WITH x AS (SELECT 1) INSERT INTO events(n) SELECT 1",
		"ATTACH '" + path + "' AS a", "ATTACH '" + aside + "' AS a", "DETACH main", "VACUUM INTO '" + aside + "'", "REINDEX", "ANALYZE",
		"PRAGMA user_version = 7", "PRAGMA temp_store_directory = '/'", "PRAGMA database_list", "SELECT * FROM pragma_database_list", "SELECT * FROM pragma_table_info('events')",
		"SELECT * FROM pragma_compile_options",
		"BEGIN", "SAVEPOINT a", "COMMIT", "EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN SELECT 1",
		"SELECT load_extension('/lib/x.so')", "SELECT fts3_tokenizer('simple')", "SELECT writefile('x', 'y')", "SELECT readfile('/etc/passwd')",
		"SELECT * FROM sqlite_schema", "SELECT * FROM sqlite_master", "SELECT name FROM sqlite_temp_master", "SELECT * FROM main.sqlite_schema",
		"SELECT * FROM block", "SELECT * FROM keytrail_events", "SELECT * FROM keytrail_events(1)", "SELECT * FROM keytrail_events('2')",
		"SELECT * FROM dbstat", "SELECT count(*) FROM dbstat", "SELECT count(*) FROM sqlite_schema", "SELECT count(*) FROM pragma_database_list", "SELECT count(*) FROM sqlite_dbpage",
		"SELECT 1 FROM sqlite_stmt", "SELECT count(*) FROM bytecode('SELECT 1')", "SELECT * FROM sqlite_dbpage", "SELECT data FROM sqlite_dbpage('main')", "SELECT * FROM fsdir('/')",
		"WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r",
		"WITH r(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM r) SELECT * FROM r LIMIT 1",
		"SELECT * FROM events WHERE n = ?", "SELECT zeroblob(2000000)", "SELECT * FROM nothing", "SELECT nothing FROM events",
		strings.Repeat("SELECT 1 UNION ALL ", 30) + "SELECT 1", "SELECT " + strings.Repeat("abs(", 200) + "1" + strings.Repeat(")", 200),
	} {
		a := run(t, v, mine, sql)
		if a.Problem == "" || a.Rows != nil {
			t.Errorf("%q is answered with %d rows: %.200v", sql, len(a.Rows), a.Rows)
		}
	}
	if _, err := os.Stat(aside); err == nil {
		t.Error("a SELECT has made a file")
	}
	if got := list(t, v, query(mine)); !slices.Equal(got, w.scan(query(mine))) {
		t.Error("the view has changed")
	}
}

// TestSQLAccount: a SELECT sees the records of its own account, and of the calls
// of others on its resources no more than a CloudTrail record shows.
func TestSQLAccount(t *testing.T) {
	w := newWritten(t, 26).write(9000, 300)
	v := w.newView()
	for _, account := range []string{mine, other} {
		want := w.scan(query(account))
		if got := selected(t, v, account, "SELECT count(*), count(DISTINCT n) FROM events"); got != fmt.Sprintf("[[%d,%d]]", len(want), len(want)) {
			t.Errorf("%s sees %s records, want %d", account, got, len(want))
		}
		foreign := "accountId IS NOT '" + account + "' AND type <> 'Unknown'"
		if got := selected(t, v, account, "SELECT count(*) > 100, count(arn), count(accessKeyId), count(userName), count(roleArn), min(type), max(type) FROM events WHERE "+foreign); got != `[[1,0,0,0,0,"AWSAccount","AWSAccount"]]` {
			t.Errorf("foreign callers are shown as %s", got)
		}
		theirs := map[string]string{mine: other, other: mine}[account]
		if got := selected(t, v, account, "SELECT count(*) FROM events WHERE "+foreign+" AND (record LIKE '%:"+theirs+":user/%' OR record LIKE '%"+theirs+":key%' OR errorMessage LIKE '%:"+theirs+":%')"); got != "[[0]]" {
			t.Errorf("names of the other account are shown in %s records", got)
		}
		if got := selected(t, v, "999999999999", "SELECT count(*) FROM events"); got != "[[0]]" {
			t.Errorf("an account without records sees %s", got)
		}
	}
}

// TestSQLBounds: what would take for ever or all memory is cut off, the caller is
// told, and the next SELECT and the view go on.
func TestSQLBounds(t *testing.T) {
	w := newWritten(t, 27).write(9000, 500)
	v := w.newView()
	for _, tt := range []struct{ name, sql, want string }{
		{"time", "WITH d(x) AS (VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)) SELECT count(*) FROM d a, d b, d c, d e, d f, d g, d h, d i, d j, d k", "longer than"},
		{"sort", "SELECT a.record FROM events a, events b ORDER BY random()", "was ended"},
		{"distinct", "SELECT count(*) FROM (SELECT DISTINCT a.n, b.n, printf('%.*c', 2000, 'x') FROM events a, events b)", "memory"},
		{"large values", "SELECT a.n, printf('%.*c', 200000, 'x') AS s FROM events a, events b GROUP BY a.n, b.n ORDER BY random()", "was ended"},
		{"concatenation", "SELECT group_concat(record) FROM events", "too big"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			a := run(t, v, mine, tt.sql)
			if !strings.Contains(a.Problem, tt.want) || a.Rows != nil {
				t.Errorf("%d rows, problem %q, want one of %s", len(a.Rows), a.Problem, tt.want)
			}
			t.Logf("%s after %s", a.Problem, time.Since(began).Round(time.Millisecond))
			if got := selected(t, v, mine, "SELECT 1"); got != "[[1]]" {
				t.Errorf("the next SELECT gives %s", got)
			}
		})
	}
	w.write(5000, 100)
	w.follow(v)
	if got := list(t, v, query(mine)); !slices.Equal(got, w.scan(query(mine))) {
		t.Error("the view has lost records")
	}
}

// TestSQLPatterns: one step of SQLite cannot be interrupted, so none may be long.
func TestSQLPatterns(t *testing.T) {
	w := newWritten(t, 28).write(10, 5)
	v := w.newView()
	for _, sql := range []string{
		"SELECT printf('%.*c', 262000, 'a') LIKE '" + strings.Repeat("%a", 100) + "b'",
		"SELECT printf('%.*c', 262000, 'a') GLOB '" + strings.Repeat("*a", 100) + "b'",
		"SELECT printf('%.*c', 262000, 'a') LIKE '" + strings.Repeat("%_", 100) + "b'",
		"SELECT length(replace(printf('%.*c', 262000, 'a'), 'a', 'ab'))",
		"SELECT instr(printf('%.*c', 262000, 'a'), printf('%.*c', 131000, 'a') || 'b')",
	} {
		began := time.Now()
		run(t, v, mine, sql)
		t.Logf("%s: %.60s", time.Since(began), sql)
	}
}

// TestSQLEndsWithItsCaller: a SELECT whose caller has gone ends.
func TestSQLEndsWithItsCaller(t *testing.T) {
	w := newWritten(t, 29).write(5000, 500)
	v := w.newView()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	q := query(mine)
	q.SQL = "SELECT count(*) FROM events a, events b, events c"
	if a, err := v.Query(ctx, q); err == nil {
		t.Errorf("%+v", a)
	}
	if got := selected(t, v, mine, "SELECT 1"); got != "[[1]]" {
		t.Error(got)
	}
}

// FuzzSQL: whatever is written, the view answers or says what is wrong, and stays
// as it is.
func FuzzSQL(f *testing.F) {
	w := newWritten(f, 30).write(300, 30)
	v := w.newView()
	want := selected(f, v, mine, "SELECT count(*), sum(n) FROM events")
	for _, seed := range []string{"SELECT * FROM events", "SELECT n FROM events WHERE n > 3 ORDER BY n DESC", "WITH a AS (SELECT 1) SELECT * FROM a",
		"SELECT record ->> '$.eventName' FROM events WHERE eventTime > '2026'", "SELECT 'a;' \"b\" `c` [d] -- e\n/* f */", "VALUES (1)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		a := run(t, v, mine, sql)
		if a.Problem == "" {
			if _, err := json.Marshal(a.Rows); err != nil {
				t.Fatalf("the answer is no JSON: %v", err)
			}
		}
		if got := selected(t, v, mine, "SELECT count(*), sum(n) FROM events"); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}
