package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// TestMain lets the test binary be the ceiling's process.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "bench" && os.Args[2] == "ceiling" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := ServeCeiling(ctx, os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func testSample() *sample {
	line := `{"n":7,"op":"kms:Decrypt","pad":"` + strings.Repeat("x", 500) + `"}`
	return &sample{
		Service: "kms", Operation: "Decrypt", Body: []byte(`{"CiphertextBlob":"AAAA"}`), Want: []byte(`"Plaintext":"aGk="`),
		Header: nats.Header{headerReceipt: {"7 3"}}, Reply: []byte(`{"Plaintext":"aGk=","KeyId":"k"}`),
		Lines: [][]byte{[]byte(line), []byte(line)},
	}
}

func startTestCeiling(t *testing.T, s *sample) (*child, string) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ceiling")
	c, err := startCeiling(t.Context(), &Options{Executable: executable}, dir, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stop)
	return c, dir
}

// Every append that was answered is on disk, with all of its lines, and an echo
// stores nothing.
func TestCeilingStoresWhatItAnswers(t *testing.T) {
	s := testSample()
	c, dir := startTestCeiling(t, s)
	o := &Options{Callers: 8}
	for _, service := range []string{echoService, appendService} {
		l, err := ceilingLoad(c, o, service, s)
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		if err := l.run(t.Context(), 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		f := l.figures()
		if f.Rate <= 0 || f.P50 <= 0 || f.P99 < f.P50 {
			t.Errorf("%s: figures %+v", service, f)
		}
		if stored := f.RecordsPerCommit >= 2; stored != (service == appendService) {
			t.Errorf("%s: %v records a commit", service, f.RecordsPerCommit)
		}
		if service == appendService {
			l.close()
			c.stop()
			head, ok, err := eventstore.ReadHead(filepath.Join(dir, "head"))
			if err != nil || !ok {
				t.Fatalf("no head: %v", err)
			}
			report, err := natslog.VerifyDir(t.Context(), filepath.Join(dir, "nats"), &head, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if got := int64(report.Records); got < 2*l.made.Load() || got%2 != 0 {
				t.Errorf("%d records on disk for at least %d answers of 2", got, l.made.Load())
			}
		}
	}
}

// The same over HTTP, where the ceiling is a bare net/http server.
func TestCeilingOverHTTP(t *testing.T) {
	s := testSample()
	c, _ := startTestCeiling(t, s)
	for _, service := range []string{echoService, appendService} {
		l, err := ceilingLoad(c, &Options{Callers: 8, Transport: HTTP}, service, s)
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		if err := l.run(t.Context(), 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if stored := l.figures().RecordsPerCommit >= 2; stored != (service == appendService) {
			t.Errorf("%s: %v records a commit", service, l.figures().RecordsPerCommit)
		}
	}
	wrong := testSample()
	wrong.Want = []byte("something else")
	l, err := ceilingLoad(c, &Options{Callers: 1, Transport: HTTP}, echoService, wrong)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if err := l.run(t.Context(), 100*time.Millisecond); err == nil {
		t.Error("a wrong reply goes unnoticed")
	}
}

func TestWrongRepliesEndTheRun(t *testing.T) {
	for name, spoil := range map[string]func(*sample){
		"no receipt":      func(s *sample) { s.Header = nats.Header{} },
		"wrong plaintext": func(s *sample) { s.Reply = []byte(`{"Plaintext":"bm8="}`) },
		"refused":         func(s *sample) { s.Header[headerError] = []string{"AccessDeniedException"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := testSample()
			spoil(s)
			c, _ := startTestCeiling(t, s)
			l, err := ceilingLoad(c, &Options{Callers: 2}, echoService, s)
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			if err := l.run(t.Context(), 100*time.Millisecond); err == nil {
				t.Error("the run went on")
			}
		})
	}
}

// The ceiling's client may do no more than a client of the vault.
func TestCeilingClientIsFencedIn(t *testing.T) {
	c, _ := startTestCeiling(t, testSample())
	conns, err := c.connect(c.admin(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conns[0].Close()
	for _, subject := range []string{"$JS.API.INFO", "keytrail.log.use", "keytrail.api.SOMEONE.append.Decrypt"} {
		if m, err := conns[0].Request(subject, nil, 100*time.Millisecond); err == nil {
			t.Errorf("%s was answered: %q", subject, m.Data)
		}
	}
}

func TestInterruptEndsTheChild(t *testing.T) {
	s := testSample()
	c, _ := startTestCeiling(t, s)
	l, err := ceilingLoad(c, &Options{Callers: 2}, appendService, s)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := l.run(ctx, time.Minute); err != context.Canceled {
		t.Errorf("run: %v", err)
	}
	c.stop()
	if err := c.cmd.Process.Signal(syscall.Signal(0)); err == nil {
		t.Error("the child is still there")
	}
}

func TestChildThatFailsSaysWhy(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_, err = startChild(t.Context(), executable, t.TempDir(), "bench", "ceiling", filepath.Join(t.TempDir(), "nothing"))
	if err == nil || !strings.Contains(err.Error(), sampleFile) {
		t.Errorf("error %v, want one that names %s", err, sampleFile)
	}
}

func TestOptions(t *testing.T) {
	good := Options{What: Decrypt, Callers: 64, Seconds: 10}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Options){
		"what":         func(o *Options) { o.What = "encrypt" },
		"no callers":   func(o *Options) { o.Callers = 0 },
		"many callers": func(o *Options) { o.Callers = MaxCallers + 1 },
		"no time":      func(o *Options) { o.Seconds = 0 },
	} {
		o := good
		change(&o)
		if err := o.check(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPercentileAndMedian(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		values []time.Duration
		p      int
		want   time.Duration
	}{{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100}, {hundred[:1], 99, 1}, {hundred[:3], 50, 2}, {hundred[:10], 99, 10}} {
		if got := percentile(c.values, c.p); got != c.want {
			t.Errorf("percentile %d of %d values: %d, want %d", c.p, len(c.values), got, c.want)
		}
	}
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{5}, 5}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(slices.Clone(c.values)); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestParseCounters(t *testing.T) {
	text := `# HELP keytrail_log_commits_total Commits.
# TYPE keytrail_log_commits_total counter
keytrail_log_commits_total{subject="keytrail.log.state"} 3
keytrail_log_commits_total{subject="keytrail.log.use"} 1.5e+06
keytrail_log_commits_total_other 9
keytrail_log_records_total{subject="keytrail.log.use"} 7
`
	got, err := parseCounters(strings.NewReader(text))
	if want := (counters{commits: 1500003, records: 7}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for name, text := range map[string]string{"no metrics": "other 1\n", "no number": commitsMetric + " many\n"} {
		if _, err := parseCounters(strings.NewReader(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseEnv(t *testing.T) {
	got := parseEnv("# credentials\nexport A=1\n  B='two words'\nexport C=\"nats://127.0.0.1:1\"\n#export D=4\nnothing\nE=x=y\n")
	want := map[string]string{"A": "1", "B": "two words", "C": "nats://127.0.0.1:1", "E": "x=y"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestJSONReport(t *testing.T) {
	r := &Result{What: Decrypt, Callers: 64, Seconds: 10, PeakRSS: 81.26,
		Vault:  Figures{Rate: 20000.4, P50: 3.00049, P99: 8, RecordsPerCommit: 31.96, CPU: 40.04},
		Append: Figures{Rate: 25000, CPU: 25.04}, Echo: Figures{Rate: 60000}}
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	want := `{"what":"decrypt","callers":64,"seconds":10,"ops_per_s":20000,"p50_ms":3,"p99_ms":8,"records_per_commit":32,` +
		`"cpu_us_per_op":40,"peak_rss_mb":81.3,"echo_ops_per_s":60000,"ceiling_ops_per_s":25000,"ceiling_cpu_us_per_op":25,"ratio":0.8}` + "\n"
	if out.String() != want || !json.Valid(out.Bytes()) {
		t.Errorf("got  %swant %s", out.String(), want)
	}
	out.Reset()
	if err := r.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"vault: audited operations", "20000", "ratio vault / ceiling: 0.80", "81.3 MiB"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the table lacks %q:\n%s", part, out.String())
		}
	}
}

func TestTail(t *testing.T) {
	var out tail
	for i := range 3000 {
		fmt.Fprintf(&out, "line %d\n", i)
	}
	s := out.String()
	if len(s) > tailBytes || !strings.HasSuffix(s, "line 2999") {
		t.Errorf("%d bytes ending in %q", len(s), s[max(0, len(s)-20):])
	}
}
