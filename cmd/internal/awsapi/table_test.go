package awsapi_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/vault"
)

var update = flag.Bool("update", false, "write the table of operations in README.md anew, keeping its notes")

const (
	tableBegin = "<!-- operations: go test ./cmd/internal/awsapi -run TestTableOfOperations -update -->\n"
	tableEnd   = "<!-- end of operations -->\n"
)

var serviceNames = []struct{ id, name string }{
	{"kms", "KMS"}, {"secretsmanager", "Secrets Manager"}, {"iam", "IAM"}, {"sts", "STS"}, {"cloudtrail", "CloudTrail"},
}

// TestTableOfOperations holds the table in README.md against the operations that
// there are: each of AWS's stands in it, as works or partly (with a note) if the
// vault has it, and as not otherwise.
func TestTableOfOperations(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	check(t, err)
	before, rest, ok := strings.Cut(string(raw), tableBegin)
	table, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatal("README.md has lost the marks around its table")
	}
	notes := map[string]string{} // "kms:CreateKey" -> how it works partly
	service := ""
	for line := range strings.Lines(table) {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			service = strings.Fields(name)[0]
			for _, s := range serviceNames {
				if strings.HasPrefix(name, s.name) {
					service = s.id
				}
			}
		}
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) == 3 && cells[1] == "partly" {
			notes[service+":"+strings.Trim(cells[0], "| `")] = strings.TrimRight(cells[2], " |")
		}
	}
	want := writeTable(notes)
	if *update {
		check(t, os.WriteFile("README.md", []byte(before+tableBegin+want+tableEnd+after), 0o644))
		return
	}
	if table != want {
		t.Error("the table in README.md is not what there is; see the mark above it for how to write it anew")
	}
}

func writeTable(notes map[string]string) string {
	have := map[string]bool{}
	for _, name := range vault.Operations() {
		have[name] = true
	}
	all := vault.AWSOperations()
	slices.Sort(all)
	var b strings.Builder
	for _, s := range serviceNames {
		n := 0
		var rows, missing []string
		for _, name := range all {
			operation, ok := strings.CutPrefix(name, s.id+":")
			if !ok {
				continue
			}
			switch note, partly := notes[name]; {
			case !have[name]:
				missing = append(missing, "`"+operation+"`")
				continue
			case partly:
				rows = append(rows, "| `"+operation+"` | partly | "+note+" |")
			default:
				rows = append(rows, "| `"+operation+"` | works | |")
			}
			n++
		}
		fmt.Fprintf(&b, "\n### %s (%d of %d)\n\n", s.name, n, n+len(missing))
		if len(rows) > 0 {
			b.WriteString("| Operation | | How |\n|---|---|---|\n" + strings.Join(rows, "\n") + "\n\n")
		}
		if len(missing) > 0 {
			b.WriteString("Not: " + strings.Join(missing, ", ") + ".\n")
		}
	}
	b.WriteByte('\n')
	return b.String()
}

// TestOperationsAreOfAWS: what the vault has beside AWS's operations is its own
// service's.
func TestOperationsAreOfAWS(t *testing.T) {
	aws := vault.AWSOperations()
	for _, name := range vault.Operations() {
		if !strings.HasPrefix(name, "keytrail:") && !slices.Contains(aws, name) {
			t.Errorf("AWS has no operation %s", name)
		}
	}
}

// TestOperationsThatAreNot: AWS's that the vault has not are told from mistyped
// ones, in every service.
func TestOperationsThatAreNot(t *testing.T) {
	w := newWorld(t)
	have := vault.Operations()
	targets := map[string]string{"kms": "TrentService.", "secretsmanager": "secretsmanager.", "cloudtrail": "CloudTrail_20131101."}
	do := func(service, operation string) string {
		r := queryRequest(service, operation)
		if target := targets[service]; target != "" {
			r = jsonRequest(service, target+operation, object{})
		}
		return w.do(w.admin, r).body
	}
	for _, name := range vault.AWSOperations() {
		service, operation, _ := strings.Cut(name, ":")
		if slices.Contains(have, name) {
			continue
		}
		if body := do(service, operation); !strings.Contains(body, "UnsupportedOperationException") {
			t.Errorf("%s answers %s", name, body)
		}
	}
	for _, s := range serviceNames {
		want := "UnknownOperationException"
		if targets[s.id] == "" {
			want = "InvalidAction"
		}
		if body := do(s.id, "MakeCoffee"); !strings.Contains(body, want) {
			t.Errorf("%s:MakeCoffee answers %s", s.id, body)
		}
	}
}
