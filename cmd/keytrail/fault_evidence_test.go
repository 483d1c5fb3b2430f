package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// JetStream truncates what it cannot read as it opens it. What a damaged log
// looked like before that is kept, and kept over further attempts.
func TestFaultEvidenceIsKept(t *testing.T) {
	dir, _ := logAtRest(t)
	block := blockOf(dir)
	if err := os.Remove(filepath.Join(filepath.Dir(block), "index.db")); err != nil {
		t.Fatal(err)
	}
	damaged, err := os.ReadFile(block)
	if err != nil {
		t.Fatal(err)
	}
	damaged[len(damaged)/2] ^= 1
	if err := os.WriteFile(block, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(dir, "nats-before", "msgs", filepath.Base(block))
	for range 2 {
		refuses(t, dir, "damaged", "nats-before")
		before, err := os.ReadFile(kept)
		if err != nil || !bytes.Equal(before, damaged) {
			t.Fatalf("the files from before the start: %d bytes of %d, %v", len(before), len(damaged), err)
		}
	}
	if now, _ := os.ReadFile(block); len(now) == len(damaged) {
		t.Log("JetStream left the block as it was: the copy was not needed here")
	}
}

// A log that an unclean stop has left whole needs no copy once it has passed.
func TestFaultEvidenceGoesWithTheNeed(t *testing.T) {
	dir, _ := logAtRest(t)
	if err := os.Remove(filepath.Join(filepath.Dir(blockOf(dir)), "index.db")); err != nil {
		t.Fatal(err)
	}
	p := serve(t, dir)
	defer p.stop(t)
	if _, err := os.Stat(filepath.Join(dir, "nats-before")); !os.IsNotExist(err) {
		t.Errorf("the copy is still there: %v", err)
	}
}
