package metrics_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/storetest"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/metrics"
)

type M = vaulttest.M

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// canary is in everything that is secret, and in nothing else.
const canary = "CANARY-9f27c1"

// story is a vault with a little of everything that is counted.
func story(t testing.TB) *vaulttest.Vault {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	reader := v.User("reader", vaulttest.Allow("secretsmanager:GetSecretValue", "kms:DescribeKey"))
	id := func(o *vaulttest.Outcome) string { return o.OK()["KeyMetadata"].(M)["KeyId"].(string) }
	k := id(admin.Call("kms:CreateKey", M{"Description": "first"}))
	other := id(admin.Call("kms:CreateKey", nil))
	plaintext := base64.StdEncoding.EncodeToString([]byte(canary))
	blob := admin.Call("kms:Encrypt", M{"KeyId": k, "Plaintext": plaintext}).OK()["CiphertextBlob"]
	for range 3 {
		admin.Call("kms:Decrypt", M{"CiphertextBlob": blob}).OK()
	}
	reader.Call("kms:Decrypt", M{"CiphertextBlob": blob}).Fails(fault.AccessDeniedException, "")
	admin.Call("secretsmanager:CreateSecret", M{"Name": "plain/one", "SecretString": canary, "KmsKeyId": k}).OK()
	admin.Call("secretsmanager:CreateSecret", M{"Name": "plain/two", "SecretString": canary}).OK()
	admin.Call("secretsmanager:GetSecretValue", M{"SecretId": "plain/two"}).OK()
	// Allowed on the secret, not on its key: one denial, that of kms:Decrypt.
	reader.Call("secretsmanager:GetSecretValue", M{"SecretId": "plain/one"}).Fails(fault.AccessDeniedException, "")
	admin.Call("kms:ScheduleKeyDeletion", M{"KeyId": other, "PendingWindowInDays": 7}).OK()
	admin.Call("kms:Encrypt", M{"KeyId": other, "Plaintext": plaintext}).Fails(fault.KMSInvalidStateException, "pending deletion")
	admin.Call("kms:DescribeKey", M{"KeyId": "alias/none"}).Fails(fault.NotFoundException, "")
	admin.Call("kms:Attack"+canary, nil).Fails(fault.UnknownOperationException, "")
	admin.Call("nonsense:Attack"+canary, nil).Fails(fault.UnknownOperationException, "")
	ghost := *admin
	ghost.Credential.AccessKey = "AKIA" + strings.Repeat("9", 16)
	ghost.Call("kms:ListKeys", nil).Fails(fault.UnrecognizedClientException, "")
	return v
}

// stored puts lines into a log in memory, some to a commit.
func stored(t testing.TB, lines [][]byte, perCommit int) eventstore.Log {
	t.Helper()
	log := memlog.NewStore(memlog.Options{}).Open()
	var w storetest.Writer
	for chunk := range slices.Chunk(lines, perCommit) {
		var text []string
		for _, line := range chunk {
			text = append(text, string(line))
		}
		w.Append(t, log, w.Commit(eventstore.Use, text...))
	}
	return log
}

func open(t testing.TB, log eventstore.Log, o metrics.Options) *metrics.View {
	t.Helper()
	v, err := metrics.Open(context.Background(), log, o)
	check(t, err)
	return v
}

// catchUp counts up to the end of the log, or up to a sequence.
func catchUp(t testing.TB, log eventstore.Log, v *metrics.View, upTo uint64) {
	t.Helper()
	ctx := context.Background()
	cursor, err := v.Cursor(ctx)
	check(t, err)
	reached := errors.New("reached")
	err = log.Read(ctx, cursor+1, nil, func(c eventstore.Stored) error {
		if upTo > 0 && c.Seq > upTo {
			return reached
		}
		return v.Apply(ctx, []eventstore.Stored{c})
	})
	if err != nil && err != reached {
		t.Fatal(err)
	}
}

// scrape is the exposition of the collectors without comments.
func scrape(t testing.TB, collectors ...prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectors...)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: %s", w.Body)
	}
	samples := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
		check(t, err)
		samples[line[:i]] = value
	}
	return samples
}

