package secretsmanager

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"keytrail.test/clients/target"
)

func filter(key types.FilterNameStringType, values ...string) []types.Filter {
	return []types.Filter{{Key: key, Values: values}}
}

func arns(list []types.SecretListEntry) (all []string) {
	for _, s := range list {
		all = append(all, *s.ARN)
	}
	return all
}

func TestListSecrets(t *testing.T) {
	ctx, api := t.Context(), client(t)
	prefix := target.Name("list")
	var made []string
	for _, c := range "abcde" {
		out, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(prefix + "/" + string(c)), SecretString: aws.String("x"), Description: aws.String("about " + prefix + string(c)),
			Tags: []types.Tag{{Key: aws.String("key-" + prefix), Value: aws.String("value-" + prefix + string(c))}}})
		target.Must(t, err)
		made = append(made, *out.ARN)
	}
	list := func(in secretsmanager.ListSecretsInput) []string {
		t.Helper()
		out, err := api.ListSecrets(ctx, &in)
		target.Must(t, err)
		return arns(out.SecretList)
	}
	all := target.Pages(t, secretsmanager.NewListSecretsPaginator(api, &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(2)}), 2,
		func(page *secretsmanager.ListSecretsOutput) []string { return arns(page.SecretList) })
	target.Holds(t, all, made...)
	filtered := target.Pages(t, secretsmanager.NewListSecretsPaginator(api, &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(2), Filters: filter(types.FilterNameStringTypeName, prefix), SortOrder: types.SortOrderTypeAsc}), 2,
		func(page *secretsmanager.ListSecretsOutput) []string { return arns(page.SecretList) })
	if !slices.Equal(filtered, made) {
		t.Errorf("in ascending order %v", filtered)
	}
	for key, value := range map[types.FilterNameStringType]string{
		types.FilterNameStringTypeName: prefix + "/c", types.FilterNameStringTypeDescription: "about " + prefix + "c",
		types.FilterNameStringTypeTagValue: "value-" + prefix + "c", types.FilterNameStringTypeAll: prefix + "c",
	} {
		if got := list(secretsmanager.ListSecretsInput{Filters: filter(key, value)}); key != types.FilterNameStringTypeAll && !slices.Equal(got, made[2:3]) {
			t.Errorf("filter %s %s gives %v", key, value, got)
		}
	}
	if got := list(secretsmanager.ListSecretsInput{Filters: filter(types.FilterNameStringTypeTagKey, "key-"+prefix)}); len(got) != len(made) {
		t.Errorf("by tag key %v", got)
	}
	got := list(secretsmanager.ListSecretsInput{Filters: append(filter(types.FilterNameStringTypeName, prefix), filter(types.FilterNameStringTypeName, "!"+prefix+"/a")...)})
	if len(got) != 4 || slices.Contains(got, made[0]) {
		t.Errorf("all but one: %v", got)
	}
	out, err := api.ListSecrets(ctx, &secretsmanager.ListSecretsInput{Filters: filter(types.FilterNameStringTypeName, prefix+"/a")})
	target.Must(t, err)
	entry := out.SecretList[0]
	recent(t, "CreatedDate", entry.CreatedDate)
	recent(t, "LastChangedDate", entry.LastChangedDate)
	if *entry.Name != prefix+"/a" || len(entry.Tags) != 1 || len(entry.SecretVersionsToStages) != 1 || entry.KmsKeyId != nil || entry.DeletedDate != nil {
		t.Errorf("entry %+v", entry)
	}
	_, err = api.ListSecrets(ctx, &secretsmanager.ListSecretsInput{NextToken: aws.String("bm90IG91cnM=")})
	target.Refused[*types.InvalidNextTokenException](t, err)
	_, err = api.ListSecrets(ctx, &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(101)})
	target.RefusedAs(t, err, "ValidationException")
	_, err = api.ListSecrets(ctx, &secretsmanager.ListSecretsInput{Filters: filter("colour", "red")})
	if err == nil {
		t.Error("a filter by colour")
	}
}

