package natslog_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
	"github.com/keytrail/keytrail/eventstore/storetest"
)

// files is a log at rest.
type files struct {
	dir     string
	head    eventstore.Head
	commits []*eventstore.Commit
}

// makeFiles leaves a log of so many bytes or more.
func makeFiles(t *testing.T, commits, size int) *files {
	t.Helper()
	e := newEmbedded(t)
	log := e.open(t)
	var w storetest.Writer
	f := &files{dir: e.dir}
	random := rand.NewChaCha8([32]byte{1})
	for i := range commits {
		lines := make([]string, 1+i%3)
		for j := range lines {
			noise := make([]byte, size/commits/len(lines)/2+20)
			random.Read(noise)
			lines[j] = fmt.Sprintf(`{"n":%d,"x":"%x"}`, w.Tree.Size()+uint64(j), noise)
		}
		c := w.Commit(eventstore.Use, lines...)
		w.Append(t, log, c)
		f.commits = append(f.commits, c)
	}
	f.head = eventstore.HeadOf(&w.Tree, w.Last)
	e.server.Shutdown()
	return f
}

// clone copies the files, so that one log serves many damages.
func (f *files) clone(t *testing.T) *files {
	t.Helper()
	c := *f
	c.dir = t.TempDir()
	if err := os.CopyFS(c.dir, os.DirFS(f.dir)); err != nil {
		t.Fatal(err)
	}
	return &c
}

func (f *files) blocks(t *testing.T) []string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(natslog.StreamDir(f.dir), "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("blocks: %v, %v", blocks, err)
	}
	return blocks
}

