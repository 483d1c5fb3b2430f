// Package archtest holds the import rules of the house as a test: which room may
// look into which, and which library may be used where. It has no other content.
package archtest
