package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// TestBench runs the benchmark on the real program, as short as it goes: every
// figure is there, every reply was right, and nothing is left behind.
func TestBench(t *testing.T) {
	for _, what := range []string{"decrypt", "get-secret-value"} {
		t.Run(what, func(t *testing.T) {
			temp := t.TempDir()
			cmd := exec.CommandContext(t.Context(), program, "bench", "--what", what, "--callers", "8", "--seconds", "1", "--json")
			cmd.Env = append(os.Environ(), "TMPDIR="+temp)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("not one JSON object: %v\n%s", err, out)
			}
			if got["what"] != what || got["callers"] != 8.0 || got["seconds"] != 1.0 {
				t.Errorf("measured something else: %s", out)
			}
			for _, name := range []string{"ops_per_s", "p50_ms", "p99_ms", "records_per_commit", "echo_ops_per_s", "ceiling_ops_per_s", "ratio"} {
				if v, ok := got[name].(float64); !ok || v <= 0 {
					t.Errorf("%s is %v", name, got[name])
				}
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
