package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// whoCanAnswers is a WhoCan as the program reads it, one page or all of them.
type whoCanAnswers struct {
	Action     string            `json:"Action"`
	Resource   string            `json:"Resource"`
	At         json.RawMessage   `json:"At,omitempty"`
	Obstacle   string            `json:"Obstacle,omitempty"`
	Principals []json.RawMessage `json:"Principals"`
	Refused    int               `json:"Refused"`
	NextToken  string            `json:"NextToken,omitempty"`
}

type whoCanPrincipal struct {
	Principal, Account string
	Checks             []check
	If                 []struct {
		Action, Statement, Effect string
		Conditions                []conditionSeen
		EncryptionContextEquals   map[string]string
		EncryptionContextSubset   map[string]string
	}
}

func whoCanCommand() *cobra.Command {
	c := &connection{}
	var at string
	var given []string
	cmd := &cobra.Command{
		Use: "who-can ACTION RESOURCE", Short: "Every principal that can do something, now or at any time, and why", Args: exactly(2),
		Long: `Ask the evaluator, for the root, every user and every role of the account, and for whom of
other accounts the policy or a grant of the resource names, what it would decide. What
Secrets Manager asks of the key behind a secret is part of the question: Decrypt for
GetSecretValue, GenerateDataKey for CreateSecret, PutSecretValue and an UpdateSecret that
brings a value.

A principal whose permission depends on what its request looks like is listed with the
conditions: it can, if. --if says what the request has.

--at asks the state that the log had: the n of a record (its change included), or a time.
Needs the IAM action keytrail:WhoCan.`,
		Example: `  keytrail who-can secretsmanager:GetSecretValue app-demo
  keytrail who-can kms:Decrypt alias/orders --if aws:SourceIp=10.0.0.7
  keytrail who-can secretsmanager:GetSecretValue app-demo --at 4711
  keytrail who-can sts:AssumeRole arn:aws:iam::000000000000:role/reader --at 2026-11-23T18:00:00Z`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]any{"Action": args[0], "Resource": args[1]}
			if err := askAt(in, at); err != nil {
				return err
			}
			var entries []map[string]any
			for _, pair := range given {
				key, value, ok := strings.Cut(pair, "=")
				if !ok {
					return usagef("--if %s: want KEY=VALUE, such as aws:SourceIp=10.0.0.7", pair)
				}
				entries = append(entries, map[string]any{"ContextKeyName": key, "ContextKeyValues": []string{value}})
			}
			if entries != nil {
				in["ContextEntries"] = entries
			}
			all, err := c.whoCan(cmd, in)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if c.json || !terminal(w) {
				raw, err := json.Marshal(all)
				if err != nil {
					return err
				}
				return printJSON(w, raw)
			}
			return printWhoCan(w, all)
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "the state of the past: a record's n, or a time (RFC 3339, or 2006-01-02 15:04:05 in UTC)")
	cmd.Flags().StringArrayVar(&given, "if", nil, "what the request has of a condition key, KEY=VALUE; may be repeated")
	c.bind(cmd)
	return cmd
}

// askAt puts the position of --at into the question.
func askAt(in map[string]any, at string) error {
	if at == "" {
		return nil
	}
	if n, err := strconv.ParseInt(at, 10, 64); err == nil && n >= 0 {
		in["AtRecord"] = n
		return nil
	}
	t, err := readTime(at)
	if err != nil {
		return usagef("--at %s: neither the n of a record nor a time such as 2026-11-23T18:00:00Z", at)
	}
	in["AtTime"] = t
	return nil
}

// readTime reads what people type for a time, as Unix seconds.
func readTime(text string) (float64, error) {
	var err error
	for _, form := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		var t time.Time
		if t, err = time.Parse(form, text); err == nil {
			return float64(t.UnixMicro()) / 1e6, nil
		}
	}
	return 0, err
}

// whoCan asks page by page. What is asked of now is asked of a moment for each.
func (c *connection) whoCan(cmd *cobra.Command, in map[string]any) (*whoCanAnswers, error) {
	var all *whoCanAnswers
	for {
		var page whoCanAnswers
		if err := c.call(cmd.Context(), "keytrail", "WhoCan", in, &page); err != nil {
			return nil, err
		}
		if all == nil {
			all = &page
		} else {
			all.Principals = append(all.Principals, page.Principals...)
			all.Refused += page.Refused
			all.NextToken = page.NextToken
		}
		if all.NextToken == "" {
			return all, nil
		}
		in["NextToken"] = all.NextToken
	}
}

