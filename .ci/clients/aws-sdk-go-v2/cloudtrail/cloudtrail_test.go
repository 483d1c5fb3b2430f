// Package cloudtrail runs the CloudTrail client of aws-sdk-go-v2: what the others did,
// as LookupEvents tells it.
package cloudtrail

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go/middleware"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"keytrail.test/clients/target"
)

func client(t testing.TB) *cloudtrail.Client { return cloudtrail.NewFromConfig(target.Config(t)) }

func by(key types.LookupAttributeKey, value string) []types.LookupAttribute {
	return []types.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}
}

// record is what the tests read of a CloudTrailEvent.
type record struct {
	EventVersion, EventID, RequestID, EventName, EventSource, ErrorCode, ErrorMessage, AwsRegion, UserAgent, SourceIPAddress, EventType, EventCategory string
	ReadOnly, ManagementEvent                                                                                                                          bool
	RecipientAccountId                                                                                                                                 string
	EventTime                                                                                                                                          time.Time
	UserIdentity                                                                                                                                       struct{ Type, Arn, AccountId, AccessKeyId, UserName, PrincipalId, InvokedBy string }
	RequestParameters, ResponseElements                                                                                                                map[string]any
	Resources                                                                                                                                          []struct{ ARN, AccountId, Type string }
}

func lookup(t testing.TB, in cloudtrail.LookupEventsInput) []types.Event {
	t.Helper()
	out, err := client(t).LookupEvents(t.Context(), &in)
	target.Must(t, err)
	return out.Events
}

func open(t testing.TB, e types.Event) (r record) {
	t.Helper()
	target.Must(t, json.Unmarshal([]byte(aws.ToString(e.CloudTrailEvent)), &r))
	return r
}

func requestID(t testing.TB, of middleware.Metadata) string {
	t.Helper()
	id, ok := awsmiddleware.GetRequestIDMetadata(of)
	if !ok || id == "" {
		t.Fatal("an answer without a request id")
	}
	return id
}

// A call is in the trail when its answer is here: looked up by everything that
// CloudTrail looks up by.
func TestLookup(t *testing.T) {
	ctx, who := t.Context(), target.User(t, target.Allow("*", "kms:*"))
	made, err := kms.NewFromConfig(who.Config).CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String("looked up")})
	target.Must(t, err)
	id := requestID(t, made.ResultMetadata)
	mine := lookup(t, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyAccessKeyId, who.AccessKey)})
	if len(mine) != 1 {
		t.Fatalf("%d events of the access key, want 1", len(mine))
	}
	e, r := mine[0], open(t, mine[0])
	if *e.EventName != "CreateKey" || *e.EventSource != "kms.amazonaws.com" || *e.ReadOnly != "false" || *e.Username != who.Name || *e.AccessKeyId != who.AccessKey {
		t.Errorf("the event is %+v", e)
	}
	if time.Since(*e.EventTime).Abs() > 5*time.Minute || !r.EventTime.Truncate(time.Second).Equal(e.EventTime.Truncate(time.Second)) {
		t.Errorf("at %v, %v", e.EventTime, r.EventTime)
	}
	if r.EventVersion != "1.11" || r.RequestID != id || r.EventID != *e.EventId || r.EventName != "CreateKey" || r.EventType != "AwsApiCall" || r.EventCategory != "Management" ||
		!r.ManagementEvent || r.ReadOnly || r.RecipientAccountId != target.Account(t) || r.AwsRegion == "" || !strings.Contains(r.UserAgent, "aws-sdk-go-v2") || r.SourceIPAddress == "" {
		t.Errorf("the record is %+v", r)
	}
	if u := r.UserIdentity; u.Type != "IAMUser" || u.Arn != who.ARN || u.UserName != who.Name || u.AccessKeyId != who.AccessKey || u.AccountId != target.Account(t) || !strings.HasPrefix(u.PrincipalId, "AIDA") {
		t.Errorf("by %+v", u)
	}
	if r.RequestParameters["description"] != "looked up" {
		t.Errorf("parameters %v", r.RequestParameters)
	}
	if len(r.Resources) != 1 || r.Resources[0].ARN != *made.KeyMetadata.Arn || r.Resources[0].Type != "AWS::KMS::Key" {
		t.Errorf("resources %+v", r.Resources)
	}
	for key, value := range map[types.LookupAttributeKey]string{
		types.LookupAttributeKeyEventId: *e.EventId, types.LookupAttributeKeyUsername: who.Name, types.LookupAttributeKeyResourceName: *made.KeyMetadata.Arn,
		types.LookupAttributeKeyEventName: "CreateKey", types.LookupAttributeKeyEventSource: "kms.amazonaws.com", types.LookupAttributeKeyReadOnly: "false", types.LookupAttributeKeyResourceType: "AWS::KMS::Key",
	} {
		found := lookup(t, cloudtrail.LookupEventsInput{LookupAttributes: by(key, value)})
		if !slices.ContainsFunc(found, func(f types.Event) bool { return *f.EventId == *e.EventId }) {
			t.Errorf("%s %s: not among the newest %d", key, value, len(found))
		}
	}
	if found := lookup(t, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyAccessKeyId, who.AccessKey), EndTime: aws.Time(e.EventTime.Add(-time.Minute))}); len(found) != 0 {
		t.Errorf("%d events a minute before the first", len(found))
	}
}

