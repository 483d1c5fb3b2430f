// Package bench measures the vault against what its own log could do at best. It
// starts a server in a child process and, beside it, the same NATS server and the
// same group commit without a vault, loads both as real clients over TCP, and
// compares. The three loads take turns in short slices, so that what else the
// machine does hits all of them alike.
//
// It is the room for loads, children and figures. What the server does must not
// enter: bench sees it from outside, through its listeners and its process.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// The operations that can be measured.
const (
	Decrypt        = "decrypt"          // kms:Decrypt of 32 bytes with an encryption context of two pairs: 1 record
	GetSecretValue = "get-secret-value" // of 64 bytes under aws/secretsmanager: 2 records
)

// Bounds of Options.
const (
	MaxCallers = 4096
	MaxSeconds = 3600
)

// connections is how many TCP connections the callers share: enough that one
// connection's reader is not the limit, few enough that requests travel together.
const connections = 4

// rounds is how many slices each load is measured in.
const rounds = 5

// Options of a run.
type Options struct {
	Executable string // of keytrail, for the children
	What       string // Decrypt or GetSecretValue
	Transport  string // NATS or HTTP; "" = NATS
	Callers    int    // callers that each wait for their reply; 1..MaxCallers
	Records    int    // of Audit: how many the view is built of; 1000..MaxRecords
	Seconds    int    // measuring time of each of the three loads, over all rounds; 1..MaxSeconds
	Progress   io.Writer

	// CPUProfile and CeilingProfile, if set, are files for the CPU profiles of the
	// two children, from their start to their end.
	CPUProfile, CeilingProfile string
}

// Result is what a run measured: medians over the rounds.
type Result struct {
	What      string
	Transport string
	Callers   int
	Seconds   int
	Vault     Figures // audited operations of the vault
	Append    Figures // request-reply and one durable append: the ceiling
	Echo      Figures // request-reply alone
	PeakRSS   float64 // of the server's process in MiB; 0 where the system does not tell
	Total     int64   // operations of the vault, measured or not
}

// Figures of one load.
type Figures struct {
	Rate             float64 // operations per second
	P50, P99         float64 // ms from the request to the reply
	RecordsPerCommit float64 // and so per fsync; 0 when nothing is stored
	CPU              float64 // us of the child's processor time per operation; 0 where the system does not tell
}

// Ratio is the vault's rate over that of the durable append.
func (r *Result) Ratio() float64 { return r.Vault.Rate / r.Append.Rate }

// Run measures. Any wrong reply ends the run with an error, as does the end of
// ctx. The children are gone, and their directories removed, when it returns.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "keytrail-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)

	fmt.Fprintf(o.Progress, "starting a server and its ceiling in %s\n", dir)
	server, err := startServer(ctx, &o, filepath.Join(dir, "server"))
	if err != nil {
		return nil, fmt.Errorf("bench: start the server: %w", err)
	}
	defer server.stop()
	vault, sample, err := prepare(ctx, server, &o)
	if err != nil {
		return nil, fmt.Errorf("bench: prepare the vault: %w", err)
	}
	defer vault.close()
	ceiling, err := startCeiling(ctx, &o, filepath.Join(dir, "ceiling"), sample)
	if err != nil {
		return nil, fmt.Errorf("bench: start the ceiling: %w", err)
	}
	defer ceiling.stop()
	echo, err := ceilingLoad(ceiling, &o, echoService, sample)
	if err != nil {
		return nil, fmt.Errorf("bench: connect to the ceiling: %w", err)
	}
	defer echo.close()
	durable, err := ceilingLoad(ceiling, &o, appendService, sample)
	if err != nil {
		return nil, fmt.Errorf("bench: connect to the ceiling: %w", err)
	}
	defer durable.close()

	loads := []*load{vault, echo, durable}
	if err := measure(ctx, loads, time.Duration(o.Seconds)*time.Second, o.Progress); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return &Result{
		What: o.What, Transport: o.Transport, Callers: o.Callers, Seconds: o.Seconds,
		Vault: vault.figures(), Append: durable.figures(), Echo: echo.figures(),
		PeakRSS: server.peakRSS(), Total: vault.made.Load(),
	}, nil
}

func (o *Options) check() error {
	switch {
	case o.What != Decrypt && o.What != GetSecretValue:
		return fmt.Errorf("bench: no such operation %q: %s or %s", o.What, Decrypt, GetSecretValue)
	case o.Callers < 1 || o.Callers > MaxCallers:
		return fmt.Errorf("bench: %d callers, want 1 to %d", o.Callers, MaxCallers)
	case o.Seconds < 1 || o.Seconds > MaxSeconds:
		return fmt.Errorf("bench: %d seconds, want 1 to %d", o.Seconds, MaxSeconds)
	}
	if o.Transport == "" {
		o.Transport = NATS
	}
	if o.Transport != NATS && o.Transport != HTTP {
		return fmt.Errorf("bench: no such transport %q: %s or %s", o.Transport, NATS, HTTP)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return nil
}

// measure runs the loads in turn, round after round.
func measure(ctx context.Context, loads []*load, total time.Duration, progress io.Writer) error {
	for round := range rounds {
		fmt.Fprintf(progress, "round %d of %d:", round+1, rounds)
		for _, l := range loads {
			if err := l.run(ctx, total/rounds); err != nil {
				fmt.Fprintln(progress)
				return fmt.Errorf("%s: %w", l.name, err)
			}
			fmt.Fprintf(progress, "  %s %.0f/s", l.name, l.slices[round].Rate)
		}
		fmt.Fprintln(progress)
	}
	return nil
}