func same(t *testing.T, what string, got, want map[string]float64) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: %s is %v, want %v", what, name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is not wanted", what, name)
		}
	}
}

func TestCounts(t *testing.T) {
	v := story(t)
	log := stored(t, v.Lines, 3)
	view := open(t, log, metrics.Options{Named: 10})
	catchUp(t, log, view, 0)
	got := scrape(t, view)
	for name, want := range map[string]float64{
		`keytrail_operations_total{code="",operation="Decrypt",outcome="ok",service="kms"}`:                                   5, // two for Secrets Manager
		`keytrail_operations_total{code="AccessDenied",operation="Decrypt",outcome="denied",service="kms"}`:                   2,
		`keytrail_operations_total{code="AccessDenied",operation="GetSecretValue",outcome="denied",service="secretsmanager"}`: 1,
		`keytrail_operations_total{code="NotFoundException",operation="DescribeKey",outcome="invalid",service="kms"}`:         1,
		`keytrail_operations_total{code="KMSInvalidStateException",operation="Encrypt",outcome="invalid",service="kms"}`:      1,
		`keytrail_operations_total{code="UnknownOperationException",operation="other",outcome="invalid",service="kms"}`:       1,
		`keytrail_operations_total{code="UnknownOperationException",operation="other",outcome="invalid",service="other"}`:     1,
		`keytrail_denials_total{access="use",reason="identity-policy",service="kms"}`:                                         2,
		`keytrail_denials_total{access="any",reason="credentials",service="kms"}`:                                             1,
		`keytrail_events_total{type="KeyRotated"}`:                                                                            0,
		`keytrail_events_total{type="KeyCreated"}`:                                                                            3,
		`keytrail_secret_reads_total{account="111122223333",secret="plain/two"}`:                                              1,
		`keytrail_secret_reads_total{account="",secret="other"}`:                                                              0,
		`keytrail_sessions`:                 0,
		`keytrail_unreadable_records_total`: 0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v (there: %v), want %v", name, value, ok, want)
		}
	}
	var records, pending float64
	for name, n := range got {
		switch {
		case strings.HasPrefix(name, "keytrail_operations_total"):
			records += n
		case strings.HasPrefix(name, "keytrail_pending_key_uses_total"):
			pending += n
		}
		if strings.Contains(name, canary) || strings.Contains(name, base64.StdEncoding.EncodeToString([]byte(canary))) {
			t.Errorf("what is secret, or made up by a caller, is in %s", name)
		}
	}
	if records != float64(len(v.Lines)) {
		t.Errorf("%v operations, the log has %d records", records, len(v.Lines))
	}
	if pending != 1 {
		t.Errorf("%v uses of a key that is scheduled for deletion, want 1", pending)
	}
	if t.Failed() {
		for _, name := range slices.Sorted(maps.Keys(got)) {
			t.Log(name, got[name])
		}
	}
}

// A process is killed at every commit and goes on from whatever snapshot there
// is; what it shows in the end is what one that never stopped shows.
func TestKilledAnywhere(t *testing.T) {
	log := stored(t, story(t).Lines, 2)
	last, err := log.Last(t.Context())
	check(t, err)
	straight := open(t, log, metrics.Options{Named: 2})
	catchUp(t, log, straight, 0)
	want := scrape(t, straight)

	file := filepath.Join(t.TempDir(), "metrics")
	random := rand.New(rand.NewPCG(1, 2))
	restored := 0
	for upTo := uint64(1); upTo <= last; upTo++ {
		every := time.Nanosecond
		if random.IntN(2) == 0 {
			every = time.Hour // this life ends without a snapshot
		}
		view := open(t, log, metrics.Options{Snapshot: file, Named: 2, Every: every,
			Observe: func(err error) { t.Errorf("kill before %d: %v", upTo, err) }})
		if cursor, _ := view.Cursor(t.Context()); cursor > 0 {
			restored++
		}
		if upTo < last && len(scrape(t, view)) > 0 {
			t.Fatalf("counts are shown before they have come as far as the log")
		}
		catchUp(t, log, view, upTo)
	}
	if restored == 0 {
		t.Fatal("no life began with a snapshot")
	}
	view := open(t, log, metrics.Options{Snapshot: file, Named: 2})
	catchUp(t, log, view, 0)
	same(t, "after all kills", scrape(t, view), want)
	view.Close()

	again := open(t, log, metrics.Options{Snapshot: file, Named: 2})
	if cursor, _ := again.Cursor(t.Context()); cursor != last {
		t.Fatalf("after Close the snapshot is at %d, want %d", cursor, last)
	}
	same(t, "after a restart", scrape(t, again), want)
	check(t, projections.NewRunner(log, again, nil).Rebuild(t.Context(), nil))
	same(t, "after a rebuild", scrape(t, again), want)
}

