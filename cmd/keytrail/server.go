package main

import (
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/keytrail/keytrail/cmd/internal/server"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/projections/metrics"
)

func serverCommand() *cobra.Command {
	var o server.Options
	var rekey, level string
	cmd := &cobra.Command{
		Use:   "server --data-dir DIR",
		Short: "Run a server with everything embedded",
		Long: `Run a server with everything embedded: NATS with JetStream that syncs every write, the
vault on NATS and on HTTP in the protocols of AWS, health and metrics.

The first start makes the root key (DIR/root.key, which you keep a copy of elsewhere: without
it nothing in DIR can be opened), the account, and an administrator whose credentials are in
DIR/admin.env, ready to be sourced.

With --nats-url the log is on NATS servers of yours, and several processes may share it: one
writes and answers, the others stand by and take over when it ends. See keytrail nats-config.`,
		Example: `  keytrail server --data-dir ./keytrail-data
  . ./keytrail-data/admin.env && keytrail call sts GetCallerIdentity`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.DataDir == "" {
				return usagef("keytrail server needs --data-dir DIR")
			}
			if err := (vault.Founding{Region: o.Region, Account: o.Account}).Validate(); err != nil {
				return usagef("--account, --region: %v", err)
			}
			for flag, listen := range map[string]string{"--nats-listen": o.NATSListen, "--http-listen": o.HTTPListen, "--ops-listen": o.OpsListen} {
				if _, _, err := net.SplitHostPort(listen); listen != "" && err != nil {
					return usagef("%s: %v", flag, err)
				}
			}
			if o.NATSURL == "" && (o.NATSCreds != "" || o.TakeOver) {
				return usagef("--nats-creds and --take-over go with --nats-url")
			}
			if o.NATSURL != "" && o.NATSCreds == "" {
				return usagef("--nats-url needs --nats-creds DIR, the directory of logins that keytrail nats-config makes")
			}
			mode, err := rekeyMode(rekey)
			if err != nil {
				return err
			}
			lvl, err := zerolog.ParseLevel(level)
			if err != nil {
				return usagef("--log-level: %v", err)
			}
			o.RekeyMode, o.Version, o.HeapBallast = mode, version, len(ballast)
			o.Log = logger(cmd, lvl)
			return serve(cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.DataDir, "data-dir", "", "directory of the log, the keyring and the root key (required)")
	f.StringVar(&o.NATSListen, "nats-listen", server.DefaultNATSListen, "address for NATS clients; port 0 = any free one; off loopback it needs TLS")
	f.StringVar(&o.HTTPListen, "http-listen", server.DefaultHTTPListen, "address for the AWS protocols; port 0 = any free one, empty = none; off loopback it needs TLS")
	f.StringVar(&o.OpsListen, "ops-listen", server.DefaultOpsListen, "address for /healthz, /readyz and /metrics; empty = none; off loopback it needs TLS")
	f.StringVar(&o.Account, "account", server.DefaultAccount, "account id of the first start, 12 digits")
	f.StringVar(&o.Region, "region", server.DefaultRegion, "Region of the first start")
	f.StringVar(&o.NATSURL, "nats-url", "", "external NATS servers instead of the embedded one, several with commas between; refused unless they sync always")
	f.StringVar(&o.NATSCreds, "nats-creds", "", "directory of the logins for --nats-url, as keytrail nats-config makes it")
	f.BoolVar(&o.TakeOver, "take-over", false, "with --nats-url: displace the process that writes the log now, instead of standing by until it ends")
	f.StringVar(&o.NATSTLS.Cert, "nats-tls-cert", "", "certificate file (PEM) for --nats-listen")
	f.StringVar(&o.NATSTLS.Key, "nats-tls-key", "", "key file (PEM) for --nats-listen")
	f.StringVar(&o.OpsTLS.Cert, "ops-tls-cert", "", "certificate file (PEM) for --ops-listen")
	f.StringVar(&o.OpsTLS.Key, "ops-tls-key", "", "key file (PEM) for --ops-listen")
	f.StringVar(&o.HTTPTLS.Cert, "http-tls-cert", "", "certificate file (PEM) for --http-listen")
	f.StringVar(&o.HTTPTLS.Key, "http-tls-key", "", "key file (PEM) for --http-listen")
	f.StringVar(&rekey, "rekey-mode", "strict", "what UpdateSecret with another key does to the old wrapping: strict drops it, aws keeps it until the next version")
	f.IntVar(&o.MetricsNamed, "metrics-named", metrics.DefaultNamed, "keys and secrets that have series of their own in /metrics; what the others do is one series; 0 names none")
	f.BoolVar(&o.UnsafeNoSync, "unsafe-no-sync", false, "do not wait for the disk: answers may be lost with the power; for benchmarks only")
	f.BoolVar(&o.NoAuditView, "without-audit-view", false, "do not keep the audit view: LookupEvents and QueryAudit have no answer; for measurements")
	_ = f.MarkHidden("without-audit-view") // fails for a flag that is not there
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func rekeyMode(s string) (vault.RekeyMode, error) {
	switch s {
	case "strict":
		return vault.RekeyStrict, nil
	case "aws":
		return vault.RekeyAWS, nil
	}
	return 0, usagef("--rekey-mode is strict or aws, not %q", s)
}

// logger writes to standard error: readable on a terminal, JSON otherwise.
func logger(cmd *cobra.Command, level zerolog.Level) zerolog.Logger {
	w := cmd.ErrOrStderr()
	if terminal(w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

func serve(cmd *cobra.Command, o server.Options) error {
	ctx := cmd.Context()
	began := time.Now()
	s, err := server.Start(ctx, o)
	if err != nil && ctx.Err() != nil {
		o.Log.Info().Msg("stopped before it served")
		return nil
	}
	if err != nil {
		return err
	}
	if o.UnsafeNoSync {
		o.Log.Warn().Msg("--unsafe-no-sync: records are NOT on disk when callers are answered")
	}
	o.Log.Info().Str("nats", s.URL()).Str("aws", s.HTTPURL()).Str("ops", s.OpsURL()).Str("data", o.DataDir).
		Dur("took", time.Since(began)).Msg("keytrail serves")
	if terminal(cmd.OutOrStdout()) {
		fmt.Fprintf(cmd.OutOrStdout(), "\nIn another terminal:\n  . %s/admin.env && keytrail call sts GetCallerIdentity\n\n", o.DataDir)
	}
	<-ctx.Done()
	o.Log.Info().Msg("stopping: the commit in flight is waited for")
	if err := s.Stop(); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	o.Log.Info().Msg("stopped")
	return nil
}
