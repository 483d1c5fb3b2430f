package envelope

import "syscall"

// madvDontDump is MADV_DONTDUMP, which package syscall does not name.
const madvDontDump = 16

func keepFromDumps(slab []byte) { _ = syscall.Madvise(slab, madvDontDump) }