// A snapshot that cannot be trusted is told and dropped, and the log is counted
// from its beginning.
func TestUntrustedSnapshots(t *testing.T) {
	log := stored(t, story(t).Lines, 2)
	elsewhere := stored(t, append([][]byte{[]byte(`{"n":0,"at":"2026-11-23T18:00:00Z","op":"kms:ListKeys","who":{},"outcome":"ok"}`)}, story(t).Lines...), 2)
	dir := t.TempDir()
	snapshot := func(name string, log eventstore.Log, named int) []byte {
		view := open(t, log, metrics.Options{Snapshot: filepath.Join(dir, name), Named: named})
		catchUp(t, log, view, 0)
		view.Close()
		content, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		return content
	}
	good := snapshot("good", log, 5)
	straight := open(t, log, metrics.Options{Named: 5})
	catchUp(t, log, straight, 0)
	want := scrape(t, straight)
	for what, content := range map[string][]byte{
		"truncated":     good[:len(good)/2],
		"empty":         {},
		"flipped":       append(append([]byte(nil), good[:40]...), append([]byte{good[40] ^ 1}, good[41:]...)...),
		"zeroes":        make([]byte, len(good)),
		"other log":     snapshot("elsewhere", elsewhere, 5),
		"other options": snapshot("options", log, 6),
	} {
		file := filepath.Join(dir, "untrusted")
		check(t, os.WriteFile(file, content, 0o600))
		var told error
		view := open(t, log, metrics.Options{Snapshot: file, Named: 5, Observe: func(err error) { told = err }})
		if cursor, _ := view.Cursor(t.Context()); told == nil || cursor != 0 {
			t.Errorf("%s: goes on at %d, told %v", what, cursor, told)
		}
		catchUp(t, log, view, 0)
		same(t, what, scrape(t, view), want)
	}
}

// While a running view is counted anew, it shows nothing rather than less.
func TestRebuildShowsNothingHalfCounted(t *testing.T) {
	lines := story(t).Lines
	log := memlog.NewStore(memlog.Options{}).Open()
	var w storetest.Writer
	view := open(t, log, metrics.Options{Named: 5}) // opened when the log was empty
	for _, line := range lines {
		w.Append(t, log, w.Commit(eventstore.Use, string(line)))
	}
	catchUp(t, log, view, 0)
	want := scrape(t, view)
	check(t, view.Reset(t.Context()))
	for upTo := uint64(1); upTo < uint64(len(lines)); upTo++ {
		catchUp(t, log, view, upTo)
		if n := len(scrape(t, view)); n > 0 {
			t.Fatalf("%d series are shown at commit %d of %d", n, upTo, len(lines))
		}
	}
	catchUp(t, log, view, 0)
	same(t, "after the rebuild", scrape(t, view), want)
}

func TestApplyDemandsTheNextCommit(t *testing.T) {
	log := stored(t, story(t).Lines, 1)
	view := open(t, log, metrics.Options{})
	second, err := log.Get(t.Context(), 2)
	check(t, err)
	if err := view.Apply(t.Context(), []eventstore.Stored{second}); err == nil {
		t.Error("a gap was counted over")
	}
	catchUp(t, log, view, 0)
	before := scrape(t, view)
	check(t, view.Apply(t.Context(), []eventstore.Stored{second}))
	same(t, "a commit twice", scrape(t, view), before)
}

