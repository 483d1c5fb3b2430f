package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
)

// trailRecord is a CloudTrail record, format 1.11, its members in AWS's order.
type trailRecord struct {
	EventVersion        string          `json:"eventVersion"`
	UserIdentity        userIdentity    `json:"userIdentity"`
	EventTime           string          `json:"eventTime"`
	EventSource         string          `json:"eventSource"`
	EventName           string          `json:"eventName"`
	Region              string          `json:"awsRegion"`
	SourceIPAddress     string          `json:"sourceIPAddress"`
	UserAgent           string          `json:"userAgent"`
	ErrorCode           string          `json:"errorCode,omitempty"`
	ErrorMessage        string          `json:"errorMessage,omitempty"`
	RequestParameters   json.RawMessage `json:"requestParameters"`
	ResponseElements    json.RawMessage `json:"responseElements"`
	AdditionalEventData json.RawMessage `json:"additionalEventData,omitempty"`
	RequestID           string          `json:"requestID"`
	EventID             string          `json:"eventID"`
	ReadOnly            bool            `json:"readOnly"`
	Resources           []trailResource `json:"resources,omitempty"`
	EventType           string          `json:"eventType"`
	ManagementEvent     bool            `json:"managementEvent"`
	RecipientAccountID  string          `json:"recipientAccountId"`
	SharedEventID       string          `json:"sharedEventID,omitempty"`
	ServiceEventDetails json.RawMessage `json:"serviceEventDetails,omitempty"`
	EventCategory       string          `json:"eventCategory"`
}

type trailResource struct {
	AccountID string `json:"accountId,omitempty"`
	Type      string `json:"type,omitempty"`
	ARN       string `json:"ARN"`
}

type userIdentity struct {
	Type           string          `json:"type,omitempty"`
	PrincipalID    string          `json:"principalId,omitempty"`
	ARN            string          `json:"arn,omitempty"`
	AccountID      string          `json:"accountId,omitempty"`
	AccessKeyID    string          `json:"accessKeyId,omitempty"`
	UserName       string          `json:"userName,omitempty"`
	SessionContext *sessionContext `json:"sessionContext,omitempty"`
	InvokedBy      string          `json:"invokedBy,omitempty"`
}

type sessionContext struct {
	SessionIssuer  *sessionIssuer    `json:"sessionIssuer,omitempty"`
	Attributes     sessionAttributes `json:"attributes"`
	SourceIdentity string            `json:"sourceIdentity,omitempty"`
}

type sessionIssuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId,omitempty"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName,omitempty"`
}

type sessionAttributes struct {
	CreationDate     string `json:"creationDate"`
	MFAAuthenticated string `json:"mfaAuthenticated"`
}

// internally is what CloudTrail writes for the caller's address and agent when a
// service acts by itself.
const internally = "AWS Internal"

// renderer shows records to one account.
type renderer struct {
	account      string
	installation [16]byte
	region       string
}

// render gives the record as its account sees it. A call of another account on a
// resource of this one shows who called by account and unique id alone, and no
// resource but this account's.
func (r *renderer) render(record *event.Record) (vault.TrailRecord, error) {
	service, name := operation(record.Op)
	who := &record.Who
	t := trailRecord{
		EventVersion: "1.11", EventTime: record.At.UTC().Format("2006-01-02T15:04:05Z"),
		EventSource: eventSource(record.Op), EventName: name, Region: r.region,
		SourceIPAddress: record.Source, UserAgent: record.Agent,
		RequestParameters: record.Params, ResponseElements: record.Response, AdditionalEventData: record.Extra,
		RequestID: record.Request, EventID: eventID(r.installation, record.N), ReadOnly: readOnly(record.Op),
		EventType: "AwsApiCall", ManagementEvent: true, RecipientAccountID: r.account, EventCategory: "Management",
		UserIdentity: identity(who, record.Via),
	}
	if service == "iam" {
		t.Region = "us-east-1" // IAM is global and has its trail there
	}
	if record.Outcome != event.OutcomeOK {
		t.ErrorCode, t.ErrorMessage = record.Outcome, record.Message
	}
	out := vault.TrailRecord{
		N: record.N, EventID: t.EventID, EventName: t.EventName, Source: t.EventSource, ReadOnly: t.ReadOnly,
		At: record.At.UTC(), AccessKey: who.AccessKey, UserName: userName(who), Resources: []vault.TrailResource{},
	}
	on := make([]resource, len(record.Resources))
	for i, name := range record.Resources {
		on[i] = parseResource(name)
	}
	foreign := isForeign(who, r.account, on)
	switch {
	case who.Type == "AWSService":
		t.EventType, t.SourceIPAddress, t.UserAgent = "AwsServiceEvent", internally, internally
		t.UserIdentity = userIdentity{AccountID: r.account, InvokedBy: internally}
		if string(record.Params) != "null" {
			t.ServiceEventDetails = record.Params
		}
		t.RequestParameters = nil
	case foreign:
		t.UserIdentity = userIdentity{Type: "AWSAccount", PrincipalID: who.ID, AccountID: who.Account, InvokedBy: t.UserIdentity.InvokedBy}
		t.ErrorMessage = who.Unnamed(t.ErrorMessage)
		out.AccessKey, out.UserName = "", ""
		t.SharedEventID = t.EventID
	}
	for _, res := range on {
		if foreign && res.account != r.account {
			continue
		}
		if res.account != "" && res.account != r.account && who.Account == r.account {
			t.SharedEventID = t.EventID
		}
		if service == "kms" || service == "sts" || service == "keytrail" {
			t.Resources = append(t.Resources, trailResource{res.account, res.typ, res.arn})
		}
		out.Resources = append(out.Resources, vault.TrailResource{Type: res.typ, Name: res.arn})
	}
	if service == "sts" {
		t.ResponseElements = withHiddenToken(t.ResponseElements)
	}
	for _, raw := range []*json.RawMessage{&t.RequestParameters, &t.ResponseElements} {
		if len(*raw) == 0 {
			*raw = json.RawMessage("null")
		}
	}
	var err error
	if out.Event, err = json.Marshal(&t); err != nil {
		return out, fmt.Errorf("render the record: %w", err)
	}
	return out, nil
}

// isForeign reports whether the caller is of another account, which is not shown
// what it is called. One of no account is, unless the record is of none.
func isForeign(who *event.Who, account string, on []resource) bool {
	if who.Account == "" {
		return slices.ContainsFunc(on, func(r resource) bool { return arn.IsAccount(r.account) })
	}
	return who.Account != account
}

// hidden is what CloudTrail writes in the place of what it does not show.
const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"

// withHiddenToken puts the session token's place into an answer of credentials.
// AWS shows the token; here the log never had it.
func withHiddenToken(response json.RawMessage) json.RawMessage {
	var all, credentials map[string]json.RawMessage
	if json.Unmarshal(response, &all) != nil || json.Unmarshal(all["credentials"], &credentials) != nil || credentials == nil {
		return response
	}
	credentials["sessionToken"] = json.RawMessage(`"` + hidden + `"`)
	var err error
	if all["credentials"], err = json.Marshal(credentials); err != nil {
		return response
	}
	if whole, err := json.Marshal(all); err == nil {
		return whole
	}
	return response
}

func identity(who *event.Who, via string) userIdentity {
	u := userIdentity{Type: who.Type, PrincipalID: who.ID, ARN: who.ARN, AccountID: who.Account, AccessKeyID: who.AccessKey}
	if via != "" {
		u.InvokedBy = via + ".amazonaws.com"
	}
	if who.Type == "IAMUser" {
		u.UserName = who.Name
	}
	if who.Issued == "" {
		return u
	}
	u.SessionContext = &sessionContext{Attributes: sessionAttributes{creationDate(who.Issued), "false"}, SourceIdentity: who.Source}
	if who.IssuerARN != "" {
		issuer := sessionIssuer{Type: "Role", ARN: who.IssuerARN, AccountID: who.Account, UserName: who.Name}
		switch {
		case who.Type == "AssumedRole":
			issuer.PrincipalID, _, _ = strings.Cut(who.ID, ":")
		case who.Name == "":
			issuer.Type, issuer.PrincipalID = "Root", who.Account
		default:
			issuer.Type = "IAMUser" // whose unique id the record does not hold
		}
		u.SessionContext.SessionIssuer = &issuer
	}
	return u
}

// creationDate is in whole seconds, as all times of a CloudTrail record.
func creationDate(issued string) string {
	t, err := time.Parse(time.RFC3339Nano, issued)
	if err != nil {
		return issued
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
