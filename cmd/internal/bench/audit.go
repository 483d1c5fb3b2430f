package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/projections"
	"github.com/keytrail/keytrail/projections/audit"
)

// Audit measures the audit view: how fast it is built and asked, beside jq over
// the same records, and what it costs the write path that it follows.
const Audit = "audit"

// MaxRecords bounds Options.Records.
const MaxRecords = 50_000_000

// AuditResult is what a run of Audit measured.
type AuditResult struct {
	Records   int
	Rebuild   time.Duration // with the making of the records, which takes Making
	Making    time.Duration
	Bytes     int64 // of the view's files
	LineBytes int64 // of the records as JSON lines
	Questions []Asked
	NoJQ      string // why there is no comparison; "" = there is

	Callers       int
	Seconds       int
	With, Without Figures       // of the write path
	Lag           time.Duration // the longest seen under load
}

// Asked is one question: medians.
type Asked struct {
	Name  string
	Found int // records of the answer, or rows
	View  time.Duration
	JQ    time.Duration // 0 = not asked
}

// Kept is the part of the write path's rate that is left beside the view.
func (r *AuditResult) Kept() float64 { return r.With.Rate / r.Without.Rate }

// RunAudit measures the view.
func RunAudit(ctx context.Context, o Options) (*AuditResult, error) {
	o.What = Decrypt // of the write path
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Records < 1000 || o.Records > MaxRecords {
		return nil, fmt.Errorf("bench: %d records, want 1000 to %d", o.Records, MaxRecords)
	}
	dir, err := os.MkdirTemp("", "keytrail-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &AuditResult{Records: o.Records, Callers: o.Callers, Seconds: o.Seconds}
	if err := r.views(ctx, &o, dir); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if err := r.writePath(ctx, &o, dir); err != nil {
		return nil, fmt.Errorf("bench: the write path beside the view: %w", err)
	}
	return r, nil
}

// question is asked of the view, and of jq over the stored lines.
type question struct {
	name string
	ask  func(q *vault.TrailQuery)
	jq   string // a filter of lines
}

// questions ask for what is in the middle of the log and what is all over it.
func questions(records int) []question {
	where := func(w ...vault.TrailCondition) func(*vault.TrailQuery) {
		return func(q *vault.TrailQuery) { q.Where = w }
	}
	request, caller, secret := madeRequest(uint64(records/4)), madeCaller(3*7919%madeCallers), madeSecret(17)
	return []question{
		{"one request", where(vault.TrailCondition{Field: vault.TrailRequestID, Value: request}), `select(.req == "` + request + `")`},
		{"newest 50 of a caller", where(vault.TrailCondition{Field: vault.TrailPrincipal, Value: caller.ARN}), `select(.who.arn == "` + caller.ARN + `")`},
		{"newest 50 of an access key, refused", where(vault.TrailCondition{Field: vault.TrailAccessKey, Value: caller.AccessKey}, vault.TrailCondition{Field: vault.TrailErrorCode, Value: vault.AnyError}), ""},
		{"newest 50 of a secret", where(vault.TrailCondition{Field: vault.TrailSecret, Value: secret}), `select(.resources | index("` + secret + `"))`},
		{"newest 50 refusals", where(vault.TrailCondition{Field: vault.TrailErrorCode, Value: "AccessDenied"}), `select(.outcome == "AccessDenied")`},
		{"a minute in the middle, one operation", func(q *vault.TrailQuery) {
			q.Where = []vault.TrailCondition{{Field: vault.TrailEventName, Value: "GetSecretValue"}}
			q.Since = madeBegin.Add(time.Duration(records) * time.Millisecond)
			q.Until = q.Since.Add(time.Minute)
		}, ""},
		{"SELECT of one request", func(q *vault.TrailQuery) {
			q.SQL = "SELECT eventName, arn, record FROM events WHERE requestID = '" + request + "'"
		}, ""},
		{"SELECT that counts a minute by operation", func(q *vault.TrailQuery) {
			since := madeBegin.Add(time.Duration(records) * time.Millisecond)
			q.SQL = "SELECT eventName, count(*) FROM events WHERE eventTime >= '" + since.Format("2006-01-02T15:04:05") + "' AND eventTime < '" + since.Add(time.Minute).Format("2006-01-02T15:04:05") + "' GROUP BY 1"
		}, ""},
	}
}

const askings = 21

func (r *AuditResult) views(ctx context.Context, o *Options, dir string) error {
	log := &madeLog{records: o.Records}
	began := time.Now()
	if err := log.Read(ctx, 1, nil, func(eventstore.Stored) error { return nil }); err != nil {
		return err
	}
	r.Making = time.Since(began)
	path := filepath.Join(dir, "audit.db")
	view, err := audit.Open(ctx, path, log)
	if err != nil {
		return err
	}
	defer view.Close()
	fmt.Fprintf(o.Progress, "building the view of %d records\n", o.Records)
	began = time.Now()
	if err := projections.NewRunner(log, view, nil).Rebuild(ctx, nil); err != nil {
		return err
	}
	r.Rebuild = time.Since(began)
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(path + suffix); err == nil {
			r.Bytes += info.Size()
		}
	}
	lines, jq := filepath.Join(dir, "records.jsonl"), ""
	if jq, err = exec.LookPath("jq"); err != nil {
		r.NoJQ = "jq is not installed"
	} else if r.LineBytes, err = writeLines(ctx, log, lines); err != nil {
		return err
	}
	for _, q := range questions(o.Records) {
		fmt.Fprintf(o.Progress, "asking: %s\n", q.name)
		asked, err := ask(ctx, view, q)
		if err == nil && jq != "" && q.jq != "" {
			asked.JQ, err = askJQ(ctx, jq, q.jq, lines, asked.Found)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		r.Questions = append(r.Questions, asked)
	}
	return nil
}

func ask(ctx context.Context, view *audit.View, question question) (Asked, error) {
	took := make([]time.Duration, askings)
	a := Asked{Name: question.name}
	for i := range took {
		began := time.Now()
		answer, err := askOnce(ctx, view, question)
		took[i] = time.Since(began)
		if err != nil {
			return a, err
		}
		a.Found = len(answer.Records) + len(answer.Rows)
	}
	slices.Sort(took)
	a.View = took[len(took)/2]
	return a, nil
}

func askOnce(ctx context.Context, view *audit.View, question question) (*vault.TrailAnswer, error) {
	q := vault.TrailQuery{Account: madeAccount, Region: "us-east-1", From: math.MaxInt64, Through: math.MaxInt64, Limit: 50}
	question.ask(&q)
	answer, err := view.Query(ctx, q)
	if err == nil && answer.Problem != "" {
		err = errors.New(answer.Problem)
	}
	return answer, err
}

// askJQ asks jq once: it has to read everything each time.
func askJQ(ctx context.Context, jq, filter, lines string, atLeast int) (time.Duration, error) {
	began := time.Now()
	cmd := exec.CommandContext(ctx, jq, "-c", filter, lines)
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("jq: %w", err)
	}
	took := time.Since(began)
	if n := strings.Count(string(out), "\n"); n < atLeast {
		return 0, fmt.Errorf("jq finds %d records, the view %d", n, atLeast)
	}
	return took, nil
}

