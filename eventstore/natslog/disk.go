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

// checkSpace says whether a commit of so many bytes leaves the reserve free.
func (s *Server) checkSpace(size int) error {
	free, ok := freeSpace(s.options.StoreDir)
	if ok && free < s.options.ReserveBytes+uint64(size) {
		return fmt.Errorf("%w: %d MiB are free in %s, %d MiB are kept in reserve", ErrDiskFull,
			free>>20, s.options.StoreDir, s.options.ReserveBytes>>20)
	}
	return nil
}

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
