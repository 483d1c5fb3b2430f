package eventstore

import (
	"bytes"
	"errors"
	"fmt"
)

// Validate says whether the commit has the form that the fields of Commit
// promise. A store refuses one that has not, with ErrNotStored.
func (c *Commit) Validate() error {
	switch {
	case c.Subject != State && c.Subject != Use:
		return fmt.Errorf("eventstore: commit on unknown subject %v", c.Subject)
	case len(c.Lines) == 0:
		return errors.New("eventstore: commit without lines")
	case c.Next() < c.First:
		return fmt.Errorf("eventstore: commit at n=%d overflows the index", c.First)
	case c.Size() > MaxCommitBytes:
		return fmt.Errorf("eventstore: commit of %d bytes, more than %d", c.Size(), MaxCommitBytes)
	case c.ID == "" || len(c.ID) > MaxIDBytes:
		return fmt.Errorf("eventstore: commit id of %d bytes, want 1 to %d", len(c.ID), MaxIDBytes)
	}
	for i := range len(c.ID) {
		if c.ID[i] <= ' ' || c.ID[i] > '~' {
			return fmt.Errorf("eventstore: commit id %q is not printable ASCII without space", c.ID)
		}
	}
	for i, l := range c.Lines {
		if len(l) == 0 {
			return fmt.Errorf("eventstore: line %d of the commit is empty", i)
		}
		if bytes.IndexByte(l, '\n') >= 0 {
			return fmt.Errorf("eventstore: line %d of the commit holds a newline", i)
		}
	}
	return nil
}

// AppendBody appends the commit's lines, joined by newlines, to dst: the body
// of its message.
func (c *Commit) AppendBody(dst []byte) []byte {
	for i, l := range c.Lines {
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = append(dst, l...)
	}
	return dst
}

// SplitBody cuts a message body into the count lines that it was joined from.
// The lines share the memory of body. It fails when there are not exactly
// count of them or one is empty.
func SplitBody(body []byte, count int) ([][]byte, error) {
	// The bound comes first: count is read from a header and sizes a slice.
	if count < 1 || count > len(body) {
		return nil, fmt.Errorf("eventstore: a body of %d bytes cannot hold %d lines", len(body), count)
	}
	lines := make([][]byte, 0, count)
	for rest, more := body, true; more; {
		var line []byte
		line, rest, more = bytes.Cut(rest, []byte{'\n'})
		if len(line) == 0 {
			return nil, fmt.Errorf("eventstore: line %d of the body is empty", len(lines))
		}
		if len(lines) == count {
			return nil, fmt.Errorf("eventstore: the body holds more than the %d lines its header counts", count)
		}
		lines = append(lines, line[:len(line):len(line)])
	}
	if len(lines) != count {
		return nil, fmt.Errorf("eventstore: the body holds %d lines, its header counts %d", len(lines), count)
	}
	return lines, nil
}
