package envelope

import (
	"bytes"
	"encoding/hex"
	"maps"
	"strconv"
	"testing"
)

func TestCanonicalContext(t *testing.T) {
	for _, c := range []struct {
		context map[string]string
		want    string
	}{
		{nil, "00000000"},
		{map[string]string{}, "00000000"},
		{map[string]string{"": ""}, "00000001" + "00000000" + "00000000"},
		{map[string]string{"b": "2", "a": "1"}, "00000002" + "00000001" + "61" + "00000001" + "31" + "00000001" + "62" + "00000001" + "32"},
		{map[string]string{"a": "", "B": "", "é": ""}, "00000003" + "00000001" + "42" + "00000000" + "00000001" + "61" + "00000000" + "00000002" + "c3a9" + "00000000"},
	} {
		for range 4 { // maps are walked in no order
			if got := hex.EncodeToString(CanonicalContext(nil, maps.Clone(c.context))); got != c.want {
				t.Errorf("%q: %s, want %s", c.context, got, c.want)
			}
		}
	}
	if got := CanonicalContext([]byte("x"), nil); string(got) != "x\x00\x00\x00\x00" {
		t.Errorf("appended to x: %q", got)
	}
}

func TestCanonicalContextDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1<<10)
	for _, pairs := range []int{0, 2, 16} {
		context := map[string]string{}
		for i := range pairs {
			context[strconv.Itoa(i)] = "value"
		}
		if n := testing.AllocsPerRun(100, func() { CanonicalContext(dst, context) }); n != 0 {
			t.Errorf("%d pairs: %v allocations", pairs, n)
		}
	}
}

// FuzzCanonicalContext: two contexts have one encoding only if they are equal.
func FuzzCanonicalContext(f *testing.F) {
	f.Add("a", "bc", "", "", "ab", "c", "", "")
	f.Add("a", "1", "b", "2", "b", "2", "a", "1")
	f.Add("a", "\x00\x00\x00\x01b", "", "", "a", "", "b", "")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2, k3, v3, k4, v4 string) {
		a, b := map[string]string{k1: v1, k2: v2}, map[string]string{k3: v3, k4: v4}
		same := bytes.Equal(CanonicalContext(nil, a), CanonicalContext(nil, b))
		if same != maps.Equal(a, b) {
			t.Errorf("%q and %q: same encoding %v", a, b, same)
		}
	})
}