func TestBatch(t *testing.T) {
	ctx, api := t.Context(), client(t)
	prefix := target.Name("batch")
	var made []string
	for _, c := range "abcde" {
		out, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(prefix + "/" + string(c)), SecretString: aws.String("is " + string(c))})
		target.Must(t, err)
		made = append(made, *out.ARN)
	}
	none := target.Name("none")
	out, err := api.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: append(slices.Clone(made), none)})
	target.Must(t, err)
	if len(out.SecretValues) != 5 || len(out.Errors) != 1 || *out.Errors[0].SecretId != none || *out.Errors[0].ErrorCode != "ResourceNotFoundException" {
		t.Errorf("%d values, errors %+v", len(out.SecretValues), out.Errors)
	}
	for _, v := range out.SecretValues {
		if at := slices.Index(made, *v.ARN); at < 0 || *v.SecretString != "is "+string("abcde"[at]) {
			t.Errorf("%s is %q", *v.ARN, *v.SecretString)
		}
		recent(t, "CreatedDate", v.CreatedDate)
	}
	all := target.Pages(t, secretsmanager.NewBatchGetSecretValuePaginator(api, &secretsmanager.BatchGetSecretValueInput{Filters: filter(types.FilterNameStringTypeName, prefix), MaxResults: aws.Int32(2)}), 2,
		func(page *secretsmanager.BatchGetSecretValueOutput) (found []string) {
			for _, v := range page.SecretValues {
				found = append(found, *v.ARN)
			}
			return found
		})
	if target.Holds(t, all, made...); len(all) != 5 {
		t.Errorf("%d values by name", len(all))
	}
	user := target.User(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:BatchGetSecretValue","secretsmanager:ListSecrets"],"Resource":"*"},{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"`+made[0]+`"}]}`)
	out, err = secretsmanager.NewFromConfig(user.Config).BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: made[:2]})
	target.Must(t, err)
	if len(out.SecretValues) != 1 || len(out.Errors) != 1 || *out.Errors[0].ErrorCode != "AccessDeniedException" {
		t.Errorf("%d values, errors %+v", len(out.SecretValues), out.Errors)
	}
	_, err = api.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: made[:1], Filters: filter(types.FilterNameStringTypeName, prefix)})
	target.Refused[*types.InvalidParameterException](t, err)
}

func TestDeleteAndRestore(t *testing.T) {
	ctx, api := t.Context(), client(t)
	made := secret(t, "kept")
	for _, days := range []int64{6, 31} {
		_, err := api.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: made.ARN, RecoveryWindowInDays: &days})
		target.Refused[*types.InvalidParameterException](t, err)
	}
	_, err := api.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: made.ARN, RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)})
	target.Refused[*types.InvalidParameterException](t, err)
	deleted, err := api.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: made.ARN, RecoveryWindowInDays: aws.Int64(7)})
	target.Must(t, err)
	if left := time.Until(*deleted.DeletionDate); (left - 7*24*time.Hour).Abs() > time.Minute {
		t.Errorf("deletion in %v", left)
	}
	_, err = api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: made.ARN})
	if e := target.Refused[*types.InvalidRequestException](t, err); e.ErrorMessage() != "You can't perform this operation on the secret because it was marked for deletion." {
		t.Errorf("message %q", e.ErrorMessage())
	}
	_, err = api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: made.Name, SecretString: aws.String("x")})
	if e := target.Refused[*types.InvalidRequestException](t, err); e.ErrorMessage() != "You can't create this secret because a secret with this name is already scheduled for deletion." {
		t.Errorf("message %q", e.ErrorMessage())
	}
	described, err := api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: made.ARN})
	target.Must(t, err)
	recent(t, "DeletedDate", described.DeletedDate)
	name := filter(types.FilterNameStringTypeName, *made.Name)
	without, err := api.ListSecrets(ctx, &secretsmanager.ListSecretsInput{Filters: name})
	target.Must(t, err)
	with, err := api.ListSecrets(ctx, &secretsmanager.ListSecretsInput{Filters: name, IncludePlannedDeletion: aws.Bool(true)})
	target.Must(t, err)
	if len(without.SecretList) != 0 || len(with.SecretList) != 1 || with.SecretList[0].DeletedDate == nil {
		t.Errorf("listed %d without and %d with those to be deleted", len(without.SecretList), len(with.SecretList))
	}
	_, err = api.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: made.ARN})
	target.Must(t, err)
	if value(t, made.ARN, "") != "kept" {
		t.Error("restored with another value")
	}
	_, err = api.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: made.ARN, ForceDeleteWithoutRecovery: aws.Bool(true)})
	target.Must(t, err)
	_, err = api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: made.ARN})
	target.Refused[*types.ResourceNotFoundException](t, err)
	_, err = api.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String(target.Name("none")), ForceDeleteWithoutRecovery: aws.Bool(true)})
	target.Must(t, err)
	again, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: made.Name, SecretString: aws.String("new")})
	target.Must(t, err)
	if *again.ARN == *made.ARN {
		t.Error("the new secret has the ARN of the old one")
	}
}

