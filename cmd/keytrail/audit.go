package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

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

type explanation struct {
	Records []struct {
		N                                               uint64
		At, Operation, Via, Principal, Outcome, Message string
		Checks                                          []check
	}
	Remedies []struct {
		Road, Where string
		Document    json.RawMessage
	}
}

type check struct {
	Action, Resource, Road string
	Allowed                bool
	By, Missing            []string
}

func auditExplainCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "explain REQUEST-ID", Short: "Why a request was allowed or refused, and what would allow it", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			reply, err := c.raw(cmd.Context(), "keytrail", "ExplainRequest", map[string]string{"RequestId": args[0]})
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if c.json || !terminal(w) {
				return printJSON(w, reply.Body)
			}
			var e explanation
			if err := unmarshal(reply.Body, &e); err != nil {
				return err
			}
			printExplanation(w, &e)
			return nil
		},
	}
}

func printExplanation(w io.Writer, e *explanation) {
	for _, r := range e.Records {
		op := r.Operation
		if r.Via != "" {
			op += ", made by " + r.Via + " for the caller"
		}
		outcome := green(w, r.Outcome)
		if r.Outcome != "ok" {
			outcome = red(w, r.Outcome)
		}
		fmt.Fprintf(w, "%s  %s\n  n=%d at %s by %s\n", bold(w, op), outcome, r.N, r.At, r.Principal)
		if r.Message != "" {
			fmt.Fprintf(w, "  %s\n", r.Message)
		}
		printChecks(w, r.Checks)
		fmt.Fprintln(w)
	}
	if len(e.Remedies) == 0 {
		return
	}
	fmt.Fprintln(w, bold(w, "What would allow it, each alone unless two share a road:"))
	for _, r := range e.Remedies {
		fmt.Fprintf(w, "\n  %s, in the %s:\n", r.Road, r.Where)
		raw, err := json.MarshalIndent(r.Document, "  ", "  ")
		if err != nil {
			raw = r.Document
		}
		fmt.Fprintf(w, "  %s\n", raw)
	}
}

func printChecks(w io.Writer, checks []check) {
	for _, k := range checks {
		verdict := green(w, "allowed")
		if !k.Allowed {
			verdict = red(w, "denied")
		}
		fmt.Fprintf(w, "  %s on %s: %s (%s)\n", k.Action, k.Resource, verdict, k.Road)
		for _, by := range k.By {
			fmt.Fprintf(w, "    decided by %s\n", by)
		}
		for _, missing := range k.Missing {
			road, what, _ := strings.Cut(missing, " lacks ")
			if what == road {
				what = "a statement that allows it"
			}
			fmt.Fprintf(w, "    by %s: lacks %s\n", road, what)
		}
	}
}

func whoCanCommand() *cobra.Command {
	c := &connection{}
	cmd := &cobra.Command{
		Use: "who-can ACTION RESOURCE", Short: "Every principal of the account that can do something now, and why", Args: exactly(2),
		Long: `Ask the evaluator, for every user and role of the account and its root, what it would decide
now for a plain request. For secretsmanager:GetSecretValue the use of the key behind the
secret is part of the question.`,
		Example: `  keytrail who-can secretsmanager:GetSecretValue app-demo
  keytrail who-can kms:Decrypt alias/orders`,
		RunE: func(cmd *cobra.Command, args []string) error {
			reply, err := c.raw(cmd.Context(), "keytrail", "WhoCan", map[string]string{"Action": args[0], "Resource": args[1]})
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if c.json || !terminal(w) {
				return printJSON(w, reply.Body)
			}
			var out struct {
				Resource   string
				Principals []struct {
					Principal string
					Checks    []check
				}
				Refused int
			}
			if err := unmarshal(reply.Body, &out); err != nil {
				return err
			}
			fmt.Fprintf(w, "%s on %s\n\n", bold(w, args[0]), out.Resource)
			for _, p := range out.Principals {
				fmt.Fprintln(w, green(w, p.Principal))
				printChecks(w, p.Checks)
			}
			fmt.Fprintf(w, "\n%s can, %s cannot\n", strconv.Itoa(len(out.Principals)), strconv.Itoa(out.Refused))
			return nil
		},
	}
	c.bind(cmd)
	return cmd
}
