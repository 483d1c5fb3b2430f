//go:build linux || darwin

package envelope

import "syscall"

func mapSlab(size int) []byte {
	slab, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, size)
	}
	_ = syscall.Mlock(slab)
	keepFromDumps(slab)
	return slab
}
