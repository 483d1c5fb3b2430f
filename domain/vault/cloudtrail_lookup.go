package vault

import (
	"strconv"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("cloudtrail", "LookupEvents", use, cloudtrailLookupEvents)
	asksTrail("cloudtrail", "LookupEvents", lookupQuery)
}

// maxLookup is the most that one LookupEvents returns, and what it returns by
// itself; AWS has both.
const maxLookup = 50

// maxAttributes bounds the conditions, each of which every record is held against.
// Ours: AWS has one.
const maxAttributes = 10

type lookupEventsInput struct {
	LookupAttributes []lookupAttribute `json:"LookupAttributes"`
	StartTime        *shape.Timestamp  `json:"StartTime"`
	EndTime          *shape.Timestamp  `json:"EndTime"`
	EventCategory    string            `json:"EventCategory"`
	MaxResults       *int              `json:"MaxResults"`
	NextToken        string            `json:"NextToken" audit:"-"`
}

type lookupAttribute struct {
	Key   string `json:"AttributeKey" aws:"required"`
	Value string `json:"AttributeValue" aws:"required,min=1,max=2000"`
}

type lookupEventsOutput struct {
	Events    []lookedUpEvent `json:"Events"`
	NextToken string          `json:"NextToken,omitempty"`
}

type lookedUpEvent struct {
	EventID         string          `json:"EventId"`
	EventName       string          `json:"EventName"`
	ReadOnly        string          `json:"ReadOnly"`
	AccessKeyID     string          `json:"AccessKeyId,omitempty"`
	EventTime       shape.Timestamp `json:"EventTime"`
	EventSource     string          `json:"EventSource"`
	Username        string          `json:"Username,omitempty"`
	Resources       []TrailResource `json:"Resources"`
	CloudTrailEvent string          `json:"CloudTrailEvent"`
}

// lookupFields are the attributes of LookupEvents.
var lookupFields = map[string]TrailField{
	"EventId": TrailEventID, "EventName": TrailEventName, "ReadOnly": TrailReadOnly, "Username": TrailUserName,
	"ResourceType": TrailResourceType, "ResourceName": TrailResourceName, "EventSource": TrailEventSource, "AccessKeyId": TrailAccessKey,
}

// lookupQuery is the question of a LookupEvents. AWS looks at the first attribute
// alone and ignores the rest in silence; here all of them hold.
func lookupQuery(c *call, in *lookupEventsInput) (TrailQuery, error) {
	q := c.trailQuery()
	if err := c.authorize("cloudtrail:LookupEvents", plain("*")); err != nil {
		return q, err
	}
	q.Limit = maxLookup
	if in.MaxResults != nil {
		if q.Limit = *in.MaxResults; q.Limit < 1 || q.Limit > maxLookup {
			return q, fault.New(fault.InvalidMaxResultsException, "MaxResults is %d; it must be between 1 and %d.", q.Limit, maxLookup)
		}
	}
	if len(in.LookupAttributes) > maxAttributes {
		return q, fault.New(fault.InvalidLookupAttributesException, "There are %d lookup attributes; there may be %d.", len(in.LookupAttributes), maxAttributes)
	}
	for _, a := range in.LookupAttributes {
		field, ok := lookupFields[a.Key]
		if !ok {
			return q, fault.New(fault.InvalidLookupAttributesException, "There is no lookup attribute %q.", recordedName(a.Key))
		}
		if field == TrailReadOnly && a.Value != "true" && a.Value != "false" {
			return q, fault.New(fault.InvalidLookupAttributesException, "The attribute ReadOnly is true or false.")
		}
		q.Where = append(q.Where, TrailCondition{field, a.Value})
	}
	if in.EventCategory != "" && in.EventCategory != "insight" {
		return q, fault.New(fault.InvalidEventCategoryException, "The event category is insight or absent.")
	}
	if err := q.within(in.StartTime, in.EndTime); err != nil {
		return q, err
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

// within sets the time range. The API shows whole seconds, so an end without a
// fraction includes its second; one with a fraction its millisecond, for times of
// requests are no finer and those of records are.
func (q *TrailQuery) within(start, end *shape.Timestamp) error {
	if start != nil {
		q.Since = start.Time
	}
	if end != nil {
		unit := time.Millisecond
		if end.Nanosecond() == 0 {
			unit = time.Second
		}
		q.Until = end.Add(unit - time.Microsecond)
	}
	if start != nil && end != nil && end.Before(start.Time) {
		return fault.New(fault.InvalidTimeRangeException, "The start time is after the end time.")
	}
	return nil
}

// cloudtrailLookupEvents lists the account's records, newest first: everything
// that was answered before it was asked.
func cloudtrailLookupEvents(c *call, in *lookupEventsInput) (*lookupEventsOutput, error) {
	if _, err := lookupQuery(c, in); err != nil {
		return nil, err
	}
	out := &lookupEventsOutput{Events: []lookedUpEvent{}}
	if in.EventCategory == "insight" {
		return out, nil // there are none
	}
	answer, err := c.trail()
	if err != nil {
		return nil, err
	}
	for i := range answer.Records {
		r := &answer.Records[i]
		out.Events = append(out.Events, lookedUpEvent{
			EventID: r.EventID, EventName: r.EventName, ReadOnly: strconv.FormatBool(r.ReadOnly), AccessKeyID: r.AccessKey,
			EventTime: shape.At(r.At.Truncate(time.Second)), EventSource: r.Source, Username: r.UserName,
			Resources: r.Resources, CloudTrailEvent: string(r.Event),
		})
	}
	if answer.More {
		out.NextToken, err = c.newTrailToken(in, answer.Next, lastRecord)
	}
	return out, err
}
