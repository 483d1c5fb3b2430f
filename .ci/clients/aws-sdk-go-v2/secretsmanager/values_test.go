package secretsmanager

import (
	"bytes"
	"crypto/rand"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"keytrail.test/clients/target"
)

const texts = "{\"user\":\"ü\",\"password\":\"<&>\\\"'\\\\ \\u2028 😀\\ttab\"}\n\x7f"

func TestCreateAndGet(t *testing.T) {
	ctx, api := t.Context(), client(t)
	name := target.Name("app/demo_+=.@-")
	made, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(texts), Description: aws.String("what it is for"),
		Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("test")}}})
	target.Must(t, err)
	want := regexp.MustCompile(`^arn:aws:secretsmanager:` + target.Config(t).Region + `:` + target.Account(t) + `:secret:` + regexp.QuoteMeta(name) + `-[A-Za-z0-9]{6}$`)
	if !want.MatchString(*made.ARN) || *made.Name != name || len(*made.VersionId) < 32 {
		t.Errorf("made %s %s %s", *made.ARN, *made.Name, *made.VersionId)
	}
	for _, id := range []string{name, *made.ARN, (*made.ARN)[:len(*made.ARN)-7]} {
		got, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
		target.Must(t, err)
		if *got.SecretString != texts || got.SecretBinary != nil || *got.ARN != *made.ARN || *got.VersionId != *made.VersionId || !slices.Equal(got.VersionStages, []string{"AWSCURRENT"}) {
			t.Errorf("by %s: %+v", id, got)
		}
		recent(t, "CreatedDate", got.CreatedDate)
	}
	_, err = api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("other")})
	if e := target.Refused[*types.ResourceExistsException](t, err); !strings.Contains(e.ErrorMessage(), "already exists") {
		t.Errorf("message %q", e.ErrorMessage())
	}
}

func TestBinary(t *testing.T) {
	ctx, api := t.Context(), client(t)
	for _, length := range []int{1, 65536} {
		blob := make([]byte, length)
		rand.Read(blob)
		made, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(target.Name("binary")), SecretBinary: blob})
		target.Must(t, err)
		got, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: made.ARN})
		target.Must(t, err)
		if !bytes.Equal(got.SecretBinary, blob) || got.SecretString != nil {
			t.Errorf("%d bytes came back as %d", length, len(got.SecretBinary))
		}
	}
	for name, in := range map[string]*secretsmanager.CreateSecretInput{
		"65537 bytes": {SecretBinary: make([]byte, 65537)}, "65537 characters": {SecretString: aws.String(strings.Repeat("x", 65537))},
	} {
		t.Run(name, func(t *testing.T) {
			in.Name = aws.String(target.Name("long"))
			_, err := api.CreateSecret(ctx, in)
			if err == nil {
				t.Fatal("not refused")
			}
			t.Log(err)
			if target.Status(t, err) != 400 {
				t.Errorf("status %d", target.Status(t, err))
			}
		})
	}
	_, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(target.Name("both")), SecretString: aws.String("a"), SecretBinary: []byte("b")})
	target.Refused[*types.InvalidParameterException](t, err)
}

func TestSecretsThatAreNot(t *testing.T) {
	ctx, api := t.Context(), client(t)
	none := aws.String(target.Name("none"))
	_, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: none})
	if e := target.Refused[*types.ResourceNotFoundException](t, err); e.ErrorMessage() != "Secrets Manager can't find the specified secret." {
		t.Errorf("message %q", e.ErrorMessage())
	}
	_, err = api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: none})
	target.Refused[*types.ResourceNotFoundException](t, err)
	empty, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(target.Name("empty"))})
	target.Must(t, err)
	if empty.VersionId != nil {
		t.Errorf("a secret without a value has the version %s", *empty.VersionId)
	}
	_, err = api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: empty.ARN})
	if e := target.Refused[*types.ResourceNotFoundException](t, err); e.ErrorMessage() != "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT" {
		t.Errorf("message %q", e.ErrorMessage())
	}
	_, err = api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: secret(t, "x").ARN, VersionId: aws.String("00000000-0000-4000-8000-000000000000")})
	target.Refused[*types.ResourceNotFoundException](t, err)
}

