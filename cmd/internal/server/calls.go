package server

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keytrail/keytrail/domain/vault"
)

// exemplarEvery is how far apart the exemplars of a service are at least: each
// costs ten times what an observation costs, and one that is a moment old shows
// as much.
const exemplarEvery = 100 * time.Millisecond

// timed is the duration of one service's calls.
type timed struct {
	histogram prometheus.Observer
	next      atomic.Int64 // when the next exemplar is due, in ns since began
}

var began = time.Now()

// timeCalls makes a histogram for each service there is; a caller can name any.
func (o *operational) timeCalls() prometheus.Collector {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "keytrail_call_duration_seconds",
		Help:    "Time from a call's arrival at the engine to its reply, its records on disk, by service; exemplars carry the request id.",
		Buckets: prometheus.ExponentialBuckets(0.00025, 2, 15)}, []string{"service"})
	o.calls = map[string]*timed{"": {histogram: durations.WithLabelValues("other")}}
	for _, service := range vault.Services() {
		o.calls[service] = &timed{histogram: durations.WithLabelValues(service)}
	}
	return durations
}

// answered counts one call.
func (o *operational) answered(service, requestID string, took time.Duration) {
	t := o.calls[service]
	if t == nil {
		t = o.calls[""]
	}
	now, next := int64(time.Since(began)), t.next.Load()
	if now >= next && t.next.CompareAndSwap(next, now+int64(exemplarEvery)) {
		t.histogram.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(), prometheus.Labels{"request_id": requestID})
		return
	}
	t.histogram.Observe(took.Seconds())
}
