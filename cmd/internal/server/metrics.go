package server

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/keytrail/keytrail/eventstore"
)

// operational are the figures of the running process: how the log is written and
// how fast calls are answered, not what is in the log.
type operational struct {
	registry *prometheus.Registry
	calls    map[string]*timed // by service
	commits  *prometheus.CounterVec
	records  *prometheus.CounterVec
	bytes    prometheus.Counter
	append   prometheus.Histogram
	batch    prometheus.Histogram
	epochs   *prometheus.CounterVec
	sync     prometheus.Histogram
	unsynced prometheus.Counter
}

func newOperational(s *Server) *operational {
	o := &operational{
		registry: prometheus.NewRegistry(),
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "keytrail_log_commits_total",
			Help: "Commits on disk, each one message and one fsync, by log subject."}, []string{"subject"}),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "keytrail_log_records_total",
			Help: "Records on disk, by log subject."}, []string{"subject"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{Name: "keytrail_log_record_bytes_total",
			Help: "Bytes of record lines on disk, before compression."}),
		append: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "keytrail_log_append_seconds",
			Help: "Time to append one commit: write, fsync, head file.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16)}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "keytrail_log_commit_records",
			Help: "Records that share one commit and its fsync.", Buckets: prometheus.ExponentialBuckets(1, 2, 12)}),
		epochs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "keytrail_log_epochs_ended_total",
			Help: "Epochs that ended because a commit was not confirmed, by cause."}, []string{"cause"}),
		sync: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "keytrail_head_sync_seconds",
			Help: "Time of one fsync of the head file, made once a second on the disk of the log.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16)}),
		unsynced: prometheus.NewCounter(prometheus.CounterOpts{Name: "keytrail_head_sync_failures_total",
			Help: "Failed fsyncs of the head file; each ends the epoch."}),
	}
	o.registry.MustRegister(o.commits, o.records, o.bytes, o.append, o.batch, o.epochs, o.sync, o.unsynced, o.timeCalls(),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: liveHeap})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "keytrail_heap_ballast_bytes",
			Help: "Memory that is allocated and never touched, so that the heap is collected less often. The figures of the heap have it in them, the resident memory does not."},
			func() float64 { return float64(s.opts.HeapBallast) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "keytrail_calls_waiting",
			Help: "Calls that wait for a commit."}, func() float64 { return float64(s.waiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "keytrail_log_writable",
			Help: "1 while the log takes records from this process."}, func() float64 { return oneIf(s.Ready() == nil) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "keytrail_standing_by",
			Help: "1 while another process writes the log. What is derived from the log is shown by the one that writes it alone."},
			func() float64 { return oneIf(s.standingBy()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "keytrail_log_durable",
			Help: "0 when the server runs with --unsafe-no-sync: acknowledged records can be lost with the power."},
			func() float64 { return oneIf(!s.opts.UnsafeNoSync) }),
	)
	for _, subject := range []eventstore.Subject{eventstore.State, eventstore.Use} {
		o.commits.WithLabelValues(subject.String())
		o.records.WithLabelValues(subject.String())
	}
	for _, cause := range []string{causeFenced, causeAmbiguous, causeNotStored, causeOther} {
		o.epochs.WithLabelValues(cause)
	}
	return o
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// whileWriting shows what is derived from the log while this process writes it:
// every process on one log counts the same, and a sum over them must not count it
// twice.
type whileWriting struct {
	server *Server
	prometheus.Collector
}

// Collect implements prometheus.Collector.
func (w *whileWriting) Collect(to chan<- prometheus.Metric) {
	if !w.server.standingBy() {
		w.Collector.Collect(to)
	}
}

func (o *operational) observe(c eventstore.Commitment) {
	if c.Head {
		o.sync.Observe(c.Took.Seconds())
		if c.Err != nil {
			o.unsynced.Inc()
		}
		return
	}
	if c.Err != nil {
		o.epochs.WithLabelValues(cause(c.Err)).Inc()
		return
	}
	subject := c.Subject.String()
	o.commits.WithLabelValues(subject).Inc()
	o.records.WithLabelValues(subject).Add(float64(c.Records))
	o.bytes.Add(float64(c.Bytes))
	o.append.Observe(c.Took.Seconds())
	o.batch.Observe(float64(c.Records))
}

// Causes that end an epoch.
const (
	causeFenced    = "fenced"
	causeAmbiguous = "ambiguous"
	causeNotStored = "not_stored"
	causeOther     = "other"
)

func cause(err error) string {
	switch {
	case errors.Is(err, eventstore.ErrFenced):
		return causeFenced
	case errors.Is(err, eventstore.ErrAmbiguous):
		return causeAmbiguous
	case errors.Is(err, eventstore.ErrNotStored):
		return causeNotStored
	}
	return causeOther
}

// opsHandler serves what operators and their machines ask: alive, ready, metrics.
func opsHandler(o *operational, ready func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("ok\n"))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.GathererFunc(o.gather), promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return mux
}

// liveHeap is what is left of the heap after a collection; go_memstats_* has only
// what is allocated, dead or not.
var liveHeap = regexp.MustCompile(`^/gc/heap/live:bytes$`)

// gather leaves out go_memstats_alloc_bytes, which says what
// go_memstats_heap_alloc_bytes says. OpenMetrics names a counter without its
// _total, so it and the counter go_memstats_alloc_bytes_total would be one name
// with two meanings, which readers of that format refuse.
func (o *operational) gather() ([]*dto.MetricFamily, error) {
	families, err := o.registry.Gather()
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "go_memstats_alloc_bytes" }), err
}

const opsTimeout = 10 * time.Second
