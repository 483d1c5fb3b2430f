package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
)

// world is a running server whose administrator asks it.
type world struct {
	t     *testing.T
	s     *Server
	admin string // access key id
}

// startWorld starts the server and stops it when the test ends.
func startWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	s, err := Start(t.Context(), Options{DataDir: dir, NATSListen: "127.0.0.1:0", OpsListen: "127.0.0.1:0",
		Account: DefaultAccount, Region: DefaultRegion, MetricsNamed: 10, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	env, err := os.ReadFile(dir + "/admin.env")
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, s: s, admin: string(regexp.MustCompile(`AKIA[A-Z0-9]+`).Find(env))}
}

func (w *world) ask(operation string, in map[string]any) (body []byte, fault error) {
	w.t.Helper()
	service, name, _ := strings.Cut(operation, ":")
	raw, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	reply, err := w.s.Engine().Call(w.t.Context(), &vault.Request{ID: w.s.Engine().NewRequestID(), Service: service, Operation: name,
		Credential: identity.Credential{AccessKey: w.admin}, Body: raw, Source: "127.0.0.1"})
	if err != nil {
		w.t.Fatal(err)
	}
	if reply.Fault != nil {
		return nil, reply.Fault
	}
	return reply.Body, nil
}

func (w *world) must(operation string, in map[string]any) []byte {
	w.t.Helper()
	body, fault := w.ask(operation, in)
	if fault != nil {
		w.t.Fatalf("%s: %v", operation, fault)
	}
	return body
}

// records are the first n records as the audit view shows them.
func (w *world) records(n int) []byte {
	w.t.Helper()
	return w.must("keytrail:QueryAudit", map[string]any{"OldestFirst": true, "MaxResults": n})
}

// counted is what the metrics view has counted of the operation: it is not called
// again, so a rebuild must find the same.
func (w *world) counted(operation string) string {
	w.t.Helper()
	reply, err := http.Get(w.s.OpsURL() + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `operation="`+operation+`"`) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

func (w *world) projections() map[string]vault.Projection {
	w.t.Helper()
	var out struct{ Projections []vault.Projection }
	if err := json.Unmarshal(w.must("keytrail:ListProjections", map[string]any{}), &out); err != nil {
		w.t.Fatal(err)
	}
	found := map[string]vault.Projection{}
	for _, p := range out.Projections {
		found[p.Name] = p
	}
	return found
}

// follow waits until a view holds what the log holds now.
func (w *world) follow(name string) {
	w.t.Helper()
	end, until := w.projections()[name].LogEnd, time.Now().Add(20*time.Second)
	for w.projections()[name].Cursor < end {
		if time.Now().After(until) {
			w.t.Fatalf("%s does not follow", name)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestRebuildWhileServing: each view is thrown away under a running server and
// answers the same, byte for byte, when it is built again.
func TestRebuildWhileServing(t *testing.T) {
	w := startWorld(t)
	var used []string
	for i := range 50 {
		var made struct{ KeyMetadata struct{ KeyId string } }
		if err := json.Unmarshal(w.must("kms:CreateKey", map[string]any{"Description": fmt.Sprint("key ", i)}), &made); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			used = append(used, made.KeyMetadata.KeyId)
			w.must("kms:GenerateDataKeyWithoutPlaintext", map[string]any{"KeyId": made.KeyMetadata.KeyId, "KeySpec": "AES_256"})
		}
		if _, fault := w.ask("kms:DescribeKey", map[string]any{"KeyId": fmt.Sprint("alias/none", i)}); fault == nil {
			t.Fatal("described a key that is not there")
		}
	}
	w.follow("metrics")
	w.follow("access")
	lastUses := func() (all string) {
		for _, id := range used {
			all += string(w.must("kms:GetKeyLastUsage", map[string]any{"KeyId": id})) + "\n"
		}
		return all
	}
	const shown = 100
	uses := lastUses()
	if n := strings.Count(uses, "GenerateDataKeyWithoutPlaintext"); n != len(used) {
		t.Fatalf("last uses of %d keys: %s", len(used), uses)
	}
	records, created, described := w.records(shown), w.counted("CreateKey"), w.counted("DescribeKey")
	if !bytes.Contains(records, []byte("DescribeKey")) || created == "" || described == "" {
		t.Fatalf("nothing to compare: %s\n%s\n%s", records, created, described)
	}
	if _, fault := w.ask("keytrail:RebuildProjection", map[string]any{"Name": "none"}); fault == nil {
		t.Error("there is no such view")
	}
	views := w.projections()
	for _, name := range []string{"audit", "metrics", "access"} {
		if _, there := views[name]; !there {
			t.Fatalf("views: %v", views)
		}
		w.must("keytrail:RebuildProjection", map[string]any{"Name": name})
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			p := w.projections()[name]
			if !p.Rebuild {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s is not built: %+v", name, p)
			}
		}
	}
	w.follow("metrics")
	w.follow("access")
	if again := lastUses(); again != uses {
		t.Errorf("the last uses are\n%s\nand were\n%s", again, uses)
	}
	if again := w.records(shown); !bytes.Equal(trimToken(again), trimToken(records)) {
		t.Errorf("the audit view answers\n%s\nand did\n%s", again, records)
	}
	if again := w.counted("CreateKey"); again != created {
		t.Errorf("the metrics are\n%s\nand were\n%s", again, created)
	}
	if again := w.counted("DescribeKey"); again != described {
		t.Errorf("the metrics are\n%s\nand were\n%s", again, described)
	}
}

// trimToken takes off the NextToken, which says how far the log had come.
func trimToken(answer []byte) []byte {
	return regexp.MustCompile(`"NextToken":"[^"]*"`).ReplaceAll(answer, nil)
}
