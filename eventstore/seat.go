package eventstore

import "context"

// Seat is where processes that share a log see which of them writes it. It is a
// courtesy and proves nothing: what keeps two writers apart is the fence of
// Log.Append. The seat only keeps them from fencing each other off in turns, and
// lets one that waits learn soon that it is needed. All its methods are called
// from one goroutine.
type Seat interface {
	// Wait returns nil when no other process says that it writes, and else not
	// before ctx ends.
	Wait(ctx context.Context) error
	// Claim asks who writes to stand by, and returns when it has heard so or when
	// nobody answers. It is courtesy: a busy writer would else win every race for
	// the next sequence of the log.
	Claim(ctx context.Context) error
	// Claimed delivers when another process has claimed the seat that this one took.
	Claimed() <-chan struct{}
	// Take says that this process writes; it is called when its claim of the log is
	// on disk and its state is loaded.
	Take()
	// Leave takes that back: cause is why this process writes no more. It is
	// ErrFenced when another one does.
	Leave(cause error)
}
