package secretbytes

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const canary = "the-canary-is-exactly-32-bytes-!"

// leaks reports the spelling in which text shows the canary, or "".
func leaks(text string) string {
	decimal := strings.Trim(fmt.Sprint([]byte(canary)[:6]), "[]")
	for _, spelling := range []string{
		canary[:8], hex.EncodeToString([]byte(canary[:6])), strings.ToUpper(hex.EncodeToString([]byte(canary[:6]))),
		base64.StdEncoding.EncodeToString([]byte(canary[:6])), decimal, strings.ReplaceAll(decimal, " ", ", "), "0x74, 0x68", "116,104",
	} {
		if strings.Contains(text, spelling) {
			return spelling
		}
	}
	return ""
}

type hiding struct { // unexported fields: fmt reads them by reflection
	key Key32
	val Bytes
	ptr *Key32
	any any
}

type showing struct {
	Key Key32
	Val Bytes
	Ptr *Bytes
}

func holders(t *testing.T) map[string]any {
	k, err := NewKey32([]byte(canary))
	if err != nil {
		t.Fatal(err)
	}
	b := NewBytes([]byte(canary))
	return map[string]any{
		"Key32": k, "*Key32": &k, "Bytes": b, "*Bytes": &b,
		"unexported fields": hiding{k, b, &k, b}, "pointer to unexported": &hiding{k, b, &k, k},
		"exported fields": showing{k, b, &b}, "pointer to exported": &showing{k, b, &b},
		"slice": []Key32{k}, "map": map[string]Bytes{"v": b}, "hidden slice": struct{ s []Bytes }{[]Bytes{b}},
		"error chain": fmt.Errorf("sealing %v: %w", k, errors.New("no")),
	}
}

func TestCanaryIsFoundWhenItLeaks(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%X", "%s", "%q", "%d"} {
		if leaks(fmt.Sprintf(verb, struct{ b []byte }{[]byte(canary)})) == "" {
			t.Errorf("%s of plain bytes went unnoticed: the test is blind", verb)
		}
	}
}

func TestNoVerbPrints(t *testing.T) {
	for name, v := range holders(t) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%X", "% x", "%#x", "%s", "%q", "%d", "%o", "%b", "%c", "%U", "%t", "%T", "%e", "%80v"} {
			if as := leaks(fmt.Sprintf(verb, v)); as != "" {
				t.Errorf("%s of %s shows %q", verb, name, as)
			}
		}
		if as := leaks(fmt.Sprint(v)); as != "" {
			t.Errorf("Sprint of %s shows %q", name, as)
		}
	}
}

func TestPrintsRedacted(t *testing.T) {
	k, _ := NewKey32([]byte(canary))
	for _, v := range []any{k, NewBytes([]byte(canary)), Key32{}, Bytes{}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			if got := fmt.Sprintf(verb, v); got != Redacted {
				t.Errorf("%s of %T = %q", verb, v, got)
			}
		}
	}
}

func TestNoEncoderWrites(t *testing.T) {
	for name, v := range holders(t) {
		out, err := json.Marshal(v)
		if as := leaks(string(out)); as != "" {
			t.Errorf("json of %s shows %q", name, as)
		}
		if err != nil && !errors.Is(err, ErrMarshal) {
			t.Errorf("json of %s: %v", name, err)
		}
		out, _ = xml.Marshal(v)
		if as := leaks(string(out)); as != "" {
			t.Errorf("xml of %s shows %q", name, as)
		}
		var buf bytes.Buffer
		_ = gob.NewEncoder(&buf).Encode(v)
		if as := leaks(buf.String()); as != "" {
			t.Errorf("gob of %s shows %q", name, as)
		}
	}
	for _, v := range []any{Key32{}, NewBytes(nil)} {
		if _, err := json.Marshal(v); !errors.Is(err, ErrMarshal) {
			t.Errorf("json of %T: %v, want ErrMarshal", v, err)
		}
	}
}

func TestNoLogWrites(t *testing.T) {
	var buf bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&buf, nil), slog.NewJSONHandler(&buf, nil)} {
		for name, v := range holders(t) {
			buf.Reset()
			slog.New(h).Info("m", "v", v, slog.Group("g", "v", v))
			if as := leaks(buf.String()); as != "" {
				t.Errorf("%T of %s shows %q", h, name, as)
			}
		}
	}
	buf.Reset()
	slog.New(slog.NewJSONHandler(&buf, nil)).Info("m", "v", NewBytes([]byte(canary)))
	if !strings.Contains(buf.String(), `"v":"[secret]"`) {
		t.Errorf("slog wrote %s", buf.String())
	}
}

func TestKey32(t *testing.T) {
	for _, n := range []int{0, 31, 33} {
		if _, err := NewKey32(make([]byte, n)); !errors.Is(err, ErrKeySize) {
			t.Errorf("%d bytes: %v, want ErrKeySize", n, err)
		}
	}
	src := []byte(canary)
	k, err := NewKey32(src)
	if err != nil {
		t.Fatal(err)
	}
	clear(src)
	if string(k.Expose()[:]) != canary {
		t.Error("the key shares the caller's bytes")
	}
	read, err := ReadKey32(strings.NewReader(canary))
	if err != nil || !read.Equal(k) {
		t.Errorf("ReadKey32: equal %v, %v", read.Equal(k), err)
	}
	if _, err := ReadKey32(strings.NewReader(canary[:31])); err == nil {
		t.Error("a key of 31 bytes of entropy")
	}
	if k.Equal(Key32{}) || (Key32{}).Equal(k) || !(Key32{}).Equal(Key32{}) {
		t.Error("Equal with an empty key")
	}
	alias := k
	k.Zero()
	if *alias.Expose() != [32]byte{} {
		t.Error("Zero left a copy")
	}
	if alias.Equal(read) || !(Key32{}).IsEmpty() || alias.IsEmpty() {
		t.Error("a wiped key is not the old one, and not empty either")
	}
	Key32{}.Zero()
}

func TestBytes(t *testing.T) {
	buf := append(make([]byte, 0, 64), canary...)
	b := Own(buf)
	alias := b
	if b.Len() != 32 || !b.Equal(NewBytes([]byte(canary))) || b.Equal(NewBytes([]byte(canary[1:]))) || b.Equal(Bytes{}) {
		t.Error("Len or Equal")
	}
	if &b.Expose()[0] != &buf[0] {
		t.Error("Own copied")
	}
	b.Zero()
	if !bytes.Equal(buf[:cap(buf)], make([]byte, 64)) {
		t.Error("Zero left bytes in the buffer")
	}
	if alias.Expose() != nil || alias.Len() != 0 {
		t.Error("Zero left a copy")
	}
	Bytes{}.Zero()
}
