package shape

import (
	"strconv"
	"strings"

	"github.com/keytrail/keytrail/domain/fault"
)

// SerializationError says that a body is not the JSON that the operation takes.
// It never holds any of the body's content.
type SerializationError struct {
	// Message is AWS's text, or empty where AWS sends the code alone, as it does
	// for a body that is not JSON. Where a body is past one of our own bounds it
	// says so.
	Message string
}

func (e *SerializationError) Error() string {
	if e.Message == "" {
		return string(fault.SerializationException)
	}
	return string(fault.SerializationException) + ": " + e.Message
}

// Unwrap returns the fault to show: SerializationException.
func (e *SerializationError) Unwrap() error {
	return fault.New(fault.SerializationException, "%s", e.Message)
}

// Violation is one limit that a member does not keep.
type Violation struct {
	Path       string // from the input down, as "tags.2.member.tagKey"; list positions count from 1
	Value      string // as the text shows it: 'abc' with its quotes, null, or empty for what is not echoed
	Constraint string // "Member must not be null"
}

// ValidationError says which limits of the service model an input does not keep.
type ValidationError struct {
	Violations []Violation // in the order they were met, at most maxViolations
	Total      int         // how many there were
}

// maxViolations bounds the text, and the memory that a hostile list can cost.
const maxViolations = 32

// Error is AWS's text: "1 validation error detected: Value ” at 'keyId' failed to
// satisfy constraint: Member must have length greater than or equal to 1".
func (e *ValidationError) Error() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(e.Total))
	b.WriteString(" validation error")
	if e.Total != 1 {
		b.WriteByte('s')
	}
	b.WriteString(" detected: ")
	for i, v := range e.Violations {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString("Value ")
		if v.Value != "" {
			b.WriteString(v.Value)
			b.WriteByte(' ')
		}
		b.WriteString("at '" + v.Path + "' failed to satisfy constraint: " + v.Constraint)
	}
	return b.String()
}

// Unwrap returns the fault to show: ValidationException. IAM and STS call it
// ValidationError instead; their edge builds that from Error.
func (e *ValidationError) Unwrap() error {
	return fault.New(fault.ValidationException, "%s", e.Error())
}
