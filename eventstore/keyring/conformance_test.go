package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// kept is one implementation under test: its first ring, and how to restart
// the process and the store beneath a ring.
type kept struct {
	open    func(*testing.T) Ring
	restart func(*testing.T, Ring) Ring
}

func TestConformance(t *testing.T) {
	implementations := map[string]func(*testing.T) kept{
		"Memory": func(*testing.T) kept {
			return kept{
				open:    func(*testing.T) Ring { return NewMemory() },
				restart: func(_ *testing.T, r Ring) Ring { return r.(*Memory).Reopen() },
			}
		},
		"JetStream": func(t *testing.T) kept {
			s := startServer(t, t.TempDir())
			return kept{
				open: func(t *testing.T) Ring { return s.open(t) },
				restart: func(t *testing.T, r Ring) Ring {
					if err := r.Close(); err != nil {
						t.Fatal(err)
					}
					s.stop()
					s.start(t)
					return s.open(t)
				},
			}
		},
	}
	cases := map[string]func(*testing.T, kept){
		"put and get":      conformPutGet,
		"same id":          conformSameID,
		"invalid":          conformInvalid,
		"erase":            conformErase,
		"many and restart": conformMany,
		"ids":              conformIDs,
		"closed":           conformClosed,
		"gave up":          conformGaveUp,
		"concurrent":       conformConcurrent,
		"random walk":      conformRandomWalk,
	}
	for name, implementation := range implementations {
		t.Run(name, func(t *testing.T) {
			for name, conform := range cases {
				t.Run(name, func(t *testing.T) { conform(t, implementation(t)) })
			}
		})
	}
}

func put(t *testing.T, r Ring, entries ...Entry) {
	t.Helper()
	if err := r.Put(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
}

func erase(t *testing.T, r Ring, ids ...string) {
	t.Helper()
	if err := r.Erase(t.Context(), ids...); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, r Ring, id, sealed string) {
	t.Helper()
	if got, err := r.Get(id); err != nil || string(got) != sealed {
		t.Errorf("Get(%s) = %q, %v, want %q", id, got, err, sealed)
	}
}

func wantNone(t *testing.T, r Ring, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if got, err := r.Get(id); !errors.Is(err, ErrNotFound) || got != nil {
			t.Errorf("Get(%s) = %q, %v, want ErrNotFound", id, got, err)
		}
	}
}

func wantIDs(t *testing.T, r Ring, ids ...string) {
	t.Helper()
	if got := slices.Sorted(r.IDs()); !slices.Equal(got, slices.Sorted(slices.Values(ids))) {
		t.Errorf("IDs = %q, want %q", got, ids)
	}
}

func conformPutGet(t *testing.T, k kept) {
	r := k.open(t)
	put(t, r)
	sealed := []byte("one")
	largest := strings.Repeat("x", MaxSealed)
	longest := strings.Repeat("a-Z9", MaxID/4)
	put(t, r, Entry{"a", sealed}, Entry{"b", []byte{0}}, Entry{longest, []byte(largest)})
	copy(sealed, "two")
	want(t, r, "a", "one")
	got, _ := r.Get("a")
	copy(got, "two")
	want(t, r, "a", "one")
	want(t, r, "b", "\x00")
	want(t, r, longest, largest)
	wantNone(t, r, "c", "", "A")
	r = k.restart(t, r)
	want(t, r, "a", "one")
	want(t, r, longest, largest)
}

func conformSameID(t *testing.T, k kept) {
	r := k.open(t)
	put(t, r, Entry{"a", []byte("one")})
	for range 2 {
		put(t, r, Entry{"a", []byte("one")}, Entry{"b", []byte("two")}, Entry{"b", []byte("two")})
		if err := r.Put(t.Context(), Entry{"a", []byte("two")}); !errors.Is(err, ErrConflict) {
			t.Errorf("other bytes: %v, want ErrConflict", err)
		}
		if err := r.Put(t.Context(), Entry{"c", []byte("1")}, Entry{"c", []byte("2")}); !errors.Is(err, ErrConflict) {
			t.Errorf("other bytes in one call: %v, want ErrConflict", err)
		}
		want(t, r, "a", "one")
		want(t, r, "b", "two")
		want(t, r, "c", "1")
		r = k.restart(t, r)
	}
}

func conformInvalid(t *testing.T, k kept) {
	r := k.open(t)
	for _, e := range []Entry{
		{"", []byte("x")}, {strings.Repeat("a", MaxID+1), []byte("x")},
		{"a.b", []byte("x")}, {"*", []byte("x")}, {">", []byte("x")}, {"a b", []byte("x")}, {"ä", []byte("x")}, {"a\n", []byte("x")},
		{"a", nil}, {"a", []byte{}}, {"a", make([]byte, MaxSealed+1)},
	} {
		if err := r.Put(t.Context(), Entry{"fine", []byte("x")}, e); !errors.Is(err, ErrInvalidEntry) {
			t.Errorf("Put(%.80q, %d bytes): %v, want ErrInvalidEntry", e.ID, len(e.Sealed), err)
		}
	}
	wantNone(t, r, "fine")
	put(t, r, Entry{"fine", []byte("x")})
	if err := r.Erase(t.Context(), "fine", "*"); !errors.Is(err, ErrInvalidEntry) {
		t.Errorf("Erase: %v, want ErrInvalidEntry", err)
	}
	want(t, r, "fine", "x")
}

