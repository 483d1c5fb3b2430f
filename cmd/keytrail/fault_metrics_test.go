package main_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// operational are the beginnings of the names of metrics that tell of the running
// process. All others are derived from the log.
var operational = []string{
	"go_", "process_", "keytrail_log_", "keytrail_head_", "keytrail_heap_", "keytrail_standing_", "keytrail_call", "keytrail_connections", "keytrail_disk_", "keytrail_refused_total",
	"keytrail_live_", "keytrail_nats_", "keytrail_store_", "keytrail_projection_",
}

// derived scrapes the metrics that come from the log, once all of it is counted.
// Each start of a server is a record too; those are left out.
func (p *process) derived(t testing.TB) map[string]float64 {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		_, body := p.ops(t, "/metrics")
		samples := map[string]float64{}
		for line := range strings.Lines(body) {
			i := strings.LastIndexByte(line, ' ')
			if strings.HasPrefix(line, "#") || i < 0 {
				continue
			}
			value, err := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
			if err != nil {
				t.Fatalf("sample %q: %v", line, err)
			}
			samples[line[:i]] = value
		}
		if lag, ok := samples[`keytrail_projection_lag_commits{projection="metrics"}`]; ok && lag == 0 {
			maps.DeleteFunc(samples, func(name string, _ float64) bool {
				return strings.Contains(name, `operation="OpenLog"`) ||
					slices.ContainsFunc(operational, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
			})
			return samples
		}
		if time.Now().After(end) {
			t.Fatalf("the log is not counted after %s:\n%s", patience, body)
		}
	}
}

// busyHour is calls of every kind that is counted.
func busyHour(t testing.TB, p *process) {
	t.Helper()
	admin := p.connect(t)
	var k, doomed struct{ KeyMetadata struct{ KeyId string } }
	must(t, admin, "kms", "CreateKey", object{}, &k)
	must(t, admin, "kms", "CreateKey", object{}, &doomed)
	var sealed struct{ CiphertextBlob string }
	must(t, admin, "kms", "Encrypt", object{"KeyId": k.KeyMetadata.KeyId, "Plaintext": "aGVsbG8="}, &sealed)
	for range 5 {
		must(t, admin, "kms", "Decrypt", sealed, nil)
	}
	must(t, admin, "kms", "ScheduleKeyDeletion", object{"KeyId": doomed.KeyMetadata.KeyId, "PendingWindowInDays": 7}, nil)
	refused := func(want, service, operation string, in object) {
		t.Helper()
		if _, err := invoke(t.Context(), admin, service, operation, in, nil); code(err) != want {
			t.Fatalf("%s %s: %v, want %s", service, operation, err, want)
		}
	}
	refused("KMSInvalidStateException", "kms", "Encrypt", object{"KeyId": doomed.KeyMetadata.KeyId, "Plaintext": "aGVsbG8="})
	refused("NotFoundException", "kms", "DescribeKey", object{"KeyId": "alias/none"})
	name := "busy/" + k.KeyMetadata.KeyId
	must(t, admin, "secretsmanager", "CreateSecret", object{"Name": name, "SecretString": "x", "KmsKeyId": k.KeyMetadata.KeyId}, nil)
	must(t, admin, "secretsmanager", "GetSecretValue", object{"SecretId": name}, nil)
	must(t, admin, "secretsmanager", "CreateSecret", object{"Name": name + "/old", "SecretString": "x"}, nil)
	must(t, admin, "secretsmanager", "DeleteSecret", object{"SecretId": name + "/old", "RecoveryWindowInDays": 7}, nil)
	must(t, admin, "sts", "GetSessionToken", object{}, nil)
	arn, id, secret := newUser(t, admin, "user-"+k.KeyMetadata.KeyId)
	must(t, admin, "kms", "CreateGrant", object{"KeyId": k.KeyMetadata.KeyId, "GranteePrincipal": arn, "Operations": []string{"Encrypt"}}, nil)
	if _, err := invoke(t.Context(), p.connectAs(t, id, secret, ""), "kms", "Decrypt", sealed, nil); code(err) != "AccessDeniedException" {
		t.Fatalf("Decrypt by a user without permission: %v", err)
	}
}

