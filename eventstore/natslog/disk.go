package natslog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrDiskFull: less than the reserve is free where the log is.
var ErrDiskFull = errors.New("natslog: no space for the log")

// checkSpace says whether a commit of so many bytes leaves the reserve free. Once
// one did not, an eighth more than the reserve must be free before the next one is
// taken: a log at the edge would else refuse a large commit, reload, take the small
// one that begins an epoch, call itself writable, and refuse again.
func (s *Server) checkSpace(size int) error {
	free, ok := freeSpace(s.options.StoreDir)
	if !ok {
		return nil
	}
	want := s.options.ReserveBytes
	if s.full.Load() {
		want += want / 8
	}
	full := free < want+uint64(size)
	s.full.Store(full)
	if full {
		return fmt.Errorf("%w: %.1f MiB are free in %s, %.1f MiB are kept in reserve", ErrDiskFull,
			mebi(free), s.options.StoreDir, mebi(want))
	}
	return nil
}

func mebi(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// syncTree syncs every file and folder under dir, and the folders from dir up to
// root.
func syncTree(root, dir string) error {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a temporary file that the server has moved on from
			}
			return err
		}
		if !entry.Type().IsRegular() && !entry.IsDir() {
			return nil
		}
		return syncPath(path)
	})
	for err == nil && dir != root && len(dir) > len(root) {
		dir = filepath.Dir(dir)
		err = syncPath(dir)
	}
	return err
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
