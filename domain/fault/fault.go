// Package fault is the one catalogue of errors that a caller of Keytrail can
// see: the AWS code, the HTTP status, whether a retry can help, and how the code
// is written in the audit record. Every layer wraps causes with %w and its
// operation; a Fault is what is left at the edge. Nothing here renders a
// protocol: that is the business of the edges (natsapi, awsapi).
package fault

import (
	"errors"
	"fmt"
)

// Fault is an error that is meant for the caller. Message is shown to the caller
// and written to the audit record, so it never carries a secret value.
type Fault struct {
	Code    Code
	Message string
	cause   error
}

// New returns a fault of the given code; the message is formatted as by Sprintf.
func New(code Code, format string, args ...any) *Fault {
	if len(args) == 0 {
		return &Fault{Code: code, Message: format}
	}
	return &Fault{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Because returns the fault with the internal cause attached. The cause is for
// operators: it is reached by errors.Is and errors.As and never shown to callers.
func (f *Fault) Because(cause error) *Fault {
	return &Fault{Code: f.Code, Message: f.Message, cause: cause}
}

func (f *Fault) Error() string {
	if f.cause != nil {
		return string(f.Code) + ": " + f.Message + ": " + f.cause.Error()
	}
	return string(f.Code) + ": " + f.Message
}

func (f *Fault) Unwrap() error { return f.cause }

// Is makes errors.Is(err, &Fault{Code: c}) true for every fault of code c.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code && (t.Message == "" || t.Message == f.Message)
}

// Status is the HTTP status that AWS gives with the code.
func (f *Fault) Status() int { return f.Code.entry().status }

// Retryable tells whether the same call may succeed later without a change.
func (f *Fault) Retryable() bool { return f.Code.entry().retryable }

// Of returns the fault in err's chain. An error without one is a defect of ours:
// it becomes an InternalFailure that keeps the cause and shows nothing of it.
func Of(err error) *Fault {
	if err == nil {
		return nil
	}
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return New(InternalFailure, "The request processing has failed because of an unknown error.").Because(err)
}

// Is reports whether err's chain holds a fault of the code.
func Is(err error, code Code) bool {
	var f *Fault
	return errors.As(err, &f) && f.Code == code
}