func printWhoCan(w io.Writer, all *whoCanAnswers) error {
	fmt.Fprintf(w, "%s on %s", bold(w, all.Action), all.Resource)
	if all.At != nil {
		var at struct {
			Records uint64
			Time    time.Time
		}
		if err := json.Unmarshal(all.At, &at); err != nil {
			return err
		}
		fmt.Fprintf(w, "\nas it was at %s, after %d records", at.Time.Format(time.RFC3339Nano), at.Records)
	}
	fmt.Fprint(w, "\n\n")
	if all.Obstacle != "" {
		fmt.Fprintf(w, "%s %s\n\n", red(w, "Refused to everybody at present:"), all.Obstacle)
	}
	conditional := 0
	for _, raw := range all.Principals {
		var p whoCanPrincipal
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		name := p.Principal
		switch {
		case p.Account == "*":
			name = "anybody in any other account whose own policies allow it"
		case p.Account != "" && strings.HasSuffix(name, ":root"):
			name += ", whoever its policies allow it there"
		case p.Account != "":
			name += ", of another account"
		}
		if len(p.If) == 0 {
			fmt.Fprintln(w, green(w, name))
		} else {
			conditional++
			fmt.Fprintf(w, "%s, if\n", bold(w, name))
		}
		for _, x := range p.If {
			verb := "applies"
			if x.Effect == "Deny" {
				verb = "does not apply (it denies)"
			}
			fmt.Fprintf(w, "    %s %s:\n", x.Statement, verb)
			for _, k := range x.Conditions {
				fmt.Fprintf(w, "      %s\n", &k)
			}
			for name, pairs := range map[string]map[string]string{"EncryptionContextEquals": x.EncryptionContextEquals, "EncryptionContextSubset": x.EncryptionContextSubset} {
				for key, value := range pairs {
					fmt.Fprintf(w, "      %s %s = %s\n", name, key, value)
				}
			}
		}
		printChecks(w, p.Checks)
	}
	fmt.Fprintf(w, "\n%d can, ", len(all.Principals))
	if conditional > 0 {
		fmt.Fprintf(w, "%d of them on conditions, ", conditional)
	}
	fmt.Fprintf(w, "%d cannot\n", all.Refused)
	return nil
}

func whoDidCommand() *cobra.Command {
	c := &connection{}
	var since string
	cmd := &cobra.Command{
		Use: "who-did ACTION RESOURCE", Short: "Every principal that did something, how often and when", Args: exactly(2),
		Long: `List who called an operation on a resource, from the audit view: how often it was carried
out, how often it failed, and when first and last. "*" stands for any action or resource.
Needs the IAM action keytrail:WhoDid.`,
		Example: `  keytrail who-did secretsmanager:GetSecretValue app-demo
  keytrail who-did kms:Decrypt alias/orders --since 2026-11-23
  keytrail who-did '*' app-demo --since 24h`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]any{"Action": args[0], "Resource": args[1]}
			if since != "" {
				t, err := readTime(since)
				if ago, bad := time.ParseDuration(since); bad == nil && ago > 0 {
					t, err = float64(time.Now().Add(-ago).UnixMicro())/1e6, nil
				}
				if err != nil {
					return usagef("--since %s: neither a time such as 2026-11-23T18:00:00Z nor a duration such as 24h", since)
				}
				in["Since"] = t
			}
			reply, err := c.raw(cmd.Context(), "keytrail", "WhoDid", in)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if c.json || !terminal(w) {
				return printJSON(w, reply.Body)
			}
			var out struct {
				Principals []struct {
					Principal    string
					Done, Failed int
					First, Last  time.Time
				}
				Truncated bool
			}
			if err := unmarshal(reply.Body, &out); err != nil {
				return err
			}
			var rows [][]string
			for _, p := range out.Principals {
				rows = append(rows, []string{p.Principal, strconv.Itoa(p.Done), strconv.Itoa(p.Failed),
					p.First.Format(time.RFC3339), p.Last.Format(time.RFC3339)})
			}
			if err := table(w, []string{"PRINCIPAL", "DONE", "FAILED", "FIRST", "LAST"}, rows); err != nil {
				return err
			}
			if out.Truncated {
				fmt.Fprintln(w, "and more than one answer holds: narrow it with --since")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "only from then on: a time, or a duration back from now")
	c.bind(cmd)
	return cmd
}
