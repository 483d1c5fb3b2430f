package server

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/projections"
)

// rebuilding is the views as the engine shows them and has them built again. They
// come after the engine.
type rebuilding struct {
	server  *Server
	runners atomic.Pointer[[]*projections.Runner]
}

// viewFiles are where the views keep what they hold.
var viewFiles = map[string]string{"audit": auditFile, "metrics": metricsFile, "access": accessFile}

// Projections implements engine.Projections.
func (b *rebuilding) Projections(ctx context.Context) ([]vault.Projection, error) {
	runners := b.runners.Load()
	if runners == nil {
		return nil, errNoView
	}
	list := make([]vault.Projection, 0, len(*runners))
	for _, r := range *runners {
		s := r.Status() // before the log's end is asked for: a lag is never less than it was
		list = append(list, vault.Projection{Name: r.Name(), Cursor: s.Applied, Rebuild: s.Rebuilding, Target: s.Target, Size: b.size(r.Name())})
	}
	slices.SortFunc(list, func(x, y vault.Projection) int { return strings.Compare(x.Name, y.Name) })
	last, err := b.server.log.Last(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the end of the log: %w", err)
	}
	for i := range list {
		list[i].LogEnd, list[i].Lag = last, last-min(list[i].Cursor, last)
	}
	return list, nil
}

// size is what a view's files take up; 0 where it has none yet.
func (b *rebuilding) size(name string) (size int64) {
	if viewFiles[name] == "" {
		return 0
	}
	for _, end := range []string{"", "-wal"} {
		if info, err := os.Stat(b.server.dir.file(viewFiles[name]) + end); err == nil {
			size += info.Size()
		}
	}
	return size
}

// Rebuild implements engine.Projections.
func (b *rebuilding) Rebuild(name string, last uint64) {
	if runners := b.runners.Load(); runners != nil {
		for _, r := range *runners {
			if r.Name() == name {
				r.Restart(last)
			}
		}
	}
}
