package event

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func TestAppendString(t *testing.T) {
	for s, want := range map[string]string{
		"":                            `""`,
		"plain and quite long text":   `"plain and quite long text"`,
		"1234567\"89\\":               `"1234567\"89\\"`,
		"\b\f\n\r\t\x00\x1f\x7f":      `"\b\f\n\r\t\u0000\u001f` + "\x7f" + `"`,
		"é😀\u2028<>&":                 "\"é😀\u2028<>&\"",
		"a\xffb\xc0\xafc\xed\xa0\x80": `"a` + "\ufffd" + `b` + "\ufffd\ufffd" + `c` + "\ufffd\ufffd\ufffd" + `"`,
	} {
		if got := string(AppendString([]byte("~"), s)); got != "~"+want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "abc", "\xff", "1234567\"", "\u2028é😀\x7f", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := AppendString(nil, s)
		var got string
		if err := json.Unmarshal(quoted, &got); err != nil || !utf8.Valid(quoted) {
			t.Fatalf("%q: %v: %q", s, err, quoted)
		}
		if got != string([]rune(s)) { // a bad byte is one U+FFFD in both
			t.Errorf("%q became %q", s, got)
		}
	})
}

func BenchmarkAppendString(b *testing.B) {
	const s = "arn:aws:secretsmanager:us-east-1:111122223333:secret:app-demo-Xk2QpZ"
	dst := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendString(dst[:0], s)
	}
}
