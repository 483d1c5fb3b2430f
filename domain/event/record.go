// Package event holds what the log holds: the Record of one API call, the events
// it caused, the catalogue that names them, and the codec between them and the
// stored line. Stored bytes are evidence: they are never rewritten, and a reader
// hashes the bytes, not what it would marshal again.
//
// Nothing in this package decides anything, and no value, plaintext, data key or
// token may enter it, not even hashed.
package event

import (
	"encoding/json"
	"strings"
	"time"
)

// OutcomeOK is the outcome of a call that was carried out. Any other outcome is
// the error code, written as CloudTrail writes it.
const OutcomeOK = "ok"

// Record is one API call, allowed or not. A call that one service makes on the
// caller's behalf in another is a Record of its own with the same Request.
type Record struct {
	N         uint64          // gapless index over all records, from 0: the Merkle leaf index
	At        time.Time       // UTC, microseconds: when the call was decided
	Request   string          // request id, a UUID; shared by the records of one call
	Op        string          // "kms:Decrypt"
	Who       Who             // the caller; also for a call made on its behalf
	Via       string          // "secretsmanager" when that service made the call for the caller
	Source    string          // client address without port
	Agent     string          // user agent, at most 1,024 bytes
	Params    json.RawMessage // requestParameters, sensitive members left out; nil = null
	Outcome   string          // OutcomeOK or an error code
	Message   string          // error message, at most 1,024 bytes
	Response  json.RawMessage // responseElements of a write; nil = null
	Extra     json.RawMessage // additionalEventData; nil = absent
	Resources []string        // ARNs the call was about
	Decision  *Decision       // nil when the call never came to an authorization
	Events    []Event         // what the call changed or used, in order
}

// Who is the caller as the records name it.
type Who struct {
	Type      string // Root, IAMUser, AssumedRole, FederatedUser, AWSService, Unknown
	ARN       string // user ARN, assumed-role session ARN, federated-user ARN or root ARN
	ID        string // AIDA…, AROA…:session, account:name, or the account id for root
	Account   string
	AccessKey string // AKIA… or ASIA…; never its secret
	Name      string // user name, or the role's name for a session
	IssuerARN string // AssumedRole: the role's ARN; FederatedUser: that of the user or root
	Issued    string // of temporary credentials: when the session began, RFC 3339
	Source    string // source identity of the session
}

// Unnamed is a text without what the caller is called: its unique id stands in the
// place of its ARNs.
func (w *Who) Unnamed(text string) string {
	for _, name := range []string{w.ARN, w.IssuerARN} {
		if name != "" {
			text = strings.ReplaceAll(text, name, w.ID)
		}
	}
	return text
}

// Decision is what iam decided for the call, in ids short enough to store always.
type Decision struct {
	Allowed bool
	Checks  []Check // one for each action that was judged, in order
}

// Check is the judgement of one action on one resource.
type Check struct {
	Action   string // "kms:Decrypt"
	Resource string // ARN or "*"
	Allowed  bool
	Road     string   // how it was allowed or why it was not, see iam.Road
	By       []string // the statements and grants that decided: "key-policy#1", "grant/<id>"
	More     int      // how many more decided, where there were too many to name
	Missing  []string // for a denial: what each road lacked
	// Context is, for a denial, what the request had of the condition keys that the
	// policies asked for: by key, such as "aws:sourceip" or "aws:principaltag/Dept".
	// nil in records of before it was kept, and where no policy asked.
	Context map[string][]string
}

// Event is a fact that a record carries: a noun and a past participle, specific.
type Event interface {
	// EventType is the literal catalogue name, for example "KeyDisabled".
	EventType() string
}
