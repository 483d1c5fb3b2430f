package awsapi

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

// newBodyRequest is a request with n bytes to come.
func newBodyRequest(n int) *http.Request {
	return &http.Request{ContentLength: int64(n), Body: io.NopCloser(strings.NewReader(strings.Repeat("x", n)))}
}

func TestReadBody(t *testing.T) {
	s := &Service{bodies: newBudget(bodiesInMemory)}
	for _, n := range []int{0, 1, 1023, 1024, smallBody - 1, smallBody, smallBody + 1, 100_000, vault.MaxBody} {
		for _, announced := range []bool{true, false} {
			r := newBodyRequest(n)
			if !announced {
				r.ContentLength = -1
			}
			b, err := s.readBody(r)
			if err != nil || len(b.bytes) != n {
				t.Fatalf("%d bytes, announced %v: got %v", n, announced, err)
			}
			whole := b.bytes[:cap(b.bytes)]
			b.free()
			for _, c := range whole {
				if c != 0 {
					t.Fatalf("%d bytes: not wiped", n)
				}
			}
		}
	}
	r := newBodyRequest(vault.MaxBody + 1)
	r.ContentLength = -1
	if _, err := s.readBody(r); !fault.Is(err, fault.RequestEntityTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
	r = newBodyRequest(10)
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("xxxxx"), brokenReader{}))
	if _, err := s.readBody(r); !fault.Is(err, fault.RequestTimeout) {
		t.Errorf("broken off: %v", err)
	}
	if s.bodies.left != bodiesInMemory {
		t.Errorf("%d bytes of the budget are gone", bodiesInMemory-s.bodies.left)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
