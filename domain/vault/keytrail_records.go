package vault

import (
	"encoding/json"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
)

// Evidence says which records of the log an operation needs before it can be
// decided. The engine reads them outside of every lock and passes them in as
// Request.Evidence; whether the caller may see them is decided here.
type Evidence struct {
	N         *int64 `json:"N"`
	RequestID string `json:"RequestId"`
}

// NeedsEvidence reports what the request wants to see of the log.
func NeedsEvidence(req *Request) (Evidence, bool) {
	if req.Service != "keytrail" || (req.Operation != "GetRecord" && req.Operation != "ExplainRequest") {
		return Evidence{}, false
	}
	var e Evidence
	if json.Unmarshal(req.Body, &e) != nil || (e.N == nil) == (e.RequestID == "") {
		return Evidence{}, false // the handler says what is wrong
	}
	return e, true
}

func init() {
	define("keytrail", "GetRecord", use, keytrailGetRecord)
}

type getRecordInput struct {
	N         *int64 `json:"N" aws:"min=0"`
	RequestID string `json:"RequestId" aws:"min=1,max=64" audit:"requestId"`
}

type getRecordOutput struct {
	Records []json.RawMessage `json:"Records"`
}

// keytrailGetRecord shows records as they are stored: one by its n, or all that
// one request left.
func keytrailGetRecord(c *call, in *getRecordInput) (*getRecordOutput, error) {
	if err := c.authorize("keytrail:GetRecord", plain("*")); err != nil {
		return nil, err
	}
	records, err := c.evidence(in.N, in.RequestID)
	if err != nil {
		return nil, err
	}
	out := &getRecordOutput{}
	for _, r := range records {
		out.Records = append(out.Records, r.line)
	}
	return out, nil
}

type evidenceRecord struct {
	*event.Record
	line []byte
}

// evidence is the records that the request asked for, without those of other
// accounts: to the caller they do not exist.
func (c *call) evidence(n *int64, requestID string) ([]evidenceRecord, error) {
	if (n == nil) == (requestID == "") {
		return nil, fault.New(fault.ValidationException, "Give either N or RequestId.")
	}
	var found []evidenceRecord
	for _, line := range c.req.Evidence {
		r, err := event.ParseLine(line)
		if err != nil {
			return nil, err
		}
		if c.concerns(r) {
			found = append(found, evidenceRecord{r, line})
		}
	}
	if len(found) == 0 {
		return nil, fault.New(fault.ResourceNotFoundException, "The log has no such record of this account.")
	}
	return found, nil
}

// concerns reports whether the record is about the caller's account: made by one
// of its principals, or about one of its resources.
func (c *call) concerns(r *event.Record) bool {
	if r.Who.Account == c.account {
		return true
	}
	for _, resource := range r.Resources {
		if accountOfARN(resource) == c.account {
			return true
		}
	}
	return false
}
