package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keytrail/keytrail/domain/event"
)

// What the counters are called. Each counts records or events of the log from its
// beginning.
var (
	operationsDesc = prometheus.NewDesc("keytrail_operations_total",
		"Recorded calls by operation, class of outcome (ok, denied, invalid, failed) and error code.",
		[]string{"service", "operation", "outcome", "code"}, nil)
	denialsDesc = prometheus.NewDesc("keytrail_denials_total",
		"Actions that were not allowed, by class of access (use, read, permissions, write) and by what was missing; explicit-deny for a statement that denies, credentials for callers that are not known.",
		[]string{"service", "access", "reason"}, nil)
	eventsDesc = prometheus.NewDesc("keytrail_events_total",
		"Events of the log by type: what was changed or used.", []string{"type"}, nil)
	sessionsDesc = prometheus.NewDesc("keytrail_sessions_issued_total",
		"Temporary credentials that were issued, by operation.", []string{"operation"}, nil)
	liveDesc = prometheus.NewDesc("keytrail_sessions",
		"Temporary credentials that have not expired, to the minute, those among them whose role is gone.", nil, nil)
	keyUsesDesc = prometheus.NewDesc("keytrail_key_uses_total",
		"Calls that used a key, to encrypt, decrypt, sign, verify, derive or make a data key or a MAC, for the keys that are used most; key_id is other for all others.", []string{"account", "key_id"}, nil)
	readsDesc = prometheus.NewDesc("keytrail_secret_reads_total",
		"Values read of the secrets that are read most; secret is other for all others.", []string{"account", "secret"}, nil)
	pendingUsesDesc = prometheus.NewDesc("keytrail_pending_key_uses_total",
		"Calls to use a key that were refused because it is scheduled for deletion; key_id is other past the number of named keys.", []string{"account", "key_id"}, nil)
	unreadableDesc = prometheus.NewDesc("keytrail_unreadable_records_total",
		"Records of the log that could not be read to be counted.", nil, nil)
)

var eventTypes = event.Types()

// Describe sends what Collect may send.
func (v *View) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{operationsDesc, denialsDesc, eventsDesc, sessionsDesc, liveDesc, keyUsesDesc, readsDesc, pendingUsesDesc, unreadableDesc} {
		to <- d
	}
}

// Collect sends the counts, or nothing while the view has not come as far as the
// log was when it was opened.
func (v *View) Collect(to chan<- prometheus.Metric) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.cursor < v.shown {
		return
	}
	send := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	// A refusal is shown with the last call that was refused so: it can be explained.
	show := func(d *prometheus.Desc, n uint64, last single, labels ...string) {
		m := prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
		if at, err := time.Parse(time.RFC3339Nano, last.At); err == nil {
			m = prometheus.MustNewMetricWithExemplars(m, prometheus.Exemplar{Value: 1, Labels: prometheus.Labels{"request_id": last.Request}, Timestamp: at})
		}
		to <- m
	}
	c := v.counts
	for name, of := range c.Operations {
		service, operation, _ := strings.Cut(name, ":")
		if of.OK > 0 {
			send(operationsDesc, of.OK, service, operation, outcomeOK, "")
		}
		for code, r := range of.Refused {
			show(operationsDesc, r.N, r.Last, service, operation, class(code), code)
		}
	}
	for d, r := range c.Denials {
		show(denialsDesc, r.N, r.Last, d.Service, d.Access, d.Reason)
	}
	for eventType, n := range c.Events {
		send(eventsDesc, n, eventType)
	}
	for _, eventType := range eventTypes { // so that the first one is an increase
		if c.Events[eventType] == 0 {
			send(eventsDesc, 0, eventType)
		}
	}
	for operation, n := range c.Sessions {
		send(sessionsDesc, n, operation)
	}
	to <- prometheus.MustNewConstMetric(liveDesc, prometheus.GaugeValue, float64(c.Expiring.after(v.options.Now())))
	for d, r := range map[*prometheus.Desc]*ranking{keyUsesDesc: c.KeyUses, readsDesc: c.Reads, pendingUsesDesc: c.Pending} {
		for name, n := range r.Named {
			account, resource, _ := strings.Cut(name, ":")
			var last single
			if n.Last != nil {
				last = *n.Last
			}
			show(d, n.Total, last, account, strings.TrimPrefix(strings.TrimPrefix(resource, "key/"), "secret:"))
		}
		send(d, r.Other, "", other)
	}
	send(unreadableDesc, c.Unreadable)
}
