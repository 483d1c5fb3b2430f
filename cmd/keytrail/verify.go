package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keytrail/keytrail/cmd/internal/server"
	"github.com/keytrail/keytrail/eventstore"
)

func verifyCommand() *cobra.Command {
	var dir string
	var asJSON, writeHead bool
	cmd := &cobra.Command{
		Use:   "verify --data-dir DIR",
		Short: "Walk the whole log offline and check every record against its Merkle root and the head file",
		Long: `Walk the whole log of a data directory that no server uses: sequences and n without a gap,
every commit's records hashing to the root it carries, and the tail reaching what the head
file remembers. Nothing in the directory is changed. Exits 1 and names the first bad position
when a byte was flipped, the tail was cut, or records were swapped or removed.

--write-head, after a walk without a finding, writes a lost head file anew.`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usagef("keytrail verify needs --data-dir DIR")
			}
			report, err := server.Verify(cmd.Context(), dir, writeHead)
			w := cmd.OutOrStdout()
			var damage *eventstore.IntegrityError
			switch {
			case errors.As(err, &damage) && asJSON:
				raw, _ := json.Marshal(map[string]any{"ok": false, "seq": damage.Position.Seq, "line": damage.Position.Line, "n": damage.N, "reason": damage.Reason, "commits": report.Commits, "records": report.Records})
				fmt.Fprintf(w, "%s\n", raw)
				return errSilent
			case errors.As(err, &damage):
				fmt.Fprintf(w, "%s at position %d.%d (n=%d): %s\n", red(w, "DAMAGED"), damage.Position.Seq, damage.Position.Line, damage.N, damage.Reason)
				fmt.Fprintf(w, "before it: %d commits with %d records are as they were written\n", report.Commits, report.Records)
				return errSilent
			case err != nil:
				return err
			case asJSON:
				raw, _ := json.Marshal(map[string]any{"ok": true, "commits": report.Commits, "records": report.Records, "bytes": report.Bytes, "root": report.Head.Root.String()})
				fmt.Fprintf(w, "%s\n", raw)
				return nil
			}
			fmt.Fprintf(w, "%s: %d commits with %d records (%d bytes) are as they were written\nroot %s at n=%d\n",
				green(w, "ok"), report.Commits, report.Records, report.Bytes, report.Head.Root, report.Head.N)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "data-dir", "", "the data directory (required)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().BoolVar(&writeHead, "write-head", false, "write a lost head file anew after a walk without a finding")
	return cmd
}
