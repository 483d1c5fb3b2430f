package main

import (
	"encoding/json"

	"github.com/spf13/cobra"
)

func auditCommand() *cobra.Command {
	c := &connection{}
	cmd := &cobra.Command{Use: "audit", Short: "The trail: ask it, watch it, export it, look a record up, ask why", Args: noVerb, RunE: help}
	c.bind(cmd)
	cmd.AddCommand(auditQueryCommand(c), auditTailCommand(c), auditExportCommand(c), auditShowCommand(c), auditExplainCommand(c))
	return cmd
}

// line is a record as people are shown it.
type line struct {
	N       uint64          `json:"n"`
	At      string          `json:"at"`
	Request string          `json:"req"`
	Op      string          `json:"op"`
	Via     string          `json:"via"`
	Source  string          `json:"src"`
	Params  json.RawMessage `json:"params"`
	Outcome string          `json:"outcome"`
	Message string          `json:"message"`
	Who     struct {
		Type, ARN string
	} `json:"who"`
	Resources []string `json:"resources"`
}

func auditShowCommand(c *connection) *cobra.Command {
	var n int64
	var request string
	cmd := &cobra.Command{
		Use: "show (--n N | --request ID)", Short: "Print stored records: one by its n, or all of one request", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := map[string]any{}
			switch {
			case cmd.Flags().Changed("n") == cmd.Flags().Changed("request"):
				return usagef("keytrail audit show needs either --n N or --request ID")
			case request != "":
				in["RequestId"] = request
			default:
				in["N"] = n
			}
			var out struct{ Records []json.RawMessage }
			if err := c.call(cmd.Context(), "keytrail", "GetRecord", in, &out); err != nil {
				return err
			}
			for _, r := range out.Records {
				if err := printJSON(cmd.OutOrStdout(), r); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().Int64Var(&n, "n", 0, "the record's n, as receipts and tail show it")
	cmd.Flags().StringVar(&request, "request", "", "the request id, as every answer and refusal shows it")
	return cmd
}
