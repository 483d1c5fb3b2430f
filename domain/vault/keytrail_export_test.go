package vault

// FreeKey reports whether a condition key is the request's to choose.
func FreeKey(name string) bool { _, ok := freeKeys[name]; return ok }
