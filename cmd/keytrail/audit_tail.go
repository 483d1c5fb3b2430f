package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/projections/audit"
)

func auditTailCommand(c *connection) *cobra.Command {
	f := &auditFilter{}
	var op, outcome string
	cmd := &cobra.Command{
		Use: "tail", Short: "Print records as they are stored, until interrupted", Args: exactly(0),
		Long: `Print the account's records as they are stored, until interrupted. Needs the IAM action
keytrail:TailRecords. A terminal gets a line a record, everything else the stored JSON lines.
All conditions that are given hold together. What was stored before is for audit query.

Watching asks nothing while it goes on, so it leaves no records that it would show: one of its
beginning, and one more when conditions are given.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			match, err := f.matcher(cmd.Context(), c)
			if err != nil {
				return err
			}
			conn, err := c.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer conn.Close()
			w := cmd.OutOrStdout()
			stop, err := conn.Tail(cmd.Context(), func(raw []byte) {
				var l line
				if json.Unmarshal(raw, &l) != nil || !strings.Contains(strings.ToLower(l.Op), strings.ToLower(op)) ||
					outcome != "" && !strings.EqualFold(l.Outcome, outcome) || !match(raw) {
					return
				}
				if c.json || !terminal(w) {
					fmt.Fprintf(w, "%s\n", raw)
					return
				}
				printLine(w, l)
			})
			if err != nil {
				return fmt.Errorf("watch the trail: %w", err)
			}
			defer stop()
			fmt.Fprintln(cmd.ErrOrStderr(), faint(cmd.ErrOrStderr(), "watching; ctrl-C ends"))
			<-cmd.Context().Done()
			return nil
		},
	}
	f.bind(cmd)
	cmd.Flags().BoolP("follow", "f", true, "go on until interrupted, which is what tail does")
	cmd.Flags().StringVar(&op, "op", "", "only operations that contain this, e.g. kms:Decrypt or secretsmanager")
	cmd.Flags().StringVar(&outcome, "outcome", "", "only this outcome: ok or an error code")
	return cmd
}

// matcher holds stored lines against the conditions. Whose records they are, and
// which key is behind an alias, the server is asked once, before.
func (f *auditFilter) matcher(ctx context.Context, c *connection) (func([]byte) bool, error) {
	if *f == (auditFilter{}) {
		return func([]byte) bool { return true }, nil
	}
	for _, name := range []*string{&f.key, &f.resource} {
		if !strings.HasPrefix(*name, "alias/") && !strings.Contains(*name, ":alias/") {
			continue
		}
		var out struct{ KeyMetadata struct{ Arn string } }
		if err := c.call(ctx, "kms", "DescribeKey", map[string]string{"KeyId": *name}, &out); err != nil {
			return nil, err
		}
		*name = out.KeyMetadata.Arn
	}
	var who struct{ Account string }
	if err := c.call(ctx, "sts", "GetCallerIdentity", map[string]string{}, &who); err != nil {
		return nil, err
	}
	// What is of no account the server sends to the management account alone.
	m := audit.NewMatcher(who.Account, true, f.conditions())
	return func(raw []byte) bool {
		ok, err := m.Match(raw)
		return ok && err == nil
	}, nil
}

// conditions are those of input, for lines instead of a view.
func (f *auditFilter) conditions() []vault.TrailCondition {
	var where []vault.TrailCondition
	add := func(field vault.TrailField, value string) {
		if value != "" {
			where = append(where, vault.TrailCondition{Field: field, Value: value})
		}
	}
	name := f.event
	if from, operation, ok := strings.Cut(name, ":"); ok {
		add(vault.TrailEventSource, from+".amazonaws.com")
		name = operation
	}
	if name != "*" {
		add(vault.TrailEventName, name)
	}
	if _, err := netip.ParseAddr(f.source); err == nil {
		add(vault.TrailSourceAddress, f.source)
	} else if f.source != "" {
		add(vault.TrailEventSource, service(f.source)+".amazonaws.com")
	}
	add(vault.TrailPrincipal, f.principal)
	add(vault.TrailAccessKey, f.accessKey)
	add(vault.TrailResourceName, f.resource)
	add(vault.TrailKey, f.key)
	add(vault.TrailSecret, f.secret)
	add(vault.TrailErrorCode, f.failure)
	add(vault.TrailRequestID, f.request)
	return where
}

// printLine shows a record to a person. What callers have named is kept from
// doing things to the terminal.
func printLine(w io.Writer, l line) {
	op := l.Op
	if l.Via != "" {
		op += " via " + l.Via
	}
	outcome := fmt.Sprintf("%-12s", printable(l.Outcome)) // colour has no width
	if l.Outcome == "ok" {
		outcome = green(w, outcome)
	} else {
		outcome = red(w, outcome)
	}
	who := l.Who.ARN
	if who == "" {
		who = l.Who.Type
	}
	fmt.Fprintf(w, "%8d  %s  %-40s %s %s %s\n", l.N, l.At[:min(len(l.At), 23)], printable(op), outcome, printable(who), faint(w, printable(strings.Join(l.Resources, " "))))
}
