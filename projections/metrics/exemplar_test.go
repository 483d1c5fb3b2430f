package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/metrics"
)

// openMetrics is the exposition in OpenMetrics, which has exemplars.
func openMetrics(t testing.TB, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, EnableOpenMetrics: true}).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: %s", w.Body)
	}
	return w.Body.String()
}

// Each count of refusals comes with the last call that was refused so, and no
// other count has a call: what is allowed is counted too often to look at.
func TestRefusalsNameTheLastCall(t *testing.T) {
	lines := story(t).Lines
	last := map[string]*event.Record{} // by operation and code
	denied := map[string]*event.Record{}
	for _, line := range lines {
		r, err := event.ParseLine(line)
		check(t, err)
		last[r.Op+" "+r.Outcome] = r
		denied[r.Request] = r
	}
	log := stored(t, lines, 3)
	file := filepath.Join(t.TempDir(), "metrics")
	view := open(t, log, metrics.Options{Named: 5, Snapshot: file})
	catchUp(t, log, view, 0)
	text := openMetrics(t, view)

	sample := regexp.MustCompile(`(?m)^(keytrail_\w+_total)(\{[^}]*\})? \S+( # \{request_id="([^"]+)"\} 1.0 (\S+))?$`)
	label := func(labels, name string) string {
		_, rest, _ := strings.Cut(labels, name+`="`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	named := map[string]int{}
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		name, labels, request := m[1], m[2], m[4]
		wants := name == "keytrail_operations_total" && label(labels, "outcome") != "ok" || name == "keytrail_denials_total" ||
			name == "keytrail_pending_key_uses_total" && label(labels, "key_id") != "other"
		if (request != "") != wants {
			t.Errorf("%s%s has the call %q", name, labels, request)
			continue
		}
		if request == "" {
			continue
		}
		named[name]++
		r := denied[request]
		if r == nil {
			t.Errorf("%s%s names %s, which is no call", name, labels, request)
			continue
		}
		seconds, err := strconv.ParseFloat(m[5], 64)
		check(t, err)
		if at := float64(r.At.UnixMicro()) / 1e6; seconds < at-0.001 || seconds > at+0.001 {
			t.Errorf("%s%s: the call was at %v, not %v", name, labels, at, seconds)
		}
		if name == "keytrail_operations_total" && label(labels, "operation") != "other" {
			if want := last[label(labels, "service")+":"+label(labels, "operation")+" "+label(labels, "code")]; want == nil || want.Request != request {
				t.Errorf("%s%s names %s, want the last: %+v", name, labels, request, want)
			}
		}
		if name == "keytrail_denials_total" && r.Outcome == event.OutcomeOK {
			t.Errorf("%s%s names a call that was allowed", name, labels)
		}
	}
	if named["keytrail_operations_total"] < 4 || named["keytrail_denials_total"] < 2 || named["keytrail_pending_key_uses_total"] != 1 {
		t.Errorf("calls are named %v times in\n%s", named, text)
	}

	view.Close()
	again := open(t, log, metrics.Options{Named: 5, Snapshot: file})
	if at, _ := again.Cursor(t.Context()); at == 0 {
		t.Fatal("it does not go on from the snapshot")
	}
	if got := openMetrics(t, again); got != text {
		t.Errorf("after a restart:\n%s\nbefore:\n%s", got, text)
	}
	check(t, projections.NewRunner(log, again, nil).Rebuild(t.Context(), nil))
	if got := openMetrics(t, again); got != text {
		t.Errorf("rebuilt:\n%s\nbefore:\n%s", got, text)
	}
}
