package shape

// AWS's texts for a value of the wrong JSON type, as its JSON services give them.
var (
	errList      = &SerializationError{"Start of list found where not expected"}
	errStructure = &SerializationError{"Start of structure or map found where not expected."}
	errNotList   = &SerializationError{"Expected list or null"}
	errNotObject = &SerializationError{"Expected null"}
)

// Bodies that AWS would take and this package does not, and JSON that is none.
var (
	errMalformed = &SerializationError{}
	errTwice     = &SerializationError{"A member was sent more than once"}
	errTooMany   = &SerializationError{"Too many entries in a list or map"}
	errTooDeep   = &SerializationError{"Lists and structures are nested too deeply"}
	errTooLarge  = &SerializationError{"The request body is too large"}
)

// begins tells whether a value of kind k can begin with byte c.
func (k kind) begins(c byte) bool {
	switch k {
	case stringKind, blobKind, textKind:
		return c == '"'
	case integerKind:
		return c == '-' || isDigit(c)
	case booleanKind:
		return c == 't' || c == 'f'
	case timestampKind:
		return c == '"' || c == '-' || isDigit(c)
	case stringListKind, structListKind:
		return c == '['
	default:
		return c == '{'
	}
}

// mismatch is the error for a value that begins with byte c where kind k is wanted,
// or that cannot be converted to it.
func mismatch(c byte, k kind) error {
	var token string
	switch {
	case c == '"':
		token = "STRING_VALUE"
	case c == '-' || isDigit(c):
		token = "NUMBER_VALUE"
	case c == 't':
		token = "TRUE_VALUE"
	case c == 'f':
		token = "FALSE_VALUE"
	case c == '[':
		if k != stringListKind && k != structListKind {
			return errList
		}
	case c == '{':
		if k != structKind && k != mapKind {
			return errStructure
		}
	}
	if token == "" {
		return errMalformed
	}
	switch k {
	case stringListKind, structListKind:
		return errNotList
	case structKind, mapKind:
		return errNotObject
	case timestampKind:
		return &SerializationError{token + " can not be converted to milliseconds since epoch"}
	}
	return &SerializationError{token + " can not be converted to " + k.article()}
}

func (k kind) article() string {
	switch k {
	case integerKind:
		return "an Integer"
	case booleanKind:
		return "a Boolean"
	case blobKind:
		return "a Blob"
	}
	return "a String"
}
