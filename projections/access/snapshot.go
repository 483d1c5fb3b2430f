package access

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/projections/snapshot"
)

// file is where the view's snapshot lies. Its format grows with every change of what
// is learned of a record. It has a line for each entry, its fields with tabs between
// them:
//
//	key<TAB>id<TAB>operation<TAB>microseconds<TAB>n<TAB>request
//	secret<TAB>ARN<TAB>hash of the version, hex<TAB>days
//	accessKey<TAB>id<TAB>service<TAB>microseconds
//	role<TAB>id<TAB>service<TAB>microseconds
func (v *View) file() snapshot.File { return snapshot.File{Path: v.options.Snapshot, Format: 2} }

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
		if err := v.file().Write(context.Background(), v.log, cursor, body); err != nil {
			v.options.Observe(fmt.Errorf("access: %w", err))
		}
	})
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
	cursor, held, err := v.file().Read(ctx, v.log)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(held)) {
		if err := v.decode(strings.Split(strings.TrimSuffix(line, "\n"), "\t")); err != nil {
			return fmt.Errorf("the snapshot is damaged: entry %q: %w", line, err)
		}
	}
	v.cursor = cursor
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
