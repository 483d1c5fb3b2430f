package dashboards_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// commandLine ends where the sentence around it goes on.
var commandLine = regexp.MustCompile(`(?m)(keytrail (?:audit|who-|verify|projections).*?)(?: shows| makes|[.;,] |[.;,"]*$)`)

// commandLines are the command lines of the program in the dashboards, the alerts
// and the runbook, with what Grafana, Prometheus and the reader put in.
func commandLines(t testing.TB, s *server, request string) []string {
	t.Helper()
	now := time.Now().UTC()
	fill := strings.NewReplacer("${__from:date:iso}", now.Add(-time.Hour).Format("2006-01-02T15:04:05.000Z"), "${__to:date:iso}", now.Add(time.Hour).Format("2006-01-02T15:04:05.000Z"),
		"${key:text}", s.key, "${secret:text}", "app/db", "${request}", request, "${event}", "GetSecretValue", "${error}", "AccessDenied", "KEY-ARN", s.key, "REQUEST-ID", request,
		"{{ $labels.key_id }}", s.key, "{{ $labels.secret }}", "app/db", "{{ $labels.projection }}", "audit")
	var all []string
	for _, d := range read(t) {
		for _, p := range d.Panels {
			for _, m := range commandLine.FindAllStringSubmatch(p.Options.Content, -1) {
				all = append(all, fill.Replace(m[1]))
			}
		}
	}
	alerts, err := os.ReadFile("prometheus/alerts.yml")
	check(t, err)
	for _, m := range commandLine.FindAllStringSubmatch(string(alerts), -1) {
		all = append(all, fill.Replace(m[1]))
	}
	runbook, err := os.ReadFile("runbook.md")
	check(t, err)
	for _, m := range regexp.MustCompile("`(keytrail [^`]+)`").FindAllStringSubmatch(string(runbook), -1) {
		all = append(all, strings.NewReplacer("KEY", s.key, "SECRET", "app/db").Replace(fill.Replace(m[1])))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestCommands runs the command lines that lead from the pictures and the alerts
// to the records. Those that do not end, need the server stopped or change
// something are only held to the verbs and flags that there are.
func TestCommands(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	if !s.round(t) {
		return
	}
	raw, err := s.run("audit", "query", "--error", "AccessDenied", "--limit", "1", "--json")
	check(t, err)
	var denied struct{ RequestID string }
	check(t, json.Unmarshal(bytes.TrimSpace(raw), &denied))
	list := commandLines(t, s, denied.RequestID)
	if len(list) < 15 {
		t.Errorf("%d command lines only: %q", len(list), list)
	}
	found := 0
	for _, line := range list {
		args := strings.Fields(line)[1:]
		if !slices.Contains([]string{"audit", "who-can", "who-did"}, args[0]) || args[1] == "tail" {
			verb := "\n  keytrail " + args[0]
			if !strings.HasPrefix(args[1], "-") && args[0] != "call" {
				verb += " " + args[1]
			}
			if out, err := s.run(append(args, "--help")...); err != nil || !strings.Contains(string(out), verb+" ") {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
			continue
		}
		out, err := s.run(args...)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if args[0] == "audit" && len(bytes.TrimSpace(out)) > 0 {
			found++
		}
	}
	if found < 8 {
		t.Errorf("%d of the commands find records", found)
	}
}

// run runs the program as the administrator.
func (s *server) run(args ...string) ([]byte, error) {
	cmd := exec.Command(s.program, args...)
	cmd.Env, cmd.Dir = environment(s.admin...), filepath.Dir(s.program)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = &failed{err, stderr.String()}
	}
	return out, err
}

type failed struct {
	error
	said string
}

func (f *failed) Error() string { return f.error.Error() + ": " + f.said }
