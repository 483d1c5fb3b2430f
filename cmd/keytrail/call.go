package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func callCommand() *cobra.Command {
	var c connection
	var receipt bool
	cmd := &cobra.Command{
		Use:   "call SERVICE OPERATION [JSON|-]",
		Short: "Call any operation over NATS: JSON in, JSON out",
		Long: `Call any operation of kms, secretsmanager, iam, sts, cloudtrail or keytrail over NATS. The
input is the operation's AWS JSON, as an argument or with - from standard input; the answer
goes to standard output as JSON.`,
		Example: `  keytrail call sts GetCallerIdentity
  keytrail call kms CreateKey '{"Description":"orders"}'
  keytrail call secretsmanager CreateSecret - < secret.json`,
		Args: between(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := []byte("{}")
			if len(args) == 3 {
				body = []byte(args[2])
			}
			if len(args) == 3 && args[2] == "-" {
				var err error
				if body, err = io.ReadAll(cmd.InOrStdin()); err != nil {
					return fmt.Errorf("read the input: %w", err)
				}
			}
			if !json.Valid(body) {
				return usagef("the input of %s %s is not JSON", args[0], args[1])
			}
			reply, err := c.raw(cmd.Context(), args[0], args[1], body)
			if err != nil {
				return err
			}
			if receipt {
				fmt.Fprintf(cmd.ErrOrStderr(), "request %s, record n=%d in commit %d\n", reply.RequestID, reply.N, reply.Seq)
			}
			return printJSON(cmd.OutOrStdout(), reply.Body)
		},
	}
	c.bind(cmd)
	cmd.Flags().BoolVar(&receipt, "receipt", false, "print the request id and the receipt to standard error")
	return cmd
}