// A refused call is in the trail with its error, in the words its caller heard.
func TestRefusalsAreRecorded(t *testing.T) {
	ctx, nobody := t.Context(), target.User(t, "")
	_, err := kms.NewFromConfig(nobody.Config).CreateKey(ctx, &kms.CreateKeyInput{})
	text := target.RefusedAs(t, err, "AccessDeniedException")
	var response *awshttp.ResponseError
	errors.As(err, &response)
	mine := lookup(t, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyUsername, nobody.Name)})
	found := slices.IndexFunc(mine, func(e types.Event) bool { return *e.EventName == "CreateKey" })
	if found < 0 {
		t.Fatalf("no CreateKey among %d events", len(mine))
	}
	if r := open(t, mine[found]); !strings.HasPrefix(r.ErrorCode, "AccessDenied") || r.ErrorMessage != text || r.RequestID != response.ServiceRequestID() || r.ResponseElements != nil {
		t.Errorf("the record is %+v, the answer was %s: %s", r, response.ServiceRequestID(), text)
	}
}

// Reading a secret is two records of one request, neither with the value.
func TestSecretAndItsKey(t *testing.T) {
	ctx, value := t.Context(), target.Name("canary")
	who := target.User(t, target.Allow("*", "secretsmanager:*"))
	api := secretsmanager.NewFromConfig(who.Config)
	made, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(target.Name("secret")), SecretString: &value})
	target.Must(t, err)
	read, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: made.ARN})
	target.Must(t, err)
	id := requestID(t, read.ResultMetadata)
	got := map[string]record{}
	for _, e := range lookup(t, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyUsername, who.Name)}) {
		if strings.Contains(*e.CloudTrailEvent, value) {
			t.Errorf("the value is in %s", *e.EventName)
		}
		if r := open(t, e); r.RequestID == id || r.EventName == "Decrypt" {
			got[r.EventName] = r
		}
	}
	if r, ok := got["GetSecretValue"]; !ok || r.EventSource != "secretsmanager.amazonaws.com" || !r.ReadOnly || r.RequestParameters["secretId"] != *made.ARN {
		t.Errorf("the read is %+v", r)
	}
	r, ok := got["Decrypt"]
	if !ok || r.UserIdentity.InvokedBy != "secretsmanager.amazonaws.com" || r.UserIdentity.Arn != who.ARN {
		t.Fatalf("its key's use is %+v", r)
	}
	if context, _ := r.RequestParameters["encryptionContext"].(map[string]any); context["SecretARN"] != *made.ARN || context["SecretVersionId"] != *made.VersionId {
		t.Errorf("encryption context %v", r.RequestParameters["encryptionContext"])
	}
}

func TestPages(t *testing.T) {
	ctx, who := t.Context(), target.User(t, target.Allow("*", "kms:*"))
	api := kms.NewFromConfig(who.Config)
	for range 7 {
		_, err := api.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(8)})
		target.Must(t, err)
	}
	in := cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyUsername, who.Name), MaxResults: aws.Int32(3)}
	var last time.Time
	all := target.Pages(t, cloudtrail.NewLookupEventsPaginator(client(t), &in), 3, func(page *cloudtrail.LookupEventsOutput) (all []string) {
		for _, e := range page.Events {
			if !last.IsZero() && e.EventTime.After(last) {
				t.Errorf("%v after %v: not the newest first", e.EventTime, last)
			}
			last = *e.EventTime
			all = append(all, *e.EventId)
		}
		return all
	})
	if len(all) != 7 {
		t.Errorf("%d events, want 7", len(all))
	}

	// A token belongs to its question.
	first, err := client(t).LookupEvents(ctx, &in)
	target.Must(t, err)
	other := in
	other.NextToken, other.LookupAttributes = first.NextToken, by(types.LookupAttributeKeyEventName, "CreateKey")
	_, err = client(t).LookupEvents(ctx, &other)
	target.Refused[*types.InvalidNextTokenException](t, err)
	other.NextToken = aws.String("nobody's")
	_, err = client(t).LookupEvents(ctx, &other)
	target.Refused[*types.InvalidNextTokenException](t, err)
}

func TestLookupRefused(t *testing.T) {
	ctx, api := t.Context(), client(t)
	_, err := api.LookupEvents(ctx, &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(51)})
	target.Refused[*types.InvalidMaxResultsException](t, err)
	_, err = api.LookupEvents(ctx, &cloudtrail.LookupEventsInput{StartTime: aws.Time(time.Now()), EndTime: aws.Time(time.Now().Add(-time.Hour))})
	target.Refused[*types.InvalidTimeRangeException](t, err)
	_, err = api.LookupEvents(ctx, &cloudtrail.LookupEventsInput{LookupAttributes: by("Colour", "red")})
	target.Refused[*types.InvalidLookupAttributesException](t, err)
	_, err = api.LookupEvents(ctx, &cloudtrail.LookupEventsInput{EventCategory: "nothing"})
	target.Refused[*types.InvalidEventCategoryException](t, err)

	nobody := target.User(t, "")
	_, err = cloudtrail.NewFromConfig(nobody.Config).LookupEvents(ctx, &cloudtrail.LookupEventsInput{})
	target.RefusedAs(t, err, "AccessDeniedException")
}
