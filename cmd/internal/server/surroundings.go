package server

import (
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/keytrail/keytrail/cmd/internal/refusals"
)

// surroundings are the figures of what the process stands on and between: its
// disk, its NATS server, its clients.
type surroundings struct{ server *Server }

func newSurroundings(s *Server) *surroundings { return &surroundings{s} }

var (
	diskFreeDesc = prometheus.NewDesc("keytrail_disk_free_bytes",
		"Free space on the file system of the data directory. Below 64 MiB the log takes no records.", nil, nil)
	diskSizeDesc = prometheus.NewDesc("keytrail_disk_size_bytes",
		"Size of the file system of the data directory.", nil, nil)
	connectionsDesc = prometheus.NewDesc("keytrail_connections",
		"Connections by edge: on nats those of known callers, on http all.", []string{"edge"}, nil)
	refusedDesc = prometheus.NewDesc("keytrail_refused_total",
		"Connections and messages that were refused before anybody was known to be calling, by edge and reason, since the start.", []string{"edge", "reason"}, nil)
	missedDesc = prometheus.NewDesc("keytrail_live_records_missed_total",
		"Records that were not shown to those who watch, because nobody took them in time.", nil, nil)
	natsMessagesDesc = prometheus.NewDesc("keytrail_nats_messages_total",
		"Messages of the embedded NATS server, the log's own among them, by direction.", []string{"direction"}, nil)
	natsBytesDesc = prometheus.NewDesc("keytrail_nats_bytes_total",
		"Bytes of the messages of the embedded NATS server, by direction.", []string{"direction"}, nil)
	natsSlowDesc = prometheus.NewDesc("keytrail_nats_slow_consumers_total",
		"Connections that the embedded NATS server closed because they read too slowly.", nil, nil)
	streamBytesDesc = prometheus.NewDesc("keytrail_store_bytes",
		"Bytes that the streams of log and keyring take on disk, before file system overhead.", nil, nil)
)

// reasons are shown from the start, so that the first refusal is an increase.
var reasons = []refusals.Reason{
	refusals.BadCredentials, refusals.NoCredentials, refusals.Expired, refusals.Unencrypted, refusals.NotAClient,
	refusals.SecondConnect, refusals.ForeignReply, refusals.Oversized, refusals.Malformed,
}

func (c *surroundings) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{diskFreeDesc, diskSizeDesc, connectionsDesc, refusedDesc, missedDesc,
		natsMessagesDesc, natsBytesDesc, natsSlowDesc, streamBytesDesc} {
		to <- d
	}
}

func (c *surroundings) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	var disk unix.Statfs_t
	if unix.Statfs(c.server.dir.path, &disk) == nil {
		gauge(diskFreeDesc, float64(disk.Bavail)*float64(disk.Bsize))
		gauge(diskSizeDesc, float64(disk.Blocks)*float64(disk.Bsize))
	}
	edges := map[string]map[refusals.Reason]uint64{}
	if api := c.server.api.Load(); api != nil {
		figures := api.Figures()
		gauge(connectionsDesc, float64(figures.Connections), "nats")
		counter(missedDesc, float64(figures.LiveMissed))
		edges["nats"] = figures.Refused
	}
	if aws := c.server.aws.Load(); aws != nil {
		gauge(connectionsDesc, float64(aws.Connections()), "http")
		edges["http"] = aws.Refused()
	}
	for edge, refused := range edges {
		for _, reason := range reasons {
			counter(refusedDesc, float64(refused[reason]), edge, string(reason))
		}
	}
	if c.server.nats != nil {
		c.embedded(counter, gauge)
	}
}

func (c *surroundings) embedded(counter, gauge func(*prometheus.Desc, float64, ...string)) {
	ns := c.server.nats.NATS()
	if v, err := ns.Varz(nil); err == nil {
		counter(natsMessagesDesc, float64(v.InMsgs), "in")
		counter(natsMessagesDesc, float64(v.OutMsgs), "out")
		counter(natsBytesDesc, float64(v.InBytes), "in")
		counter(natsBytesDesc, float64(v.OutBytes), "out")
		counter(natsSlowDesc, float64(v.SlowConsumers))
	}
	if js, err := ns.Jsz(nil); err == nil {
		gauge(streamBytesDesc, float64(js.Store))
	}
}
