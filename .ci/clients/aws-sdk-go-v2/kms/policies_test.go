package kms

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"keytrail.test/clients/target"
)

func TestKeyPolicies(t *testing.T) {
	ctx, api, account := t.Context(), client(t), target.Account(t)
	user := target.User(t, "")
	key := newKey(t, &kms.CreateKeyInput{Policy: keyPolicy(account, "")})
	names, err := api.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: key.KeyId})
	target.Must(t, err)
	if !reflect.DeepEqual(names.PolicyNames, []string{"default"}) {
		t.Errorf("policy names %v", names.PolicyNames)
	}
	blob := seal(t, api, key.KeyId, "x", map[string]string{"for": "user"})
	decrypt := func(context map[string]string) error {
		_, err := kms.NewFromConfig(user.Config).Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: context})
		return err
	}
	target.RefusedAs(t, decrypt(map[string]string{"for": "user"}), "AccessDeniedException")
	policy := keyPolicy(account, `,{"Effect":"Allow","Principal":{"AWS":"`+user.ARN+`"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:for":"user"}}}`)
	_, err = api.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key.KeyId, PolicyName: aws.String("default"), Policy: policy})
	target.Must(t, err)
	target.Must(t, decrypt(map[string]string{"for": "user"}))
	target.RefusedAs(t, decrypt(map[string]string{"for": "other"}), "AccessDeniedException")

	got, err := api.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: key.KeyId})
	target.Must(t, err)
	if !sameJSON(t, *got.Policy, *policy) || aws.ToString(got.PolicyName) != "default" {
		t.Errorf("policy %s", *got.Policy)
	}
	_, err = api.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: key.KeyId, PolicyName: aws.String("other")})
	target.Refused[*types.NotFoundException](t, err)
}

// A policy that leaves the caller outside is refused, unless it says that it means it.
func TestLockOut(t *testing.T) {
	ctx, api := t.Context(), client(t)
	user := target.User(t, "")
	only := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + user.ARN + `"},"Action":"kms:*","Resource":"*"}]}`)
	_, err := api.CreateKey(ctx, &kms.CreateKeyInput{Policy: only})
	target.Refused[*types.MalformedPolicyDocumentException](t, err)
	key := symmetric(t)
	_, err = api.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key.KeyId, Policy: only})
	target.Refused[*types.MalformedPolicyDocumentException](t, err)
	_, err = api.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key.KeyId, Policy: only, BypassPolicyLockoutSafetyCheck: true})
	target.Must(t, err)
	_, err = api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.KeyId})
	target.RefusedAs(t, err, "AccessDeniedException")
	_, err = kms.NewFromConfig(user.Config).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.KeyId})
	target.Must(t, err)
}

func TestMalformedPolicies(t *testing.T) {
	ctx, api, key := t.Context(), client(t), symmetric(t)
	for name, policy := range map[string]string{
		"no JSON": "{", "empty object": "{}", "effect": `{"Version":"2012-10-17","Statement":[{"Effect":"Maybe","Principal":"*","Action":"kms:*","Resource":"*"}]}`,
		"nobody": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + target.Account(t) + `:user/` + target.Name("none") + `"},"Action":"kms:*","Resource":"*"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := api.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key.KeyId, Policy: &policy, BypassPolicyLockoutSafetyCheck: true})
			target.Refused[*types.MalformedPolicyDocumentException](t, err)
		})
	}
}

func sameJSON(t testing.TB, a, b string) bool {
	t.Helper()
	var x, y any
	target.Must(t, json.Unmarshal([]byte(a), &x))
	target.Must(t, json.Unmarshal([]byte(b), &y))
	return reflect.DeepEqual(x, y)
}
