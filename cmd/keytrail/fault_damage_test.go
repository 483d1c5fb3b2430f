package main_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// A log at rest, made once and copied for each damage.
var base struct {
	once    sync.Once
	dir     string
	records []stored
}

// logAtRest is a copy of a directory whose server was stopped. Its log has some
// fifty commits on both subjects.
func logAtRest(t *testing.T) (dir string, records []stored) {
	t.Helper()
	base.once.Do(func() {
		base.dir = filepath.Join(filepath.Dir(program), "at-rest")
		p := serve(t, base.dir)
		c := p.connect(t)
		key := newKey(t, c)
		for i := range 12 {
			must(t, c, "secretsmanager", "CreateSecret", object{"Name": fmt.Sprint("s", i), "SecretString": fmt.Sprint("v", i), "KmsKeyId": key}, nil)
			must(t, c, "secretsmanager", "GetSecretValue", object{"SecretId": fmt.Sprint("s", i)}, nil)
			must(t, c, "kms", "UpdateKeyDescription", object{"KeyId": key, "Description": strings.Repeat("d", i)}, nil)
			must(t, c, "kms", "DescribeKey", object{"KeyId": key}, nil)
		}
		p.stop(t)
		base.records = readLog(t, base.dir)
	})
	dir = filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(base.dir)); err != nil {
		t.Fatal(err)
	}
	// CopyFS opens files to everybody, which the program rightly refuses.
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, base.records
}

// refuses wants a server that does not start and says the texts.
func refuses(t *testing.T, dir string, texts ...string) {
	t.Helper()
	p := spawn(t, dir, nil)
	if p.wait(t) == nil {
		t.Fatalf("the server ended with exit code 0:\n%s", p.stderr)
	}
	if p.cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit code %d", p.cmd.ProcessState.ExitCode())
	}
	for _, text := range texts {
		if !strings.Contains(p.stderr.String(), text) {
			t.Errorf("the server does not say %q:\n%s", text, p.stderr)
		}
	}
}

