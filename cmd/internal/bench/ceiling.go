package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// The ceiling answers on the same subjects as the vault but for the service.
const (
	echoService   = "echo"   // answers at once
	appendService = "append" // answers when the sample's lines are on disk
)

const sampleFile = "sample.json"

func startCeiling(ctx context.Context, o *Options, dir string, s *sample) (*child, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write the sample: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, sampleFile), raw, 0o600); err != nil {
		return nil, fmt.Errorf("write the sample: %w", err)
	}
	return startChild(ctx, o.Executable, dir, profiled(o.CeilingProfile, []string{"bench", "ceiling", dir})...)
}

// ceilingLoad is the vault's load, put to a service of the ceiling.
func ceilingLoad(ceiling *child, o *Options, service string, s *sample) (*load, error) {
	conns, err := o.connections(ceiling, ceiling.admin(), "/"+service)
	if err != nil {
		return nil, err
	}
	l := &load{name: service, child: ceiling, conns: conns}
	for range o.Callers {
		l.calls = append(l.calls, call{service: s.Service, operation: s.Operation, subject: ceiling.admin().subject(service, s.Operation), body: s.Body, want: s.Want})
	}
	return l, nil
}