func conformErase(t *testing.T, k kept) {
	r := k.open(t)
	erase(t, r)
	erase(t, r, "never")
	put(t, r, Entry{"a", []byte("one")}, Entry{"b", []byte("two")}, Entry{"c", []byte("three")}, Entry{"d", []byte("four")})
	erase(t, r, "a", "c", "c", "never")
	wantNone(t, r, "a", "c")
	wantIDs(t, r, "b", "d")
	r = k.restart(t, r)
	wantNone(t, r, "a", "c")
	wantIDs(t, r, "b", "d")
	put(t, r, Entry{"a", []byte("other")})
	erase(t, r, "d", "c")
	r = k.restart(t, r)
	want(t, r, "a", "other")
	wantIDs(t, r, "a", "b")
	erase(t, r, "a", "b")
	wantIDs(t, k.restart(t, r))
}

func conformMany(t *testing.T, k kept) {
	r := k.open(t)
	entries := make([]Entry, 2*window+1)
	for i := range entries {
		entries[i] = Entry{fmt.Sprintf("key-%d", i), bytes.Repeat([]byte{byte(i)}, 1+i)}
	}
	put(t, r, entries...)
	r = k.restart(t, r)
	for _, e := range entries {
		want(t, r, e.ID, string(e.Sealed))
	}
	put(t, r, entries...)
	if n := len(slices.Collect(r.IDs())); n != len(entries) {
		t.Errorf("%d ids, want %d", n, len(entries))
	}
}

func conformIDs(t *testing.T, k kept) {
	r := k.open(t)
	wantIDs(t, r)
	put(t, r, Entry{"a", []byte("1")}, Entry{"b", []byte("2")}, Entry{"c", []byte("3")})
	for range r.IDs() {
		break
	}
	for id := range r.IDs() { // reconciliation
		if id != "b" {
			erase(t, r, id)
		}
	}
	wantIDs(t, r, "b")
	wantIDs(t, k.restart(t, r), "b")
}

func conformClosed(t *testing.T, k kept) {
	r := k.open(t)
	put(t, r, Entry{"a", []byte("1")})
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	_, get := r.Get("a")
	for op, err := range map[string]error{"Put": r.Put(t.Context(), Entry{"b", []byte("2")}), "Get": get, "Erase": r.Erase(t.Context(), "a")} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", op, err)
		}
	}
	wantIDs(t, r)
	wantIDs(t, k.restart(t, r), "a")
}

// A caller that gave up does not know what happened; doing it again settles it.
func conformGaveUp(t *testing.T, k kept) {
	r := k.open(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	a := Entry{"a", []byte("1")}
	if err := r.Put(gone, a); !errors.Is(err, context.Canceled) {
		t.Fatalf("Put: %v, want Canceled", err)
	}
	put(t, r, a)
	want(t, r, "a", "1")
	if err := r.Erase(gone, "a"); !errors.Is(err, context.Canceled) {
		t.Fatalf("Erase: %v, want Canceled", err)
	}
	wantNone(t, r, "a")
	erase(t, r, "a")
	r = k.restart(t, r)
	wantNone(t, r, "a")
}

func conformConcurrent(t *testing.T, k kept) {
	r := k.open(t)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 10 {
				id := fmt.Sprintf("w%d-%d", worker, i)
				if err := r.Put(t.Context(), Entry{id, []byte(id)}, Entry{id + "-x", []byte(id)}); err != nil {
					t.Error(err)
				}
				if got, err := r.Get(id); err != nil || string(got) != id {
					t.Errorf("Get(%s) = %q, %v", id, got, err)
				}
				for range r.IDs() {
				}
				if err := r.Erase(t.Context(), id+"-x"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := len(slices.Collect(k.restart(t, r).IDs())); n != 80 {
		t.Errorf("%d entries, want 80", n)
	}
}

// conformRandomWalk does anything in any order and compares with a map.
func conformRandomWalk(t *testing.T, k kept) {
	random := rand.New(rand.NewPCG(1, 2))
	r, model := k.open(t), map[string]string{}
	for range 300 {
		id := fmt.Sprintf("id-%d", random.IntN(20))
		switch random.IntN(40) {
		case 0:
			r = k.restart(t, r)
		case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14:
			erase(t, r, id)
			delete(model, id)
		default:
			sealed := strings.Repeat("s", 1+random.IntN(3))
			err := r.Put(t.Context(), Entry{id, []byte(sealed)})
			switch there, ok := model[id]; {
			case ok && there != sealed:
				if !errors.Is(err, ErrConflict) {
					t.Fatalf("Put(%s): %v, want ErrConflict", id, err)
				}
			case err != nil:
				t.Fatal(err)
			default:
				model[id] = sealed
			}
		}
		for i := range 20 {
			id := fmt.Sprintf("id-%d", i)
			if sealed, ok := model[id]; ok {
				want(t, r, id, sealed)
			} else {
				wantNone(t, r, id)
			}
		}
		if t.Failed() {
			return
		}
	}
}
