package server

import (
	"context"
	"fmt"
	"os"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// Verify walks the log of a data directory that no server uses, and holds it
// against the head file. It changes nothing, but that with writeHead a walk
// without a finding writes the head file anew.
func Verify(ctx context.Context, dataDir string, writeHead bool) (eventstore.Report, error) {
	var none eventstore.Report
	if _, err := os.Stat(dataDir); err != nil {
		return none, fmt.Errorf("no data directory: %w", err)
	}
	dir, err := openDataDir(dataDir)
	if err != nil {
		return none, err
	}
	defer dir.close()
	h, ok, err := eventstore.ReadHead(dir.file(headFile))
	var head *eventstore.Head
	switch {
	case err != nil && !writeHead:
		return none, dir.advise(err)
	case err == nil && ok:
		head = &h
	case !writeHead:
		return none, eventstore.ErrNoHead
	}
	report, err := natslog.VerifyDir(ctx, dir.file(natsDir), head, "")
	if err != nil || !writeHead {
		return report, err
	}
	return report, replaceHead(dir.file(headFile), report.Head)
}

func replaceHead(path string, h eventstore.Head) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("write the head file: %w", err)
	}
	f, err := eventstore.OpenHead(path)
	if err != nil {
		return err
	}
	if err := f.Write(h); err != nil {
		return err
	}
	return f.Close()
}
