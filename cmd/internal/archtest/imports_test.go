package archtest

import (
	"fmt"
	"os/exec"
	"path"
	"strings"
	"testing"
)

const module = "github.com/keytrail/keytrail/"

// levels is the house from the top down. A package may import packages of lower
// levels, never one of its own or a higher level. The longest
// matching prefix counts.
var levels = map[string]int{
	"cmd/keytrail":         100,
	"cmd/internal/server":  95,
	"cmd/internal/natsapi": 90, "cmd/internal/natsapi/client": 20,
	"cmd/internal/awsapi":    90,
	"cmd/internal/engine":    80,
	"cmd/internal":           85,
	"projections/state":      70,
	"projections/access":     70,
	"projections/audit":      70,
	"projections/metrics":    70,
	"projections":            68,
	"projections/snapshot":   66,
	"domain/vault":           60,
	"domain/vault/vaulttest": 65,
	"domain/vault/shape":     55,
	"domain/key":             50,
	"domain/secret":          50,
	"domain/identity":        50,
	"domain/iam":             40,
	"domain/sigv4":           40,
	"domain/envelope":        40,
	"domain/event":           30,
	"domain/arn":             20,
	"domain/fault":           20,
	"domain/secretbytes":     20,

	"eventstore/storetest": 55,
	"eventstore/natslog":   50,
	"eventstore/memlog":    50,
	"eventstore":           40,
	"eventstore/keyring":   40,
	"eventstore/merkle":    30,
}

// only lists what may be imported in few rooms alone: import prefix -> rooms.
var only = map[string][]string{
	"github.com/nats-io/":          {"eventstore/natslog", "eventstore/keyring", "cmd"},
	"github.com/prometheus/":       {"projections/metrics", "cmd"},
	"github.com/rs/zerolog":        {"cmd"},
	"github.com/spf13/cobra":       {"cmd/keytrail"},
	"github.com/transparency-dev/": {"eventstore/merkle"},
}

// forbidden lists what a room may never import: room -> import prefixes.
var forbidden = map[string][]string{
	"domain":     {module + "eventstore", module + "projections", module + "cmd", "crypto/rand", "math/rand", "os", "net/http", "log"},
	"eventstore": {module + "domain", module + "projections", module + "cmd"},
}

type pkg struct {
	path    string
	imports []string
}

// packages lists the module's packages with the imports of their product code.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-f", `{{.ImportPath}}|{{join .Imports ","}}`, module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for line := range strings.Lines(string(out)) {
		name, imports, _ := strings.Cut(strings.TrimSpace(line), "|")
		all = append(all, pkg{strings.TrimPrefix(name, module), strings.Split(imports, ",")})
	}
	if len(all) < 15 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

func level(room string) (int, bool) {
	for p := room; p != "."; p = path.Dir(p) {
		if l, ok := levels[p]; ok {
			return l, true
		}
	}
	return 0, false
}

func within(room, prefix string) bool { return room == prefix || strings.HasPrefix(room, prefix+"/") }

// violations returns what is wrong with one package's imports.
func violations(p pkg) []string {
	var wrong []string
	mine, known := level(p.path)
	if !known && strings.Contains(p.path, "/") {
		wrong = append(wrong, p.path+" has no level: say in archtest where it stands")
	}
	for _, imported := range p.imports {
		if room, ours := strings.CutPrefix(imported, module); ours {
			if theirs, ok := level(room); ok && theirs >= mine {
				wrong = append(wrong, fmt.Sprintf("%s imports %s, which is not below it", p.path, room))
			}
		}
		for prefix, rooms := range only {
			if strings.HasPrefix(imported, prefix) && !anyWithin(p.path, rooms) {
				wrong = append(wrong, fmt.Sprintf("%s imports %s, which only %v may", p.path, imported, rooms))
			}
		}
		for room, banned := range forbidden {
			if !within(p.path, room) {
				continue
			}
			for _, b := range banned {
				if imported == b || strings.HasPrefix(b, module) && within(imported, b) {
					wrong = append(wrong, fmt.Sprintf("%s imports %s, which nothing in %s may", p.path, imported, room))
				}
			}
		}
	}
	return wrong
}

func anyWithin(room string, prefixes []string) bool {
	for _, p := range prefixes {
		if within(room, p) {
			return true
		}
	}
	return false
}

func TestImportsRunDownward(t *testing.T) {
	for _, p := range packages(t) {
		for _, w := range violations(p) {
			t.Error(w)
		}
	}
}

// The rules themselves are tried on imports that must be refused.
func TestTheRulesRefuse(t *testing.T) {
	for _, p := range []pkg{
		{"domain/iam", []string{module + "domain/vault"}},
		{"domain/vault", []string{module + "eventstore"}},
		{"domain/key", []string{"crypto/rand"}},
		{"domain/key", []string{module + "domain/secret"}},
		{"domain/event", []string{"github.com/nats-io/nats.go"}},
		{"eventstore/memlog", []string{module + "domain/event"}},
		{"eventstore", []string{"github.com/rs/zerolog"}},
		{"eventstore", []string{module + "eventstore/natslog"}},
		{"cmd/internal/engine", []string{module + "cmd/internal/natsapi"}},
		{"elsewhere/new", nil},
	} {
		if len(violations(p)) == 0 {
			t.Errorf("%s may import %v", p.path, p.imports)
		}
	}
}

// Time and randomness are arguments in the domain.
func TestDomainReadsNoClock(t *testing.T) {
	out, err := exec.Command("go", "list", "-e", "-f", `{{range .GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}`, module+"domain/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files := strings.Fields(string(out))
	grep := exec.Command("grep", append([]string{"-nE", `time\.(Now|Since|Until|After|Tick|NewTimer|Sleep)\(`}, files...)...)
	if hits, _ := grep.Output(); len(hits) > 0 {
		t.Errorf("the domain reads a clock:\n%s", hits)
	}
}
