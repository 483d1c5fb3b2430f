// Package wrappers runs what programs wrap their own keys with: Tink's AEAD over KMS,
// and HashiCorp's wrapper, which is what Vault and Boundary unseal with and which
// speaks the protocol by the first aws-sdk-go.
package wrappers

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	hashicorp "github.com/hashicorp/go-kms-wrapping/wrappers/awskms/v2"
	tinkkms "github.com/tink-crypto/tink-go-awskms/v3/integration/awskms"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"keytrail.test/clients/target"
)

func key(t testing.TB) string {
	t.Helper()
	out, err := kms.NewFromConfig(target.Config(t)).CreateKey(t.Context(), &kms.CreateKeyInput{})
	target.Must(t, err)
	return *out.KeyMetadata.Arn
}

var secret, associated = []byte("wrapped by a key of one's own"), []byte("associated data")

func TestTink(t *testing.T) {
	ctx, arn := t.Context(), key(t)
	client, err := tinkkms.NewClientWithOptions(ctx, "aws-kms://"+arn, tinkkms.WithKMS(kms.NewFromConfig(target.Config(t))))
	target.Must(t, err)
	remote, err := client.GetAEAD("aws-kms://" + arn)
	target.Must(t, err)
	sealed, err := remote.Encrypt(secret, associated)
	target.Must(t, err)
	opened, err := remote.Decrypt(sealed, associated)
	target.Must(t, err)
	if !bytes.Equal(opened, secret) {
		t.Errorf("opened %q", opened)
	}
	if _, err := remote.Decrypt(sealed, []byte("other data")); err == nil {
		t.Error("opened with other associated data")
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := remote.Decrypt(sealed, associated); err == nil {
		t.Error("opened a changed ciphertext")
	}
	// Tink checks which key has answered: another one's blob is not this one's.
	elsewhere, err := tinkkms.NewAEADWithContext(ctx, key(t), tinkkms.WithKMS(kms.NewFromConfig(target.Config(t))))
	target.Must(t, err)
	strange, err := elsewhere.EncryptWithContext(ctx, secret, associated)
	target.Must(t, err)
	if _, err := remote.Decrypt(strange, associated); err == nil {
		t.Error("opened what another key sealed")
	}

	// A keyset at rest under the key, and envelope encryption with a data key each.
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	target.Must(t, err)
	var file bytes.Buffer
	target.Must(t, handle.Write(keyset.NewBinaryWriter(&file), remote))
	read, err := keyset.Read(keyset.NewBinaryReader(&file), remote)
	target.Must(t, err)
	if read.String() != handle.String() {
		t.Errorf("the keyset came back as %s", read)
	}
	envelope := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), remote)
	long := bytes.Repeat(secret, 10_000)
	sealed, err = envelope.Encrypt(long, associated)
	target.Must(t, err)
	opened, err = envelope.Decrypt(sealed, associated)
	target.Must(t, err)
	if !bytes.Equal(opened, long) {
		t.Error("the envelope came back as something else")
	}
}

func wrapper(t testing.TB, who target.Caller, arn string) (*hashicorp.Wrapper, error) {
	t.Helper()
	w := hashicorp.NewWrapper()
	_, err := w.SetConfig(t.Context(), hashicorp.WithDisallowEnvVars(true), wrapping.WithKeyId(arn), hashicorp.WithRegion(who.Config.Region),
		hashicorp.WithEndpoint(os.Getenv("AWS_ENDPOINT_URL")), hashicorp.WithAccessKey(who.AccessKey), hashicorp.WithSecretKey(who.SecretKey))
	return w, err
}

func TestHashiCorp(t *testing.T) {
	ctx, arn := context.Background(), key(t)
	who := target.User(t, target.Allow(arn, "kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"))
	w, err := wrapper(t, who, arn)
	target.Must(t, err)
	if id, err := w.KeyId(ctx); err != nil || id == "" || !strings.HasSuffix(arn, "/"+id) {
		t.Errorf("key id %q, %v", id, err)
	}
	blob, err := w.Encrypt(ctx, secret)
	target.Must(t, err)
	if blob.KeyInfo.KeyId != arn || bytes.Contains(blob.Ciphertext, secret) {
		t.Errorf("the blob is %+v", blob)
	}
	opened, err := w.Decrypt(ctx, blob)
	target.Must(t, err)
	if !bytes.Equal(opened, secret) {
		t.Errorf("opened %q", opened)
	}
	// It looks its key up when it is configured, so that nobody seals what cannot be opened.
	if _, err := wrapper(t, target.User(t, ""), arn); err == nil || !strings.Contains(err.Error(), "AccessDeniedException") {
		t.Errorf("without permission: %v", err)
	}
	if _, err := wrapper(t, who, "arn:aws:kms:"+who.Config.Region+":"+target.Account(t)+":key/00000000-0000-4000-8000-000000000000"); err == nil {
		t.Error("configured with a key that does not exist")
	}
}
