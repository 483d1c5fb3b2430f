package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/projections"
)

// following tells how far the views of the log have come, each by its runner.
type following struct {
	log     eventstore.Log
	runners []*projections.Runner
}

func newFollowing(log eventstore.Log, runners []*projections.Runner) *following {
	return &following{log, runners}
}

var (
	logSequenceDesc = prometheus.NewDesc("keytrail_log_sequence",
		"Sequence of the last commit of the log.", nil, nil)
	appliedDesc = prometheus.NewDesc("keytrail_projection_applied_sequence",
		"Sequence of the last commit that the projection holds.", []string{"projection"}, nil)
	lagDesc = prometheus.NewDesc("keytrail_projection_lag_commits",
		"Commits of the log that the projection does not hold yet.", []string{"projection"}, nil)
	delayDesc = prometheus.NewDesc("keytrail_projection_delay_seconds",
		"How old the newest commit that the projection holds was when the projection took it.", []string{"projection"}, nil)
)

func (f *following) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{logSequenceDesc, appliedDesc, lagDesc, delayDesc} {
		to <- d
	}
}

// askTimeout keeps a log that does not answer from holding up the scrape, which
// is how the operator learns that it does not.
const askTimeout = time.Second

func (f *following) Collect(to chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	applied := make([]uint64, len(f.runners)) // before the log's end is asked for: a lag is never less than it was
	for i, r := range f.runners {
		applied[i] = r.Applied()
		send(appliedDesc, float64(applied[i]), r.Name())
		send(delayDesc, r.Delay().Seconds(), r.Name())
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	last, err := f.log.Last(ctx)
	if err != nil {
		return
	}
	send(logSequenceDesc, float64(last))
	for i, r := range f.runners {
		send(lagDesc, float64(last)-float64(min(applied[i], last)), r.Name())
	}
}
