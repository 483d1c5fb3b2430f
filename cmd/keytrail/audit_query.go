package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

// queriedPage is one answer of QueryAudit.
type queriedPage struct {
	Records   []queriedRecord
	NextToken string
	Columns   []string
	Rows      [][]json.RawMessage
	Truncated bool
}

type queriedRecord struct {
	N         uint64
	At        string
	Event     json.RawMessage
	Resources []struct{ ResourceType, ResourceName string }
}

// pageSize is how many records one answer may have; its bytes end it sooner.
const pageSize = 1000

func auditQueryCommand(c *connection) *cobra.Command {
	f := &auditFilter{}
	var sql string
	var limit int
	var oldestFirst bool
	cmd := &cobra.Command{
		Use: "query", Short: "Find records: by time, caller, operation, resource, error, or with a SELECT", Args: exactly(0),
		Long: `Find records of the account, newest first. All conditions that are given hold together. A
terminal gets a line a record, everything else the CloudTrail records as JSON lines. Needs the
IAM action keytrail:QueryAudit; asking is a record too.

--sql asks with a SELECT instead, over the table events:
  n eventTime eventSource eventName readOnly type principalId arn accountId accessKeyId userName
  roleArn invokedBy sourceIPAddress userAgent errorCode errorMessage requestID eventID resources
  keyArn secretArn record
eventTime is text such as 2026-11-23T10:04:57.123456Z, resources a JSON list of ARNs, record the
whole CloudTrail record as JSON (record ->> '$.requestParameters.keyId'). A SELECT may take five
seconds and 64 MiB of memory, and sees the account's records alone. Rows are JSON lines when
standard output is no terminal.

Over NATS it is the operation QueryAudit of keytrail, or Query of audit.`,
		Example: `  keytrail audit query --since 2h --error any
  keytrail audit query --secret db/password --event GetSecretValue --since 2026-11-01
  keytrail audit query --principal arn:aws:iam::000000000000:role/reader --key alias/orders --json | jq .eventName
  keytrail audit query --sql "SELECT arn, count(*) AS calls FROM events WHERE errorCode = 'AccessDenied' GROUP BY 1 ORDER BY 2 DESC"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit %d: want 0 for all, or more", limit)
			}
			in, err := f.input(time.Now())
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("sql") {
				if len(in) > 0 || oldestFirst {
					return usagef("--sql has its own conditions: give it alone, with --limit or without")
				}
				return c.selectRows(cmd, sql, limit)
			}
			if oldestFirst {
				in["OldestFirst"] = true
			}
			w := cmd.OutOrStdout()
			people := !c.json && terminal(w)
			found := false
			more, err := c.eachRecord(cmd.Context(), in, limit, func(r *queriedRecord) error {
				found = true
				if people {
					printLine(w, lineOf(r))
					return nil
				}
				return writeLine(w, r.Event)
			})
			if err == nil && more {
				fmt.Fprintf(cmd.ErrOrStderr(), "the first %d records; there are more: --limit N, 0 for all\n", limit)
			}
			if err == nil && !found && people {
				fmt.Fprintln(cmd.ErrOrStderr(), "no record is like that")
			}
			return err
		},
	}
	f.bindTimes(cmd)
	f.bind(cmd)
	cmd.Flags().StringVar(&sql, "sql", "", "one SELECT over the table events, instead of conditions")
	cmd.Flags().IntVar(&limit, "limit", 100, "how many records or rows at most; 0 = all records, or as many rows as one answer holds")
	cmd.Flags().BoolVar(&oldestFirst, "oldest-first", false, "the oldest record first")
	return cmd
}

// eachRecord asks page after page over one connection, and hands over up to limit
// records (0 = all). It holds one page at a time. more tells that there are
// others; records that are stored meanwhile, those of the asking among them, are
// in no page.
func (c *connection) eachRecord(ctx context.Context, in map[string]any, limit int, fn func(*queriedRecord) error) (more bool, err error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	// A token belongs to the parameters it came with, MaxResults among them.
	size := pageSize
	if limit > 0 {
		size = min(size, limit)
	}
	in["MaxResults"] = size
	for given := 0; ; {
		page, err := c.page(ctx, conn, in)
		if err != nil {
			return false, err
		}
		for i := range page.Records {
			if limit > 0 && given == limit {
				return true, nil
			}
			if err := fn(&page.Records[i]); err != nil {
				return false, err
			}
			given++
		}
		if page.NextToken == "" {
			return false, nil
		}
		if limit > 0 && given == limit {
			return true, nil
		}
		in["NextToken"] = page.NextToken
	}
}

func (c *connection) page(ctx context.Context, conn *client.Client, in map[string]any) (*queriedPage, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	reply, err := conn.Call(ctx, "keytrail", "QueryAudit", body)
	if err != nil {
		return nil, told("keytrail", "QueryAudit", err)
	}
	page := &queriedPage{}
	return page, unmarshal(reply.Body, page)
}

// selectRows asks with a SELECT.
func (c *connection) selectRows(cmd *cobra.Command, sql string, limit int) error {
	in := map[string]any{"Sql": sql, "MaxResults": pageSize}
	if limit > 0 {
		in["MaxResults"] = min(limit, pageSize)
	}
	var page queriedPage
	if err := c.call(cmd.Context(), "keytrail", "QueryAudit", in, &page); err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	var err error
	if c.json || !terminal(w) {
		err = rowsAsJSON(w, &page)
	} else {
		var rows [][]string
		for _, r := range page.Rows {
			row := make([]string, len(r))
			for i, v := range r {
				row[i] = cell(v)
			}
			rows = append(rows, row)
		}
		err = table(w, page.Columns, rows)
	}
	if err == nil && page.Truncated {
		fmt.Fprintf(cmd.ErrOrStderr(), "the first %d rows; there are more: LIMIT and OFFSET, or WHERE n > …\n", len(page.Rows))
	}
	return err
}

// rowsAsJSON writes each row as an object, its members in the order of the
// columns.
func rowsAsJSON(w io.Writer, page *queriedPage) error {
	for _, r := range page.Rows {
		out := []byte{'{'}
		for i, v := range r {
			name, err := json.Marshal(page.Columns[i])
			if err != nil {
				return err
			}
			if i > 0 {
				out = append(out, ',')
			}
			out = append(append(append(out, name...), ':'), v...)
		}
		if err := writeLine(w, append(out, '}')); err != nil {
			return err
		}
	}
	return nil
}

// cell is a value of a row in a table: text without its quotes and in one line.
func cell(v json.RawMessage) string {
	var text string
	switch {
	case string(v) == "null":
		return "-"
	case json.Unmarshal(v, &text) == nil:
		return printable(text)
	}
	return string(v)
}

// printable keeps what callers have named from doing things to a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, text)
}

func writeLine(w io.Writer, raw []byte) error {
	_, err := w.Write(append(bytes.TrimSpace(raw), '\n'))
	return err
}

// lineOf is a record that was found as a line for people.
func lineOf(r *queriedRecord) line {
	var e struct {
		EventSource, EventName, ErrorCode string
		UserIdentity                      struct{ Type, ARN, AccountID, PrincipalID, InvokedBy string }
	}
	l := line{N: r.N, At: r.At, Outcome: "ok"}
	if json.Unmarshal(r.Event, &e) != nil {
		return l
	}
	u := &e.UserIdentity
	l.Op, l.Via = service(e.EventSource)+":"+e.EventName, service(u.InvokedBy)
	if e.ErrorCode != "" {
		l.Outcome = e.ErrorCode
	}
	l.Who.Type, l.Who.ARN = u.Type, u.ARN
	switch {
	case u.ARN != "":
	case u.Type == "AWSAccount":
		l.Who.ARN = u.AccountID + " " + u.PrincipalID
	case u.InvokedBy != "":
		l.Who.ARN, l.Via = u.InvokedBy, ""
	}
	for _, res := range r.Resources {
		l.Resources = append(l.Resources, res.ResourceName)
	}
	return l
}

func service(source string) string { return strings.TrimSuffix(source, ".amazonaws.com") }
