package kms

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"keytrail.test/clients/target"
)

func TestGrants(t *testing.T) {
	ctx, api, key := t.Context(), client(t), symmetric(t)
	user := target.User(t, "")
	grantee := kms.NewFromConfig(user.Config)
	in := map[string]string{"team": "blue", "file": "1"}
	blob := seal(t, api, key.KeyId, "granted", in)
	decrypt := func(context map[string]string, tokens ...string) error {
		_, err := grantee.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: context, GrantTokens: tokens})
		return err
	}
	target.RefusedAs(t, decrypt(in), "AccessDeniedException")

	t.Run("subset", func(t *testing.T) {
		granted, err := api.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.KeyId, GranteePrincipal: &user.ARN, Name: aws.String("subset"),
			Operations: []types.GrantOperation{types.GrantOperationDecrypt}, Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"team": "blue"}}})
		target.Must(t, err)
		if len(*granted.GrantId) != 64 || *granted.GrantToken == "" {
			t.Errorf("granted %s %s", *granted.GrantId, *granted.GrantToken)
		}
		target.Must(t, decrypt(in))
		target.Must(t, decrypt(in, *granted.GrantToken))
		_, err = grantee.Encrypt(ctx, &kms.EncryptInput{KeyId: key.Arn, Plaintext: []byte("x"), EncryptionContext: in})
		target.RefusedAs(t, err, "AccessDeniedException")
		again, err := api.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.KeyId, GranteePrincipal: &user.ARN, Name: aws.String("subset"),
			Operations: []types.GrantOperation{types.GrantOperationDecrypt}, Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"team": "blue"}}})
		target.Must(t, err)
		if *again.GrantId != *granted.GrantId {
			t.Error("the same named grant is made twice")
		}
		listed, err := api.ListGrants(ctx, &kms.ListGrantsInput{KeyId: key.KeyId, GrantId: granted.GrantId})
		target.Must(t, err)
		if len(listed.Grants) != 1 {
			t.Fatalf("grants %v", listed.Grants)
		}
		g := listed.Grants[0]
		recent(t, "CreationDate", g.CreationDate)
		if *g.GranteePrincipal != user.ARN || *g.Name != "subset" || g.Constraints.EncryptionContextSubset["team"] != "blue" || *g.KeyId != *key.Arn ||
			len(g.Operations) != 1 || g.IssuingAccount == nil || !strings.Contains(*g.IssuingAccount, target.Account(t)) {
			t.Errorf("grant %+v", g)
		}
		_, err = api.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: key.KeyId, GrantId: granted.GrantId})
		target.Must(t, err)
		target.RefusedAs(t, decrypt(in), "AccessDeniedException")
		_, err = api.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: key.KeyId, GrantId: granted.GrantId})
		target.Refused[*types.NotFoundException](t, err)
	})
	t.Run("equals", func(t *testing.T) {
		granted, err := api.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.KeyId, GranteePrincipal: &user.ARN, Operations: []types.GrantOperation{types.GrantOperationDecrypt},
			Constraints: &types.GrantConstraints{EncryptionContextEquals: map[string]string{"team": "blue"}}})
		target.Must(t, err)
		target.RefusedAs(t, decrypt(in), "AccessDeniedException")
		_, err = api.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: key.KeyId, GrantId: granted.GrantId})
		target.Must(t, err)
	})
	t.Run("retire", func(t *testing.T) {
		retiring := target.User(t, "")
		granted, err := api.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.KeyId, GranteePrincipal: &user.ARN, RetiringPrincipal: &retiring.ARN,
			Operations: []types.GrantOperation{types.GrantOperationDecrypt, types.GrantOperationDescribeKey}})
		target.Must(t, err)
		target.Must(t, decrypt(in))
		mine := kms.NewFromConfig(retiring.Config)
		listed, err := api.ListRetirableGrants(ctx, &kms.ListRetirableGrantsInput{RetiringPrincipal: &retiring.ARN})
		target.Must(t, err)
		if len(listed.Grants) != 1 || *listed.Grants[0].GrantId != *granted.GrantId {
			t.Errorf("retirable %v", listed.Grants)
		}
		_, err = mine.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: granted.GrantToken})
		target.Must(t, err)
		target.RefusedAs(t, decrypt(in), "AccessDeniedException")
	})
	t.Run("chain", func(t *testing.T) {
		third := target.User(t, "")
		_, err := api.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.KeyId, GranteePrincipal: &user.ARN,
			Operations: []types.GrantOperation{types.GrantOperationDecrypt, types.GrantOperationCreateGrant}})
		target.Must(t, err)
		_, err = grantee.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.Arn, GranteePrincipal: &third.ARN, Operations: []types.GrantOperation{types.GrantOperationDecrypt}})
		target.Must(t, err)
		_, err = kms.NewFromConfig(third.Config).Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: in})
		target.Must(t, err)
		_, err = grantee.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.Arn, GranteePrincipal: &third.ARN, Operations: []types.GrantOperation{types.GrantOperationEncrypt}})
		target.RefusedAs(t, err, "AccessDeniedException")
	})
	_, err := api.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.KeyId, GranteePrincipal: aws.String(user.ARN + "-not"), Operations: []types.GrantOperation{types.GrantOperationDecrypt}})
	target.Refused[*types.InvalidArnException](t, err)
	_, err = grantee.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: in, GrantTokens: []string{"bm8gdG9rZW4="}})
	target.Refused[*types.InvalidGrantTokenException](t, err)
}

func TestListGrants(t *testing.T) {
	ctx, api, key := t.Context(), client(t), symmetric(t)
	user, retiring := target.User(t, ""), target.User(t, "")
	var made []string
	for range 5 {
		granted, err := api.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.KeyId, GranteePrincipal: &user.ARN, RetiringPrincipal: &retiring.ARN,
			Operations: []types.GrantOperation{types.GrantOperationDecrypt}})
		target.Must(t, err)
		made = append(made, *granted.GrantId)
	}
	ids := func(grants []types.GrantListEntry) (all []string) {
		for _, g := range grants {
			all = append(all, *g.GrantId)
		}
		return all
	}
	all := target.Pages(t, kms.NewListGrantsPaginator(api, &kms.ListGrantsInput{KeyId: key.KeyId, Limit: aws.Int32(2)}), 2,
		func(page *kms.ListGrantsOutput) []string { return ids(page.Grants) })
	if target.Holds(t, all, made...); len(all) != len(made) {
		t.Errorf("%d grants, want %d", len(all), len(made))
	}
	all = target.Pages(t, kms.NewListRetirableGrantsPaginator(api, &kms.ListRetirableGrantsInput{RetiringPrincipal: &retiring.ARN, Limit: aws.Int32(2)}), 2,
		func(page *kms.ListRetirableGrantsOutput) []string { return ids(page.Grants) })
	if target.Holds(t, all, made...); len(all) != len(made) {
		t.Errorf("%d retirable grants, want %d", len(all), len(made))
	}
	_, err := api.ListGrants(ctx, &kms.ListGrantsInput{KeyId: key.KeyId, Marker: aws.String("bm90IG91cnM=")})
	target.Refused[*types.InvalidMarkerException](t, err)
}
