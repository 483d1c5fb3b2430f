package main_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestProgramProjections: the views are listed and built again while the server
// runs, by those who may and on the record.
func TestProgramProjections(t *testing.T) {
	p, bob := audited(t)
	var list struct {
		Projections []struct {
			Name                string
			Cursor, LogEnd, Lag uint64
			Rebuilding          bool
		}
	}
	unmarshal(t, []byte(p.run(t, "", "projections", "ls").want(t, 0).stdout), &list)
	var names []string
	for _, v := range list.Projections {
		names = append(names, v.Name)
		if v.Rebuilding || v.LogEnd == 0 || v.Lag != v.LogEnd-v.Cursor {
			t.Errorf("%+v", v)
		}
	}
	if strings.Join(names, " ") != "access audit metrics" {
		t.Errorf("projections ls lists %q", names)
	}
	before := p.derived(t)
	for _, name := range names {
		var built struct {
			Name    string
			Commits uint64
		}
		out := p.run(t, "", "projections", "rebuild", name).want(t, 0)
		unmarshal(t, []byte(out.stdout), &built)
		if built.Name != name || built.Commits == 0 {
			t.Errorf("%s", out)
		}
		for l := range strings.Lines(out.stderr) { // none, if it was done at the first look
			if !regexp.MustCompile(`^` + name + `: \d+ of \d+ commits, \d+ %\n$`).MatchString(l) {
				t.Errorf("progress is told as %q", l)
			}
		}
	}
	after := p.derived(t)
	for sample, value := range before {
		if !strings.Contains(sample, `service="keytrail"`) && after[sample] != value {
			t.Errorf("built again, %s is %v and was %v", sample, after[sample], value)
		}
	}

	p.run(t, "", "projections", "rebuild", "none").want(t, 1, "ResourceNotFoundException", "There is no projection none. Projections: access, audit, metrics.")
	p.run(t, "", "projections", "rebuild").want(t, 2, "keytrail projections rebuild NAME")
	p.run(t, "", "projections", "rebuild", "audit", "metrics").want(t, 2)
	p.run(t, "", "projections", "nonsense").want(t, 2)
	keytrail(t, bob, "", "projections", "ls").want(t, 1, "AccessDeniedException", "keytrail:ListProjections")
	keytrail(t, bob, "", "projections", "rebuild", "audit").want(t, 1, "AccessDeniedException", "keytrail:RebuildProjection")

	got := events(t, p.run(t, "", "audit", "query", "--event", "RebuildProjection", "--json").want(t, 0, `"requestParameters":{"name":"metrics"}`, `"readOnly":false`).stdout)
	if want := "RebuildProjection AccessDenied,RebuildProjection ResourceNotFoundException,RebuildProjection,RebuildProjection,RebuildProjection"; strings.Join(got, ",") != want {
		t.Errorf("the trail has %q, want %s", got, want)
	}

	p.stop(t)
	p.run(t, "", "projections", "ls").want(t, 1, "connect to nats://127.0.0.1:")
	p.run(t, "", "projections", "rebuild", "audit").want(t, 1, "connect to nats://127.0.0.1:")
}
