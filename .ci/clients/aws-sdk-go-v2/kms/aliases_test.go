package kms

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"keytrail.test/clients/target"
)

func TestAliases(t *testing.T) {
	ctx, api, first, second := t.Context(), client(t), symmetric(t), symmetric(t)
	alias := aws.String("alias/" + target.Name("a/b_c"))
	_, err := api.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: alias, TargetKeyId: first.KeyId})
	target.Must(t, err)
	_, err = api.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: alias, TargetKeyId: second.KeyId})
	target.Refused[*types.AlreadyExistsException](t, err)

	blob := seal(t, api, alias, "by alias", nil)
	arn := strings.Replace(*first.Arn, "key/"+*first.KeyId, *alias, 1)
	opened, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: &arn})
	target.Must(t, err)
	if *opened.KeyId != *first.Arn {
		t.Errorf("opened by %s", *opened.KeyId)
	}
	_, err = api.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: alias, TargetKeyId: second.KeyId})
	target.Must(t, err)
	_, err = api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: alias})
	target.Refused[*types.IncorrectKeyException](t, err)

	rsa := newKey(t, &kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt})
	_, err = api.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: alias, TargetKeyId: rsa.KeyId})
	if err == nil {
		t.Error("an alias moved to a key of another type")
	}
	for _, name := range []string{"alias/aws/mine", "alias/with space", "alias/"} {
		_, err = api.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: first.KeyId})
		if err == nil {
			t.Errorf("alias %q exists now", name)
			continue
		}
		if status := target.Status(t, err); status != 400 {
			t.Errorf("alias %q: %v", name, err)
		}
	}
	_, err = api.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/" + target.Name("x")), TargetKeyId: aws.String(noSuchKey)})
	target.Refused[*types.NotFoundException](t, err)

	_, err = api.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: alias})
	target.Must(t, err)
	_, err = api.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: alias})
	target.Refused[*types.NotFoundException](t, err)
	_, err = api.Encrypt(ctx, &kms.EncryptInput{KeyId: alias, Plaintext: []byte("x")})
	target.Refused[*types.NotFoundException](t, err)
}

func TestListAliases(t *testing.T) {
	ctx, api, key := t.Context(), client(t), symmetric(t)
	var made []string
	for range 5 {
		alias := "alias/" + target.Name("page")
		_, err := api.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: key.KeyId})
		target.Must(t, err)
		made = append(made, alias)
	}
	names := func(page *kms.ListAliasesOutput) (all []string) {
		for _, a := range page.Aliases {
			if !strings.HasSuffix(*a.AliasArn, ":"+*a.AliasName) {
				t.Errorf("entry %s %s", *a.AliasName, *a.AliasArn)
			}
			if strings.HasPrefix(*a.AliasName, "alias/page") {
				recent(t, "CreationDate", a.CreationDate)
				recent(t, "LastUpdatedDate", a.LastUpdatedDate)
			}
			all = append(all, *a.AliasName)
		}
		return all
	}
	target.Holds(t, target.Pages(t, kms.NewListAliasesPaginator(api, &kms.ListAliasesInput{Limit: aws.Int32(2)}), 2, names), made...)
	of := target.Pages(t, kms.NewListAliasesPaginator(api, &kms.ListAliasesInput{KeyId: key.KeyId, Limit: aws.Int32(2)}), 2, names)
	if target.Holds(t, of, made...); len(of) != len(made) {
		t.Errorf("%d aliases of the key, want %d", len(of), len(made))
	}
}
