package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

// kind says how the engine treats an operation.
type kind uint8

const (
	// use reads state or uses a key; it may be decided concurrently with other
	// uses, and again when the state has moved before it is stored.
	use kind = iota
	// change may emit state events; it is decided alone, in log order.
	change
	// internal is a change that the vault makes by itself when time has come.
	internal
)

type operation struct {
	service, name string
	recorded      string // "kms:Decrypt", as records have it
	kind          kind
	shape         *shape.Shape
	run           func(c *call, op *operation, body []byte) (any, error)
}

type operationName struct{ service, name string }

var table = map[operationName]*operation{}

// define puts an operation into the table. The body is decoded and validated by
// the tags of In before the handler runs; members tagged audit:"-" are zeroed
// when it returns.
func define[In, Out any](service, name string, k kind, handle func(*call, *In) (*Out, error)) {
	id := operationName{service, name}
	if table[id] != nil {
		panic("vault: operation defined twice: " + service + ":" + name)
	}
	table[id] = &operation{service: service, name: name, recorded: service + ":" + name, kind: k, shape: shape.Of[In](),
		run: func(c *call, op *operation, body []byte) (any, error) {
			in := new(In)
			defer op.shape.Wipe(in)
			if err := op.shape.Decode(body, in); err != nil {
				return nil, invalidInput(c.service, err)
			}
			c.rec.Params = op.shape.AppendAudit(c.note().params[:0], in)
			out, err := handle(c, in)
			if err != nil || out == nil {
				return nil, err
			}
			return out, nil
		}}
}

// Changes reports whether the operation may change state: whether the engine has
// to decide it alone, in log order. Unknown operations change nothing.
func Changes(service, name string) bool {
	op := table[operationName{service, name}]
	return op != nil && op.kind != use
}

// ChangesState is Changes for a request: it may know more than the name does.
func ChangesState(req *Request) bool {
	return Changes(req.Service, req.Operation) || mayMakeManagedKey(req)
}

// Operations lists the operations that clients can call, as "service:Name",
// sorted.
func Operations() []string {
	var names []string
	for id, op := range table {
		if op.kind != internal {
			names = append(names, id.service+":"+id.name)
		}
	}
	slices.Sort(names)
	return names
}

// Services lists the service names of the table, sorted.
func Services() []string {
	var names []string
	for id := range table {
		if !slices.Contains(names, id.service) {
			names = append(names, id.service)
		}
	}
	slices.Sort(names)
	return names
}

// queryService reports whether the service speaks AWS Query, whose error codes
// differ from those of the JSON services.
func queryService(service string) bool { return service == "iam" || service == "sts" }

func invalidInput(service string, err error) error {
	var violation *shape.ValidationError
	if errors.As(err, &violation) {
		if service == "iam" {
			return invalidIAM(violation)
		}
		code := fault.ValidationException
		if queryService(service) {
			code = fault.ValidationError
		}
		return fault.New(code, "%s", violation.Error())
	}
	var syntax *shape.SerializationError
	if errors.As(err, &syntax) {
		if queryService(service) {
			return fault.New(fault.MalformedInput, "%s", syntax.Message)
		}
		if syntax.Message == "" {
			return fault.New(fault.SerializationException, "%s", syntax.Error())
		}
		return fault.New(fault.SerializationException, "%s", syntax.Message)
	}
	return fmt.Errorf("decode request: %w", err)
}

func unknownOperation(service, name string) error {
	if awsHas(service, name) {
		return fault.New(fault.UnsupportedOperationException, "Keytrail does not have the operation %s of %s.", name, service)
	}
	if queryService(service) {
		if name == "" {
			return fault.New(fault.MissingAction, "The request must contain the parameter Action.")
		}
		return fault.New(fault.InvalidAction, "Could not find operation %s.", name)
	}
	return fault.New(fault.UnknownOperationException, "The operation %s is not known to the service %s.", name, service)
}

// FormBody gives the AWS JSON body of a call that came as an AWS Query form: its
// parameters, decoded, each once. An operation that is not known has an empty
// one.
func FormBody(service, name string, form map[string]string) []byte {
	op := table[operationName{service, name}]
	if op == nil {
		return []byte("{}")
	}
	return op.shape.AppendForm(make([]byte, 0, 512), form)
}

// appendsJSON is an output that writes itself: those of the operations that are
// called tens of thousands of times a second.
type appendsJSON interface{ AppendJSON(dst []byte) []byte }

// respondsWith is an output of a write that has something for the record's
// responseElements. What it returns holds no secret.
type respondsWith interface{ responseElements() any }

// wiped is an output that holds something in the clear.
type wiped interface{ wipe() }

// marshalReply writes the reply's body, for outputs that write themselves into
// the decision's own memory.
func marshalReply(d *Decision, out any) ([]byte, error) {
	if out == nil {
		return append(d.body[:0], "{}"...), nil
	}
	a, ok := out.(appendsJSON)
	if !ok {
		return json.Marshal(out)
	}
	const most = 4096 // what is worth keeping
	if d.body == nil {
		d.body = make([]byte, 0, 768)
	}
	body := a.AppendJSON(d.body)
	if cap(body) > cap(d.body) && cap(body) <= most {
		clear(d.body[:cap(d.body)]) // it may hold the beginning of a secret
		d.body = body[:0]
	}
	return body, nil
}

// recordedName bounds what an unknown operation's name puts into a record.
func recordedName(s string) string {
	const longest = 64
	clean := strings.Map(func(r rune) rune {
		if r > 0x20 && r < 0x7f && r != '"' && r != '\\' {
			return r
		}
		return -1
	}, s[:min(len(s), longest)])
	if clean == "" {
		return "-"
	}
	return clean
}
