// Package secretsmanager runs the Secrets Manager client of aws-sdk-go-v2.
package secretsmanager

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"keytrail.test/clients/target"
)

func client(t testing.TB) *secretsmanager.Client {
	return secretsmanager.NewFromConfig(target.Config(t))
}

// secret makes a secret with the value and returns what CreateSecret did.
func secret(t testing.TB, value string) *secretsmanager.CreateSecretOutput {
	t.Helper()
	out, err := client(t).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(target.Name("secret")), SecretString: &value})
	target.Must(t, err)
	return out
}

// customerKey makes a KMS key and returns its ARN.
func customerKey(t testing.TB) *string {
	t.Helper()
	out, err := kms.NewFromConfig(target.Config(t)).CreateKey(t.Context(), &kms.CreateKeyInput{})
	target.Must(t, err)
	return out.KeyMetadata.Arn
}

// value reads a version by its stage, "" = AWSCURRENT.
func value(t testing.TB, id *string, stage string) string {
	t.Helper()
	in := &secretsmanager.GetSecretValueInput{SecretId: id}
	if stage != "" {
		in.VersionStage = &stage
	}
	out, err := client(t).GetSecretValue(t.Context(), in)
	target.Must(t, err)
	return aws.ToString(out.SecretString)
}

func recent(t testing.TB, what string, at *time.Time) {
	t.Helper()
	if at == nil || time.Since(*at).Abs() > 5*time.Minute {
		t.Errorf("%s is %v, want now", what, at)
	}
}
