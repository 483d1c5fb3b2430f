package natsapi

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

// Service discovery as nats.go's micro defines it, with its own types, so that
// `nats micro ls|info|stats` work. The framework itself is not used: it would
// count as a request's time what the handler takes to return, which here is the
// time to queue, and would never see a fault.

// ServiceName is the name in service discovery.
const ServiceName = "keytrail"

// endpointStats counts the requests of one service.
type endpointStats struct {
	requests  atomic.Uint64
	faults    atomic.Uint64
	nanos     atomic.Int64 // from arrival to reply, summed
	lastFault atomic.Pointer[fault.Fault]
}

func newStats(services []string) map[string]*endpointStats {
	all := map[string]*endpointStats{"": {}}
	for _, name := range services {
		all[name] = &endpointStats{}
	}
	return all
}

func (s *Service) endpoint(name string) *endpointStats {
	if e := s.stats[name]; e != nil {
		return e
	}
	return s.stats[""]
}

func (e *endpointStats) count(took time.Duration, f *fault.Fault) {
	e.requests.Add(1)
	e.nanos.Add(int64(took))
	if f != nil {
		e.faults.Add(1)
		e.lastFault.Store(f)
	}
}

func (e *endpointStats) figures(name string) *micro.EndpointStats {
	out := &micro.EndpointStats{
		Name: name, Subject: endpointSubject(name), QueueGroup: queueGroup,
		NumRequests: int(e.requests.Load()), NumErrors: int(e.faults.Load()), ProcessingTime: time.Duration(e.nanos.Load()),
	}
	if out.NumRequests > 0 {
		out.AverageProcessingTime = out.ProcessingTime / time.Duration(out.NumRequests)
	}
	// The message names principals and resources: the code is enough here.
	if f := e.lastFault.Load(); f != nil {
		out.LastError = string(f.Code)
	}
	return out
}

func endpointSubject(service string) string { return apiPrefix + "*." + service + ".*" }

var semver = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// semantic makes a version one that service discovery takes.
func semantic(version string) string {
	if v := strings.TrimPrefix(version, "v"); semver.MatchString(v) {
		return v
	}
	return "0.0.0"
}

// discoverable subscribes to the discovery subjects, for all services, for this
// name and for this instance.
func (s *Service) discoverable() error {
	answers := map[micro.Verb]func() any{
		micro.PingVerb:  func() any { return micro.Ping{ServiceIdentity: s.identity(), Type: micro.PingResponseType} },
		micro.InfoVerb:  func() any { return s.info() },
		micro.StatsVerb: func() any { return s.statistics() },
	}
	for verb, answer := range answers {
		for _, whom := range [][2]string{{"", ""}, {ServiceName, ""}, {ServiceName, s.id}} {
			subject, err := micro.ControlSubject(verb, whom[0], whom[1])
			if err != nil {
				return err
			}
			sub, err := s.responder.Subscribe(subject, func(m *nats.Msg) { respond(m, answer) })
			if err != nil {
				return err
			}
			s.others = append(s.others, sub)
		}
	}
	return nil
}

// respond answers a discovery request. Who asks is not known here, so the answer
// holds nothing that not every caller may see.
func respond(m *nats.Msg, answer func() any) {
	if !strings.HasPrefix(m.Reply, inboxPrefix) {
		return
	}
	if body, err := json.Marshal(answer()); err == nil {
		_ = m.Respond(body)
	}
}

func (s *Service) identity() micro.ServiceIdentity {
	return micro.ServiceIdentity{Name: ServiceName, ID: s.id, Version: s.options.Version, Metadata: map[string]string{}}
}

func (s *Service) info() micro.Info {
	info := micro.Info{
		ServiceIdentity: s.identity(), Type: micro.InfoResponseType,
		Description: "A secrets vault whose database is its audit trail",
	}
	operations := map[string][]string{auditService: {auditQuery}}
	for _, name := range vault.Operations() {
		service, operation, _ := strings.Cut(name, ":")
		operations[service] = append(operations[service], operation)
	}
	for _, service := range slices.Sorted(maps.Keys(operations)) {
		info.Endpoints = append(info.Endpoints, micro.EndpointInfo{
			Name: service, Subject: endpointSubject(service), QueueGroup: queueGroup,
			Metadata: map[string]string{"operations": strings.Join(operations[service], " ")},
		})
	}
	return info
}

func (s *Service) statistics() micro.Stats {
	stats := micro.Stats{ServiceIdentity: s.identity(), Type: micro.StatsResponseType, Started: s.started}
	for _, name := range slices.Sorted(maps.Keys(s.stats)) {
		if name != "" {
			stats.Endpoints = append(stats.Endpoints, s.stats[name].figures(name))
		}
	}
	return stats
}
