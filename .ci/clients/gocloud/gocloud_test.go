// Package gocloud runs the two drivers of the Go CDK that speak to KMS and to Secrets
// Manager, opened as programs do: by URL.
package gocloud

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"gocloud.dev/gcerrors"
	"gocloud.dev/runtimevar"
	_ "gocloud.dev/runtimevar/awssecretsmanager"
	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms"

	"keytrail.test/clients/target"
)

func keeper(t testing.TB, address string) *secrets.Keeper {
	t.Helper()
	k, err := secrets.OpenKeeper(t.Context(), address)
	target.Must(t, err)
	t.Cleanup(func() { target.Must(t, k.Close()) })
	return k
}

func TestKeeper(t *testing.T) {
	cfg := target.Config(t)
	ctx, api, region := t.Context(), kms.NewFromConfig(cfg), "?region="+cfg.Region
	key, err := api.CreateKey(ctx, &kms.CreateKeyInput{})
	target.Must(t, err)
	alias := "alias/" + target.Name("gocloud")
	_, err = api.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: key.KeyMetadata.KeyId})
	target.Must(t, err)

	message := []byte("a message for later")
	addresses := []string{"awskms://" + *key.KeyMetadata.KeyId + region, "awskms://" + alias + region, "awskms:///" + *key.KeyMetadata.Arn + region}
	for _, address := range addresses {
		sealed, err := keeper(t, address).Encrypt(ctx, message)
		target.Must(t, err)
		if bytes.Contains(sealed, message) {
			t.Fatalf("%s: not sealed", address)
		}
		for _, again := range addresses {
			opened, err := keeper(t, again).Decrypt(ctx, sealed)
			target.Must(t, err)
			if !bytes.Equal(opened, message) {
				t.Errorf("sealed by %s, opened by %s: %q", address, again, opened)
			}
		}
	}

	// The encryption context is part of it.
	bound := addresses[0] + "&context_tenant=" + url.QueryEscape("one & only") + "&context_purpose=test"
	sealed, err := keeper(t, bound).Encrypt(ctx, message)
	target.Must(t, err)
	opened, err := keeper(t, bound).Decrypt(ctx, sealed)
	target.Must(t, err)
	if !bytes.Equal(opened, message) {
		t.Errorf("opened %q", opened)
	}
	_, err = keeper(t, addresses[0]).Decrypt(ctx, sealed)
	var invalid *kmstypes.InvalidCiphertextException
	if !errors.As(err, &invalid) && !keeper(t, addresses[0]).ErrorAs(err, &invalid) || gcerrors.Code(err) != gcerrors.InvalidArgument {
		t.Errorf("without the context: %v, code %v", err, gcerrors.Code(err))
	}

	none := "awskms://00000000-0000-4000-8000-000000000000" + region
	if _, err = keeper(t, none).Encrypt(ctx, message); gcerrors.Code(err) != gcerrors.NotFound {
		t.Errorf("a key that does not exist: %v, code %v", err, gcerrors.Code(err))
	}
	_, err = api.DisableKey(ctx, &kms.DisableKeyInput{KeyId: key.KeyMetadata.KeyId})
	target.Must(t, err)
	k := keeper(t, addresses[0])
	_, err = k.Encrypt(ctx, message)
	var disabled *kmstypes.DisabledException
	if !k.ErrorAs(err, &disabled) {
		t.Errorf("a disabled key: %v", err)
	}
}

// A variable follows its secret: it is not there, it comes, it changes.
func TestVariable(t *testing.T) {
	cfg := target.Config(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	api, name := secretsmanager.NewFromConfig(cfg), target.Name("gocloud/variable")
	v, err := runtimevar.OpenVariable(ctx, "awssecretsmanager://"+name+"?region="+cfg.Region+"&decoder=string&wait=100ms")
	target.Must(t, err)
	defer func() { target.Must(t, v.Close()) }()
	_, err = v.Watch(ctx)
	var missing *smtypes.ResourceNotFoundException
	if gcerrors.Code(err) != gcerrors.NotFound || !v.ErrorAs(err, &missing) {
		t.Fatalf("before there is a secret: %v, code %v", err, gcerrors.Code(err))
	}
	made, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("first")})
	target.Must(t, err)
	first, err := v.Watch(ctx)
	target.Must(t, err)
	_, err = api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: made.ARN, SecretString: aws.String("second")})
	target.Must(t, err)
	second, err := v.Watch(ctx)
	target.Must(t, err)
	if first.Value != "first" || second.Value != "second" || second.UpdateTime.Before(first.UpdateTime) {
		t.Errorf("first %+v, then %+v", first, second)
	}
	var out *secretsmanager.GetSecretValueOutput
	if !second.As(&out) || *out.ARN != *made.ARN || len(out.VersionStages) != 1 || !strings.HasPrefix(*out.ARN, "arn:aws:secretsmanager:") {
		t.Errorf("the snapshot is of %+v", out)
	}
	_, err = api.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: made.ARN})
	target.Must(t, err)
	if _, err = v.Watch(ctx); err == nil || gcerrors.Code(err) == gcerrors.DeadlineExceeded {
		t.Errorf("after the secret was deleted: %v", err)
	}
}
