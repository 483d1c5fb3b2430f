package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// terminal reports whether w is a terminal: tables and colour go there, JSON
// everywhere else.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colour wraps s in an ANSI colour when w is a terminal and NO_COLOR is not set.
func colour(w io.Writer, code, s string) string {
	if !terminal(w) || os.Getenv("NO_COLOR") != "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func green(w io.Writer, s string) string { return colour(w, "32", s) }
func red(w io.Writer, s string) string   { return colour(w, "31", s) }
func bold(w io.Writer, s string) string  { return colour(w, "1", s) }
func faint(w io.Writer, s string) string { return colour(w, "2", s) }

// printJSON prints raw JSON indented for a terminal and as it is otherwise.
func printJSON(w io.Writer, raw []byte) error {
	var out bytes.Buffer
	if !terminal(w) {
		out.Write(raw)
	} else if err := json.Indent(&out, raw, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err := w.Write(out.Bytes())
	return err
}

// table prints rows in columns.
func table(w io.Writer, header []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(header, "\t"))
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

// list prints rows as a table for a terminal and as JSON objects otherwise.
func (c *connection) list(cmd *cobra.Command, header []string, rows [][]string) error {
	w := cmd.OutOrStdout()
	if !c.json && terminal(w) {
		return table(w, header, rows)
	}
	objects := make([]map[string]string, len(rows))
	for i, r := range rows {
		objects[i] = map[string]string{}
		for j, h := range header {
			objects[i][strings.ToLower(h)] = r[j]
		}
	}
	raw, err := json.Marshal(objects)
	if err != nil {
		return err
	}
	return printJSON(w, raw)
}

func unmarshal(raw []byte, out any) error {
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
