package fault

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestOfFindsTheFault(t *testing.T) {
	f := New(NotFoundException, "Alias %s is not found.", "a")
	if got := Of(fmt.Errorf("create alias: %w", f)); got != f {
		t.Errorf("Of gives %v", got)
	}
	if !Is(fmt.Errorf("x: %w", f), NotFoundException) || Is(f, DisabledException) || Is(io.EOF, NotFoundException) {
		t.Error("Is is wrong about the code")
	}
	if !errors.Is(f, &Fault{Code: NotFoundException}) || errors.Is(f, &Fault{Code: NotFoundException, Message: "other"}) {
		t.Error("errors.Is is wrong about the fault")
	}
	if Of(nil) != nil {
		t.Error("no error has a fault")
	}
}

// What is not meant for the caller never reaches it, and is not lost for the
// operator.
func TestInternalErrorsStayInside(t *testing.T) {
	cause := errors.New("the root key is at /secret/place")
	f := Of(fmt.Errorf("open: %w", cause))
	if f.Code != InternalFailure || strings.Contains(f.Message, "secret") {
		t.Errorf("the caller is told %s: %s", f.Code, f.Message)
	}
	if !errors.Is(f, cause) || f.Status() != 500 || !f.Retryable() {
		t.Errorf("cause lost, or status %d, retryable %v", f.Status(), f.Retryable())
	}
	with := New(KMSInternalException, "try again").Because(cause)
	if with.Message != "try again" || !errors.Is(with, cause) {
		t.Errorf("%v", with)
	}
}

func TestStatusAndRecordedCode(t *testing.T) {
	for _, c := range []struct {
		code     Code
		status   int
		retry    bool
		recorded string
	}{
		{AccessDeniedException, 400, false, "AccessDenied"}, // JSON services
		{AccessDenied, 403, false, "AccessDenied"},          // Query services
		{NotFoundException, 400, false, "NotFoundException"},
		{NoSuchEntity, 404, false, "NoSuchEntity"},
		{EntityAlreadyExists, 409, false, "EntityAlreadyExists"},
		{ThrottlingException, 400, true, "ThrottlingException"},
		{ServiceUnavailable, 503, true, "ServiceUnavailable"},
		{KMSInternalException, 500, true, "KMSInternalException"},
	} {
		f := New(c.code, "x")
		if f.Status() != c.status || f.Retryable() != c.retry || c.code.Recorded() != c.recorded {
			t.Errorf("%s: status %d, retryable %v, recorded %s", c.code, f.Status(), f.Retryable(), c.code.Recorded())
		}
	}
}

// Server-side failures, throttling, races and timeouts are what a retry can help;
// everything else that the caller has caused is not.
func TestRetryableMeansServerSideOrThrottled(t *testing.T) {
	for code, e := range catalogue {
		if (e.status >= 500) != e.retryable && code != ThrottlingException && code != Throttling && code != ConcurrentModification && e.status != 408 {
			t.Errorf("%s: status %d, retryable %v", code, e.status, e.retryable)
		}
	}
}
