package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

var errKeyWrap = errors.New("not a key wrapped with padding under this key")

// keyWrapBlock is the size of the semiblocks of AES key wrapping, in bytes.
const keyWrapBlock = 8

// unwrapPadded opens AES-KWP, the key wrap with padding of RFC 5649 (NIST SP
// 800-38F): what the RSA_AES_KEY_WRAP algorithms have beside the RSA part. kek has
// 16, 24 or 32 bytes. The caller wipes what it gets.
func unwrapPadded(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, errKeyWrap
	}
	n := len(wrapped)/keyWrapBlock - 1
	if n < 1 || len(wrapped)%keyWrapBlock != 0 {
		return nil, errKeyWrap
	}
	plain := make([]byte, len(wrapped))
	copy(plain, wrapped)
	if n == 1 {
		block.Decrypt(plain, plain)
	} else {
		unwrapBlocks(block, plain, n)
	}
	size := int(binary.BigEndian.Uint32(plain[4:8]))
	padding := keyWrapBlock*n - size
	ok := subtle.ConstantTimeCompare(plain[:4], []byte{0xa6, 0x59, 0x59, 0xa6}) == 1
	if ok = ok && padding >= 0 && padding < keyWrapBlock; ok {
		ok = subtle.ConstantTimeCompare(plain[len(plain)-padding:], make([]byte, padding)) == 1
	}
	if !ok {
		clear(plain)
		return nil, errKeyWrap
	}
	return plain[keyWrapBlock : keyWrapBlock+size], nil
}

// unwrapBlocks is the unwrapping of RFC 3394 in place: the integrity value and n
// semiblocks.
func unwrapBlocks(block cipher.Block, b []byte, n int) {
	var x [aes.BlockSize]byte
	defer clear(x[:])
	copy(x[:], b[:keyWrapBlock])
	for t := 6 * n; t > 0; t-- {
		r := b[keyWrapBlock*((t-1)%n+1):][:keyWrapBlock]
		binary.BigEndian.PutUint64(x[:], binary.BigEndian.Uint64(x[:])^uint64(t))
		copy(x[keyWrapBlock:], r)
		block.Decrypt(x[:], x[:])
		copy(r, x[keyWrapBlock:])
	}
	copy(b, x[:keyWrapBlock])
}
