package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/keytrail/keytrail/domain/envelope"
)

// Files of a data directory. Nothing else in it is meant for people.
const (
	lockFile    = "lock"
	rootKeyFile = "root.key"
	headFile    = "head"
	adminFile   = "admin.env"
	natsDir     = "nats"
	metricsFile = "metrics.snapshot"
	auditFile   = "audit.db"
	accessFile  = "access.snapshot"
)

// dataDir is a data directory that this process alone uses.
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir makes the directory if need be and locks it. The lock goes with the
// process, however it ends.
func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another keytrail uses the data directory %s: stop it first, or give another --data-dir", path)
		}
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	return &dataDir{path: path, lock: lock}, nil
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

func (d *dataDir) close() error { return d.lock.Close() }

// rootKey reads the root key, and makes one for a directory that has no log yet.
func (d *dataDir) rootKey() (*envelope.RootKey, error) {
	path := d.file(rootKeyFile)
	raw, err := os.ReadFile(path)
	defer func() { clear(raw) }()
	if errors.Is(err, fs.ErrNotExist) {
		for _, of := range []string{headFile, natsDir} {
			if _, err := os.Stat(d.file(of)); !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("the root key %s is missing, but there is a log that needs it: put it back from where you keep it", path)
			}
		}
		raw = make([]byte, 32)
		if _, err := rand.Read(raw); err != nil {
			return nil, fmt.Errorf("make a root key: %w", err)
		}
		if err := writeDurably(path, raw); err != nil {
			return nil, fmt.Errorf("keep the root key: %w", err)
		}
		return envelope.NewRootKey(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("read the root key: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the root key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("the root key %s can be read by others (mode %04o): chmod 600 %s", path, mode, path)
	}
	key, err := envelope.NewRootKey(raw)
	if err != nil {
		return nil, fmt.Errorf("the root key %s: %w", path, err)
	}
	return key, nil
}

// writeDurably puts a file in place so that after a crash it is there whole or
// not at all: written aside, synced, renamed, and the directory synced.
func writeDurably(path string, content []byte) error {
	if err := writeSynced(path+".new", content); err != nil {
		return err
	}
	return renameDurably(path+".new", path)
}

func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func renameDurably(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
