package merkle

import (
	"fmt"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// VerifyInclusion checks that the leaf with the given LeafHash is at index in
// the tree of the given size and root. The proof is the audit path of RFC 6962
// section 2.1.1, the lowest sibling first.
func VerifyInclusion(index, size uint64, leaf Hash, path []Hash, root Hash) error {
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf[:], slices(path), root[:]); err != nil {
		return fmt.Errorf("merkle: inclusion of leaf %d in a tree of %d: %w", index, size, err)
	}
	return nil
}

// VerifyConsistency checks that the tree of size2 and root2 begins with the
// tree of size1 and root1: that nothing between the two was rewritten. The
// proof is that of RFC 6962 section 2.1.2.
func VerifyConsistency(size1, size2 uint64, path []Hash, root1, root2 Hash) error {
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, size1, size2, slices(path), root1[:], root2[:]); err != nil {
		return fmt.Errorf("merkle: consistency of trees of %d and %d: %w", size1, size2, err)
	}
	return nil
}

func slices(hashes []Hash) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}
