package envelope

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// update writes testdata anew. The files are frozen: what was sealed once must
// open for ever, so a change in them is a change of format.
var update = flag.Bool("update", false, "write testdata/{blob,seal,value}.jsonl anew")

type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }
func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

func readVectors[T any](t testing.TB, name string) []T {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []T
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil || len(all) == 0 {
		t.Fatalf("%s: %d vectors, %v", name, len(all), err)
	}
	return all
}

func writeVectors[T any](t *testing.T, name string, all []T) {
	t.Helper()
	var out bytes.Buffer
	for _, v := range all {
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join("testdata", name), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// classes are the failures that a vector can ask for; the first that matches
// is the class of an error.
var classes = []struct {
	name string
	err  error
}{
	{"malformed", ErrMalformedBlob},
	{"invalid", ErrInvalidCiphertext},
	{"wrong root key", ErrWrongRootKey},
	{"damaged", ErrDamagedSeal},
}

func class(err error) string {
	if err == nil {
		return "ok"
	}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return "unexpected: " + err.Error()
}

// counting is entropy that can be foretold: start, start+1, ...
type counting byte

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(*c)
		*c++
	}
	return len(p), nil
}

func entropy(start byte) *counting { c := counting(start); return &c }

func sequence(start byte, n int) []byte {
	b := make([]byte, n)
	_, _ = entropy(start).Read(b)
	return b
}

func testMaterial(t testing.TB, start byte) *Material {
	t.Helper()
	m, err := NewMaterial(entropy(start))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Destroy)
	return m
}

func testRoot(t testing.TB, start byte) *RootKey {
	t.Helper()
	r, err := NewRootKey(sequence(start, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Destroy)
	return r
}

// edit returns a changed copy of b.
func edit(b []byte, f func([]byte) []byte) []byte { return f(bytes.Clone(b)) }

func flip(b []byte, at int) []byte {
	return edit(b, func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 0x40; return b })
}

type blobVector struct {
	Name      string            `json:"name"`
	Material  hexBytes          `json:"material"` // the raw key
	Context   map[string]string `json:"context"`
	Blob      hexBytes          `json:"blob"`
	Plaintext hexBytes          `json:"plaintext,omitempty"`
	Want      string            `json:"want"`
}

