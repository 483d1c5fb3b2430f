package eventstore

import (
	"bytes"
	"strings"
	"testing"
)

func TestBodyRoundTrip(t *testing.T) {
	for _, lines := range [][]string{{"a"}, {"a", "b"}, {"{}", strings.Repeat("x", 5000), "\r", " "}} {
		var c Commit
		for _, l := range lines {
			c.Lines = append(c.Lines, []byte(l))
		}
		body := c.AppendBody([]byte("before "))
		if len(body) != len("before ")+c.Size() {
			t.Errorf("%q: Size is %d, the body has %d", lines, c.Size(), len(body)-len("before "))
		}
		back, err := SplitBody(bytes.TrimPrefix(body, []byte("before ")), len(lines))
		if err != nil {
			t.Fatalf("%q: %v", lines, err)
		}
		for i := range back {
			if string(back[i]) != lines[i] {
				t.Errorf("line %d = %q, want %q", i, back[i], lines[i])
			}
		}
	}
}

func TestSplitBodyRefuses(t *testing.T) {
	for _, tc := range []struct {
		body  string
		count int
	}{
		{"", 0}, {"", 1}, {"a", 0}, {"a", -1}, {"a", 2}, {"a\nb", 1}, {"a\nb", 3},
		{"\na", 2}, {"a\n", 2}, {"a\n\nb", 3}, {"a\n", 1}, {"a", 1 << 62},
	} {
		if lines, err := SplitBody([]byte(tc.body), tc.count); err == nil {
			t.Errorf("SplitBody(%q, %d) = %q", tc.body, tc.count, lines)
		}
	}
}

func TestSplitLinesDoNotGrowIntoEachOther(t *testing.T) {
	lines, err := SplitBody([]byte("one\ntwo"), 2)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(lines[0], "XXXX"...)
	if string(lines[1]) != "two" {
		t.Errorf("appending to a line changed the next to %q", lines[1])
	}
}

func FuzzSplitBody(f *testing.F) {
	f.Add([]byte("a\nb"), 2)
	f.Add([]byte("{\"n\":0}\n{\"n\":1}\n"), 3)
	f.Add([]byte("\n\n"), 3)
	f.Fuzz(func(t *testing.T, body []byte, count int) {
		lines, err := SplitBody(body, count)
		if err != nil {
			return
		}
		c := Commit{Lines: lines}
		if len(lines) != count || !bytes.Equal(c.AppendBody(nil), body) {
			t.Fatalf("%q in %d lines does not join again", body, count)
		}
	})
}

func TestSubjectNames(t *testing.T) {
	for _, s := range []Subject{State, Use} {
		if back, err := ParseSubject(s.String()); err != nil || back != s {
			t.Errorf("ParseSubject(%q) = %v, %v", s.String(), back, err)
		}
	}
	for _, name := range []string{"", "keytrail.log", "keytrail.log.>", "keytrail.log.state.x", Subject(0).String()} {
		if s, err := ParseSubject(name); err == nil {
			t.Errorf("ParseSubject(%q) = %v", name, s)
		}
	}
}