func TestAccess(t *testing.T) {
	ctx := t.Context()
	made := secret(t, "for some")
	in := &secretsmanager.GetSecretValueInput{SecretId: made.ARN}
	t.Run("allowed", func(t *testing.T) {
		user := target.User(t, target.Allow(*made.ARN, "secretsmanager:GetSecretValue"))
		out, err := secretsmanager.NewFromConfig(user.Config).GetSecretValue(ctx, in)
		target.Must(t, err)
		if *out.SecretString != "for some" {
			t.Errorf("value %q", *out.SecretString)
		}
	})
	t.Run("not allowed", func(t *testing.T) {
		user := target.User(t, "")
		_, err := secretsmanager.NewFromConfig(user.Config).GetSecretValue(ctx, in)
		want := "User: " + user.ARN + " is not authorized to perform: secretsmanager:GetSecretValue on resource: " + *made.ARN +
			" because no identity-based policy allows the secretsmanager:GetSecretValue action"
		if message := target.RefusedAs(t, err, "AccessDeniedException"); message != want {
			t.Errorf("message %q, want %q", message, want)
		}
	})
	t.Run("explicitly not allowed", func(t *testing.T) {
		user := target.User(t, target.Deny("*", "secretsmanager:GetSecretValue"))
		_, err := secretsmanager.NewFromConfig(user.Config).GetSecretValue(ctx, in)
		if message := target.RefusedAs(t, err, "AccessDeniedException"); !strings.Contains(message, "explicit deny") {
			t.Errorf("message %q", message)
		}
	})
	t.Run("not by the key", func(t *testing.T) {
		key := customerKey(t)
		_, err := client(t).UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: made.ARN, KmsKeyId: key})
		target.Must(t, err)
		user := target.User(t, target.Allow(*made.ARN, "secretsmanager:GetSecretValue"))
		_, err = secretsmanager.NewFromConfig(user.Config).GetSecretValue(ctx, in)
		if message := target.RefusedAs(t, err, "AccessDeniedException"); message != "Access to KMS is not allowed" {
			t.Errorf("message %q", message)
		}
		_, err = kms.NewFromConfig(target.Config(t)).DisableKey(ctx, &kms.DisableKeyInput{KeyId: key})
		target.Must(t, err)
		_, err = client(t).GetSecretValue(ctx, in)
		if err == nil {
			t.Fatal("a disabled key decrypts")
		}
		t.Log(err)
		if status := target.Status(t, err); status != 400 {
			t.Errorf("status %d", status)
		}
	})
}

func TestKeyOfASecret(t *testing.T) {
	ctx, api, key := t.Context(), client(t), customerKey(t)
	made, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(target.Name("keyed")), SecretString: aws.String("x"), KmsKeyId: key})
	target.Must(t, err)
	out, err := api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: made.ARN})
	target.Must(t, err)
	if aws.ToString(out.KmsKeyId) != *key {
		t.Errorf("key %s, want %s", aws.ToString(out.KmsKeyId), *key)
	}
	out, err = api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: secret(t, "x").ARN})
	target.Must(t, err)
	if out.KmsKeyId != nil {
		t.Errorf("the default key is shown: %s", *out.KmsKeyId)
	}
	_, err = api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(target.Name("keyed")), SecretString: aws.String("x"), KmsKeyId: aws.String("alias/" + target.Name("none"))})
	if err == nil {
		t.Fatal("a secret under no key")
	}
	t.Log(err)
}

func TestRandomPassword(t *testing.T) {
	ctx, api := t.Context(), client(t)
	out, err := api.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{})
	target.Must(t, err)
	if len(*out.RandomPassword) != 32 {
		t.Errorf("%d characters", len(*out.RandomPassword))
	}
	out, err = api.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(400), ExcludePunctuation: aws.Bool(true), ExcludeUppercase: aws.Bool(true),
		ExcludeCharacters: aws.String("abc012"), IncludeSpace: aws.Bool(true)})
	target.Must(t, err)
	if p := *out.RandomPassword; len(p) != 400 || strings.ContainsAny(p, "abc012ABC!") || !strings.Contains(p, " ") {
		t.Errorf("password %q", p)
	}
	_, err = api.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(4097)})
	target.RefusedAs(t, err, "ValidationException")
	_, err = api.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(2)})
	target.Refused[*types.InvalidParameterException](t, err)
}
