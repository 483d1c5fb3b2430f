package merkle

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// The roots of the first n of these leaves are the published test vectors of
// the Certificate Transparency reference implementation.
var (
	vectorLeaves = []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	vectorRoots  = []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
)

func TestRootMatchesPublishedVectors(t *testing.T) {
	var tree Tree
	for n, want := range vectorRoots {
		if got := tree.Root().String(); got != want {
			t.Errorf("root of %d leaves = %s, want %s", n, got, want)
		}
		if n < len(vectorLeaves) {
			leaf, err := hex.DecodeString(vectorLeaves[n])
			if err != nil {
				t.Fatal(err)
			}
			tree.Append(leaf)
		}
	}
}

func leaf(i uint64) []byte {
	// Lengths go through the edges of the stack buffer of LeafHash.
	n := []int{8, 500, leafBuffer - 1, leafBuffer, leafBuffer + 1, 5000}[i%6]
	b := bytes.Repeat([]byte{byte(i)}, n)
	binary.BigEndian.PutUint64(b, i)
	return b
}

func TestTreeAgreesWithCompactRange(t *testing.T) {
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	oracle := factory.NewEmptyRange(0)
	var tree Tree
	for i := range uint64(1030) {
		l := leaf(i)
		tree.Append(l)
		if err := oracle.Append(rfc6962.DefaultHasher.HashLeaf(l), nil); err != nil {
			t.Fatal(err)
		}
		want, err := oracle.GetRootHash(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := tree.Root(); !bytes.Equal(got[:], want) {
			t.Fatalf("root of %d leaves = %s, want %x", i+1, got, want)
		}
		if tree.Size() != i+1 {
			t.Fatalf("Size = %d, want %d", tree.Size(), i+1)
		}
		nodes := tree.Snapshot(nil)
		for j, h := range oracle.Hashes() {
			if !bytes.Equal(nodes[j][:], h) {
				t.Fatalf("node %d of %d leaves differs", j, i+1)
			}
		}
		back, err := Restore(tree.Size(), nodes)
		if err != nil {
			t.Fatal(err)
		}
		if back.Root() != tree.Root() {
			t.Fatalf("a restored tree of %d leaves has another root", i+1)
		}
	}
}

func TestCopyIsIndependent(t *testing.T) {
	var tree Tree
	for i := range uint64(37) {
		tree.Append(leaf(i))
	}
	before := tree.Root()
	batch := tree
	var moved Tree
	for i := range uint64(100) {
		moved.Append(leaf(i))
	}
	moved.CopyFrom(&tree)
	batch.Append(leaf(37))
	moved.Append(leaf(37))
	if tree.Root() != before {
		t.Error("growing a copy changed the original")
	}
	if batch.Root() != moved.Root() || batch.Root() == before {
		t.Error("an assigned copy and CopyFrom grew differently")
	}
}

func TestRestoreRefusesWrongNodeCount(t *testing.T) {
	for _, tc := range []struct {
		size  uint64
		nodes int
	}{{0, 1}, {1, 0}, {7, 2}, {8, 3}, {1 << 63, 64}} {
		if _, err := Restore(tc.size, make([]Hash, tc.nodes)); err == nil {
			t.Errorf("Restore(%d, %d nodes) succeeded", tc.size, tc.nodes)
		}
	}
}

func TestParseHash(t *testing.T) {
	h := LeafHash([]byte("x"))
	back, err := ParseHash(h.String())
	if err != nil || back != h {
		t.Fatalf("ParseHash(String) = %v, %v", back, err)
	}
	for _, s := range []string{"", "00", h.String() + "0", "zz" + h.String()[2:]} {
		if _, err := ParseHash(s); err == nil {
			t.Errorf("ParseHash(%q) succeeded", s)
		}
	}
}

// mth, path and subproof build roots and proofs naively from all leaf hashes, by
// the recursive definitions of RFC 6962 section 2.1.
func mth(leaves []Hash) Hash {
	switch len(leaves) {
	case 0:
		return EmptyRoot()
	case 1:
		return leaves[0]
	}
	k := split(len(leaves))
	l, r := mth(leaves[:k]), mth(leaves[k:])
	return nodeHash(&l, &r)
}

func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

func path(m int, leaves []Hash) []Hash {
	if len(leaves) <= 1 {
		return nil
	}
	k := split(len(leaves))
	if m < k {
		return append(path(m, leaves[:k]), mth(leaves[k:]))
	}
	return append(path(m-k, leaves[k:]), mth(leaves[:k]))
}

func subproof(m int, leaves []Hash, whole bool) []Hash {
	if m == len(leaves) {
		if whole {
			return nil
		}
		return []Hash{mth(leaves)}
	}
	k := split(len(leaves))
	if m <= k {
		return append(subproof(m, leaves[:k], whole), mth(leaves[k:]))
	}
	return append(subproof(m-k, leaves[k:], false), mth(leaves[:k]))
}

func TestProofs(t *testing.T) {
	const n = 21
	leaves := make([]Hash, n)
	roots := make([]Hash, n+1)
	var tree Tree
	for i := range leaves {
		leaves[i] = LeafHash(leaf(uint64(i)))
		tree.AppendHash(leaves[i])
		roots[i+1] = tree.Root()
	}
	for i := range leaves {
		p := path(i, leaves)
		if err := VerifyInclusion(uint64(i), n, leaves[i], p, roots[n]); err != nil {
			t.Error(err)
		}
		if err := VerifyInclusion(uint64(i), n, leaves[(i+1)%n], p, roots[n]); err == nil {
			t.Errorf("leaf %d: another leaf passes with this path", i)
		}
	}
	for m := 1; m <= n; m++ {
		p := subproof(m, leaves, true)
		if err := VerifyConsistency(uint64(m), n, p, roots[m], roots[n]); err != nil {
			t.Error(err)
		}
		if err := VerifyConsistency(uint64(m), n, p, roots[m], leaves[0]); err == nil {
			t.Errorf("size %d: another root passes", m)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	l := bytes.Repeat([]byte{'x'}, 500)
	var tree Tree
	if got := testing.AllocsPerRun(1000, func() { tree.Append(l) }); got != 0 {
		t.Errorf("Append allocates %v times", got)
	}
	if got := testing.AllocsPerRun(1000, func() { _ = tree.Root() }); got != 0 {
		t.Errorf("Root allocates %v times", got)
	}
}

func FuzzTreeAgreesWithDefinition(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nfour"))
	f.Add([]byte(""))
	f.Add(bytes.Repeat([]byte("\n"), 65))
	f.Fuzz(func(t *testing.T, data []byte) {
		var tree Tree
		var leaves []Hash
		for _, l := range bytes.Split(data, []byte("\n")) {
			tree.Append(l)
			leaves = append(leaves, LeafHash(l))
		}
		if tree.Root() != mth(leaves) {
			t.Fatalf("root of %d leaves differs from the definition", len(leaves))
		}
	})
}

func BenchmarkAppend500(b *testing.B) {
	l := bytes.Repeat([]byte{'x'}, 500)
	var tree Tree
	b.SetBytes(int64(len(l)))
	b.ReportAllocs()
	for b.Loop() {
		tree.Append(l)
	}
}

func BenchmarkRoot(b *testing.B) {
	tree, err := Restore(1<<40-1, make([]Hash, 40))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = tree.Root()
	}
}