// use is a record of a use of the key or a read of the secret.
func use(t testing.TB, n int, arn string) []byte {
	r := event.Record{N: uint64(n), At: time.Unix(int64(n), 0), Op: "kms:Decrypt", Outcome: event.OutcomeOK}
	if strings.Contains(arn, ":secret:") {
		r.Events = []event.Event{&event.SecretValueRead{Secret: arn}}
	} else {
		r.Resources = []string{arn}
	}
	line, err := r.AppendLine(nil)
	check(t, err)
	return line
}

// However many keys and secrets there are, the series stay few; every use is in
// exactly one of them; and what is used most ends up with a name.
func TestCardinalityIsBounded(t *testing.T) {
	const named, names, uses, period = 20, 3000, 60_000, 1 << 14
	key := func(i int) string {
		return fmt.Sprintf("arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-%012d", i)
	}
	secret := func(i int) string {
		return fmt.Sprintf("arn:aws:secretsmanager:us-east-1:111122223333:secret:app/%d-AbCdEf", i)
	}
	random := rand.New(rand.NewPCG(3, 4))
	var lines [][]byte
	for i := range uses {
		k := random.IntN(names)
		if i > uses/3 && random.IntN(10) == 0 {
			k = 2999 // a tenth of all, but only from a third of the way on
		}
		lines = append(lines, use(t, len(lines), key(k)), use(t, len(lines)+1, secret(random.IntN(names))))
	}
	log := stored(t, lines, 400)
	view := open(t, log, metrics.Options{Named: named})
	catchUp(t, log, view, 0)
	got := scrape(t, view)
	series, sums := map[string]int{}, map[string]float64{}
	for name, n := range got {
		metric, _, _ := strings.Cut(name, "{")
		series[metric]++
		sums[metric] += n
	}
	for _, metric := range []string{"keytrail_key_uses_total", "keytrail_secret_reads_total"} {
		if series[metric] != named+1 {
			t.Errorf("%s has %d series, want %d", metric, series[metric], named+1)
		}
		if sums[metric] > uses || sums[metric] < uses/2 {
			t.Errorf("%s counts %v of %d uses", metric, sums[metric], uses)
		}
	}
	hot := got[`keytrail_key_uses_total{account="111122223333",key_id="00000000-0000-4000-8000-000000002999"}`]
	if hot < uses/3/10/2 {
		t.Errorf("the key that is used most has %v uses in a series of its own", hot)
	}
	// Rates are true: between two scrapes the series grow by what was used.
	more := lines[:2000]
	var w storetest.Writer
	grown := memlog.NewStore(memlog.Options{}).Open()
	for chunk := range slices.Chunk(append(slices.Clip(lines), more...), 400) {
		var text []string
		for _, line := range chunk {
			text = append(text, string(line))
		}
		w.Append(t, grown, w.Commit(eventstore.Use, text...))
	}
	again := open(t, grown, metrics.Options{Named: named})
	catchUp(t, grown, again, 0)
	var growth float64
	for name, n := range scrape(t, again) {
		if strings.HasPrefix(name, "keytrail_key_uses_total") {
			growth += n - got[name]
		}
	}
	if growth != float64(len(more)/2) {
		t.Errorf("the series grew by %v, the key was used %d times", growth, len(more)/2)
	}
}

