package natslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keytrail/keytrail/eventstore"
)

// VerifyDir walks the whole log that an embedded server has left in its store
// directory, and holds it against the head (nil for none): eventstore.Verify
// without a server running. The caller must keep servers away meanwhile.
//
// It reads storeDir and changes nothing there. JetStream repairs what it opens:
// it truncates a block at a record that it cannot read, or drops the record,
// without a word. So the files are copied to a folder of their own under tempDir
// (empty means that of the system), which takes as much space as the log, and
// the copy is what a server opens; what it then fails to find is what is damaged.
func VerifyDir(ctx context.Context, storeDir string, head *eventstore.Head, tempDir string) (report eventstore.Report, err error) {
	source := StreamDir(storeDir)
	if !exists(source) {
		if head != nil && head.Seq > 0 {
			return report, fmt.Errorf("natslog: verify: %w", &eventstore.IntegrityError{
				Position: eventstore.Position{Seq: 1},
				Reason:   fmt.Sprintf("there is no log in %s, the head file knows sequence %d", source, head.Seq),
			})
		}
		return report, fmt.Errorf("natslog: verify: no log in %s: %w", source, fs.ErrNotExist)
	}
	work, err := os.MkdirTemp(tempDir, "keytrail-verify-")
	if err != nil {
		return report, fmt.Errorf("natslog: verify: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := copyTree(ctx, StreamDir(work), source); err != nil {
		return report, fmt.Errorf("natslog: verify: copy the log: %w", err)
	}
	// Nothing that happens to the copy need be durable.
	s, err := StartServer(ServerOptions{StoreDir: work, DontListen: true, UnsafeNoSync: true})
	if err != nil {
		return report, fmt.Errorf("natslog: verify: %w", err)
	}
	defer s.Shutdown()
	log, err := Open(ctx, s.WriterConn(), Options{Server: s})
	if err != nil {
		return report, fmt.Errorf("natslog: verify: the files in %s are no log that the server can open: %w", source, err)
	}
	defer log.Close()
	return eventstore.Verify(ctx, log, head)
}

func copyTree(ctx context.Context, target, source string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, relative)
		switch {
		case entry.IsDir():
			return os.MkdirAll(to, 0o700)
		case entry.Type().IsRegular():
			return copyFile(to, path)
		}
		return fmt.Errorf("%s is neither a file nor a folder", path)
	})
}

func copyFile(target, source string) (err error) {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
