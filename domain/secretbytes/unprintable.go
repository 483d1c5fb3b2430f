package secretbytes

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a secret prints as.
const Redacted = "[secret]"

// ErrMarshal is returned by every encoder given a secret. It is an error and
// not a placeholder, for a placeholder written to storage would be taken for
// the value when it is read back.
var ErrMarshal = errors.New("secretbytes: a secret is not marshalled")

// Unprintable is embedded in a type that holds secrets, for its methods: it
// answers every interface through which the standard library would otherwise
// reach for the bytes. It cannot answer for a value in an unexported field, so
// the type must keep its bytes out of sight of reflection as well.
type Unprintable struct{}

func (Unprintable) String() string               { return Redacted }
func (Unprintable) GoString() string             { return Redacted }
func (Unprintable) LogValue() slog.Value         { return slog.StringValue(Redacted) }
func (Unprintable) MarshalJSON() ([]byte, error) { return nil, ErrMarshal }
func (Unprintable) MarshalText() ([]byte, error) { return nil, ErrMarshal }

// MarshalBinary stops encoding/gob.
func (Unprintable) MarshalBinary() ([]byte, error) { return nil, ErrMarshal }

// Format answers every verb, %x and %p included, alike.
func (Unprintable) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// hidden keeps a T behind two pointers. Package fmt cannot call the methods of
// an unexported field and prints what it finds by reflection; it follows one
// pointer to an array or slice (at the top level, and anywhere when the verb
// does not fit pointers), but never a second one.
type hidden[T any] struct {
	at   *T
	held T
}

func hide[T any]() **T {
	h := new(hidden[T])
	h.at = &h.held
	return &h.at
}
