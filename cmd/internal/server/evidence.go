package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/keytrail/keytrail/eventstore/natslog"
)

// JetStream repairs what it opens: after an unclean stop it truncates a block at
// the first record whose checksum is wrong, and what stood behind it is gone
// before anybody can look. So the stream's files are copied aside before an
// embedded server opens them after an unclean stop, and the copy goes when the
// log has passed its check. A start that is refused leaves it: it is the evidence.

// beforeDir holds the stream's files as an unclean stop left them.
const beforeDir = "nats-before"

// indexFile is what a clean stop of JetStream leaves and an unclean one does not.
const indexFile = "msgs/index.db"

// keepEvidence copies the stream's files aside if the last stop was not clean. It
// reports whether there is a copy now, and why there is none although one was
// wanted.
func (d *dataDir) keepEvidence() (kept bool, err error) {
	stream := natslog.StreamDir(d.file(natsDir))
	if _, err := os.Stat(filepath.Join(stream, "msgs")); errors.Is(err, fs.ErrNotExist) {
		return false, nil // no log yet
	}
	if _, err := os.Stat(filepath.Join(stream, indexFile)); err == nil {
		return false, nil
	}
	if _, err := os.Stat(d.file(beforeDir)); err == nil {
		return true, nil // of an earlier start that was refused: the older evidence
	}
	size, err := treeSize(stream)
	if err != nil {
		return false, err
	}
	var fsys unix.Statfs_t
	if err := unix.Statfs(d.path, &fsys); err != nil {
		return false, err
	}
	if free := int64(fsys.Bavail) * fsys.Bsize; free < size+size/8+128<<20 {
		return false, fmt.Errorf("the %d bytes of the log do not fit beside it: %d bytes are free", size, free)
	}
	aside := d.file(beforeDir + ".new")
	if err := os.RemoveAll(aside); err != nil {
		return false, err
	}
	if err := copyTree(stream, aside); err != nil {
		return false, errors.Join(err, os.RemoveAll(aside))
	}
	return true, os.Rename(aside, d.file(beforeDir))
}

// dropEvidence removes the copy of a log that has passed its check.
func (d *dataDir) dropEvidence() error { return os.RemoveAll(d.file(beforeDir)) }

func treeSize(root string) (size int64, err error) {
	err = filepath.WalkDir(root, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return copyFile(path, target)
	})
}

// copyFile shares the blocks where the file system can, and copies otherwise.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source) // copy_file_range on Linux
	return errors.Join(err, target.Close())
}
