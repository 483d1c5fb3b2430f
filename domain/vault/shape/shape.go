// Package shape reads the typed input of an operation from its AWS JSON 1.1
// body, holds it against the limits of the service model, and writes the
// requestParameters of its audit record. The limits stand in struct tags beside
// the members, so one declaration serves all three:
//
//	type DecryptInput struct {
//		CiphertextBlob    []byte            `json:"CiphertextBlob" aws:"required,min=1,max=6144" audit:"-"`
//		KeyId             *string           `json:"KeyId" aws:"min=1,max=2048"`
//		EncryptionContext map[string]string `json:"EncryptionContext"`
//		GrantTokens       []string          `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
//	}
//
// Nothing about a particular operation, its meaning or its authorization may
// enter, and nothing about output: replies are marshalled where they are made.
//
// # Members
//
// A member is an exported field with a json tag; json:"-" hides a field. Its type
// is one of string, bool, int, int32, int64, Timestamp, a struct, a pointer to
// one of these, []byte, []string, a slice of structs, or map[string]string; named
// strings and integers count as what they are made of. A pointer tells absent
// from empty; a slice, map or []byte is nil when absent and empty when sent empty.
//
// # The aws tag
//
// The tag is a comma-separated list:
//
//	required           the member is neither missing nor null
//	min=N, max=N       length of a string in characters, of a blob in bytes, of a
//	                   list or map in entries; value of an integer
//	enum=A|B|C         the only values of a string
//	pattern=RE         an RE2 expression that matches the whole string; it takes
//	                   the rest of the tag, commas and all, so it stands last
//	each.min=N, each.max=N, each.enum=A|B, each.pattern=RE
//	                   the same for the strings of a list or the values of a map
//	key.min=N, key.max=N, key.pattern=RE
//	                   the same for the keys of a map
//	text               a []byte member that is a JSON string as it stands, not
//	                   base64: for secret text that must be wiped after use
//
// A character is a Unicode scalar value, as the length trait of Smithy has it.
//
// # The audit tag
//
// audit:"-" marks a member, and everything below it, as secret: AppendAudit
// leaves it out, error texts do not echo it, and Wipe zeroes its bytes.
// audit:"name" gives a name other than the usual one, which is the member's name
// with its first letter in lower case (KeyId is keyId, DBName is dBName).
package shape

import (
	"fmt"
	"reflect"
	"sync"
)

// Bounds of a request body. They are ours, and wide of every limit in the service
// models; they keep a hostile body from costing more than it weighs.
const (
	MaxBody    = 1 << 20 // bytes; also the default payload limit of a NATS server
	maxNesting = 32      // arrays and objects within one another, unknown members included
	maxEntries = 4096    // entries of one list or map
)

// Shape is the compiled plan of one input type. It is immutable, and safe for
// concurrent use.
type Shape struct {
	typ  reflect.Type
	root *structure
}

var shapes sync.Map // reflect.Type -> *Shape

// Of returns the plan of struct type In, compiled on the first call. It panics on
// a type or a tag that it cannot honour, so call it when the program starts: in a
// package variable, beside the operation.
func Of[In any]() *Shape {
	t := reflect.TypeFor[In]()
	if s, ok := shapes.Load(t); ok {
		return s.(*Shape)
	}
	root, err := compile(t)
	if err != nil {
		panic(fmt.Sprintf("shape: %v", err))
	}
	s, _ := shapes.LoadOrStore(t, &Shape{typ: t, root: root})
	return s.(*Shape)
}

// Decode reads body into in, a pointer to a zero value of the shape's type, and
// validates what it read. An empty body is the empty object. Member names match
// by case; unknown members are checked for JSON syntax and ignored; null is the
// same as absent; a member sent twice is refused. Blobs are standard base64,
// timestamps epoch seconds or an ISO 8601 string. Nothing in in aliases body.
//
// The error is a *SerializationError when the body does not have the form, else a
// *ValidationError with every violated limit: a body wrong in both ways has the
// first, as on AWS. fault.Of finds the fault of either. After an error in is
// partly filled, and its secret bytes are wiped already.
func (s *Shape) Decode(body []byte, in any) error {
	v := s.value(in)
	if err := decode(body, s.root, v); err != nil {
		s.root.wipe(v)
		return err
	}
	return nil
}

// AppendAudit appends in, a pointer to the shape's type, as CloudTrail's
// requestParameters: an object of the members present, in the order of their
// declaration, or null if none is. Members tagged audit:"-" are left out at every
// depth. Map keys keep their case and are sorted. Blobs are base64; timestamps are
// CloudTrail's "Jan 2, 2006, 3:04:05 PM" in UTC.
func (s *Shape) AppendAudit(dst []byte, in any) []byte {
	return s.root.appendAudit(dst, s.value(in), true)
}

// Wipe zeroes every []byte of in, a pointer to the shape's type, that is tagged
// audit:"-" or lies below a member so tagged. Strings cannot be zeroed in Go: use
// the text option for a secret that arrives as a string.
func (s *Shape) Wipe(in any) { s.root.wipe(s.value(in)) }

// value panics unless in is a pointer to the shape's type: no request can cause
// that, only a call that was wired to another operation's shape.
func (s *Shape) value(in any) reflect.Value {
	v := reflect.ValueOf(in)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem() != s.typ {
		panic(fmt.Sprintf("shape: got %T, want a *%v", in, s.typ))
	}
	return v.Elem()
}