func writeLines(ctx context.Context, log eventstore.Log, path string) (size int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	err = log.Read(ctx, 1, nil, func(c eventstore.Stored) error {
		for _, line := range c.Lines {
			w.Write(line)
			if err := w.WriteByte('\n'); err != nil {
				return err
			}
			size += int64(len(line)) + 1
		}
		return nil
	})
	return size, errors.Join(err, w.Flush())
}

// writePath loads two servers in turn, one of which has no audit view, and watches
// how far the view of the other falls behind.
func (r *AuditResult) writePath(ctx context.Context, o *Options, dir string) error {
	var loads []*load
	for _, s := range []struct {
		name string
		args []string
	}{{"with the view", nil}, {"without", []string{"--without-audit-view"}}} {
		fmt.Fprintf(o.Progress, "starting a server %s\n", s.name)
		server, err := startServer(ctx, o, filepath.Join(dir, s.name), s.args...)
		if err != nil {
			return err
		}
		defer server.stop()
		l, _, err := prepare(ctx, server, o)
		if err != nil {
			return err
		}
		defer l.close()
		l.name = s.name
		loads = append(loads, l)
	}
	watching, stop := context.WithCancel(ctx)
	lag := make(chan time.Duration, 1)
	go func() { lag <- loads[0].child.longestDelay(watching, Audit) }()
	err := measure(ctx, loads, time.Duration(o.Seconds)*time.Second, o.Progress)
	stop()
	r.Lag = <-lag
	r.With, r.Without = loads[0].figures(), loads[1].figures()
	return err
}