// Sessions count until the minute in which they expire, and however many were
// issued, no more is kept of them than of the last hours.
func TestSessionsThatLast(t *testing.T) {
	start := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	issued := func(n int, expires time.Time) []byte {
		line, err := (&event.Record{N: uint64(n), At: start, Op: "sts:AssumeRole", Outcome: event.OutcomeOK,
			Events: []event.Event{&event.SessionIssued{AccessKey: "ASIA1", Principal: "AROA1", Expires: expires}}}).AppendLine(nil)
		check(t, err)
		return line
	}
	now := start
	file := filepath.Join(t.TempDir(), "metrics")
	live := func(lines [][]byte) float64 {
		log := stored(t, lines, 50)
		view := open(t, log, metrics.Options{Snapshot: file, Now: func() time.Time { return now }})
		catchUp(t, log, view, 0)
		view.Close()
		again := open(t, log, metrics.Options{Snapshot: file, Now: func() time.Time { return now }})
		same(t, "after a restart", scrape(t, again), scrape(t, view))
		check(t, os.Remove(file))
		if n := scrape(t, view)[`keytrail_sessions_issued_total{operation="AssumeRole"}`]; n != float64(len(lines)) {
			t.Errorf("%v sessions were issued, want %d", n, len(lines))
		}
		return scrape(t, view)["keytrail_sessions"]
	}
	few := [][]byte{issued(0, start.Add(15*time.Minute)), issued(1, start.Add(time.Hour)), issued(2, start.Add(time.Hour)), issued(3, start.Add(36*time.Hour))}
	for after, want := range map[time.Duration]float64{0: 4, 15 * time.Minute: 4, 16 * time.Minute: 3, 61 * time.Minute: 1, 37 * time.Hour: 0} {
		now = start.Add(after)
		if n := live(few); n != want {
			t.Errorf("after %s there are %v sessions, want %v", after, n, want)
		}
	}
	// One a minute for two weeks, each for an hour: 60 of them last, and the last.
	const weeks = 14 * 24 * 60
	var many [][]byte
	for i := range weeks {
		many = append(many, issued(i, start.Add(time.Duration(i+60)*time.Minute)))
	}
	now = start.Add((weeks - 1) * time.Minute)
	if n := live(many); n != 61 {
		t.Errorf("%v sessions last, want 61", n)
	}
}

func TestDeletedNamesGiveTheirSeriesBack(t *testing.T) {
	gone, next := "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
	deleted, err := (&event.Record{N: 1, At: time.Unix(1, 0), Op: "kms:DeleteKey", Outcome: event.OutcomeOK,
		Events: []event.Event{&event.KeyDeleted{Key: gone}}}).AppendLine(nil)
	check(t, err)
	arn := "arn:aws:kms:us-east-1:111122223333:key/"
	log := stored(t, [][]byte{use(t, 0, arn+gone), deleted, use(t, 2, arn+next)}, 1)
	view := open(t, log, metrics.Options{Named: 1})
	catchUp(t, log, view, 0)
	got := scrape(t, view)
	if _, ok := got[`keytrail_key_uses_total{account="111122223333",key_id="`+gone+`"}`]; ok {
		t.Error("a deleted key has a series")
	}
	if got[`keytrail_key_uses_total{account="111122223333",key_id="`+next+`"}`] != 1 {
		t.Error("the key after it has none")
	}
}

// A line that cannot be read is counted as such, and those after it count.
func TestUnreadableLines(t *testing.T) {
	log := stored(t, [][]byte{[]byte(`nonsense`), []byte("{\"n\":0,\"op\":\"\xff\",\"outcome\":\"ok\"}"),
		use(t, 2, "arn:aws:kms:us-east-1:111122223333:key/k")}, 3)
	view := open(t, log, metrics.Options{Named: 1})
	catchUp(t, log, view, 0)
	got := scrape(t, view)
	if got["keytrail_unreadable_records_total"] != 2 || got[`keytrail_key_uses_total{account="111122223333",key_id="k"}`] != 1 {
		t.Errorf("counted %v", got)
	}
}

func BenchmarkApply(b *testing.B) {
	lines := story(b).Lines
	log := stored(b, lines, len(lines))
	c, err := log.Get(b.Context(), 1)
	check(b, err)
	empty := memlog.NewStore(memlog.Options{}).Open()
	view := open(b, empty, metrics.Options{Named: 100})
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		c.Seq = uint64(n + 1)
		check(b, view.Apply(b.Context(), []eventstore.Stored{c}))
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*len(lines)), "ns/record")
}
