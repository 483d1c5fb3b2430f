package dashboards_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/dashboards"
)

// quiet lists the alerts, and the one other query, that find nothing while all is
// well, and why. What is not listed returns data, and what is listed does not.
var quiet = map[string]string{
	"Epochs that ended (annotation)": "every commit is confirmed",
	"KeytrailLogNotWritable":         "the log takes records",
	"KeytrailLogNotDurable":          "the server waits for the disk",
	"KeytrailNobodyWrites":           "the server does not stand by",
	"KeytrailEpochsEnding":           "every commit is confirmed",
	"KeytrailIntegrityFailure":       "the log is intact",
	"KeytrailCallsFailing":           "no call fails",
	"KeytrailDenialsSurge":           "it compares with the six hours before",
	"KeytrailKeyNearDeletion":        "the shortest window is seven days, four more than it warns of",
	"KeytrailKeyNotRotated":          "the keys are new",
	"KeytrailSecretNotRotated":       "the secrets are new",
}

// depends lists the alerts of which the machine decides.
var depends = map[string]string{
	"KeytrailDown":           "whether a scrape ends within the short interval",
	"KeytrailAppendSlow":     "how fast the disk is",
	"KeytrailProjectionLag":  "how busy the processor is",
	"KeytrailDiskNearlyFull": "how full the disk is",
	"KeytrailRefusedSurge":   "how fast the load is",
}

// expression is a query and where it stands.
type expression struct {
	where, query string
	instant      bool
	calls        bool // single calls are shown with it
}

// variables is what Grafana would put in. The rates' interval is four scrapes.
var variables = strings.NewReplacer("$__rate_interval", "4s", "$__range", "1m", "$job", "keytrail", "$instance", ".+", "$key", ".*", "$secret", ".*")

func panelQueries(t testing.TB) []expression {
	all := []expression{{where: "Epochs that ended (annotation)",
		query: variables.Replace(strings.ReplaceAll(dashboards.EpochsAnnotation, "ON", `job=~"$job", instance=~"$instance"`))}}
	for _, file := range slices.Sorted(maps.Keys(read(t))) {
		for _, p := range read(t)[file].Panels {
			for _, q := range p.Targets {
				all = append(all, expression{where: filepath.Base(file) + ": " + p.Title + " " + q.RefID, query: variables.Replace(q.Expr), instant: q.Instant, calls: q.Exemplar})
			}
		}
	}
	return all
}

// TestLive scrapes a server under a small load with a real Prometheus, by the
// scrape configuration and the rules that are here, and asks it what every panel
// and every rule asks.
func TestLive(t *testing.T) {
	if _, err := exec.LookPath("prometheus"); err != nil {
		t.Skip("prometheus is not installed: .ci/prometheus installs it; no query was run")
	}
	t.Parallel()
	server := startServer(t)
	p := startPrometheus(t, server.ops)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for server.round(t) {
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	defer func() { close(stop); <-done }()

	expressions := panelQueries(t)
	panels := len(expressions)
	rules := p.rules(t)
	for _, r := range rules {
		if r.Type == "recording" {
			expressions = append(expressions, expression{where: r.Name + " (its expression)", query: r.Query}, expression{where: r.Name, query: r.Name})
		} else {
			expressions = append(expressions, expression{where: r.Name, query: r.Query, instant: true})
		}
	}
	wanted := map[string]expression{} // by what is said when there is no data
	for _, e := range expressions {
		_, listed := quiet[e.where]
		if _, either := depends[e.where]; !listed && !either {
			wanted[e.where+": "+e.query] = e
		}
		for _, name := range series.FindAllString(e.query, -1) {
			wanted["the series "+name] = expression{where: e.where, query: `{__name__="` + name + `"}`, instant: true}
		}
	}
	for end := time.Now().Add(patience); ; time.Sleep(500 * time.Millisecond) {
		maps.DeleteFunc(wanted, func(_ string, e expression) bool { return p.ask(t, e) > 0 })
		if len(wanted) == 0 || time.Now().After(end) {
			break
		}
	}
	for _, what := range slices.Sorted(maps.Keys(wanted)) {
		t.Errorf("no data: %s", what)
	}
	for _, e := range expressions {
		if reason, listed := quiet[e.where]; listed && p.ask(t, e) > 0 {
			t.Errorf("%s returns data, and is listed as quiet because %s", e.where, reason)
		}
	}
	for _, list := range []map[string]string{quiet, depends} {
		for name := range list {
			if !slices.ContainsFunc(expressions, func(e expression) bool { return e.where == name }) {
				t.Errorf("%s is listed and does not exist", name)
			}
		}
	}
	for _, r := range p.rules(t) {
		if r.Health != "ok" {
			t.Errorf("the rule %s is %s: %s", r.Name, r.Health, r.LastError)
		}
	}
	p.documented(t)
	p.annotated(t)
	for _, e := range expressions {
		if e.calls && p.exemplars(t, e.query) == 0 {
			t.Errorf("%s has no exemplar with a request id", e.where)
		}
	}
	t.Logf("%d queries of panels and %d rules; %d of them find nothing while all is well", panels, len(rules), len(quiet))
}

// series finds the names of series in a query.
var series = regexp.MustCompile(`\b(?:[a-z_]+:)?(?:keytrail|process|go)_[a-z0-9_]+(?::\w+)?|\bup\b`)

// patience is for what takes seconds when all is well.
const patience = time.Minute

// prometheus is a running Prometheus.
type prometheus struct{ base string }

// startPrometheus starts one with the configuration of this directory, made faster
// and turned to the server.
func startPrometheus(t testing.TB, ops string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"recording.yml", "alerts.yml", "prometheus.yml"} {
		content, err := os.ReadFile("prometheus/" + name)
		check(t, err)
		text := string(content)
		if name == "prometheus.yml" {
			text = strings.NewReplacer("15s", "1s", "127.0.0.1:9464", strings.TrimPrefix(ops, "http://")).Replace(text)
			if !strings.Contains(text, strings.TrimPrefix(ops, "http://")) {
				t.Fatalf("%s does not scrape the default address", name)
			}
		}
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	out := start(t, exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage", "--log.format=json"))
	p := &prometheus{"http://" + out.await(t, `"address":"(127\.0\.0\.1:[1-9]\d*)"`)}
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if resp, err := http.Get(p.base + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p
			}
		}
		if time.Now().After(end) {
			t.Fatalf("prometheus is not ready after %s:\n%s", patience, out)
		}
	}
}