// longestDelay looks at a projection's delay until ctx ends.
func (c *child) longestDelay(ctx context.Context, projection string) (longest time.Duration) {
	series := `keytrail_projection_delay_seconds{projection="` + projection + `"} `
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return longest
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.env["KEYTRAIL_OPS_URL"]+"/metrics", nil)
		if err != nil {
			return longest
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), series); ok {
				if v, err := strconv.ParseFloat(text, 64); err == nil {
					longest = max(longest, time.Duration(v*float64(time.Second)))
				}
			}
		}
		resp.Body.Close()
	}
}

// WriteJSON writes the result as one JSON object on a line.
func (r *AuditResult) WriteJSON(w io.Writer) error {
	type asked struct {
		Name  string  `json:"name"`
		Found int     `json:"found"`
		View  float64 `json:"view_ms"`
		JQ    float64 `json:"jq_ms,omitempty"`
	}
	out := struct {
		What       string  `json:"what"`
		Records    int     `json:"records"`
		Rebuild    float64 `json:"rebuild_s"`
		Making     float64 `json:"making_s"`
		PerSecond  float64 `json:"records_per_s"`
		ViewMB     float64 `json:"view_mb"`
		LinesMB    float64 `json:"lines_mb,omitempty"`
		NoJQ       string  `json:"no_jq,omitempty"`
		Questions  []asked `json:"questions"`
		Callers    int     `json:"callers"`
		Seconds    int     `json:"seconds"`
		With       float64 `json:"with_view_ops_per_s"`
		Without    float64 `json:"without_view_ops_per_s"`
		Kept       float64 `json:"kept"`
		WithCPU    float64 `json:"with_view_cpu_us_per_op"`
		WithoutCPU float64 `json:"without_view_cpu_us_per_op"`
		LongestLag float64 `json:"longest_lag_ms"`
	}{
		What: Audit, Records: r.Records, Rebuild: round(r.Rebuild.Seconds(), 2), Making: round(r.Making.Seconds(), 2),
		PerSecond: round(float64(r.Records)/r.Rebuild.Seconds(), 0), ViewMB: round(float64(r.Bytes)/(1<<20), 1), LinesMB: round(float64(r.LineBytes)/(1<<20), 1),
		NoJQ: r.NoJQ, Callers: r.Callers, Seconds: r.Seconds, With: round(r.With.Rate, 0), Without: round(r.Without.Rate, 0),
		Kept: round(r.Kept(), 3), WithCPU: round(r.With.CPU, 1), WithoutCPU: round(r.Without.CPU, 1), LongestLag: round(milliseconds(r.Lag), 1),
	}
	for _, q := range r.Questions {
		out.Questions = append(out.Questions, asked{q.Name, q.Found, round(milliseconds(q.View), 2), round(milliseconds(q.JQ), 0)})
	}
	return json.NewEncoder(w).Encode(out)
}

// WriteTable writes the result for people.
func (r *AuditResult) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "the view of %d records is built in %.1f s (%.0f records/s, of which making them takes %.1f s) and has %.0f MiB\n\n",
		r.Records, r.Rebuild.Seconds(), float64(r.Records)/r.Rebuild.Seconds(), r.Making.Seconds(), float64(r.Bytes)/(1<<20))
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "question\tfound\tview ms\tjq ms\t")
	for _, q := range r.Questions {
		jq := "-"
		if q.JQ > 0 {
			jq = fmt.Sprintf("%.0f", milliseconds(q.JQ))
		}
		fmt.Fprintf(t, "%s\t%d\t%.2f\t%s\t\n", q.Name, q.Found, milliseconds(q.View), jq)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if r.NoJQ != "" {
		fmt.Fprintf(w, "no comparison: %s\n", r.NoJQ)
	} else {
		fmt.Fprintf(w, "jq reads the same records as JSON lines, %.0f MiB\n", float64(r.LineBytes)/(1<<20))
	}
	_, err := fmt.Fprintf(w, "\nwrite path at %d callers, %d s each in %d rounds (medians): %.0f ops/s with the view, %.0f without: %.1f %% kept\nprocessor time of the server: %.1f us an operation with the view, %.1f without\nlongest lag of the view meanwhile: %.0f ms\n",
		r.Callers, r.Seconds, rounds, r.With.Rate, r.Without.Rate, 100*r.Kept(), r.With.CPU, r.Without.CPU, milliseconds(r.Lag))
	return err
}
