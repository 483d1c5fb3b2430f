package audit_test

import (
	"strings"
	"testing"
	"time"
)

// TestSQLFunctions: what is made anew says what SQLite's own says.
func TestSQLFunctions(t *testing.T) {
	v := newWritten(t, 3).write(10, 10).newView()
	got := selected(t, v, mine, `SELECT instr('äöü','ü'), instr('abc',''), instr('abc','d'), instr(x'010203',x'0203'), instr(12345,34), instr(NULL,'a'),
		replace('aXbX','X','--'), replace('abc','','-'), replace(101,0,7), replace(1.0,'.','-'), replace('a',NULL,'b'),
		trim('xyaxbyx','xy'), ltrim('xxa','x'), rtrim('axx','x'), trim('äaä','ä'), trim('  a '), trim('a',''), trim('a',NULL)`)
	want := `[[3,1,0,2,3,null,"a--b--","abc","171","1-0",null,"axb","a","a","a","a","a",null]]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestSQLStepsAreShort: SQLite does not look whether a SELECT was ended until it is
// through with a row, so no row may take long.
func TestSQLStepsAreShort(t *testing.T) {
	v := newWritten(t, 3).write(10, 10).newView()
	long := `FROM (SELECT printf('%.*c',250000,'a') x, printf('%.*c',125000,'a')||'b' y, printf('%.*c',20000,'b')||'a' z)`
	sum := func(term string) string {
		return "SELECT " + strings.TrimSuffix(strings.Repeat(term+"+", 50), "+") + " " + long
	}
	for _, sql := range []string{
		sum("instr(x,y)"), sum("(replace(x,y,'c')=x)"), sum("(trim(x,z)=x)"), sum("(ltrim(x,z)=x)"), sum("(rtrim(x,z)=x)"), sum("(x LIKE '%a%a%a%b')"),
	} {
		began := time.Now()
		if a := run(t, v, mine, sql); a.Problem != "" {
			t.Errorf("%s: %s", sql[:40], a.Problem)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %s", sql[:40], took)
		}
	}
	for sql, want := range map[string]string{
		"SELECT unhex('0', 'x')":                                           "not authorized to use function: unhex",
		"SELECT json_patch('{}','{}')":                                     "not authorized to use function: json_patch",
		"SELECT jsonb_patch('{}','{}')":                                    "not authorized to use function: jsonb_patch",
		"SELECT " + strings.Repeat("abs(1)+", 64) + "abs(1)":               "names more than 64 functions",
		"SELECT replace(x,'a',x) " + long:                                  "too big",
		"SELECT 1 FROM events WHERE n IN (SELECT unhex('00') FROM events)": "not authorized to use function: unhex",
	} {
		if a := run(t, v, mine, sql); !strings.Contains(a.Problem, want) {
			t.Errorf("%.60s: %q, want %q", sql, a.Problem, want)
		}
	}
	selected(t, v, mine, "SELECT "+strings.Repeat("abs(1)+", 63)+"abs(1)")
}