// get asks the HTTP API.
func (p *prometheus) get(t testing.TB, path string, query url.Values, data any) {
	t.Helper()
	resp, err := http.Get(p.base + "/api/v1/" + path + "?" + query.Encode())
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(t, err)
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	check(t, json.Unmarshal(body, &answer))
	if answer.Status != "success" {
		t.Errorf("%s %s: %s", path, query, answer.Error)
	}
}

// ask returns how many series the query returns, now or over the last minute.
func (p *prometheus) ask(t testing.TB, e expression) int {
	t.Helper()
	var data struct{ Result []json.RawMessage }
	if e.instant {
		p.get(t, "query", url.Values{"query": {e.query}}, &data)
	} else {
		now := time.Now()
		p.get(t, "query_range", url.Values{"query": {e.query}, "step": {"1"},
			"start": {fmt.Sprint(now.Add(-time.Minute).Unix())}, "end": {fmt.Sprint(now.Unix())}}, &data)
	}
	return len(data.Result)
}

type rule struct{ Name, Query, Type, Health, LastError string }

// rules are those that Prometheus has loaded: all of the files.
func (p *prometheus) rules(t testing.TB) []rule {
	t.Helper()
	var data struct{ Groups []struct{ Rules []rule } }
	p.get(t, "rules", nil, &data)
	var all []rule
	for _, g := range data.Groups {
		all = append(all, g.Rules...)
	}
	written := 0
	for _, name := range []string{"recording.yml", "alerts.yml"} {
		content, err := os.ReadFile("prometheus/" + name)
		check(t, err)
		written += len(regexp.MustCompile(`(?m)^ +- (alert|record): `).FindAll(content, -1))
	}
	if written == 0 || len(all) != written {
		t.Errorf("prometheus has %d rules, the files %d", len(all), written)
	}
	return all
}

// documented wants every metric of the program in the README, and no other.
func (p *prometheus) documented(t testing.TB) {
	t.Helper()
	content, err := os.ReadFile("README.md")
	check(t, err)
	var known map[string]json.RawMessage
	p.get(t, "metadata", nil, &known)
	told := map[string]bool{}
	for _, name := range regexp.MustCompile("`(keytrail_[a-z_]+)`").FindAllStringSubmatch(string(content), -1) {
		told[name[1]] = true
		// In OpenMetrics the name of a counter is that of its series without _total.
		if known[name[1]] == nil && known[strings.TrimSuffix(name[1], "_total")] == nil {
			t.Errorf("README.md has the metric %s, which does not exist", name[1])
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "keytrail_") && !told[name] && !told[name+"_total"] {
			t.Errorf("README.md does not have the metric %s", name)
		}
	}
}

// annotated wants the texts of the alerts that are up to have their values in.
func (p *prometheus) annotated(t testing.TB) {
	t.Helper()
	var data struct {
		Alerts []struct{ Labels, Annotations map[string]string }
	}
	p.get(t, "alerts", nil, &data)
	seen := false
	for _, a := range data.Alerts {
		for name, text := range a.Annotations {
			if text == "" || strings.Contains(text, "<error") || strings.Contains(text, "{{") || strings.Contains(text, "<no value>") {
				t.Errorf("%s: %s is %q", a.Labels["alertname"], name, text)
			}
		}
		if a.Labels["alertname"] == "KeytrailPendingKeyUsed" {
			seen = true
			if key := a.Labels["key_id"]; !strings.Contains(a.Annotations["description"], key) || !strings.HasSuffix(a.Annotations["dashboard"], "&var-key="+key) {
				t.Errorf("KeytrailPendingKeyUsed of %s: %v", key, a.Annotations)
			}
		}
	}
	if !seen {
		t.Errorf("no alert for the key that is to be deleted: %v", data.Alerts)
	}
}

// exemplars is how many single calls belong to what the query asks for.
func (p *prometheus) exemplars(t testing.TB, query string) int {
	t.Helper()
	var data []struct {
		Exemplars []struct{ Labels map[string]string }
	}
	p.get(t, "query_exemplars", url.Values{"query": {query},
		"start": {fmt.Sprint(time.Now().Add(-time.Minute).Unix())}, "end": {fmt.Sprint(time.Now().Unix())}}, &data)
	n := 0
	for _, s := range data {
		for _, e := range s.Exemplars {
			if e.Labels["request_id"] != "" {
				n++
			}
		}
	}
	return n
}

// TestPromtool holds configuration and rules to Prometheus's own checker, and runs
// the unit tests of the rules.
func TestPromtool(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed: .ci/prometheus installs it; no rule was checked")
	}
	t.Parallel()
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"check", "rules", "recording.yml", "alerts.yml"}, {"test", "rules", "rules_test.yml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
