package secretsmanager

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"keytrail.test/clients/target"
)

func stages(t testing.TB, id *string) map[string][]string {
	t.Helper()
	out, err := client(t).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: id})
	target.Must(t, err)
	for _, s := range out.VersionIdsToStages {
		slices.Sort(s)
	}
	return out.VersionIdsToStages
}

func holder(t testing.TB, id *string, stage string) string {
	for version, s := range stages(t, id) {
		if slices.Contains(s, stage) {
			return version
		}
	}
	return ""
}

func TestVersionsAndStages(t *testing.T) {
	ctx, api := t.Context(), client(t)
	first := secret(t, "one")
	id := first.ARN
	second, err := api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: aws.String("two")})
	target.Must(t, err)
	if !slices.Equal(second.VersionStages, []string{"AWSCURRENT"}) {
		t.Errorf("stages %v", second.VersionStages)
	}
	if value(t, id, "") != "two" || value(t, id, "AWSPREVIOUS") != "one" {
		t.Error("the stages did not move")
	}
	pending, err := api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: aws.String("three"), VersionStages: []string{"AWSPENDING", "mine"}})
	target.Must(t, err)
	if slices.Sort(pending.VersionStages); !slices.Equal(pending.VersionStages, []string{"AWSPENDING", "mine"}) {
		t.Errorf("stages %v", pending.VersionStages)
	}
	if value(t, id, "") != "two" || value(t, id, "AWSPENDING") != "three" {
		t.Error("AWSCURRENT moved")
	}
	// AWSCURRENT is moved from where it is, and drags AWSPREVIOUS along.
	_, err = api.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{SecretId: id, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: pending.VersionId})
	target.Refused[*types.InvalidParameterException](t, err)
	_, err = api.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{SecretId: id, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: pending.VersionId, RemoveFromVersionId: second.VersionId})
	target.Must(t, err)
	if holder(t, id, "AWSCURRENT") != *pending.VersionId || holder(t, id, "AWSPREVIOUS") != *second.VersionId {
		t.Errorf("stages %v", stages(t, id))
	}
	_, err = api.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{SecretId: id, VersionStage: aws.String("AWSCURRENT"), RemoveFromVersionId: pending.VersionId})
	target.Refused[*types.InvalidParameterException](t, err)
	_, err = api.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{SecretId: id, VersionStage: aws.String("mine"), RemoveFromVersionId: pending.VersionId})
	target.Must(t, err)

	got, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: id, VersionId: second.VersionId})
	target.Must(t, err)
	if *got.SecretString != "two" {
		t.Errorf("value %q", *got.SecretString)
	}
	_, err = api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: id, VersionId: second.VersionId, VersionStage: aws.String("AWSCURRENT")})
	if err == nil {
		t.Fatal("a version was read by a stage that it does not have")
	}
	t.Log(err)
}

func TestIdempotency(t *testing.T) {
	ctx, api := t.Context(), client(t)
	token, name := aws.String(strings.Repeat("t", 26)+target.Name("")), target.Name("idempotent")
	create := func(value string) (*secretsmanager.CreateSecretOutput, error) {
		return api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value, ClientRequestToken: token})
	}
	first, err := create("one")
	target.Must(t, err)
	again, err := create("one")
	target.Must(t, err)
	if *again.ARN != *first.ARN || *again.VersionId != *first.VersionId || *first.VersionId != *token {
		t.Errorf("made %s, then %s", *first.VersionId, *again.VersionId)
	}
	_, err = create("two")
	target.Refused[*types.ResourceExistsException](t, err)

	put := func(value string) (*secretsmanager.PutSecretValueOutput, error) {
		return api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: first.ARN, SecretString: &value, ClientRequestToken: aws.String("put-" + *token)})
	}
	put1, err := put("three")
	target.Must(t, err)
	put2, err := put("three")
	target.Must(t, err)
	if *put1.VersionId != *put2.VersionId || len(stages(t, first.ARN)) != 2 {
		t.Errorf("put %s, then %s", *put1.VersionId, *put2.VersionId)
	}
	_, err = put("four")
	if e := target.Refused[*types.ResourceExistsException](t, err); !strings.Contains(e.ErrorMessage(), "because that value is already in use for a version of secret "+*first.ARN) {
		t.Errorf("message %q", e.ErrorMessage())
	}
	_, err = api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: first.ARN, SecretString: aws.String("x"), ClientRequestToken: aws.String("short")})
	target.RefusedAs(t, err, "ValidationException")
}

func TestUpdate(t *testing.T) {
	ctx, api := t.Context(), client(t)
	made := secret(t, "one")
	out, err := api.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: made.ARN, Description: aws.String("new")})
	target.Must(t, err)
	if out.VersionId != nil {
		t.Errorf("a description made the version %s", *out.VersionId)
	}
	out, err = api.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: made.ARN, SecretString: aws.String("two")})
	target.Must(t, err)
	if out.VersionId == nil || value(t, made.ARN, "") != "two" || value(t, made.ARN, "AWSPREVIOUS") != "one" {
		t.Errorf("updated %+v", out)
	}
	key := customerKey(t)
	_, err = api.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: made.ARN, KmsKeyId: key})
	target.Must(t, err)
	if value(t, made.ARN, "") != "two" || value(t, made.ARN, "AWSPREVIOUS") != "one" {
		t.Error("values got lost with the key")
	}
	described, err := api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: made.ARN})
	target.Must(t, err)
	if *described.Description != "new" || *described.KmsKeyId != *key {
		t.Errorf("described %+v", described)
	}
	recent(t, "LastChangedDate", described.LastChangedDate)
	if described.LastAccessedDate == nil || described.LastAccessedDate.Truncate(86400e9) != *described.LastAccessedDate {
		t.Errorf("LastAccessedDate is %v, want a day", described.LastAccessedDate)
	}
}

func TestListVersions(t *testing.T) {
	ctx, api := t.Context(), client(t)
	made := secret(t, "0")
	ids := []string{*made.VersionId}
	for range 6 {
		out, err := api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: made.ARN, SecretString: aws.String("x")})
		target.Must(t, err)
		ids = append(ids, *out.VersionId)
	}
	all := target.Pages(t, secretsmanager.NewListSecretVersionIdsPaginator(api, &secretsmanager.ListSecretVersionIdsInput{SecretId: made.ARN, MaxResults: aws.Int32(2), IncludeDeprecated: aws.Bool(true)}), 2,
		func(page *secretsmanager.ListSecretVersionIdsOutput) (versions []string) {
			if *page.ARN != *made.ARN || *page.Name != *made.Name {
				t.Errorf("page of %s %s", *page.ARN, *page.Name)
			}
			for _, v := range page.Versions {
				recent(t, "CreatedDate", v.CreatedDate)
				versions = append(versions, *v.VersionId)
			}
			return versions
		})
	target.Holds(t, all, ids...)
	current, err := api.ListSecretVersionIds(ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: made.ARN})
	target.Must(t, err)
	if len(current.Versions) != 2 {
		t.Errorf("%d versions have a stage, want 2", len(current.Versions))
	}
}
