package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// The ballast paces the collector and takes no memory.
func TestBallastIsNotResident(t *testing.T) {
	if ballast != nil {
		t.Fatal("laid already")
	}
	before := resident(t)
	layBallast()
	defer func() { ballast = nil }()
	if grown := resident(t) - before; grown > heapBallast/8 {
		t.Errorf("%d bytes became resident", grown)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if runtime.GC(); m.HeapAlloc < heapBallast {
		t.Errorf("the heap has %d bytes", m.HeapAlloc)
	}
}

func resident(t *testing.T) int {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("needs /proc: ", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
