package bench

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	raw := "4321 (a) b) c) S 1 4321 4321 0 -1 4194560 100 0 0 0 150 25 7 9 20 0 12 0 55 1000 200"
	if got := parseStat([]byte(raw)); got != 1750*time.Millisecond {
		t.Errorf("%v, want 1.75s", got)
	}
	for _, raw := range []string{"", "4321 (a) S 1", "4321 (a) S 1 1 1 0 -1 1 1 0 0 0 x y 0 0"} {
		if got := parseStat([]byte(raw)); got != 0 {
			t.Errorf("%q: %v", raw, got)
		}
	}
}

func TestParsePeak(t *testing.T) {
	if got := parsePeak("Name:\tkeytrail\nVmHWM:\t   81408 kB\nVmRSS:\t 1 kB\n"); got != 79.5 {
		t.Errorf("%v MiB, want 79.5", got)
	}
	if got := parsePeak("VmRSS:\t 1 kB\n"); got != 0 {
		t.Errorf("%v MiB, want none", got)
	}
}