// edit changes the one block that a small log has.
func (f *files) edit(t *testing.T, change func([]byte) []byte) {
	t.Helper()
	path := f.blocks(t)[0]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// records cuts an uncompressed block into records: each begins with its length
// in four bytes, the highest bit apart, and its sequence in eight.
func records(t *testing.T, block []byte) [][]byte {
	t.Helper()
	var out [][]byte
	for len(block) > 0 {
		n := binary.LittleEndian.Uint32(block) &^ (1 << 31)
		if int(n) > len(block) || binary.LittleEndian.Uint64(block[4:]) != uint64(len(out)+1) {
			t.Fatalf("record %d is not as this test knows the format", len(out)+1)
		}
		out, block = append(out, block[:n]), block[n:]
	}
	return out
}

// digest is over all files and their names.
func (f *files) digest(t *testing.T) [32]byte {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n", path, len(data))
		h.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

func (f *files) verify(t *testing.T) (eventstore.Report, error) {
	t.Helper()
	before := f.digest(t)
	temp := t.TempDir()
	report, err := natslog.VerifyDir(t.Context(), f.dir, &f.head, temp)
	if f.digest(t) != before {
		t.Error("VerifyDir changed the files")
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("VerifyDir left %v", left)
	}
	return report, err
}

// wantDamage wants the damage found at exactly this sequence.
func (f *files) wantDamage(t *testing.T, seq uint64) {
	t.Helper()
	report, err := f.verify(t)
	var damage *eventstore.IntegrityError
	if !errors.As(err, &damage) {
		t.Fatalf("VerifyDir: %v, report %+v; want damage at sequence %d", err, report, seq)
	}
	if damage.Position.Seq != seq {
		t.Fatalf("damage at sequence %d, want %d: %v", damage.Position.Seq, seq, err)
	}
	if n := f.commits[seq-1].First; damage.N != n {
		t.Fatalf("damage at n=%d, want %d: %v", damage.N, n, err)
	}
	if report.Commits != seq-1 {
		t.Fatalf("report covers %d commits, want those before %d", report.Commits, seq)
	}
}

func TestVerifyDirPassesGoodLogs(t *testing.T) {
	for name, f := range map[string]*files{
		"one block":         makeFiles(t, 20, 10_000),
		"compressed blocks": makeFiles(t, 60, 20<<20),
	} {
		t.Run(name, func(t *testing.T) {
			report, err := f.verify(t)
			if err != nil {
				t.Fatal(err)
			}
			if report.Commits != uint64(len(f.commits)) || report.Head.Root != f.head.Root || report.Records != f.head.N {
				t.Fatalf("report %+v, want %d commits to root %s", report, len(f.commits), f.head.Root)
			}
			// The index is derived: without it the blocks are scanned.
			f := f.clone(t)
			if err := os.Remove(filepath.Join(natslog.StreamDir(f.dir), "msgs", "index.db")); err != nil {
				t.Fatal(err)
			}
			if _, err := f.verify(t); err != nil {
				t.Fatalf("without the index: %v", err)
			}
		})
	}
}

func TestVerifyDirNamesTheFirstBadPosition(t *testing.T) {
	const victim = 9
	small := makeFiles(t, 20, 10_000)
	type damage struct {
		name   string
		want   uint64
		change func(records [][]byte) [][]byte
	}
	damages := []damage{
		{"a missing record", victim, func(r [][]byte) [][]byte { return append(r[:victim-1:victim-1], r[victim:]...) }},
		{"the first record missing", 1, func(r [][]byte) [][]byte { return r[1:] }},
		{"two swapped records", victim, func(r [][]byte) [][]byte {
			r[victim-1], r[victim+4] = r[victim+4], r[victim-1]
			return r
		}},
		{"a repeated record", victim, func(r [][]byte) [][]byte { r[victim-1] = r[victim-2]; return r }},
		{"the last record cut off", 20, func(r [][]byte) [][]byte { return r[:19] }},
		{"half of the records cut off", 11, func(r [][]byte) [][]byte { return r[:10] }},
		{"cut inside a record", 15, func(r [][]byte) [][]byte { r[14] = r[14][:40]; return r[:15] }},
		{"zeros inside", victim, func(r [][]byte) [][]byte { clear(r[victim-1]); return r }},
	}
	// One flipped bit in every part of a record: length, sequence, time, subject
	// length, subject, header length, headers, body, checksum.
	for _, offset := range []int{0, 1, 4, 6, 13, 20, 23, 45, 60, 120, 250, -100, -9, -8, -1} {
		damages = append(damages, damage{fmt.Sprintf("a flipped bit at %d", offset), victim, func(r [][]byte) [][]byte {
			at := offset
			if at < 0 {
				at += len(r[victim-1])
			}
			r[victim-1][at] ^= 0x10
			return r
		}})
	}
	for _, d := range damages {
		for _, index := range []string{"with the index", "without"} {
			t.Run(d.name+"/"+index, func(t *testing.T) {
				f := small.clone(t)
				f.edit(t, func(b []byte) []byte { return bytes.Join(d.change(records(t, b)), nil) })
				if index == "without" {
					if err := os.Remove(filepath.Join(natslog.StreamDir(f.dir), "msgs", "index.db")); err != nil {
						t.Fatal(err)
					}
				}
				f.wantDamage(t, d.want)
			})
		}
	}
}

func TestVerifyDirFindsDamageInCompressedBlocks(t *testing.T) {
	large := makeFiles(t, 60, 20<<20)
	blocks := large.blocks(t)
	if len(blocks) < 3 {
		t.Fatalf("%d blocks, want several", len(blocks))
	}
	for i := range blocks {
		for _, part := range []int{0, 60} {
			t.Run(fmt.Sprintf("block %d at %d%%", i+1, part), func(t *testing.T) {
				f := large.clone(t)
				path := f.blocks(t)[i]
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				data[len(data)*part/100] ^= 1
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
				report, err := f.verify(t)
				var damage *eventstore.IntegrityError
				if !errors.As(err, &damage) {
					t.Fatalf("VerifyDir: %v, report %+v", err, report)
				}
				if n := f.commits[damage.Position.Seq-1].First; damage.N != n || report.Commits != damage.Position.Seq-1 {
					t.Fatalf("%v: want n=%d there; report covers %d commits", err, n, report.Commits)
				}
			})
		}
	}
	t.Run("a missing block", func(t *testing.T) {
		f := large.clone(t)
		if err := os.Remove(f.blocks(t)[1]); err != nil {
			t.Fatal(err)
		}
		var damage *eventstore.IntegrityError
		if _, err := f.verify(t); !errors.As(err, &damage) {
			t.Fatalf("VerifyDir: %v", err)
		}
	})
}

func TestVerifyDirWithoutALog(t *testing.T) {
	if _, err := natslog.VerifyDir(t.Context(), t.TempDir(), nil, t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no log: %v", err)
	}
	f := makeFiles(t, 3, 300)
	if err := os.RemoveAll(natslog.StreamDir(f.dir)); err != nil {
		t.Fatal(err)
	}
	var damage *eventstore.IntegrityError
	if _, err := natslog.VerifyDir(t.Context(), f.dir, &f.head, t.TempDir()); !errors.As(err, &damage) {
		t.Fatalf("a log that is gone: %v", err)
	}
}

func TestVerifyDirRefusesADamagedConfiguration(t *testing.T) {
	f := makeFiles(t, 3, 300)
	path := filepath.Join(natslog.StreamDir(f.dir), "meta.inf")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), `"deny_purge":true`, `"deny_purge":null`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.verify(t); err == nil {
		t.Fatal("a stream whose configuration was changed on disk verifies")
	}
}
