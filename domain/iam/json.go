package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a document. The grammar needs six levels:
// document, Statement, statement, Condition, operator, list of values.
const maxDepth = 8

type nodeKind uint8

const (
	nullNode nodeKind = iota
	stringNode
	numberNode
	boolNode
	listNode
	objectNode
)

// node is a JSON value that remembers the order of its members. encoding/json
// would silently keep the last of two equal names, and so let a document say
// one thing to a reader and another to the evaluator.
type node struct {
	kind  nodeKind
	text  string   // string, number or bool as written
	names []string // of an object's members; items holds their values
	items []node
}

var errJSON = errors.New("iam: not an acceptable JSON document")

// parseJSON reads one JSON value and refuses what AWS refuses in a policy:
// characters outside tab, line feed, carriage return and U+0020 to U+00FF,
// control characters behind an escape, two members of one name, trailing text.
func parseJSON(document []byte) (node, error) {
	if !utf8.Valid(document) || !json.Valid(document) {
		return node{}, errJSON
	}
	for _, r := range string(document) {
		if !printable(r) || r > 0xff {
			return node{}, errJSON
		}
	}
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber()
	return readNode(dec, 0)
}

func readNode(dec *json.Decoder, depth int) (node, error) {
	if depth == maxDepth {
		return node{}, errJSON
	}
	token, err := dec.Token()
	if err != nil {
		return node{}, errJSON
	}
	switch v := token.(type) {
	case string:
		for _, r := range v {
			if !printable(r) {
				return node{}, errJSON
			}
		}
		return node{kind: stringNode, text: v}, nil
	case json.Number:
		return node{kind: numberNode, text: v.String()}, nil
	case bool:
		if v {
			return node{kind: boolNode, text: "true"}, nil
		}
		return node{kind: boolNode, text: "false"}, nil
	case json.Delim:
		if v == '[' {
			return readList(dec, depth)
		}
		return readObject(dec, depth)
	}
	return node{kind: nullNode}, nil
}

func readList(dec *json.Decoder, depth int) (node, error) {
	list := node{kind: listNode}
	for dec.More() {
		item, err := readNode(dec, depth+1)
		if err != nil {
			return node{}, err
		}
		list.items = append(list.items, item)
	}
	if _, err := dec.Token(); err != nil {
		return node{}, errJSON
	}
	return list, nil
}

func readObject(dec *json.Decoder, depth int) (node, error) {
	object := node{kind: objectNode}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return node{}, errJSON
		}
		name, ok := token.(string)
		if !ok || seen[name] {
			return node{}, errJSON
		}
		seen[name] = true
		value, err := readNode(dec, depth+1)
		if err != nil {
			return node{}, err
		}
		object.names = append(object.names, name)
		object.items = append(object.items, value)
	}
	if _, err := dec.Token(); err != nil {
		return node{}, errJSON
	}
	return object, nil
}

// strings gives a string or a list of strings as a list. A nil error with an
// empty list means an empty list was written.
func (n node) strings() ([]string, error) {
	switch n.kind {
	case stringNode:
		return []string{n.text}, nil
	case listNode:
		list := make([]string, 0, len(n.items))
		for _, item := range n.items {
			if item.kind != stringNode {
				return nil, errJSON
			}
			list = append(list, item.text)
		}
		return list, nil
	}
	return nil, errJSON
}

// scalars is strings that also takes numbers and booleans, as condition values may be.
func (n node) scalars() ([]string, error) {
	switch n.kind {
	case stringNode, numberNode, boolNode:
		return []string{n.text}, nil
	case listNode:
		list := make([]string, 0, len(n.items))
		for _, item := range n.items {
			if item.kind != stringNode && item.kind != numberNode && item.kind != boolNode {
				return nil, errJSON
			}
			list = append(list, item.text)
		}
		return list, nil
	}
	return nil, errJSON
}

func printable(r rune) bool {
	return r >= ' ' || r == '\t' || r == '\n' || r == '\r'
}
