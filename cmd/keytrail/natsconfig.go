package main

import (
	"fmt"
	"net"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/keytrail/keytrail/cmd/internal/external"
	"github.com/keytrail/keytrail/cmd/internal/server"
)

func natsConfigCommand() *cobra.Command {
	var out string
	c := external.Config{}
	cmd := &cobra.Command{
		Use:   "nats-config --out DIR",
		Short: "Make the configuration and the logins of external NATS servers",
		Long: `Make new logins for external NATS servers, and the configuration that knows them.

DIR/nats-server.conf goes to the NATS servers; it holds public keys only. The *.nk files are
the logins of keytrail server --nats-url URL --nats-creds DIR (mode 0600): with them one can
write the log and let connections in. DIR/ca.pem, if you put it there, is the authority that
signed the certificates of the servers.`,
		Example: `  keytrail nats-config --out ./nats
  nats-server -c ./nats/nats-server.conf &
  keytrail server --data-dir ./keytrail-data --nats-url nats://127.0.0.1:4222 --nats-creds ./nats`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usagef("keytrail nats-config needs --out DIR")
			}
			if _, _, err := net.SplitHostPort(c.Listen); err != nil {
				return usagef("--listen: %v", err)
			}
			if err := external.Write(out, c); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: for the NATS servers\n%s: for keytrail server --nats-creds %s\n",
				filepath.Join(out, external.ConfigFile), filepath.Join(out, "*.nk"), out)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "directory to make (required)")
	f.StringVar(&c.Listen, "listen", server.DefaultNATSListen, "address where the servers listen for clients")
	f.StringVar(&c.StoreDir, "store-dir", "./nats-data", "directory where the servers keep their streams")
	return cmd
}
