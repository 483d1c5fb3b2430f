//go:build !linux && !darwin

package natslog

func freeSpace(string) (bytes uint64, ok bool) { return 0, false }
