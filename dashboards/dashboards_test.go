package dashboards_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/dashboards"
)

var update = flag.Bool("update", false, "write the dashboards' JSON files anew")

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The files are what the program text says; -update makes them so.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("grafana/dashboards/*.json")
	check(t, err)
	known := map[string]bool{}
	for _, d := range dashboards.All() {
		want, err := d.JSON()
		check(t, err)
		known[d.File()] = true
		if *update {
			check(t, os.WriteFile(d.File(), want, 0o644))
			continue
		}
		got, err := os.ReadFile(d.File())
		check(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the program text says: go test ./dashboards -run TestFiles -update", d.File())
		}
	}
	for _, file := range files {
		if !known[file] {
			t.Errorf("%s belongs to no dashboard", file)
		}
	}
}

// grafana is as much of a dashboard file as the tests look at.
type grafana struct {
	UID, Title, Description string
	Tags                    []string
	Links                   []struct{ Type string }
	Templating              struct {
		List []struct{ Name, Type string }
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ Type, UID string }
	Targets                  []struct {
		RefID, Expr string
		Instant     bool
		Exemplar    bool
		Datasource  struct{ UID string }
	}
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Thresholds *struct{ Steps []any }
		}
	}
	Options struct{ Content string }
}

func read(t testing.TB) map[string]grafana {
	t.Helper()
	all := map[string]grafana{}
	for _, d := range dashboards.All() {
		content, err := os.ReadFile(d.File())
		check(t, err)
		var g grafana
		check(t, json.Unmarshal(content, &g))
		all[d.File()] = g
	}
	return all
}

// units are the ones in use, by Grafana's ids; a new one is looked up and added.
var units = map[string]bool{"short": true, "ops": true, "s": true, "bytes": true, "binBps": true, "percentunit": true}

func TestDashboards(t *testing.T) {
	uids := map[string]bool{}
	for file, d := range read(t) {
		if d.UID == "" || uids[d.UID] || d.Title == "" || d.Description == "" || len(d.Links) == 0 || len(d.Tags) != 1 || d.Tags[0] != "keytrail" {
			t.Errorf("%s: uid %q, title %q, or its description, links or tag", file, d.UID, d.Title)
		}
		uids[d.UID] = true
		variables := map[string]string{}
		for _, v := range d.Templating.List {
			variables[v.Name] = v.Type
		}
		if variables["datasource"] != "datasource" || variables["job"] != "query" || variables["instance"] != "query" {
			t.Errorf("%s: variables %v", file, variables)
		}
		ids, asks := map[int]bool{}, false
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			where := file + ": " + p.Title
			if p.ID == 0 || ids[p.ID] {
				t.Errorf("%s: id %d is not its own", where, p.ID)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other, is := taken[[2]int{x, y}]; is || x >= 24 {
						t.Fatalf("%s lies over %q or outside", where, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Title == "" {
				t.Errorf("%s: panel %d has no title", file, p.ID)
			}
			if p.Type == "row" {
				continue
			}
			if len(p.Description) < 15 || !strings.HasSuffix(p.Description, ".") {
				t.Errorf("%s: description %q", where, p.Description)
			}
			if p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: data source %q", where, p.Datasource.UID)
			}
			if p.Type == "text" {
				asks = asks || strings.Contains(p.Options.Content, "keytrail ")
				continue
			}
			if !units[p.FieldConfig.Defaults.Unit] || p.FieldConfig.Defaults.Thresholds == nil {
				t.Errorf("%s: unit %q, or no thresholds", where, p.FieldConfig.Defaults.Unit)
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s asks nothing", where)
			}
			refs := map[string]bool{}
			for _, q := range p.Targets {
				if refs[q.RefID] || q.Datasource.UID != "${datasource}" {
					t.Errorf("%s: query %s is there twice, or asks %q", where, q.RefID, q.Datasource.UID)
				}
				refs[q.RefID] = true
				for _, m := range metric.FindAllString(q.Expr, -1) {
					if !strings.Contains(q.Expr, m+`{job=~"$job", instance=~"$instance"`) {
						t.Errorf("%s: %s is asked for without $job and $instance", where, m)
					}
				}
			}
		}
		if !asks {
			t.Errorf("%s has no command line that leads to the records", file)
		}
	}
	if len(uids) != 5 {
		t.Errorf("%d dashboards, want 5", len(uids))
	}
}

var metric = regexp.MustCompile(`\b(keytrail|process|go)_[a-z0-9_]+\b`)

// Every rule has its unit test, and every alert a summary, a description, a dashboard
// and a section of the runbook.
func TestRulesAreTested(t *testing.T) {
	alerts, err := os.ReadFile("prometheus/alerts.yml")
	check(t, err)
	tests, err := os.ReadFile("prometheus/rules_test.yml")
	check(t, err)
	readme, err := os.ReadFile("README.md")
	check(t, err)
	found := regexp.MustCompile(`- alert: (\w+)`).FindAllSubmatch(alerts, -1)
	linked := 0
	if len(found) < 10 {
		t.Fatalf("%d alerts", len(found))
	}
	for _, m := range found {
		if !bytes.Contains(readme, append([]byte("| "), m[1]...)) {
			t.Errorf("README.md does not have %s", m[1])
		}
		fires := regexp.MustCompile(`ALERTS\{alertname="` + string(m[1]) + `", alertstate="firing", severity=`)
		silent := regexp.MustCompile(`alertname="` + string(m[1]) + `", alertstate="firing"\}\n        eval_time: \w+\n      -`)
		if !fires.Match(tests) || !silent.Match(tests) {
			t.Errorf("%s is not tested to fire and to keep silent", m[1])
		}
	}
	runbook, err := os.ReadFile("runbook.md")
	check(t, err)
	boards := map[string]bool{}
	for _, d := range dashboards.All() {
		boards[d.UID] = true
	}
	for _, m := range regexp.MustCompile(`(?s)- alert: (\w+)\n.*?\n +dashboard: "/d/([\w-]+)[?"].*?\n +runbook_url: "\S+/dashboards/runbook\.md#(\w+)"\n`).FindAllSubmatch(alerts, -1) {
		if !boards[string(m[2])] || string(m[3]) != strings.ToLower(string(m[1])) || !bytes.Contains(runbook, append([]byte("\n## "), append(m[1], "\n"...)...)) {
			t.Errorf("%s: dashboard %s, runbook %s", m[1], m[2], m[3])
		}
		linked++
	}
	if sections := bytes.Count(runbook, []byte("\n## ")); linked != len(found) || sections != linked {
		t.Errorf("%d alerts, %d with dashboard and runbook, %d sections of the runbook", len(found), linked, sections)
	}
	recording, err := os.ReadFile("prometheus/recording.yml")
	check(t, err)
	for _, m := range regexp.MustCompile(`- record: (\S+)`).FindAllSubmatch(recording, -1) {
		if !bytes.Contains(tests, append([]byte("- {labels: '"), append(m[1], '{')...)) {
			t.Errorf("%s is not tested", m[1])
		}
	}
	if n := bytes.Count(alerts, []byte("summary:")); n != len(found) || bytes.Count(alerts, []byte("description:")) != n {
		t.Errorf("%d alerts, %d summaries", len(found), n)
	}
}