// What is counted from the log is the same after kill -9, with and without what a
// clean stop has put down before, and after a rebuild from nothing.
func TestFaultMetricsSurvive(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, dir)
	busyHour(t, p)
	first := p.derived(t)
	for _, want := range []string{"keytrail_denials_total", "keytrail_key_uses_total", "keytrail_secret_reads_total", "keytrail_pending_key_uses_total",
		"keytrail_sessions", "keytrail_sessions_issued_total", "keytrail_grants", "keytrail_key_secrets", "keytrail_key_deletion_timestamp_seconds",
		"keytrail_key_material_timestamp_seconds", "keytrail_secret_value_timestamp_seconds", "keytrail_secret_deletion_timestamp_seconds", "keytrail_secrets_never_rotated"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(first)), func(name string) bool {
			return (name == want || strings.HasPrefix(name, want+"{")) && first[name] > 0
		}) {
			t.Errorf("%s counts nothing", want)
		}
	}
	p.kill()
	p = serve(t, dir)
	sameSamples(t, "after kill -9", p.derived(t), first)
	p.stop(t)

	p = serve(t, dir) // goes on from the snapshot
	busyHour(t, p)
	second := p.derived(t)
	if second[`keytrail_operations_total{code="",operation="Decrypt",outcome="ok",service="kms"}`] <= first[`keytrail_operations_total{code="",operation="Decrypt",outcome="ok",service="kms"}`] {
		t.Error("the second load is not counted")
	}
	p.kill()
	p = serve(t, dir)
	sameSamples(t, "after kill -9 with a snapshot", p.derived(t), second)
	p.stop(t)
	if err := os.Remove(filepath.Join(dir, "metrics.snapshot")); err != nil {
		t.Fatal(err)
	}
	p = serve(t, dir)
	sameSamples(t, "rebuilt", p.derived(t), second)
}

func sameSamples(t testing.TB, when string, got, want map[string]float64) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if value, ok := got[name]; !ok || value != want[name] {
			t.Errorf("%s: %s is %v (there: %v), was %v", when, name, value, ok, want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is new", when, name)
		}
	}
}

// A server is killed while it builds a view again, at one moment and another: the
// next one goes on with it, and in the end every view says what it said.
func TestFaultKilledWhileRebuilding(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, dir)
	busyHour(t, p)
	busyHour(t, p)
	var keys struct{ Keys []struct{ KeyId string } }
	must(t, p.connect(t), "kms", "ListKeys", object{}, &keys)
	// What is asked here, and the rebuilds, are records too; those are left out.
	views := func() (counts map[string]float64, said string) {
		admin := p.connect(t)
		for _, k := range keys.Keys {
			said += string(must(t, admin, "kms", "GetKeyLastUsage", object{"KeyId": k.KeyId}, nil).Body)
		}
		said += p.run(t, "", "audit", "query", "--sql", "SELECT eventSource, eventName, errorCode, count(*), min(n), max(n) FROM events"+
			" WHERE eventSource <> 'keytrail.amazonaws.com' AND eventName <> 'GetKeyLastUsage' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3").want(t, 0, "Decrypt").stdout
		counts = p.derived(t)
		maps.DeleteFunc(counts, func(name string, _ float64) bool {
			return strings.Contains(name, `service="keytrail"`) || strings.Contains(name, `operation="GetKeyLastUsage"`)
		})
		return counts, said
	}
	counts, said := views()
	for i, after := range []time.Duration{0, 0, 0, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond} {
		name := []string{"audit", "metrics", "access"}[i%3]
		must(t, p.connect(t), "keytrail", "RebuildProjection", object{"Name": name}, nil)
		time.Sleep(after)
		p.kill()
		p = serve(t, dir)
		nowCounts, nowSaid := views()
		sameSamples(t, name+" killed after "+after.String(), nowCounts, counts)
		if nowSaid != said {
			t.Errorf("%s killed after %s: the views say\n%s\nand said\n%s", name, after, nowSaid, said)
		}
	}
}