// editLog changes the records of the log's block: see natslog's own tests.
func editLog(t *testing.T, dir string, change func(records [][]byte) [][]byte) {
	t.Helper()
	path := blockOf(dir)
	block, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var records [][]byte
	for rest := block; len(rest) > 0; {
		n := int(binary.LittleEndian.Uint32(rest) &^ (1 << 31))
		if n > len(rest) || binary.LittleEndian.Uint64(rest[4:]) != uint64(len(records)+1) {
			t.Fatalf("message %d is not as this test knows the format", len(records)+1)
		}
		records, rest = append(records, bytes.Clone(rest[:n])), rest[n:]
	}
	if err := os.WriteFile(path, bytes.Join(change(records), nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

func blockOf(dir string) string {
	return filepath.Join(natslog.StreamDir(filepath.Join(dir, "nats")), "msgs", "1.blk")
}

// at finds the commit of the operation that comes last before the middle.
func at(t *testing.T, records []stored, op string) uint64 {
	t.Helper()
	for i := len(records) / 2; i >= 0; i-- {
		if records[i].Op == op {
			return records[i].seq
		}
	}
	t.Fatalf("no %s in the first half of the log", op)
	return 0
}

// TestFaultDamagedLog damages the files of the log. The verifier names the first
// bad position, and no server serves from what is left.
func TestFaultDamagedLog(t *testing.T) {
	_, records := logAtRest(t)
	change, use, last := at(t, records, "kms:UpdateKeyDescription"), at(t, records, "kms:DescribeKey"), records[len(records)-1].seq
	for _, d := range []struct {
		name  string
		bad   uint64 // first bad sequence
		serve bool   // the start need not notice: uses before the head are not read then
		edit  func(r [][]byte) [][]byte
	}{
		{"a flipped byte in a change", change, false, func(r [][]byte) [][]byte { m := r[change-1]; m[len(m)/2] ^= 1; return r }},
		{"a flipped byte in a use", use, true, func(r [][]byte) [][]byte { m := r[use-1]; m[len(m)/2] ^= 1; return r }},
		{"a missing change", change, false, func(r [][]byte) [][]byte { return slices.Delete(r, int(change)-1, int(change)) }},
		{"a missing use", use, true, func(r [][]byte) [][]byte { return slices.Delete(r, int(use)-1, int(use)) }},
		{"swapped", use, true, func(r [][]byte) [][]byte { r[use-1], r[use+1] = r[use+1], r[use-1]; return r }},
		{"the tail cut", last - 4, false, func(r [][]byte) [][]byte { return r[:last-5] }},
		{"cut within a message", last, false, func(r [][]byte) [][]byte { m := &r[last-1]; *m = (*m)[:len(*m)/2]; return r }},
		{"everything cut", 1, false, func(r [][]byte) [][]byte { return nil }},
	} {
		for _, index := range []string{"with the index", "without"} {
			if index == "without" && testing.Short() {
				continue
			}
			t.Run(d.name+"/"+index, func(t *testing.T) {
				t.Parallel()
				dir, _ := logAtRest(t)
				editLog(t, dir, d.edit)
				if index == "without" {
					// As after a kill: the server finds out by itself what is there.
					if err := os.Remove(filepath.Join(filepath.Dir(blockOf(dir)), "index.db")); err != nil {
						t.Fatal(err)
					}
				}
				n := 0
				for i, r := range records {
					if r.seq == d.bad {
						n = i
						break
					}
				}
				verify(t, dir).want(t, 1, fmt.Sprintf("DAMAGED at position %d.0 (n=%d): ", d.bad, n),
					fmt.Sprintf("before it: %d commits with %d records", d.bad-1, n))
				verify(t, dir, "--json").want(t, 1, fmt.Sprintf(`"seq":%d`, d.bad), fmt.Sprintf(`"n":%d,`, n), `"ok":false`)
				if d.serve {
					return
				}
				refuses(t, dir, " at sequence ", "damaged log", "keytrail verify --data-dir "+dir, "backup")
			})
		}
	}
}

// TestFaultForgedLog rewrites the log with all of JetStream's checksums right:
// only the Merkle roots stand against it.
func TestFaultForgedLog(t *testing.T) {
	_, records := logAtRest(t)
	pair, n := uint64(0), 0 // a commit of several records
	for i := len(records) / 2; pair == 0; i++ {
		if records[i].seq == records[i+1].seq {
			pair, n = records[i].seq, i
		}
	}
	for n > 0 && records[n-1].seq == pair {
		n--
	}
	for name, change := range map[string]func(c *eventstore.Commit){
		"nothing": nil,
		"a changed byte": func(c *eventstore.Commit) {
			c.Lines[0] = bytes.Replace(c.Lines[0], []byte("user/admin"), []byte("user/nadia"), 1)
		},
		"a record less": func(c *eventstore.Commit) { c.Lines = c.Lines[1:] },
		"a record more": func(c *eventstore.Commit) { c.Lines = append(c.Lines, c.Lines[0]) },
		"two swapped":   func(c *eventstore.Commit) { c.Lines[0], c.Lines[1] = c.Lines[1], c.Lines[0] },
		"another root":  func(c *eventstore.Commit) { c.Root[7] ^= 1 },
		"another n":     func(c *eventstore.Commit) { c.First++ },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := logAtRest(t)
			forge(t, dir, func(c *eventstore.Commit, seq uint64) {
				if seq == pair && change != nil {
					change(c)
				}
			})
			if change == nil {
				verify(t, dir).want(t, 0, "ok: ")
				return
			}
			verify(t, dir).want(t, 1, fmt.Sprintf("DAMAGED at position %d.0 (n=%d): ", pair, n))
			verify(t, dir, "--write-head").want(t, 1, "DAMAGED")
		})
	}
}

// TestFaultLostHead loses the head file: the server does not take the log's word
// for it, and says how an operator can.
func TestFaultLostHead(t *testing.T) {
	dir, records := logAtRest(t)
	verify(t, dir).want(t, 0, "ok: ", fmt.Sprintf("%d records", len(records)))
	head := filepath.Join(dir, "head")
	for name, lose := range map[string]func() error{
		"removed":     func() error { return os.Remove(head) },
		"overwritten": func() error { return os.WriteFile(head, bytes.Repeat([]byte("x"), 3*4096), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := lose(); err != nil {
				t.Fatal(err)
			}
			refuses(t, dir, "head file", "keytrail verify", "--write-head")
			verify(t, dir).want(t, 1, "head file", "--write-head")
			verify(t, dir, "--write-head").want(t, 0, "ok: ")
			verify(t, dir).want(t, 0, "ok: ")
			serve(t, dir).stop(t)
			verify(t, dir).want(t, 0, "ok: ")
		})
	}
	t.Run("of a damaged log", func(t *testing.T) {
		dir, _ := logAtRest(t)
		editLog(t, dir, func(r [][]byte) [][]byte { m := r[9]; m[len(m)/2] ^= 1; return r })
		if err := os.Remove(filepath.Join(dir, "head")); err != nil {
			t.Fatal(err)
		}
		verify(t, dir, "--write-head").want(t, 1, "DAMAGED at position 10.0")
		verify(t, dir).want(t, 1, "--write-head")
	})
	t.Run("that knows more than the log", func(t *testing.T) {
		dir, _ := logAtRest(t)
		editLog(t, dir, func(r [][]byte) [][]byte { return r[:len(r)-3] })
		verify(t, dir, "--write-head").want(t, 1, fmt.Sprintf("DAMAGED at position %d.0", records[len(records)-1].seq-2))
		refuses(t, dir, "damaged log")
	})
}

// TestFaultWrongParts puts a part of another installation, or nothing, where the
// server's own belongs.
func TestFaultWrongParts(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other")
	serve(t, other).stop(t)
	for _, d := range []struct {
		name  string
		spoil func(dir string) error
		says  []string
	}{
		{"root key of another", func(dir string) error { return copyFile(dir, other, "root.key") },
			[]string{"wrong root key", "root.key"}},
		{"root key missing", func(dir string) error { return os.Remove(filepath.Join(dir, "root.key")) },
			[]string{"root.key is missing", "put it back"}},
		{"root key and head missing", func(dir string) error {
			os.Remove(filepath.Join(dir, "root.key"))
			return os.Remove(filepath.Join(dir, "head"))
		}, []string{"root.key is missing", "put it back"}},
		{"root key cut", func(dir string) error { return os.Truncate(filepath.Join(dir, "root.key"), 31) },
			[]string{"root.key", "32 bytes"}},
		{"root key for all to read", func(dir string) error { return os.Chmod(filepath.Join(dir, "root.key"), 0o644) },
			[]string{"can be read by others (mode 0644)", "chmod 600 "}},
		{"head of another", func(dir string) error { return copyFile(dir, other, "head") },
			[]string{"damaged at sequence", "head file"}},
		{"keyring missing", func(dir string) error {
			return os.RemoveAll(filepath.Join(filepath.Dir(natslog.StreamDir(filepath.Join(dir, "nats"))), "KEYTRAIL_KEYRING"))
		}, []string{"keyring", "backup"}},
		{"log missing", func(dir string) error { return os.RemoveAll(natslog.StreamDir(filepath.Join(dir, "nats"))) },
			[]string{"records are lost", "backup"}},
		{"configuration of the log cut", func(dir string) error {
			return os.Truncate(filepath.Join(natslog.StreamDir(filepath.Join(dir, "nats")), "meta.inf"), 20)
		}, []string{"backup"}},
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			dir, records := logAtRest(t)
			spare := filepath.Join(t.TempDir(), "spare")
			if err := os.CopyFS(spare, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := d.spoil(dir); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			refuses(t, dir, d.says...)
			t.Logf("refused after %s", time.Since(began).Round(time.Millisecond))
			// The way out is to put back what was there: nothing may have been
			// written meanwhile that keeps that from working.
			for _, name := range []string{"root.key", "head"} {
				if err := copyFile(dir, spare, name); err != nil {
					t.Fatal(err)
				}
			}
			if strings.HasPrefix(d.name, "root key") || strings.HasPrefix(d.name, "head") {
				serve(t, dir).stop(t)
				if now := readLog(t, dir); len(now) < len(records) || now[len(records)-1].line != records[len(records)-1].line {
					t.Error("the log is not the one of before")
				}
			}
		})
	}
}

func copyFile(dir, from, name string) error {
	raw, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return err
	}
	return os.Chmod(path, 0o600)
}
