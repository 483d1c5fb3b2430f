//go:build linux || darwin

package natslog

import "golang.org/x/sys/unix"

// freeSpace is what an unprivileged process may still write to the file system
// of path, in bytes.
func freeSpace(path string) (bytes uint64, ok bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, false
	}
	return st.Bavail * uint64(st.Bsize), true
}