func blobVectors(t *testing.T) (all []blobVector) {
	h := Header{Installation: [16]byte(sequence(0xa0, 16)), KeyID: [16]byte(sequence(0xb0, 16))}
	seal := func(context map[string]string, plaintext []byte) []byte {
		blob, err := testMaterial(t, 1).Encrypt(nil, entropy(0x55), h, context, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		return blob
	}
	add := func(name, want string, context map[string]string, blob, plaintext []byte) {
		all = append(all, blobVector{name, sequence(1, 32), context, blob, plaintext, want})
	}
	two := map[string]string{"SecretARN": "arn:aws:secretsmanager:eu-west-1:000000000000:secret:a-AbCdEf", "SecretVersionId": "1"}
	key := sequence(0x70, 32)
	good := seal(two, key)

	add("no context", "ok", nil, seal(nil, key), key)
	add("empty context", "ok", map[string]string{}, seal(nil, key), key)
	add("two pairs", "ok", two, good, key)
	add("one byte", "ok", nil, seal(nil, []byte{7}), []byte{7})
	long := sequence(0, MaxPlaintext)
	add("longest plaintext", "ok", nil, seal(nil, long), long)

	other := func(f func(map[string]string)) map[string]string { m := maps.Clone(two); f(m); return m }
	add("context left out", "invalid", nil, good, nil)
	add("context with another value", "invalid", other(func(m map[string]string) { m["SecretVersionId"] = "2" }), good, nil)
	add("context with another case of key", "invalid", other(func(m map[string]string) { delete(m, "SecretVersionId"); m["secretversionid"] = "1" }), good, nil)
	add("context with a pair more", "invalid", other(func(m map[string]string) { m["x"] = "" }), good, nil)
	add("context with keys and values pushed together", "invalid", map[string]string{"a": "bc"}, seal(map[string]string{"ab": "c"}, key), nil)

	for _, d := range []struct {
		part string
		at   int
	}{{"installation", 1}, {"key id", 17}, {"material id", 33}, {"first half of the nonce", 65}, {"second half of the nonce", 80}, {"ciphertext", 89}, {"tag", -1}} {
		add("damaged "+d.part, "invalid", two, flip(good, d.at), nil)
	}
	add("cut by one", "invalid", two, good[:len(good)-1], nil)
	add("longer by one", "invalid", two, edit(good, func(b []byte) []byte { return append(b, 0) }), nil)
	add("foreign material", "invalid", two, edit(good, func(b []byte) []byte { copy(b[33:], sequence(0, 32)); return b }), nil)

	add("empty", "malformed", nil, nil, nil)
	add("version 0", "malformed", two, edit(good, func(b []byte) []byte { b[0] = 0; return b }), nil)
	add("version 2", "malformed", two, edit(good, func(b []byte) []byte { b[0] = 2; return b }), nil)
	add("header alone", "malformed", two, good[:headerSize], nil)
	add("no ciphertext", "malformed", two, good[:BlobOverhead], nil)
	add("longer than the longest", "malformed", nil, append(seal(nil, long), 0), nil)
	return all
}

func TestBlobVectors(t *testing.T) {
	if *update {
		writeVectors(t, "blob.jsonl", blobVectors(t))
	}
	for _, v := range readVectors[blobVector](t, "blob.jsonl") {
		t.Run(v.Name, func(t *testing.T) {
			m, err := NewMaterial(bytes.NewReader(v.Material))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Destroy()
			got, err := m.Decrypt([]byte("before"), v.Blob, v.Context)
			if class(err) != v.Want {
				t.Fatalf("%s, want %s", class(err), v.Want)
			}
			if err != nil {
				if got != nil {
					t.Error("bytes with an error")
				}
				return
			}
			if !bytes.Equal(got, append([]byte("before"), v.Plaintext...)) {
				t.Errorf("decrypted %x", got)
			}
			h, err := ParseBlob(v.Blob)
			if err != nil {
				t.Fatal(err)
			}
			again, err := m.Encrypt(nil, bytes.NewReader(v.Blob[headerSize:]), h, v.Context, v.Plaintext)
			if err != nil || !bytes.Equal(again, v.Blob) {
				t.Errorf("the same inputs no longer give the same blob: %v", err)
			}
		})
	}
}

type sealVector struct {
	Name      string   `json:"name"`
	Root      hexBytes `json:"root"`
	Purpose   string   `json:"purpose"`
	AAD       hexBytes `json:"aad"`
	Sealed    hexBytes `json:"sealed"`
	Plaintext hexBytes `json:"plaintext,omitempty"`
	Want      string   `json:"want"`
}

func sealVectors(t *testing.T) (all []sealVector) {
	add := func(name, want string, root byte, purpose, aad string, sealed []byte, plaintext string) {
		all = append(all, sealVector{name, sequence(root, 32), purpose, hexBytes(aad), sealed, hexBytes(plaintext), want})
	}
	seal := func(purpose, aad, plaintext string) []byte {
		sealed, err := testRoot(t, 1).Seal(entropy(0x33), purpose, []byte(aad), []byte(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	good := seal("access key", "AKIA", "wJalr")
	add("sealed", "ok", 1, "access key", "AKIA", good, "wJalr")
	add("nothing sealed", "ok", 1, "", "", seal("", "", ""), "")
	add("another root key", "wrong root key", 2, "access key", "AKIA", good, "")
	add("damaged root key id", "wrong root key", 1, "access key", "AKIA", flip(good, 1), "")
	add("another purpose", "damaged", 1, "access", "AKIA", good, "")
	add("another aad", "damaged", 1, "access key", "AKIB", good, "")
	add("purpose and aad pushed together", "damaged", 1, "access keyA", "KIA", good, "")
	add("damaged nonce", "damaged", 1, "access key", "AKIA", flip(good, sealPrefix), "")
	add("damaged ciphertext", "damaged", 1, "access key", "AKIA", flip(good, sealPrefix+xaesNonceSize), "")
	add("damaged tag", "damaged", 1, "access key", "AKIA", flip(good, -1), "")
	add("shorter than the overhead", "damaged", 1, "access key", "AKIA", good[:SealOverhead-1], "")
	add("version 0", "damaged", 1, "access key", "AKIA", edit(good, func(b []byte) []byte { b[0] = 0; return b }), "")
	add("version 2", "damaged", 1, "access key", "AKIA", edit(good, func(b []byte) []byte { b[0] = 2; return b }), "")
	add("cut", "damaged", 1, "access key", "AKIA", good[:len(good)-1], "")
	add("empty", "damaged", 1, "access key", "AKIA", nil, "")
	return all
}

func TestSealVectors(t *testing.T) {
	if *update {
		writeVectors(t, "seal.jsonl", sealVectors(t))
	}
	for _, v := range readVectors[sealVector](t, "seal.jsonl") {
		t.Run(v.Name, func(t *testing.T) {
			r, err := NewRootKey(v.Root)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Destroy()
			got, err := r.Open(v.Purpose, v.AAD, v.Sealed)
			if class(err) != v.Want || !bytes.Equal(got, v.Plaintext) {
				t.Fatalf("%x, %s, want %s", got, class(err), v.Want)
			}
			if v.Want != "ok" {
				return
			}
			again, err := r.Seal(bytes.NewReader(v.Sealed[sealPrefix:]), v.Purpose, v.AAD, v.Plaintext)
			if err != nil || !bytes.Equal(again, v.Sealed) {
				t.Errorf("the same inputs no longer give the same bytes: %v", err)
			}
		})
	}
}

type valueVector struct {
	Name      string   `json:"name"`
	DataKey   hexBytes `json:"dataKey"`
	AAD       hexBytes `json:"aad"`
	Sealed    hexBytes `json:"sealed"`
	Plaintext hexBytes `json:"plaintext,omitempty"`
	Want      string   `json:"want"`
}

func valueVectors(t *testing.T) (all []valueVector) {
	add := func(name, want string, key byte, aad string, sealed []byte, plaintext string) {
		all = append(all, valueVector{name, sequence(key, 32), hexBytes(aad), sealed, hexBytes(plaintext), want})
	}
	seal := func(aad, plaintext string) []byte {
		sealed, err := SealValue(nil, entropy(9), (*[32]byte)(sequence(1, 32)), []byte(aad), []byte(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	good := seal("v1", "swordfish")
	add("value", "ok", 1, "v1", good, "swordfish")
	add("empty value", "ok", 1, "", seal("", ""), "")
	add("another data key", "invalid", 2, "v1", good, "")
	add("another aad", "invalid", 1, "v2", good, "")
	add("damaged nonce", "invalid", 1, "v1", flip(good, 1), "")
	add("damaged ciphertext", "invalid", 1, "v1", flip(good, 13), "")
	add("damaged tag", "invalid", 1, "v1", flip(good, -1), "")
	add("another version", "invalid", 1, "v1", flip(good, 0), "")
	add("cut", "invalid", 1, "v1", good[:len(good)-1], "")
	add("shorter than the overhead", "invalid", 1, "v1", good[:ValueOverhead-1], "")
	add("empty", "invalid", 1, "v1", nil, "")
	return all
}

func TestValueVectors(t *testing.T) {
	if *update {
		writeVectors(t, "value.jsonl", valueVectors(t))
	}
	for _, v := range readVectors[valueVector](t, "value.jsonl") {
		t.Run(v.Name, func(t *testing.T) {
			got, err := OpenValue(nil, (*[32]byte)(v.DataKey), v.AAD, v.Sealed)
			if class(err) != v.Want || !bytes.Equal(got, v.Plaintext) {
				t.Fatalf("%x, %s, want %s", got, class(err), v.Want)
			}
			if v.Want != "ok" {
				return
			}
			again, err := SealValue(nil, bytes.NewReader(v.Sealed[1:]), (*[32]byte)(v.DataKey), v.AAD, v.Plaintext)
			if err != nil || !bytes.Equal(again, v.Sealed) {
				t.Errorf("the same inputs no longer give the same bytes: %v", err)
			}
		})
	}
}
