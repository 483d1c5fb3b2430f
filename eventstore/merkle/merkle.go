// Package merkle is the arithmetic of the log's Merkle tree: RFC 6962 hashing,
// the compact form of a growing tree, and the checking of proofs about it.
//
// It is the room for hashes over opaque leaves and nothing else. No storage, no
// encoding of records, no clock and no key may enter.
//
// The tree that grows with every commit is kept here as a plain value with room
// for every possible node, so that hashing a leaf into it allocates nothing and
// copying it is an assignment. What is done rarely, proof verification, is left
// to github.com/transparency-dev/merkle, which also serves the tests as oracle.
package merkle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// HashSize is the length of a Hash in bytes: SHA-256.
const HashSize = sha256.Size

// Domain separation of RFC 6962 section 2.1: without it an inner node could be
// passed off as a leaf.
const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

// Hash is the SHA-256 hash of a leaf, an inner node or a whole tree.
type Hash [HashSize]byte

// String gives the hash as 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads the 64 hexadecimal digits that String writes.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != hex.EncodedLen(HashSize) {
		return h, fmt.Errorf("merkle: a hash has %d hexadecimal digits, not %d", hex.EncodedLen(HashSize), len(s))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("merkle: parse hash: %w", err)
	}
	return h, nil
}

// EmptyRoot is the root of the tree without leaves: the hash of nothing.
func EmptyRoot() Hash { return sha256.Sum256(nil) }

// leafBuffer is the longest leaf that is hashed from the stack. Records are
// about 500 bytes; longer ones cost one copy more.
const leafBuffer = 2048

// LeafHash is SHA-256(0x00 || leaf).
func LeafHash(leaf []byte) Hash {
	if len(leaf) < leafBuffer {
		var buf [leafBuffer]byte
		buf[0] = leafPrefix
		return sha256.Sum256(buf[:1+copy(buf[1:], leaf)])
	}
	h := sha256.New()
	h.Write([]byte{leafPrefix})
	h.Write(leaf)
	var out Hash
	h.Sum(out[:0])
	return out
}

// nodeHash is SHA-256(0x01 || left || right).
func nodeHash(left, right *Hash) Hash {
	var buf [1 + 2*HashSize]byte
	buf[0] = nodePrefix
	copy(buf[1:], left[:])
	copy(buf[1+HashSize:], right[:])
	return sha256.Sum256(buf[:])
}

// MaxNodes is the largest number of nodes in a compact tree: one per bit of a
// 64-bit size.
const MaxNodes = 64

// Tree is a growing Merkle tree in compact form: its size and the roots of the
// perfect subtrees that cover its leaves, the largest first. There is one such
// node per one-bit of the size, so the form is at most 2 KiB whatever the size.
//
// A Tree is a plain value. An assignment clones it, which is how a batch that
// was not committed is dropped: grow the copy, keep it or forget it. The zero
// value is the empty tree. It is not safe for concurrent use.
type Tree struct {
	size  uint64
	nodes [MaxNodes]Hash
}

// Size is the number of leaves, and so the index that the next leaf will have.
func (t *Tree) Size() uint64 { return t.size }

// Append adds a leaf by its exact bytes, which it does not keep.
func (t *Tree) Append(leaf []byte) { t.AppendHash(LeafHash(leaf)) }

// AppendHash adds a leaf by its LeafHash. Hashing leaves can so be done
// elsewhere, for example concurrently.
func (t *Tree) AppendHash(leaf Hash) {
	// Adding one to the size carries through its trailing one-bits; each of
	// these bits is a perfect subtree that merges with the new one.
	top := bits.OnesCount64(t.size)
	for carry := t.size; carry&1 == 1; carry >>= 1 {
		top--
		leaf = nodeHash(&t.nodes[top], &leaf)
	}
	t.nodes[top] = leaf
	t.size++
}

// Root is the RFC 6962 Merkle tree hash over all leaves. It costs at most
// MaxNodes-1 hashes and leaves the tree as it is.
func (t *Tree) Root() Hash {
	n := bits.OnesCount64(t.size)
	if n == 0 {
		return EmptyRoot()
	}
	root := t.nodes[n-1]
	for i := n - 2; i >= 0; i-- {
		root = nodeHash(&t.nodes[i], &root)
	}
	return root
}

// CopyFrom makes t equal to src. It moves only the nodes in use, where an
// assignment moves room for all.
func (t *Tree) CopyFrom(src *Tree) {
	n := bits.OnesCount64(src.size)
	copy(t.nodes[:n], src.nodes[:n])
	t.size = src.size
}

// Snapshot appends the nodes of the compact form to dst and returns it: with
// the size they are all that Restore needs.
func (t *Tree) Snapshot(dst []Hash) []Hash {
	return append(dst, t.nodes[:bits.OnesCount64(t.size)]...)
}

// Restore rebuilds the tree of the given size from its Snapshot. It fails when
// the number of nodes does not fit the size; that the nodes are the right ones
// only a comparison of Root with a known root can tell.
func Restore(size uint64, nodes []Hash) (*Tree, error) {
	if want := bits.OnesCount64(size); len(nodes) != want {
		return nil, fmt.Errorf("merkle: restore: a tree of %d leaves has %d nodes, not %d", size, want, len(nodes))
	}
	t := &Tree{size: size}
	copy(t.nodes[:], nodes)
	return t, nil
}
