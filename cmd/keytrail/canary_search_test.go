package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// canaries looks for secrets in whatever form they may have been written: as they
// are, in hexadecimal, in base64 wherever in a longer text they stood, escaped.
type canaries struct {
	forms map[uint64][]form // by the first eight bytes
	count int
}

type form struct {
	canary, how string
	bytes       []byte
}

const shortestForm = 8

func (s *canaries) plant(name string, secret []byte) {
	if s.forms == nil {
		s.forms = map[uint64][]form{}
	}
	s.count++
	s.add(name, "as it is", secret)
	s.add(name, "escaped in a URL", []byte(url.QueryEscape(string(secret))))
	s.add(name, "in hexadecimal", []byte(hex.EncodeToString(secret)))
	s.add(name, "in capital hexadecimal", bytes.ToUpper([]byte(hex.EncodeToString(secret))))
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			// Encoded behind so many unknown bytes, three bytes give four
			// characters; those that unknown bytes have a part in are left out.
			text := encoding.EncodeToString(append(make([]byte, before), secret...))
			first := []int{0, 2, 3}[before]
			last := (before + len(secret)) * 8 / 6
			s.add(name, "in base64", []byte(text[first:last]))
		}
		// A reply has a binary value in base64, and a log may encode it again.
		s.add(name, "in base64 twice", []byte(encoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(secret))))[:len(secret)])
	}
}

func (s *canaries) add(name, how string, b []byte) {
	if len(b) < shortestForm {
		panic("a canary is too short: " + name)
	}
	key := binary.LittleEndian.Uint64(b)
	if slices.ContainsFunc(s.forms[key], func(f form) bool { return bytes.Equal(f.bytes, b) }) {
		return
	}
	s.forms[key] = append(s.forms[key], form{name, how, b})
}

// find names the first canary in data, "" if there is none.
func (s *canaries) find(data []byte) string {
	for i := 0; i+shortestForm <= len(data); i++ {
		for _, f := range s.forms[binary.LittleEndian.Uint64(data[i:])] {
			if bytes.HasPrefix(data[i:], f.bytes) {
				return f.canary + " " + f.how
			}
		}
	}
	return ""
}

// findIn looks through all files of a directory but those named.
func (s *canaries) findIn(t *testing.T, dir string, but ...string) (found []string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || slices.Contains(but, e.Name()) {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if hit := s.find(data); hit != "" {
			found = append(found, strings.TrimPrefix(path, dir)+" holds "+hit)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 5 {
		t.Fatalf("%s has %d files: this looks at the wrong place", dir, files)
	}
	return found
}

// TestCanarySearch: a search that finds nothing would let everything pass.
func TestCanarySearch(t *testing.T) {
	var s canaries
	secret := []byte("kanarienvogel/+ \x00\xff und mehr")
	s.plant("the bird", secret)
	for before := range 7 {
		for after := range 7 {
			text := slices.Concat(bytes.Repeat([]byte("x"), before), secret, bytes.Repeat([]byte("y"), after))
			for how, written := range map[string]string{
				"raw": string(text), "hex": hex.EncodeToString(text), "HEX": strings.ToUpper(hex.EncodeToString(text)),
				"base64": base64.StdEncoding.EncodeToString(text), "base64url": base64.URLEncoding.EncodeToString(text),
				"url": url.QueryEscape(string(text)),
			} {
				if s.find([]byte("before "+written+" after")) == "" {
					t.Errorf("%s with %d bytes before and %d after is not found", how, before, after)
				}
			}
		}
	}
	if s.find([]byte(base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(secret))))) == "" {
		t.Error("base64 twice is not found")
	}
	if hit := s.find([]byte("kanarienvoge1/+ und so weiter, and base64 of it: a2FuYXJpZW52b2dlMQ==")); hit != "" {
		t.Errorf("found where there is none: %s", hit)
	}
}