func TestSecretTags(t *testing.T) {
	ctx, api := t.Context(), client(t)
	made := secret(t, "x")
	_, err := api.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: made.ARN, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("ü <&>")}}})
	target.Must(t, err)
	_, err = api.UntagResource(ctx, &secretsmanager.UntagResourceInput{SecretId: made.ARN, TagKeys: []string{"a"}})
	target.Must(t, err)
	out, err := api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: made.ARN})
	target.Must(t, err)
	if len(out.Tags) != 1 || *out.Tags[0].Key != "b" || *out.Tags[0].Value != "ü <&>" {
		t.Errorf("tags %v", out.Tags)
	}
}

func TestResourcePolicies(t *testing.T) {
	ctx, api := t.Context(), client(t)
	made, user := secret(t, "shared"), target.User(t, "")
	read := func() error {
		_, err := secretsmanager.NewFromConfig(user.Config).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: made.ARN})
		return err
	}
	none, err := api.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: made.ARN})
	target.Must(t, err)
	if none.ResourcePolicy != nil || *none.ARN != *made.ARN || *none.Name != *made.Name {
		t.Errorf("policy %+v", none)
	}
	target.RefusedAs(t, read(), "AccessDeniedException")
	policy := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + user.ARN + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)
	valid, err := api.ValidateResourcePolicy(ctx, &secretsmanager.ValidateResourcePolicyInput{SecretId: made.ARN, ResourcePolicy: policy})
	target.Must(t, err)
	if !valid.PolicyValidationPassed || len(valid.ValidationErrors) != 0 {
		t.Errorf("validation %+v", valid)
	}
	_, err = api.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: made.ARN, ResourcePolicy: policy, BlockPublicPolicy: aws.Bool(true)})
	target.Must(t, err)
	target.Must(t, read())
	got, err := api.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: made.ARN})
	target.Must(t, err)
	if aws.ToString(got.ResourcePolicy) == "" {
		t.Error("no policy comes back")
	}
	public := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)
	_, err = api.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: made.ARN, ResourcePolicy: public, BlockPublicPolicy: aws.Bool(true)})
	target.Refused[*types.PublicPolicyException](t, err)
	_, err = api.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: made.ARN, ResourcePolicy: aws.String(`{"Version":"2012-10-17"`)})
	target.Refused[*types.MalformedPolicyDocumentException](t, err)
	invalid, err := api.ValidateResourcePolicy(ctx, &secretsmanager.ValidateResourcePolicyInput{SecretId: made.ARN, ResourcePolicy: public})
	target.Must(t, err)
	if invalid.PolicyValidationPassed || len(invalid.ValidationErrors) == 0 || aws.ToString(invalid.ValidationErrors[0].CheckName) == "" {
		t.Errorf("validation %+v", invalid)
	}
	_, err = api.DeleteResourcePolicy(ctx, &secretsmanager.DeleteResourcePolicyInput{SecretId: made.ARN})
	target.Must(t, err)
	target.RefusedAs(t, read(), "AccessDeniedException")
}

// There are no functions to rotate a secret: refused as AWS refuses one that it cannot
// invoke.
func TestRotation(t *testing.T) {
	ctx, api := t.Context(), client(t)
	made := secret(t, "x")
	rules := &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)}
	_, err := api.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: made.ARN, RotationLambdaARN: aws.String("arn:aws:lambda:us-east-1:000000000000:function:rotate"), RotationRules: rules})
	target.RefusedAs(t, err, "AccessDeniedException")
	_, err = api.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: made.ARN, RotationRules: rules})
	target.Refused[*types.InvalidRequestException](t, err)
	_, err = api.CancelRotateSecret(ctx, &secretsmanager.CancelRotateSecretInput{SecretId: made.ARN})
	target.Refused[*types.InvalidRequestException](t, err)
	described, err := api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: made.ARN})
	target.Must(t, err)
	if described.RotationEnabled != nil || described.RotationRules != nil || described.RotationLambdaARN != nil {
		t.Errorf("described as %+v", described)
	}
}
