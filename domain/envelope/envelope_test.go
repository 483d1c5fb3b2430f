package envelope

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func TestRootKey(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33, 64} {
		if _, err := NewRootKey(make([]byte, n)); !errors.Is(err, ErrKeySize) {
			t.Errorf("%d bytes: %v, want ErrKeySize", n, err)
		}
	}
	b := sequence(1, 32)
	r, err := NewRootKey(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	same, other := testRoot(t, 1), testRoot(t, 2)
	if r.ID() != same.ID() || r.ID() == other.ID() || len(r.ID()) != 32 {
		t.Errorf("ids %s %s %s", r.ID(), same.ID(), other.ID())
	}
	sealed, err := r.Seal(entropy(7), "p", []byte("aad"), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := same.Open("p", []byte("aad"), sealed); err != nil || string(got) != "x" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if !same.SealedUnder(sealed) || other.SealedUnder(sealed) || same.SealedUnder(sealed[:SealOverhead-1]) || same.SealedUnder(nil) {
		t.Error("SealedUnder")
	}
	r.Destroy()
	r.Destroy()
	_, seal := r.Seal(entropy(7), "p", nil, nil)
	_, open := r.Open("p", []byte("aad"), sealed)
	_, derive := r.Derive("p")
	for op, err := range map[string]error{"Seal": seal, "Open": open, "Derive": derive} {
		if !errors.Is(err, ErrDestroyed) {
			t.Errorf("%s after Destroy: %v", op, err)
		}
	}
}

func TestDerive(t *testing.T) {
	r := testRoot(t, 1)
	seen := map[[32]byte]string{}
	for _, purpose := range []string{"session token", "session", "", "seal v1"} {
		k, err := r.Derive(purpose)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := r.Derive(purpose); !again.Equal(k) {
			t.Errorf("%q: two calls, two keys", purpose)
		}
		if twin, taken := seen[*k.Expose()]; taken {
			t.Errorf("%q and %q are one key", purpose, twin)
		}
		seen[*k.Expose()] = purpose
		if elsewhere, _ := testRoot(t, 2).Derive(purpose); elsewhere.Equal(k) {
			t.Errorf("%q: one key under two root keys", purpose)
		}
	}
	// Frozen: session tokens out there are sealed with it.
	k, _ := r.Derive("session token")
	if got, want := hex.EncodeToString(k.Expose()[:]), derivedSessionToken; got != want {
		t.Errorf("derived %s, want %s", got, want)
	}
}

const derivedSessionToken = "726010f29b25e63b67186e8972f58d00586443dafa7d4844a75ddd2cfe0b9984"

func TestMaterial(t *testing.T) {
	m, root := testMaterial(t, 1), testRoot(t, 9)
	a, b := [16]byte{1}, [16]byte{2}
	sealed, err := m.SealUnder(root, entropy(100), a)
	if err != nil || len(sealed) != SealedMaterialSize {
		t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	if bytes.Contains(sealed, sequence(1, 8)) || bytes.Contains(sealed, m.id[:4]) {
		t.Error("sealed material shows the key or its id")
	}
	opened, err := OpenMaterial(root, a, sealed)
	if err != nil || opened.ID() != m.ID() {
		t.Fatalf("opened %x, %v, want %x", opened.ID(), err, m.ID())
	}
	defer opened.Destroy()
	if m.ID() == testMaterial(t, 2).ID() {
		t.Error("two materials, one id")
	}
	if _, err := OpenMaterial(root, b, sealed); !errors.Is(err, ErrDamagedSeal) {
		t.Errorf("under another key id: %v, want ErrDamagedSeal", err)
	}
	if _, err := OpenMaterial(testRoot(t, 8), a, sealed); !errors.Is(err, ErrWrongRootKey) {
		t.Errorf("under another root key: %v, want ErrWrongRootKey", err)
	}
	short, _ := root.Seal(entropy(0), purposeMaterial, a[:], make([]byte, 31))
	if _, err := OpenMaterial(root, a, short); !errors.Is(err, ErrKeySize) {
		t.Errorf("31 bytes: %v, want ErrKeySize", err)
	}

	blob, err := m.Encrypt(nil, entropy(3), Header{}, nil, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := opened.Decrypt(nil, blob, nil); err != nil || string(got) != "x" {
		t.Errorf("Decrypt = %q, %v", got, err)
	}
	m.Destroy()
	m.Destroy()
	_, encrypt := m.Encrypt(nil, entropy(3), Header{}, nil, []byte("x"))
	_, decrypt := m.Decrypt(nil, blob, nil)
	_, seal := m.SealUnder(root, entropy(0), a)
	for op, err := range map[string]error{"Encrypt": encrypt, "Decrypt": decrypt, "SealUnder": seal} {
		if !errors.Is(err, ErrDestroyed) {
			t.Errorf("%s after Destroy: %v", op, err)
		}
	}
}

func TestEncryptBounds(t *testing.T) {
	m := testMaterial(t, 1)
	for n, want := range map[int]error{0: ErrPlaintextSize, 1: nil, MaxPlaintext: nil, MaxPlaintext + 1: ErrPlaintextSize} {
		blob, err := m.Encrypt([]byte("before"), entropy(0), Header{}, nil, make([]byte, n))
		if !errors.Is(err, want) || err == nil && len(blob) != len("before")+n+BlobOverhead {
			t.Errorf("%d bytes: blob of %d, %v", n, len(blob), err)
		}
	}
	if BlobOverhead+MaxPlaintext > MaxBlob {
		t.Error("a blob can be longer than KMS allows")
	}
}

func TestHeaderNamesItsMaterial(t *testing.T) {
	m := testMaterial(t, 1)
	h := Header{Installation: [16]byte{1, 2}, KeyID: [16]byte{3, 4}, MaterialID: [32]byte{5}}
	blob, err := m.Encrypt(nil, entropy(0), h, nil, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	h.MaterialID = m.ID()
	if got, err := ParseBlob(blob); err != nil || got != h {
		t.Errorf("ParseBlob = %+v, %v, want %+v", got, err, h)
	}
}

// A fresh nonce each time, all of it from the entropy given.
func TestEntropy(t *testing.T) {
	m, root, key := testMaterial(t, 1), testRoot(t, 1), [32]byte{1}
	calls := map[string]func(io.Reader) ([]byte, error){
		"Encrypt":   func(e io.Reader) ([]byte, error) { return m.Encrypt(nil, e, Header{}, nil, []byte("x")) },
		"Seal":      func(e io.Reader) ([]byte, error) { return root.Seal(e, "p", nil, []byte("x")) },
		"SealUnder": func(e io.Reader) ([]byte, error) { return m.SealUnder(root, e, [16]byte{}) },
		"SealValue": func(e io.Reader) ([]byte, error) { return SealValue(nil, e, &key, nil, []byte("x")) },
		"NewMaterial": func(e io.Reader) ([]byte, error) {
			m, err := NewMaterial(e)
			if err != nil {
				return nil, err
			}
			id := m.ID()
			return id[:], nil
		},
	}
	for name, call := range calls {
		e := entropy(0)
		one, err1 := call(iotest.OneByteReader(e))
		two, err2 := call(e)
		if err1 != nil || err2 != nil || bytes.Equal(one, two) {
			t.Errorf("%s twice: %v, %v, equal %v", name, err1, err2, bytes.Equal(one, two))
		}
		for _, dry := range []io.Reader{strings.NewReader("short"), iotest.ErrReader(io.ErrClosedPipe)} {
			if got, err := call(dry); err == nil || got != nil {
				t.Errorf("%s without entropy: %x, %v", name, got, err)
			}
		}
	}
}

func TestValueWithoutKey(t *testing.T) {
	if _, err := SealValue(nil, entropy(0), nil, nil, nil); err == nil {
		t.Error("SealValue")
	}
	if _, err := OpenValue(nil, nil, nil, make([]byte, 64)); err == nil {
		t.Error("OpenValue")
	}
}

// dst is appended to, and nothing but its free capacity is written.
func TestAppends(t *testing.T) {
	m, key := testMaterial(t, 1), [32]byte{1}
	for _, room := range []int{0, 3, 1 << 10} {
		dst := append(make([]byte, 0, 6+room), "before"...)
		blob, err := m.Encrypt(dst, entropy(0), Header{}, nil, []byte("plain"))
		if err != nil || string(blob[:6]) != "before" {
			t.Fatalf("Encrypt: %q, %v", blob, err)
		}
		plain, err := m.Decrypt(append(make([]byte, 0, 6+room), "before"...), blob[6:], nil)
		if err != nil || string(plain) != "beforeplain" {
			t.Errorf("Decrypt: %q, %v", plain, err)
		}
		sealed, err := SealValue(dst, entropy(0), &key, nil, []byte("plain"))
		if err != nil || string(sealed[:6]) != "before" {
			t.Fatalf("SealValue: %q, %v", sealed, err)
		}
		plain, err = OpenValue(append(make([]byte, 0, 6+room), "before"...), &key, nil, sealed[6:])
		if err != nil || string(plain) != "beforeplain" {
			t.Errorf("OpenValue: %q, %v", plain, err)
		}
	}
}

// Keys print as "[secret]", and where they lie in an unexported field and fmt
// goes by reflection, as addresses.
func TestKeysDoNotPrint(t *testing.T) {
	m, r := testMaterial(t, 1), testRoot(t, 1)
	decimal := strings.Trim(fmt.Sprint(sequence(1, 6)), "[]")
	hidden := struct {
		m *Material
		r *RootKey
		s []*Material
	}{m, r, []*Material{m}}
	for _, v := range []any{m, r, *(&struct{ M *Material }{m}), hidden, &hidden, []any{m, r}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%X", "%s", "%q", "%d", "%t"} {
			out := fmt.Sprintf(verb, v)
			for _, leak := range []string{decimal, "010203040506", "0x1, 0x2, 0x3", `\x01\x02\x03`} {
				if strings.Contains(out, leak) {
					t.Errorf("%s of %T: %s", verb, v, out)
				}
			}
		}
		if out, _ := json.Marshal(v); bytes.Contains(out, []byte("AQIDBA")) {
			t.Errorf("json of %T: %s", v, out)
		}
	}
	if got := fmt.Sprintf("%+v %x", m, r); got != "[secret] [secret]" {
		t.Errorf("prints as %s", got)
	}
}

// Calls race with Destroy: each gives the right answer or ErrDestroyed. Run
// with the race detector.
func TestDestroyUnderLoad(t *testing.T) {
	root := testRoot(t, 1)
	for range 20 {
		m := testMaterial(t, 1)
		blob, _ := m.Encrypt(nil, entropy(0), Header{}, nil, []byte("plain"))
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 100_000 {
					got, err := m.Decrypt(nil, blob, nil)
					if err == nil && string(got) != "plain" || err != nil && !errors.Is(err, ErrDestroyed) {
						t.Errorf("Decrypt = %q, %v", got, err)
					}
					sealed, sealErr := m.SealUnder(root, entropy(1), [16]byte{})
					if sealErr == nil {
						if again, err := OpenMaterial(root, [16]byte{}, sealed); err != nil || again.ID() != m.ID() {
							t.Errorf("sealed something else: %v", err)
						} else {
							again.Destroy()
						}
					}
					if err != nil {
						return
					}
				}
				t.Error("Destroy did not end it")
			})
		}
		m.Destroy()
		group.Wait()
	}
}

