package main

import (
	"fmt"
	"os"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/keytrail/keytrail/cmd/internal/demo"
	"github.com/keytrail/keytrail/cmd/internal/server"
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Tell the whole story on a temporary server: who can decrypt a secret, and why",
		Long: `Start a temporary server, connect over NATS, and tell the story of a secret: under the managed
key, under a customer key, and the three roads to kms:Decrypt, with the reason of every
refusal and the audit trail of it all. Exits 1 if anything goes otherwise than told.`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := os.MkdirTemp("", "keytrail-demo-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			s, err := server.Start(cmd.Context(), server.Options{
				DataDir: dir, NATSListen: "127.0.0.1:0", Account: server.DefaultAccount, Region: server.DefaultRegion,
				Log: zerolog.New(cmd.ErrOrStderr()).Level(zerolog.ErrorLevel), Version: version,
			})
			if err != nil {
				return fmt.Errorf("start a temporary server: %w", err)
			}
			admin, err := s.AdminCredentials()
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			result, err := demo.Run(cmd.Context(), demo.Options{URL: s.URL(), AccessKey: admin.AccessKey, Secret: admin.Secret,
				Out: w, Colour: terminal(w) && os.Getenv("NO_COLOR") == ""})
			if stopped := s.Stop(); err == nil {
				err = stopped
			}
			if err != nil {
				return fmt.Errorf("the demo broke off after %d steps: %w", result.Steps, err)
			}
			fmt.Fprintf(w, "\ndemo: %d steps, %d as expected\n", result.Steps, result.Expected)
			if result.Expected != result.Steps {
				return errSilent
			}
			return nil
		},
	}
}
