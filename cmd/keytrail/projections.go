package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

type projection struct {
	Name                string
	Cursor, LogEnd, Lag uint64
	Size                int64
	Rebuilding          bool
	RebuildTarget       uint64
}

func projectionsCommand() *cobra.Command {
	c := &connection{}
	cmd := &cobra.Command{
		Use: "projections", Short: "The views of the log: how far they are, and building them again", Args: noVerb, RunE: help,
		Long: `The server derives its views from the log alone: audit (who did what), access (who used what
last), metrics. Each can be thrown away and gives the same answers when it is built again.
For principals of the management account.`,
		Example: `  keytrail projections ls
  keytrail projections rebuild audit`,
	}
	c.bind(cmd)
	cmd.AddCommand(&cobra.Command{
		Use: "ls", Short: "List the views: cursor, end of the log, lag, size", Args: exactly(0),
		Long: `List the views of the log. Cursor and log end are sequences of commits, the lag is the commits
between them, the size is that of the view's files. Needs keytrail:ListProjections.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reply, err := c.raw(cmd.Context(), "keytrail", "ListProjections", struct{}{})
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if c.json || !terminal(w) {
				return printJSON(w, reply.Body)
			}
			var out struct{ Projections []projection }
			if err := unmarshal(reply.Body, &out); err != nil {
				return err
			}
			var rows [][]string
			for _, p := range out.Projections {
				state := "following"
				if p.Rebuilding {
					state = "rebuilding"
				}
				rows = append(rows, []string{p.Name, strconv.FormatUint(p.Cursor, 10), strconv.FormatUint(p.LogEnd, 10),
					strconv.FormatUint(p.Lag, 10), readableSize(p.Size), state})
			}
			return table(w, []string{"NAME", "CURSOR", "LOG END", "LAG", "SIZE", "STATE"}, rows)
		},
	}, projectionsRebuildCommand(c))
	return cmd
}

func projectionsRebuildCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "rebuild NAME", Short: "Throw a view away and build it again from the log, while the server runs", Args: exactly(1),
		Long: `Throw a view away and build it again from the log. The server goes on serving; what asks this
view has no answer, or an incomplete one, until it is done. Interrupting the command does not
stop the rebuild. Needs keytrail:RebuildProjection, and keytrail:ListProjections to watch it.`,
		Example: `  keytrail projections rebuild audit`,
		RunE: func(cmd *cobra.Command, args []string) error {
			began := time.Now()
			var p projection
			if err := c.call(cmd.Context(), "keytrail", "RebuildProjection", map[string]string{"Name": args[0]}, &p); err != nil {
				return err
			}
			target := p.RebuildTarget
			w := cmd.ErrOrStderr()
			if err := c.watchRebuild(cmd.Context(), w, args[0]); err != nil {
				return err
			}
			took := time.Since(began).Round(time.Millisecond)
			if out := cmd.OutOrStdout(); c.json || !terminal(out) {
				return printJSON(out, fmt.Appendf(nil, `{"Name":%q,"Commits":%d,"Seconds":%.3f}`, args[0], target, took.Seconds()))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is built again: %d commits in %s\n", args[0], target, took)
			return nil
		},
	}
}

// watchRebuild shows how far a rebuild is, until it is done. Each look is a call
// and a record, so they become fewer the longer it takes.
func (c *connection) watchRebuild(ctx context.Context, w io.Writer, name string) error {
	shown := ""
	for pause := 100 * time.Millisecond; ; pause = min(pause*3/2, 2*time.Second) {
		var out struct{ Projections []projection }
		if err := c.call(ctx, "keytrail", "ListProjections", struct{}{}, &out); err != nil {
			return err
		}
		for _, p := range out.Projections {
			if p.Name != name {
				continue
			}
			if !p.Rebuilding {
				p.Cursor, p.RebuildTarget = 1, 1
			}
			line := progressLine(w, name, p.Cursor, max(p.RebuildTarget, 1))
			switch {
			case terminal(w):
				fmt.Fprint(w, "\r\x1b[K"+line)
			case p.Rebuilding && line != shown:
				fmt.Fprintln(w, line)
			}
			shown = line
			if !p.Rebuilding {
				if terminal(w) {
					fmt.Fprintln(w)
				}
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func progressLine(w io.Writer, name string, done, of uint64) string {
	percent := 100 * min(done, of) / of
	if !terminal(w) {
		return fmt.Sprintf("%s: %d of %d commits, %d %%", name, done, of, percent)
	}
	const width = 40
	full := int(width * min(done, of) / of)
	return fmt.Sprintf("%s [%s%s] %3d %%", name, strings.Repeat("#", full), strings.Repeat(".", width-full), percent)
}

// readableSize is a number of bytes in the largest unit that leaves a whole digit.
func readableSize(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	size, i := float64(n), 0
	for ; size >= 1024 && i < len(units)-1; i++ {
		size /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", size, units[i])
}
