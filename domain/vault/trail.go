package vault

import (
	"encoding/json"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/fault"
)

// TrailQuery asks the view of the log for records. It says everything that the
// view has to know, so that the view judges nothing: whose records, and that the
// caller may ask, are decided here.
type TrailQuery struct {
	Account      string   // whose view: an account sees what its principals did and what was done to its resources
	Management   bool     // it is the management account: it sees what concerns no account too
	Installation [16]byte // event ids are derived from it
	Region       string
	Where        []TrailCondition // all of them hold
	Since, Until time.Time        // both included; zero = no bound
	From         uint64           // the n to begin at
	Through      uint64           // the n to end at, included
	Ascending    bool             // oldest first
	Limit        int              // records, rows or actors
	Actors       bool             // who made the calls, rather than the calls
	Held         uint64           // stream sequence of the last commit that the answer must take in: a view that does not hold it has no answer
	SQL          string           // a SELECT over the account's events: only Account, Limit and what names the log count
}

// TrailField is what a TrailCondition is about.
type TrailField uint8

// The fields. What a caller of another account is called is not shown to the
// owner of a resource, and cannot be asked for either.
const (
	TrailEventID      TrailField = iota + 1
	TrailEventName               // "Decrypt"
	TrailEventSource             // "kms.amazonaws.com"
	TrailReadOnly                // "true" or "false"
	TrailUserName                // user name, session name, "root"
	TrailAccessKey               // "AKIA…"
	TrailPrincipal               // ARN or unique id of a user, role or session
	TrailActorAccount            // account of the caller
	TrailResourceType            // "AWS::KMS::Key"
	TrailResourceName            // ARN, or what the resource is called in its account
	TrailKey                     // TrailResourceName of a KMS key or alias
	TrailSecret                  // TrailResourceName of a secret
	TrailErrorCode               // as recorded; AnyError = every call that failed
	TrailRequestID
	TrailSourceAddress
)

// AnyError is the TrailErrorCode of every failure.
const AnyError = "any"

// TrailCondition asks for one value of one field.
type TrailCondition struct {
	Field TrailField
	Value string
}

// TrailAnswer is what the view found.
type TrailAnswer struct {
	Account string // whose view
	Records []TrailRecord
	Next    uint64 // the n to go on at, if More
	Through uint64 // the n that the list ends at: going on does not run after the records of its own asking
	More    bool
	Actors  []TrailActor

	Columns []string // of SQL
	Rows    [][]any  // string, int64, float64, bool or nil
	Problem string   // what is wrong with the SQL
}

// TrailRecord is one record as its account sees it.
type TrailRecord struct {
	N         uint64
	EventID   string
	EventName string
	Source    string
	ReadOnly  bool
	AccessKey string
	UserName  string
	At        time.Time
	Resources []TrailResource
	Event     json.RawMessage // the CloudTrail record, format 1.11
}

// TrailActor is one principal among those who made calls. Calls that failed are
// counted in Failed alone.
type TrailActor struct {
	Principal string    `json:"Principal"`
	Done      int       `json:"Done"`
	Failed    int       `json:"Failed"`
	First     time.Time `json:"First"`
	Last      time.Time `json:"Last"`
}

// TrailResource is a resource of a record.
type TrailResource struct {
	Type string `json:"ResourceType,omitempty"`
	Name string `json:"ResourceName"`
}

// trailAsking is an operation that needs the view before it can be decided.
type trailAsking func(c *call, body []byte) (TrailQuery, error)

var trailOperations = map[operationName]trailAsking{}

// asksTrail lets an operation have an answer of the view as Request.Trail. ask
// makes the question of its input, and decides whether the caller may ask.
func asksTrail[In any](service, name string, ask func(*call, *In) (TrailQuery, error)) {
	id := operationName{service, name}
	trailOperations[id] = func(c *call, body []byte) (TrailQuery, error) {
		in := new(In)
		if err := table[id].shape.Decode(body, in); err != nil {
			return TrailQuery{}, err
		}
		return ask(c, in)
	}
}

// AsksTrail reports whether the operation needs the view of the log.
func AsksTrail(service, name string) bool {
	return trailOperations[operationName{service, name}] != nil
}

// NeedsTrail gives the question that the request has to the view, if the caller
// may ask it as the state is now. It is decided again when the call is: what the
// view answered leaves only then.
func NeedsTrail(st *State, req *Request, env *Env) (TrailQuery, bool) {
	ask := trailOperations[operationName{req.Service, req.Operation}]
	if ask == nil {
		return TrailQuery{}, false
	}
	c, ok := asking(st, req, env)
	if !ok {
		return TrailQuery{}, false
	}
	q, err := ask(c, req.Body)
	return q, err == nil
}

// trailQuery is the question of this call, to be filled in.
func (c *call) trailQuery() TrailQuery {
	return TrailQuery{Account: c.account, Management: c.account == c.st.Identities.Management().ID, Installation: c.st.Installation, Region: c.st.Region,
		From: lastRecord, Through: lastRecord}
}

// lastRecord stands for the end of the log. It is the largest n that fits an
// integer of SQL.
const lastRecord = 1<<63 - 1

// trail is the answer that the engine fetched for this call.
func (c *call) trail() (*TrailAnswer, error) {
	a := c.req.Trail
	if a == nil || a.Account != c.account {
		return nil, errTrailAbsent
	}
	return a, nil
}

var errTrailAbsent = fault.New(fault.ServiceUnavailable, "The view of the audit log has no answer at present. Try again.")

// accountOfARN is the account that a resource belongs to, "" if the name does
// not say, or says that it is AWS's own.
func accountOfARN(name string) string {
	if parsed, err := arn.Parse(name); err == nil && arn.IsAccount(parsed.Account) {
		return parsed.Account
	}
	return ""
}

// Has reports whether there is such an operation.
func Has(service, name string) bool { return table[operationName{service, name}] != nil }
