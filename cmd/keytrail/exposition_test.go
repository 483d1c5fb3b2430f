package main_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestExposition: what /metrics gives satisfies Prometheus's own linter and the
// rules of OpenMetrics, where calls carry the ids of their requests.
func TestExposition(t *testing.T) {
	p := serve(t, t.TempDir())
	busyHour(t, p)
	admin := p.connect(t)
	ids := map[string]bool{}
	for range 3 {
		time.Sleep(110 * time.Millisecond) // exemplars are a tenth of a second apart
		ids[must(t, admin, "kms", "ListKeys", object{}, nil).RequestID] = true
	}
	p.derived(t) // all is counted
	body := p.openMetrics(t)

	t.Run("openmetrics", func(t *testing.T) {
		for _, fault := range openMetricsFaults(body) {
			t.Error(fault)
		}
	})
	t.Run("durations name calls", func(t *testing.T) {
		known := false
		for _, m := range regexp.MustCompile(`(?m)^keytrail_call_duration_seconds_bucket\{service="kms",le="[^"]+"\} \d+ # \{request_id="([^"]+)"\}`).FindAllStringSubmatch(body, -1) {
			known = known || ids[m[1]]
		}
		if !known {
			t.Errorf("no exemplar carries one of the request ids %v:\n%s", slices.Collect(maps.Keys(ids)), body)
		}
	})
	t.Run("refusals name calls", func(t *testing.T) {
		for _, series := range []string{`keytrail_operations_total\{code="NotFoundException",operation="DescribeKey",outcome="invalid",service="kms"\}`,
			`keytrail_denials_total\{access="use",reason="identity-policy",service="kms"\}`, `keytrail_pending_key_uses_total\{account="\d+",key_id="[^"]+"\}`} {
			m := regexp.MustCompile(`(?m)^` + series + ` \S+ # \{request_id="([^"]+)"\} 1\.0 \d`).FindStringSubmatch(body)
			if m == nil {
				t.Errorf("%s names no call:\n%s", series, body)
				continue
			}
			p.run(t, "", "audit", "explain", m[1]).want(t, 0, m[1])
		}
	})
	t.Run("promtool", func(t *testing.T) {
		promtool, err := exec.LookPath("promtool")
		if err != nil {
			t.Skip("promtool is not installed (.ci/prometheus does it): the names of the metrics are not linted")
		}
		_, plain := p.ops(t, "/metrics")
		lint := exec.Command(promtool, "check", "metrics")
		lint.Stdin = strings.NewReader(plain)
		if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("promtool check metrics: %v\n%s", err, out)
		}
	})
}

// openMetrics scrapes in OpenMetrics.
func (p *process) openMetrics(t testing.TB) string {
	t.Helper()
	line, _ := p.said("keytrail serves")
	request, err := http.NewRequest(http.MethodGet, line["ops"].(string)+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if of := resp.Header.Get("Content-Type"); !strings.HasPrefix(of, "application/openmetrics-text; version=1.0.0") {
		t.Errorf("asked for OpenMetrics, got %s", of)
	}
	return string(body)
}

// suffixes are what the samples of a family of a type may have after its name.
var suffixes = map[string][]string{"counter": {"_total", "_created"}, "gauge": {""}, "unknown": {""}, "info": {"_info"},
	"histogram": {"_bucket", "_count", "_sum", "_created"}, "summary": {"", "_count", "_sum", "_created"}}

var openSample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})? \S+( \S+)?( # (\{.*\}) \S+( \S+)?)?$`)

// openMetricsFaults holds a text to what readers of OpenMetrics refuse: a family is
// told of once, its samples stand under it and are of its type, no sample is there
// twice, exemplars are short and on counters and buckets alone, and the text ends
// with its mark.
func openMetricsFaults(text string) (faults []string) {
	text, ended := strings.CutSuffix(text, "# EOF\n")
	if !ended {
		faults = append(faults, "the text does not end with # EOF")
	}
	families, told, samples := map[string]bool{}, map[string]bool{}, map[string]bool{}
	family, of := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)+": "+line) }
		if comment, is := strings.CutPrefix(line, "# "); is {
			f := strings.SplitN(comment, " ", 3)
			if len(f) < 3 || f[0] != "HELP" && f[0] != "TYPE" && f[0] != "UNIT" {
				fault("not metadata")
				continue
			}
			if told[f[0]+" "+f[1]] || f[1] != family && families[f[1]] {
				fault("a second family of the name")
			}
			if told[f[0]+" "+f[1]] = true; f[1] != family {
				families[f[1]], family, of = true, f[1], ""
			}
			if f[0] == "TYPE" {
				if of = f[2]; suffixes[of] == nil {
					fault("not a type")
				}
			}
			continue
		}
		m := openSample.FindStringSubmatch(line)
		if m == nil {
			fault("not a sample")
			continue
		}
		suffix, under := strings.CutPrefix(m[1], family)
		if !under || !slices.Contains(suffixes[of], suffix) {
			fault("not a sample of the %s %s", of, family)
		}
		if samples[m[1]+m[2]] {
			fault("twice")
		}
		samples[m[1]+m[2]] = true
		if exemplar := m[5]; exemplar != "" && (suffix != "_total" && suffix != "_bucket" || len(exemplar) > 128) {
			fault("an exemplar where there is none, or too long a one")
		}
	}
	if len(samples) == 0 {
		faults = append(faults, "no samples")
	}
	return faults
}

// The check can fail.
func TestOpenMetricsFaults(t *testing.T) {
	const good = "# HELP a b\n# TYPE a counter\na_total{x=\"1\"} 2 # {request_id=\"q\"} 1.0 17.5\n# TYPE b gauge\nb 1\n# EOF\n"
	if faults := openMetricsFaults(good); faults != nil {
		t.Errorf("%q: %q", good, faults)
	}
	for name, edit := range map[string][2]string{
		"no end":          {"# EOF\n", ""},
		"counter's name":  {"a_total", "a"},
		"family twice":    {"# TYPE b gauge\nb 1", "# TYPE b gauge\nb 1\n# TYPE a gauge\na 1"},
		"next to it":      {"# TYPE b gauge\nb 1", "# HELP a b\n# TYPE a counter\na_total 1"},
		"sample twice":    {"b 1\n", "b 1\nb 1\n"},
		"elsewhere":       {"b 1\n", "c 1\n"},
		"gauge's example": {"b 1\n", "b 1 # {request_id=\"q\"} 1.0\n"},
		"long exemplar":   {`"q"`, `"` + strings.Repeat("q", 120) + `"`},
	} {
		if faults := openMetricsFaults(strings.Replace(good, edit[0], edit[1], 1)); len(faults) == 0 {
			t.Errorf("%s is not noticed", name)
		}
	}
}
