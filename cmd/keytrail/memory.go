package main

import "runtime"

// heapBallast is memory that is allocated and never touched, so that it costs
// address space and nothing else. The collector counts it as live and lets the
// heap grow to twice ballast and live data together before it runs: a server
// whose live heap is a few megabytes would otherwise collect dozens of times a
// second. GOGC and GOMEMLIMIT keep their meaning.
const heapBallast = 96 << 20

var ballast []byte

func layBallast() {
	ballast = make([]byte, heapBallast)
	runtime.KeepAlive(ballast)
}
