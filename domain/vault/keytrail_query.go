package vault

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("keytrail", "QueryAudit", use, keytrailQueryAudit)
	asksTrail("keytrail", "QueryAudit", auditQuery)
	define("keytrail", "WhoDid", use, keytrailWhoDid)
	asksTrail("keytrail", "WhoDid", whoDidQuery)
}

// Records and rows of one answer.
const (
	usualQuery = 100
	maxQuery   = 1000
)

type queryAuditInput struct {
	Since         *shape.Timestamp `json:"Since"`
	Until         *shape.Timestamp `json:"Until"`
	Principal     string           `json:"Principal" aws:"max=2048"`
	UserName      string           `json:"UserName" aws:"max=256"`
	Account       string           `json:"Account" aws:"max=12"`
	AccessKeyID   string           `json:"AccessKeyId" aws:"max=128"`
	Event         string           `json:"Event" aws:"max=256"`
	Source        string           `json:"Source" aws:"max=128"`
	Resource      string           `json:"Resource" aws:"max=2048"`
	Key           string           `json:"Key" aws:"max=2048"`
	Secret        string           `json:"Secret" aws:"max=2048"`
	Error         string           `json:"Error" aws:"max=128"`
	RequestID     string           `json:"RequestId" aws:"max=64" audit:"requestId"`
	SourceAddress string           `json:"SourceAddress" aws:"max=64"`
	ReadOnly      *bool            `json:"ReadOnly"`
	OldestFirst   bool             `json:"OldestFirst"`
	MaxResults    *int             `json:"MaxResults" aws:"min=1,max=1000"`
	NextToken     string           `json:"NextToken" audit:"-"`
	SQL           string           `json:"Sql" aws:"max=16384" audit:"sql"`
}

type queryAuditOutput struct {
	Records   []queriedRecord `json:"Records,omitempty"`
	NextToken string          `json:"NextToken,omitempty"`
	Columns   []string        `json:"Columns,omitempty"`
	Rows      [][]any         `json:"Rows,omitempty"`
	Truncated bool            `json:"Truncated,omitempty"` // there are more rows than one answer holds
}

type queriedRecord struct {
	N         uint64          `json:"N"`
	At        string          `json:"At"`    // with microseconds, which the event does not have
	Event     json.RawMessage `json:"Event"` // the CloudTrail record
	Resources []TrailResource `json:"Resources"`
}

// auditQuery is the question of a QueryAudit: conditions that all hold, or one
// SELECT.
func auditQuery(c *call, in *queryAuditInput) (TrailQuery, error) {
	q := c.trailQuery()
	if err := c.authorize("keytrail:QueryAudit", plain("*")); err != nil {
		return q, err
	}
	q.Limit, q.Ascending, q.SQL = usualQuery, in.OldestFirst, in.SQL
	if in.MaxResults != nil {
		q.Limit = *in.MaxResults
	}
	if err := q.within(in.Since, in.Until); err != nil {
		return q, err
	}
	q.eventNamed(in.Event)
	source := in.Source
	if source != "" && !strings.Contains(source, ".") {
		source += ".amazonaws.com"
	}
	q.where(TrailEventSource, source)
	q.where(TrailPrincipal, in.Principal)
	q.where(TrailUserName, in.UserName)
	q.where(TrailActorAccount, in.Account)
	q.where(TrailAccessKey, in.AccessKeyID)
	q.where(TrailResourceName, c.knownAs(in.Resource))
	q.where(TrailKey, c.knownAs(in.Key))
	q.where(TrailSecret, in.Secret)
	q.where(TrailErrorCode, in.Error)
	q.where(TrailRequestID, in.RequestID)
	q.where(TrailSourceAddress, in.SourceAddress)
	if in.ReadOnly != nil {
		q.where(TrailReadOnly, map[bool]string{true: "true", false: "false"}[*in.ReadOnly])
	}
	if q.SQL != "" && (len(q.Where) > 0 || in.Since != nil || in.Until != nil || in.OldestFirst || in.NextToken != "") {
		return q, fault.New(fault.ValidationException, "Give either Sql or the other conditions.")
	}
	if q.Ascending {
		q.From = 0
	}
	if in.NextToken != "" {
		token := in.NextToken
		in.NextToken = ""
		var err error
		if q.From, q.Through, err = c.trailToken(in, token); err != nil {
			return q, err
		}
	}
	return q, nil
}

func (q *TrailQuery) where(field TrailField, value string) {
	if value != "" {
		q.Where = append(q.Where, TrailCondition{field, value})
	}
}

// eventNamed asks for an operation, "Decrypt" or "kms:Decrypt".
func (q *TrailQuery) eventNamed(event string) {
	if service, name, ok := strings.Cut(event, ":"); ok {
		q.where(TrailEventSource, service+".amazonaws.com")
		event = name
	}
	if event != "*" {
		q.where(TrailEventName, event)
	}
}

// knownAs is the ARN of the key behind an alias: what moves from key to key is
// not what the records name. Everything else is looked for as it is.
func (c *call) knownAs(resource string) string {
	if !strings.HasPrefix(resource, "alias/") && !strings.Contains(resource, ":alias/") {
		return resource
	}
	if k, err := c.findKey(resource, aliasesToo); err == nil && k.Account == c.account {
		return k.ARN
	}
	return resource
}

func keytrailQueryAudit(c *call, in *queryAuditInput) (*queryAuditOutput, error) {
	q, err := auditQuery(c, in)
	if err != nil {
		return nil, err
	}
	answer, err := c.trail()
	if err != nil {
		return nil, err
	}
	if answer.Problem != "" {
		return nil, fault.New(fault.ValidationException, "%s", answer.Problem)
	}
	out := &queryAuditOutput{}
	if q.SQL != "" {
		out.Columns, out.Rows, out.Truncated = answer.Columns, answer.Rows, answer.More
		return out, nil
	}
	for i := range answer.Records {
		r := &answer.Records[i]
		out.Records = append(out.Records, queriedRecord{N: r.N, At: r.At.Format(time.RFC3339Nano), Event: r.Event, Resources: r.Resources})
	}
	if answer.More {
		out.NextToken, err = c.newTrailToken(in, answer.Next, answer.Through)
	}
	return out, err
}

type whoDidInput struct {
	Action   string           `json:"Action" aws:"required,min=1,max=128"`
	Resource string           `json:"Resource" aws:"required,min=1,max=2048"`
	Since    *shape.Timestamp `json:"Since"`
}

type whoDidOutput struct {
	Action     string       `json:"Action"`
	Resource   string       `json:"Resource"`
	Principals []TrailActor `json:"Principals"`
	Truncated  bool         `json:"Truncated,omitempty"` // there are more principals than one answer holds
}

// whoDidQuery asks what WhoCan asks, of the past: who called the operation on the
// resource.
func whoDidQuery(c *call, in *whoDidInput) (TrailQuery, error) {
	q := c.trailQuery()
	if err := c.authorize("keytrail:WhoDid", plain("*")); err != nil {
		return q, err
	}
	q.Limit, q.Actors = maxQuery, true
	q.eventNamed(in.Action)
	if in.Resource != "*" {
		q.where(TrailResourceName, c.knownAs(in.Resource))
	}
	return q, q.within(in.Since, nil)
}

func keytrailWhoDid(c *call, in *whoDidInput) (*whoDidOutput, error) {
	if _, err := whoDidQuery(c, in); err != nil {
		return nil, err
	}
	answer, err := c.trail()
	if err != nil {
		return nil, err
	}
	return &whoDidOutput{Action: in.Action, Resource: in.Resource, Principals: answer.Actors, Truncated: answer.More}, nil
}
