package main

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"
)

// Formats of an export.
const (
	cloudTrailFiles = "cloudtrail"
	jsonLines       = "jsonl"
)

func auditExportCommand(c *connection) *cobra.Command {
	f := &auditFilter{}
	var format, out string
	cmd := &cobra.Command{
		Use: "export", Short: "Write CloudTrail records to log files or as JSON lines", Args: exactly(0),
		Long: `Write the account's CloudTrail records, oldest first: those that there are at the beginning and
that satisfy all conditions. Needs the IAM action keytrail:QueryAudit; one page after the other
is asked for, so it holds little in memory whatever there is.

--format cloudtrail with --out DIR makes log files as CloudTrail delivers them, which the tools for
those read: AWSLogs/ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail_REGION_TIME_ID.json.gz,
each the records of up to five minutes. The same records make the same file again. To standard
output it is one such file, not compressed.

--format jsonl is one record a line, to standard output or to one file a day in DIR.`,
		Example: `  keytrail audit export --format cloudtrail --out ./trail --since 2026-11-01
  keytrail audit export --format jsonl --event GetSecretValue | jq -r .userIdentity.arn`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != cloudTrailFiles && format != jsonLines {
				return usagef("--format %s: want %s or %s", format, cloudTrailFiles, jsonLines)
			}
			in, err := f.input(time.Now())
			if err != nil {
				return err
			}
			in["OldestFirst"] = true
			var to exporter
			if out == "" || out == "-" {
				to = newStreamExport(cmd.OutOrStdout(), format)
			} else {
				to = &fileExport{dir: out, format: format, open: map[string]*exportFile{}}
			}
			records := 0
			_, err = c.eachRecord(cmd.Context(), in, 0, func(r *queriedRecord) error {
				records++
				return to.add(r.Event)
			})
			if err = errors.Join(err, to.close(err == nil)); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d records%s\n", records, to.summary())
			return nil
		},
	}
	f.bindTimes(cmd)
	f.bind(cmd)
	cmd.Flags().StringVar(&format, "format", cloudTrailFiles, cloudTrailFiles+" or "+jsonLines)
	cmd.Flags().StringVar(&out, "out", "", "directory for the files (default standard output)")
	return cmd
}

// exporter takes records in order. close ends what is written; what is not whole
// is not left behind under a name that says so.
type exporter interface {
	add(record json.RawMessage) error
	close(whole bool) error
	summary() string
}

// recordFile is records in one of the formats.
type recordFile struct {
	w       *bufio.Writer
	format  string
	records int
	bytes   int
}

func (f *recordFile) add(record json.RawMessage) error {
	switch {
	case f.format == jsonLines:
	case f.records == 0:
		f.w.WriteString(`{"Records":[`)
	default:
		f.w.WriteByte(',')
	}
	f.w.Write(record)
	if f.format == jsonLines {
		f.w.WriteByte('\n')
	}
	f.records++
	f.bytes += len(record) + 1
	return nil // a bufio.Writer keeps its error for Flush
}

func (f *recordFile) end() error {
	if f.format == cloudTrailFiles {
		if f.records == 0 {
			f.w.WriteString(`{"Records":[`)
		}
		f.w.WriteString("]}\n")
	}
	return f.w.Flush()
}

type streamExport struct{ recordFile }

func newStreamExport(w io.Writer, format string) *streamExport {
	return &streamExport{recordFile{w: bufio.NewWriter(w), format: format}}
}

func (s *streamExport) close(whole bool) error {
	if !whole {
		return s.w.Flush() // no end: what reads it shall notice
	}
	return s.end()
}

func (s *streamExport) summary() string { return "" }

// Bounds of one log file: CloudTrail's span, and half of the 50 MB that its tools
// are prepared for.
const (
	fileSpan  = 5 * time.Minute
	fileBytes = 25 << 20
)

// fileExport writes files into a directory, one for each region and span of time.
type fileExport struct {
	dir    string
	format string
	open   map[string]*exportFile // by region
	files  int
}

type exportFile struct {
	recordFile
	span   time.Time // when it begins
	path   string
	file   *os.File
	packed *gzip.Writer // nil: as it is
}

// namePart is what may be a part of a file's name.
var namePart = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

func (e *fileExport) add(record json.RawMessage) error {
	var r struct {
		EventTime                              time.Time
		AWSRegion, RecipientAccountID, EventID string
	}
	if err := unmarshal(record, &r); err != nil {
		return err
	}
	if !namePart.MatchString(r.AWSRegion) || !namePart.MatchString(r.RecipientAccountID) {
		return fmt.Errorf("export: event %s is of region %q, account %q", r.EventID, r.AWSRegion, r.RecipientAccountID)
	}
	span, region := r.EventTime.UTC().Truncate(fileSpan), r.AWSRegion
	if e.format == jsonLines {
		span, region = r.EventTime.UTC().Truncate(24*time.Hour), ""
	}
	// Records come in the order of the log, their times nearly so: one that is a
	// moment older than its file stays in it.
	f := e.open[region]
	if f != nil && (span.After(f.span) || f.bytes > fileBytes && e.format == cloudTrailFiles) {
		if err := e.finish(region, true); err != nil {
			return err
		}
		f = nil
	}
	if f == nil {
		f = &exportFile{span: span, recordFile: recordFile{format: e.format}}
		if e.format == jsonLines {
			f.path = filepath.Join(e.dir, r.RecipientAccountID+"_"+span.Format("20060102")+".jsonl")
		} else {
			// The id is of the first record, so that an export that is made again makes
			// the same file and no second one.
			sum := sha256.Sum256([]byte(r.EventID))
			id := base32.StdEncoding.EncodeToString(sum[:10])
			f.path = filepath.Join(e.dir, "AWSLogs", r.RecipientAccountID, "CloudTrail", region, span.Format("2006/01/02"),
				r.RecipientAccountID+"_CloudTrail_"+region+"_"+span.Format("20060102T1504Z")+"_"+id+".json.gz")
		}
		if err := f.create(); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		e.open[region] = f
	}
	return f.add(record)
}

// create opens the file under another name than it will have.
func (f *exportFile) create() (err error) {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	if f.file, err = os.OpenFile(f.path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return err
	}
	var w io.Writer = f.file
	if f.format == cloudTrailFiles {
		f.packed = gzip.NewWriter(f.file)
		w = f.packed
	}
	f.w = bufio.NewWriterSize(w, 64<<10)
	return nil
}

// finish gives the open file of a region its name, or removes it.
func (e *fileExport) finish(region string, whole bool) error {
	f := e.open[region]
	delete(e.open, region)
	err := f.end()
	if f.packed != nil {
		err = errors.Join(err, f.packed.Close())
	}
	err = errors.Join(err, f.file.Close())
	if err == nil && whole {
		if err = os.Rename(f.path+".part", f.path); err == nil {
			e.files++
			return nil
		}
	}
	return errors.Join(err, os.Remove(f.path+".part"))
}

func (e *fileExport) close(whole bool) error {
	var err error
	for region := range e.open {
		err = errors.Join(err, e.finish(region, whole))
	}
	return err
}

func (e *fileExport) summary() string { return fmt.Sprintf(" in %d files below %s", e.files, e.dir) }
