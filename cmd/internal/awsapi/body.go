package awsapi

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

const (
	// smallBody is what every connection may keep without asking: nearly all
	// requests fit.
	smallBody = 8 << 10
	// bodiesInMemory bounds the bytes of all longer bodies together.
	bodiesInMemory = 64 << 20
)

// budget is memory that requests share.
type budget struct {
	mu   sync.Mutex
	left int64
}

func newBudget(bytes int64) *budget { return &budget{left: bytes} }

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.left {
		return false
	}
	b.left -= n
	return true
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
}

// body is a request body in memory. It may hold a secret value.
type body struct {
	bytes  []byte
	taken  int64 // of the budget
	budget *budget
}

// free wipes the body and gives its memory back.
func (b *body) free() {
	clear(b.bytes[:cap(b.bytes)])
	b.bytes = nil
	b.budget.give(b.taken)
	b.taken = 0
}

func tooLarge() error {
	return fault.New(fault.RequestEntityTooLarge, "The request body is longer than %d bytes.", vault.MaxBody)
}

// readBody reads all of a body. Memory grows with what has arrived, not with what
// was announced, and past the small beginning it comes from the budget. Errors
// are faults.
func (s *Service) readBody(r *http.Request) (*body, error) {
	b := &body{budget: s.bodies}
	if r.ContentLength == 0 || r.Body == nil {
		return b, nil
	}
	if r.ContentLength > vault.MaxBody {
		return nil, tooLarge()
	}
	first := int64(1024)
	if r.ContentLength > 0 {
		first = min(r.ContentLength+1, smallBody) // and one to see its end
	}
	b.bytes = make([]byte, 0, first)
	for {
		n, err := r.Body.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			b.free()
			return nil, fault.New(fault.RequestTimeout, "The request body did not arrive whole and in time.").Because(err)
		case len(b.bytes) > vault.MaxBody:
			b.free()
			return nil, tooLarge()
		}
		if len(b.bytes) == cap(b.bytes) {
			if err := b.grow(); err != nil {
				b.free()
				return nil, err
			}
		}
	}
}

func (b *body) grow() error {
	size := min(2*cap(b.bytes), vault.MaxBody+1)
	if size > smallBody {
		if !b.budget.take(int64(size) - b.taken) {
			return fault.New(fault.ThrottlingException, "Rate exceeded: too many large requests at a time.")
		}
		b.taken = int64(size)
	}
	more := make([]byte, len(b.bytes), size)
	copy(more, b.bytes)
	clear(b.bytes)
	b.bytes = more
	return nil
}
