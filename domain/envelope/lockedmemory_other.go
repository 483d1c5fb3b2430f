//go:build !linux && !darwin

package envelope

func mapSlab(size int) []byte { return make([]byte, size) }
