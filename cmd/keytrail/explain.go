package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

type explanation struct {
	Records []struct {
		N                                                     uint64
		At, Operation, Via, Principal, Role, Outcome, Message string
		Checks                                                []check
	}
	Remedies []struct {
		Action, Road, Where string
		Document            json.RawMessage
		Apply               *struct {
			Service, Operation string
			Input              json.RawMessage
		}
	}
}

type check struct {
	Action, Resource, Road string
	Allowed                bool
	By, Missing            []string
	More                   int
	Statements             []lookedAt
	Grants                 []lookedAtGrant
	Note                   string
}

type lookedAt struct {
	Statement, Part, Effect string
	Applies                 bool
	Fails                   []string
	Conditions              []conditionSeen
}

type lookedAtGrant struct {
	Grant, Grantee          string
	Operations, Fails       []string
	Applies                 bool
	EncryptionContextEquals map[string]string
	EncryptionContextSubset map[string]string
}

type conditionSeen struct {
	Operator, Key string
	Wanted        json.RawMessage
	Got           []string
	Holds         *bool
}

func (k *conditionSeen) String() string { return k.Operator + " " + k.Key + " " + string(k.Wanted) }

func auditExplainCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "explain REQUEST-ID", Short: "Why a request was allowed or refused, and what would allow it", Args: exactly(1),
		Long: `Show the whole decision about a request, as the log stood when it was decided: each
statement and grant that was looked at, what of it did not fit, the conditions with the
values that the request had; and for a refusal the least that each road lacks, as JSON that
is ready to use. Needs the IAM action keytrail:ExplainRequest.

Every refusal shows its request id; 'keytrail audit tail' shows those of all calls.`,
		Example: `  keytrail audit explain 5e2c0a3f-7d1b-4f55-9a57-0f7f3e6c1d20
  keytrail audit explain ID | jq -c '.Remedies[] | select(.Road=="grant") | .Document'`,
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
		if r.Role != "" {
			fmt.Fprintf(w, "  a session of %s\n", r.Role)
		}
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
		fmt.Fprintf(w, "\n  %s, by %s: in the %s\n", r.Action, r.Road, r.Where)
		raw, err := json.MarshalIndent(r.Document, "  ", "  ")
		if err != nil {
			raw = r.Document
		}
		fmt.Fprintf(w, "  %s\n", raw)
		if r.Apply != nil {
			fmt.Fprintln(w, faint(w, fmt.Sprintf("  keytrail call %s %s '%s'", r.Apply.Service, r.Apply.Operation, strings.ReplaceAll(string(r.Apply.Input), "'", `'\''`))))
		}
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
		if k.More > 0 {
			fmt.Fprintf(w, "    and by %d more like these\n", k.More)
		}
		for _, missing := range k.Missing {
			road, what, _ := strings.Cut(missing, " lacks ")
			if what == road {
				what = "a statement that allows it"
			}
			fmt.Fprintf(w, "    by %s: lacks %s\n", road, what)
		}
		printLooked(w, &k)
		if k.Note != "" {
			fmt.Fprintf(w, "    %s\n", faint(w, k.Note))
		}
	}
}

// printLooked tells what was looked at and did not apply; what did, has been told.
func printLooked(w io.Writer, k *check) {
	elsewhere := 0
	for _, st := range k.Statements {
		if st.Applies {
			continue
		}
		if slices.Contains(st.Fails, "action") {
			elsewhere++
			continue
		}
		fmt.Fprintf(w, "    looked at %s (%s): does not fit in %s\n", st.Statement, st.Effect, strings.Join(st.Fails, ", "))
		for _, x := range st.Conditions {
			if x.Holds != nil && !*x.Holds {
				got := "the request has none"
				if len(x.Got) > 0 {
					got = "the request has " + strings.Join(x.Got, ", ")
				}
				fmt.Fprintf(w, "      %s: %s\n", &x, got)
			}
		}
	}
	for _, g := range k.Grants {
		if !g.Applies {
			fmt.Fprintf(w, "    looked at %s for %s, operations %s: does not fit in %s\n", g.Grant, g.Grantee, strings.Join(g.Operations, ", "), strings.Join(g.Fails, ", "))
		}
	}
	if elsewhere > 0 {
		fmt.Fprintf(w, "    %s\n", faint(w, fmt.Sprintf("and %d statements about other actions", elsewhere)))
	}
}
