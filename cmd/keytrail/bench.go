package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"

	"github.com/spf13/cobra"

	"github.com/keytrail/keytrail/cmd/internal/bench"
)

func benchCommand() *cobra.Command {
	o := bench.Options{}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure audited operations against the ceiling of the log",
		Long: `Measure audited operations per second on a temporary server, and beside them what the same
machine does at best: bare request-reply, and request-reply with one durable append, in the
same NATS server, through the same group commit, without a vault. The goal is a ratio of 0.8.
With --transport http all three are over HTTP, the floor being a bare net/http server that
verifies nothing; the goal then is 0.7.

The three loads take turns, each for --seconds in all, so a run takes three times as long.

With --what audit it measures the audit view instead: building it of --records records, asking it,
beside jq over the same records as JSON lines where jq is installed, and the write path on two
servers in turn, one with the view and one without, with the view's longest lag.`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.What != bench.Decrypt && o.What != bench.GetSecretValue && o.What != bench.Audit:
				return usagef("--what %s: want %s, %s or %s", o.What, bench.Decrypt, bench.GetSecretValue, bench.Audit)
			case o.Records < 1000 || o.Records > bench.MaxRecords:
				return usagef("--records %d: want 1000 to %d", o.Records, bench.MaxRecords)
			case o.Transport != bench.NATS && o.Transport != bench.HTTP:
				return usagef("--transport %s: want %s or %s", o.Transport, bench.NATS, bench.HTTP)
			case o.Callers < 1 || o.Callers > bench.MaxCallers:
				return usagef("--callers %d: want 1 to %d", o.Callers, bench.MaxCallers)
			case o.Seconds < 1 || o.Seconds > bench.MaxSeconds:
				return usagef("--seconds %d: want 1 to %d", o.Seconds, bench.MaxSeconds)
			}
			var err error
			if o.Executable, err = os.Executable(); err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			o.Progress = cmd.ErrOrStderr()
			if asJSON {
				o.Progress = io.Discard
			}
			if o.What == bench.Audit {
				return benchAudit(cmd, o, asJSON)
			}
			result, err := bench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				return result.WriteJSON(cmd.OutOrStdout())
			}
			if o.CPUProfile != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s covers %d operations\n", o.CPUProfile, result.Total)
			}
			return result.WriteTable(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.What, "what", bench.Decrypt, "operation: "+bench.Decrypt+" or "+bench.GetSecretValue+"; or "+bench.Audit+", the audit view")
	f.StringVar(&o.Transport, "transport", bench.NATS, "how callers call: "+bench.NATS+", or "+bench.HTTP+" with signed AWS JSON requests")
	f.IntVar(&o.Callers, "callers", 64, "callers that each wait for their reply")
	f.IntVar(&o.Records, "records", 1_000_000, "records of the audit view")
	f.IntVar(&o.Seconds, "seconds", 10, "measuring time of each load")
	f.BoolVar(&asJSON, "json", false, "print one JSON object and nothing else")
	f.StringVar(&o.CPUProfile, "cpuprofile", "", "write a CPU profile of the server to this file")
	f.StringVar(&o.CeilingProfile, "ceiling-cpuprofile", "", "write a CPU profile of the ceiling to this file")
	cmd.AddCommand(benchCeilingCommand(), benchProfileCommand())
	return cmd
}

func benchAudit(cmd *cobra.Command, o bench.Options, asJSON bool) error {
	result, err := bench.RunAudit(cmd.Context(), o)
	if err != nil {
		return err
	}
	if asJSON {
		return result.WriteJSON(cmd.OutOrStdout())
	}
	return result.WriteTable(cmd.OutOrStdout())
}

// benchCeilingCommand is the child that bench measures the vault against.
func benchCeilingCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ceiling DIR", Hidden: true, Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error { return bench.ServeCeiling(cmd.Context(), args[0]) },
	}
}

// benchProfileCommand runs another command of this program under the profiler.
func benchProfileCommand() *cobra.Command {
	return &cobra.Command{
		Use: "profile FILE -- COMMAND [ARGS]", Hidden: true, Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			file, err := os.Create(args[0])
			if err != nil {
				return fmt.Errorf("write the profile: %w", err)
			}
			defer func() { err = errors.Join(err, file.Close()) }()
			if err := pprof.StartCPUProfile(file); err != nil {
				return fmt.Errorf("write the profile: %w", err)
			}
			defer pprof.StopCPUProfile()
			if run(cmd.Context(), args[1:]) != 0 {
				return errSilent
			}
			return nil
		},
	}
}
