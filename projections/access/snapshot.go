package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/event"
)

// snapshotFormat grows with every change of what is learned of a record.
const snapshotFormat = 2

// A snapshot is a line of JSON that says what it is, a line for each entry, its
// fields with tabs between them, and a line with the hex SHA-256 of all before. It
// is written aside and renamed, and not synced: a crash leaves the one before,
// this one, or, after a loss of power, one whose digest is wrong.
//
//	key<TAB>id<TAB>operation<TAB>microseconds<TAB>n<TAB>request
//	secret<TAB>ARN<TAB>hash of the version, hex<TAB>days
//	accessKey<TAB>id<TAB>service<TAB>microseconds
//	role<TAB>id<TAB>service<TAB>microseconds
type snapshotHead struct {
	Format int    `json:"format"`
	Cursor uint64 `json:"cursor"`
	Root   string `json:"root"` // of the commit at Cursor: which log was read
}

// askTimeout bounds how long a snapshot waits for the log.
const askTimeout = 2 * time.Second

// save encodes the entries and lets a goroutine of its own write them: the view
// must not fall behind for a disk. A failure is told and tried again later; all
// that it costs is a longer replay.
func (v *View) save() {
	v.writing.Wait()
	began := time.Now()
	body := v.encode() // Apply alone changes the entries, and this is its goroutine
	v.saved, v.stale = began, false
	v.pause = max(v.options.Every, 50*time.Since(began))
	cursor := v.cursor
	v.writing.Go(func() {
		if err := v.write(cursor, body); err != nil {
			v.options.Observe(fmt.Errorf("access: write the snapshot: %w", err))
		}
	})
}

func (v *View) write(cursor uint64, body []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	last, err := v.log.Get(ctx, cursor)
	if err != nil {
		return err
	}
	head, err := json.Marshal(snapshotHead{Format: snapshotFormat, Cursor: cursor, Root: hex.EncodeToString(last.Root[:])})
	if err != nil {
		return err
	}
	content := append(append(head, '\n'), body...)
	content = fmt.Appendf(content, "%x\n", sha256.Sum256(content))
	aside := v.options.Snapshot + ".new"
	if err := os.WriteFile(aside, content, 0o600); err != nil {
		return err
	}
	return os.Rename(aside, v.options.Snapshot)
}

func (v *View) encode() []byte {
	dst := make([]byte, 0, 256*len(v.keys)+128*(len(v.secrets)+len(v.accessKeys)+len(v.roles)))
	for id, u := range v.keys {
		dst = append(append(append(append(append(dst, "key\t"...), id...), '\t'), u.operation...), '\t')
		dst = append(strconv.AppendInt(dst, u.at, 10), '\t')
		dst = append(strconv.AppendUint(dst, u.n, 10), '\t')
		dst = append(append(dst, event.FormatUUID(u.request)...), '\n')
	}
	for arn, r := range v.secrets {
		for _, on := range r {
			dst = append(append(append(dst, "secret\t"...), arn...), '\t')
			dst = append(strconv.AppendUint(dst, on.version, 16), '\t')
			dst = append(strconv.AppendInt(dst, int64(on.day), 10), '\n')
		}
	}
	for kind, of := range map[string]map[string]*made{"accessKey": v.accessKeys, "role": v.roles} {
		for id, m := range of {
			dst = append(append(append(append(append(dst, kind...), '\t'), id...), '\t'), m.service...)
			dst = append(strconv.AppendInt(append(dst, '\t'), m.at, 10), '\n')
		}
	}
	return dst
}

// restore takes up the snapshot. Its error says why that could not be; a file
// that is not there is none.
func (v *View) restore(ctx context.Context) error {
	if v.options.Snapshot == "" {
		return nil
	}
	content, err := os.ReadFile(v.options.Snapshot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	const digestLine = 2*sha256.Size + 1
	if len(content) < digestLine {
		return errors.New("the snapshot is damaged: it is cut off")
	}
	body := content[:len(content)-digestLine]
	if string(content[len(body):]) != fmt.Sprintf("%x\n", sha256.Sum256(body)) {
		return errors.New("the snapshot is damaged: its digest does not fit")
	}
	first, lines, _ := bytes.Cut(body, []byte("\n"))
	var head snapshotHead
	if err := json.Unmarshal(first, &head); err != nil {
		return fmt.Errorf("the snapshot is damaged: %w", err)
	}
	if head.Format != snapshotFormat {
		return errors.New("the snapshot was made by other rules")
	}
	c, err := v.log.Get(ctx, head.Cursor)
	if err != nil {
		return fmt.Errorf("the snapshot's last commit: %w", err)
	}
	if hex.EncodeToString(c.Root[:]) != head.Root {
		return fmt.Errorf("the snapshot is of another log: it has the root %s at sequence %d, the log has %x", head.Root, head.Cursor, c.Root)
	}
	for line := range strings.Lines(string(lines)) {
		if err := v.decode(strings.Split(strings.TrimSuffix(line, "\n"), "\t")); err != nil {
			return fmt.Errorf("the snapshot is damaged: entry %q: %w", line, err)
		}
	}
	v.cursor = head.Cursor
	return nil
}

var errEntry = errors.New("not an entry")

func (v *View) decode(f []string) error {
	number := func(i int) (int64, error) {
		if i >= len(f) {
			return 0, errEntry
		}
		return strconv.ParseInt(f[i], 10, 64)
	}
	switch {
	case f[0] == "key" && len(f) == 6:
		at, err := number(3)
		n, err2 := number(4)
		request, ok := event.ParseUUID([]byte(f[5]))
		operation := cryptographic[`"kms:`+f[2]+`"`]
		if err := errors.Join(err, err2); err != nil || !ok || operation == "" {
			return errors.Join(errEntry, err)
		}
		v.keys[f[1]] = &use{operation, at, uint64(n), request}
	case f[0] == "secret" && len(f) == 4:
		version, err := strconv.ParseUint(f[2], 16, 64)
		day, err2 := number(3)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		v.secrets[f[1]] = v.secrets[f[1]].noted(version, int32(day))
	case (f[0] == "accessKey" || f[0] == "role") && len(f) == 4:
		at, err := number(3)
		if err != nil {
			return err
		}
		of := v.accessKeys
		if f[0] == "role" {
			of = v.roles
		}
		of[f[1]] = &made{services[`"`+f[2]], at}
	default:
		return errEntry
	}
	return nil
}