func TestLockedMemory(t *testing.T) {
	l := &lockedMemory{}
	seen := map[*[keySize]byte]bool{}
	var cells []*[keySize]byte
	for i := range 3 * slabSize / keySize {
		cell := l.take()
		if seen[cell] || *cell != [keySize]byte{} {
			t.Fatalf("cell %d is in use", i)
		}
		seen[cell] = true
		cell[0], cell[keySize-1] = 1, byte(i)
		cells = append(cells, cell)
	}
	for _, cell := range cells {
		l.give(cell)
		if *cell != [keySize]byte{} {
			t.Fatal("a cell given back was not wiped")
		}
	}
	for range cells {
		if !seen[l.take()] {
			t.Fatal("new memory while cells were free")
		}
	}
}

// A material that is dropped and never destroyed is wiped too.
func TestDroppedMaterialIsWiped(t *testing.T) {
	m, err := NewMaterial(entropy(1))
	if err != nil {
		t.Fatal(err)
	}
	cell := m.raw.Load()
	m = nil
	for range 50 {
		runtime.GC()
		lockedKeys.mu.Lock()
		wiped := *cell == [keySize]byte{}
		lockedKeys.mu.Unlock()
		if wiped {
			return
		}
		runtime.Gosched()
	}
	t.Error("the key is still in memory")
}

// GCM alone would open a blob made to open under two keys: a blob that names
// one material and is sealed under another is refused for its name.
func TestBlobCommitsToItsMaterial(t *testing.T) {
	m := testMaterial(t, 1)
	h := Header{MaterialID: [32]byte{9}}
	s := getScratch()
	s.aad = CanonicalContext(h.append(s.aad), nil)
	blob, err := m.cipher.Load().seal(h.append(nil), s, entropy(0), []byte("x"))
	s.release()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Decrypt(nil, blob, nil); !errors.Is(err, ErrInvalidCiphertext) || errors.Is(err, ErrMalformedBlob) {
		t.Errorf("Decrypt = %q, %v, want ErrInvalidCiphertext", got, err)
	}
}

func TestDecryptAllocations(t *testing.T) {
	m := testMaterial(t, 1)
	blob, _ := m.Encrypt(nil, entropy(0), Header{}, benchContext, make([]byte, 32))
	dst := make([]byte, 0, 32)
	if n := testing.AllocsPerRun(100, func() { _, _ = m.Decrypt(dst, blob, benchContext) }); n > 3 {
		t.Errorf("%v allocations, want 3 at most", n)
	}
}
