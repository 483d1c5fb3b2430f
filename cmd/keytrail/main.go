// Command keytrail is the one program: the vault server, its demonstration, its
// benchmark, the offline verifier and the client verbs. This package holds flags
// and wiring only; what the program does lives below it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	layBallast()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "keytrail:", err)
		fmt.Fprintln(os.Stderr, "Run 'keytrail help' or 'keytrail COMMAND --help' for how it is used.")
		return exitUsage
	case errors.Is(err, errSilent):
		return exitFailed
	default:
		fmt.Fprintln(os.Stderr, "keytrail:", err)
		return exitFailed
	}
}

// usageError marks what the person typed as the reason: exit code 2.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errSilent ends with exit code 1 when everything has been said already.
var errSilent = errors.New("failed")

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "keytrail",
		Short: "A secrets vault whose database is its audit trail",
		Long: `Keytrail is a secrets vault whose database is its audit trail: the semantics of
AWS KMS, Secrets Manager, IAM, STS and CloudTrail, every call a record in one
JetStream stream that is on disk before the caller has an answer.

Begin with:
  keytrail demo                        the whole story on a temporary server, told step by step
  keytrail server --data-dir DIR       a server; credentials in DIR/admin.env
  . DIR/admin.env && keytrail call sts GetCallerIdentity`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		serverCommand(), natsConfigCommand(), demoCommand(), callCommand(), keyCommand(), secretCommand(),
		auditCommand(), whoCanCommand(), whoDidCommand(), projectionsCommand(), verifyCommand(), benchCommand(), versionCommand(),
	)
	return root
}

// exactly is cobra.ExactArgs with our exit code and the words of the usage line.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s needs %d argument(s), got %d: %s", cmd.CommandPath(), n, len(args), cmd.UseLine())
		}
		return nil
	}
}

func between(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < low || len(args) > high {
			return usagef("%s needs %d to %d arguments, got %d: %s", cmd.CommandPath(), low, high, len(args), cmd.UseLine())
		}
		return nil
	}
}
