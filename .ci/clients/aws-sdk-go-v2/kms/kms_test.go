// Package kms runs the KMS client of aws-sdk-go-v2.
package kms

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"keytrail.test/clients/target"
)

func client(t testing.TB) *kms.Client { return kms.NewFromConfig(target.Config(t)) }

// symmetric makes a key for encryption and returns its metadata.
func symmetric(t testing.TB) *types.KeyMetadata { return newKey(t, &kms.CreateKeyInput{}) }

func newKey(t testing.TB, in *kms.CreateKeyInput) *types.KeyMetadata {
	t.Helper()
	out, err := client(t).CreateKey(t.Context(), in)
	target.Must(t, err)
	return out.KeyMetadata
}

func seal(t testing.TB, api *kms.Client, key *string, text string, context map[string]string) []byte {
	t.Helper()
	out, err := api.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key, Plaintext: []byte(text), EncryptionContext: context})
	target.Must(t, err)
	return out.CiphertextBlob
}

// keyPolicy is one that the account can administer, with the statements besides.
func keyPolicy(account, statements string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[{"Sid":"account","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` +
		account + `:root"},"Action":"kms:*","Resource":"*"}` + statements + `]}`)
}

// recent wants a time of the last minutes.
func recent(t testing.TB, what string, at *time.Time) {
	t.Helper()
	if at == nil || time.Since(*at).Abs() > 5*time.Minute {
		t.Errorf("%s is %v, want now", what, at)
	}
}

const noSuchKey = "00000000-0000-4000-8000-000000000000"
