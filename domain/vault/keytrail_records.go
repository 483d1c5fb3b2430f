package vault

import (
	"encoding/json"
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
)

// Evidence says which records of the log an operation needs before it can be
// decided: that with the n, or those of a request, which the view finds by Find.
type Evidence struct {
	N         *int64
	RequestID string
	Find      TrailQuery
}

// AsksEvidence reports whether the operation is about single records of the log.
func AsksEvidence(service, name string) bool {
	return service == "keytrail" && (name == "GetRecord" || name == "ExplainRequest")
}

// NeedsEvidence reports what the request wants to see of the log, if the caller may
// see it as the state is now: nobody else has the log read. The engine passes the
// lines in as Request.Evidence; whether the caller may see them is decided again
// when the call is.
func NeedsEvidence(st *State, req *Request, env *Env) (Evidence, bool) {
	c, ok := asking(st, req, env)
	if !ok || !AsksEvidence(req.Service, req.Operation) || c.authorize("keytrail:"+req.Operation, plain("*")) != nil {
		return Evidence{}, false
	}
	var in struct {
		N         *int64 `json:"N"`
		RequestID string `json:"RequestId"`
	}
	if json.Unmarshal(req.Body, &in) != nil || (in.N == nil) == (in.RequestID == "") {
		return Evidence{}, false // the handler says what is wrong
	}
	e := Evidence{N: in.N, RequestID: in.RequestID, Find: c.trailQuery()}
	e.Find.From, e.Find.Ascending, e.Find.Limit = 0, true, maxQuery
	e.Find.where(TrailRequestID, in.RequestID)
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
// one request left. Of a call that two accounts are part in it shows what Seen leaves.
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
	*event.Record        // as it is stored
	line          []byte // as the caller's account may see it
}

// evidence is the records that the request asked for, without those of other
// accounts: to the caller they do not exist.
func (c *call) evidence(n *int64, requestID string) ([]evidenceRecord, error) {
	if (n == nil) == (requestID == "") {
		return nil, fault.New(fault.ValidationException, "Give either N or RequestId.")
	}
	if c.req.EvidenceAbsent {
		return nil, errEvidenceAbsent
	}
	var found []evidenceRecord
	for _, line := range c.req.Evidence {
		r, err := event.ParseLine(line)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(Concerned(r, c.st.Identities.Management().ID), c.account) {
			continue
		}
		if seen := Seen(r, c.account); seen != r {
			if line, err = seen.AppendLine(nil); err != nil {
				return nil, err
			}
		}
		found = append(found, evidenceRecord{r, line})
	}
	if len(found) == 0 {
		return nil, fault.New(fault.ResourceNotFoundException, "The log has no such record of this account.")
	}
	return found, nil
}

var errEvidenceAbsent = fault.New(fault.ServiceUnavailable, "The log could not be read for this call. Try again.")
