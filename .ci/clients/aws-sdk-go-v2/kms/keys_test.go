package kms

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"keytrail.test/clients/target"
)

func TestKeyMetadata(t *testing.T) {
	api, account := client(t), target.Account(t)
	usage := map[types.KeySpec]types.KeyUsageType{
		types.KeySpecSymmetricDefault: types.KeyUsageTypeEncryptDecrypt,
		types.KeySpecRsa2048:          types.KeyUsageTypeEncryptDecrypt,
		types.KeySpecEccNistP256:      types.KeyUsageTypeSignVerify,
		types.KeySpecHmac256:          types.KeyUsageTypeGenerateVerifyMac,
	}
	for spec, use := range usage {
		t.Run(string(spec), func(t *testing.T) {
			made := newKey(t, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: use, Description: aws.String("für «Ümläute» & <tags>"),
				Tags: []types.Tag{{TagKey: aws.String("team"), TagValue: aws.String("payments")}}})
			out, err := api.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: made.KeyId})
			target.Must(t, err)
			got := out.KeyMetadata
			if want := "arn:aws:kms:" + target.Config(t).Region + ":" + account + ":key/" + *made.KeyId; *got.Arn != want {
				t.Errorf("ARN %s, want %s", *got.Arn, want)
			}
			if *got.AWSAccountId != account || !got.Enabled || got.KeyState != types.KeyStateEnabled || got.KeyManager != types.KeyManagerTypeCustomer ||
				got.Origin != types.OriginTypeAwsKms || got.KeySpec != spec || got.KeyUsage != use || aws.ToBool(got.MultiRegion) ||
				*got.Description != "für «Ümläute» & <tags>" || got.DeletionDate != nil {
				t.Errorf("metadata %+v", got)
			}
			recent(t, "CreationDate", got.CreationDate)
			if !got.CreationDate.Equal(*made.CreationDate) {
				t.Errorf("created %v, described %v", made.CreationDate, got.CreationDate)
			}
			switch use {
			case types.KeyUsageTypeEncryptDecrypt:
				if len(got.EncryptionAlgorithms) == 0 || len(got.SigningAlgorithms)+len(got.MacAlgorithms) > 0 {
					t.Errorf("algorithms %v %v %v", got.EncryptionAlgorithms, got.SigningAlgorithms, got.MacAlgorithms)
				}
			case types.KeyUsageTypeSignVerify:
				if !slices.Equal(got.SigningAlgorithms, []types.SigningAlgorithmSpec{types.SigningAlgorithmSpecEcdsaSha256}) {
					t.Errorf("signing algorithms %v", got.SigningAlgorithms)
				}
			case types.KeyUsageTypeGenerateVerifyMac:
				if !slices.Equal(got.MacAlgorithms, []types.MacAlgorithmSpec{types.MacAlgorithmSpecHmacSha256}) {
					t.Errorf("MAC algorithms %v", got.MacAlgorithms)
				}
			}
			tags, err := api.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: made.KeyId})
			target.Must(t, err)
			if len(tags.Tags) != 1 || *tags.Tags[0].TagKey != "team" || *tags.Tags[0].TagValue != "payments" {
				t.Errorf("tags %v", tags.Tags)
			}
		})
	}
}

// A key is enabled, disabled, enabled, scheduled for deletion, rescued and enabled
// again; the errors on the way are those of the SDK's types.
func TestKeyLife(t *testing.T) {
	ctx, api := t.Context(), client(t)
	key := symmetric(t).KeyId
	blob := seal(t, api, key, "kept", nil)
	encrypt := func() error {
		_, err := api.Encrypt(ctx, &kms.EncryptInput{KeyId: key, Plaintext: []byte("x")})
		return err
	}
	decrypt := func() error {
		_, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
		return err
	}

	_, err := api.DisableKey(ctx, &kms.DisableKeyInput{KeyId: key})
	target.Must(t, err)
	for _, err := range []error{encrypt(), decrypt()} {
		if e := target.Refused[*types.DisabledException](t, err); !strings.Contains(e.ErrorMessage(), *key+" is disabled.") {
			t.Errorf("message %q", e.ErrorMessage())
		}
	}
	_, err = api.EnableKey(ctx, &kms.EnableKeyInput{KeyId: key})
	target.Must(t, err)
	target.Must(t, decrypt())

	_, err = api.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key, PendingWindowInDays: aws.Int32(6)})
	target.RefusedAs(t, err, "ValidationException")
	scheduled, err := api.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key, PendingWindowInDays: aws.Int32(7)})
	target.Must(t, err)
	if left := time.Until(*scheduled.DeletionDate); (left-7*24*time.Hour).Abs() > time.Minute || scheduled.KeyState != types.KeyStatePendingDeletion || *scheduled.PendingWindowInDays != 7 {
		t.Errorf("scheduled %+v, %v from now", scheduled, left)
	}
	for _, err := range []error{encrypt(), decrypt()} {
		if e := target.Refused[*types.KMSInvalidStateException](t, err); !strings.Contains(e.ErrorMessage(), "is pending deletion.") {
			t.Errorf("message %q", e.ErrorMessage())
		}
	}
	described, err := api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key})
	target.Must(t, err)
	if m := described.KeyMetadata; m.KeyState != types.KeyStatePendingDeletion || m.DeletionDate == nil || !m.DeletionDate.Equal(*scheduled.DeletionDate) {
		t.Errorf("metadata %+v", m)
	}

	_, err = api.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: key})
	target.Must(t, err)
	target.Refused[*types.DisabledException](t, decrypt())
	_, err = api.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: key})
	target.Refused[*types.KMSInvalidStateException](t, err)
	_, err = api.EnableKey(ctx, &kms.EnableKeyInput{KeyId: key})
	target.Must(t, err)
	target.Must(t, decrypt())
}

func TestKeysThatAreNot(t *testing.T) {
	ctx, api := t.Context(), client(t)
	made := symmetric(t)
	for name, id := range map[string]string{
		"id":     noSuchKey,
		"ARN":    strings.Replace(*made.Arn, *made.KeyId, noSuchKey, 1),
		"alias":  "alias/" + target.Name("none"),
		"Region": strings.Replace(*made.Arn, ":kms:"+target.Config(t).Region+":", ":kms:mars-north-1:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
			target.Refused[*types.NotFoundException](t, err)
			_, err = api.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
			target.Refused[*types.NotFoundException](t, err)
		})
	}
	// AWS tells a malformed ARN from one of nothing.
	_, err := api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("arn:aws:kms:nonsense")})
	target.Refused[*types.InvalidArnException](t, err)
}

func TestDescription(t *testing.T) {
	ctx, api := t.Context(), client(t)
	key := symmetric(t).KeyId
	_, err := api.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: key, Description: aws.String("second")})
	target.Must(t, err)
	out, err := api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key})
	target.Must(t, err)
	if *out.KeyMetadata.Description != "second" {
		t.Errorf("description %q", *out.KeyMetadata.Description)
	}
	_, err = api.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: key, Description: aws.String(strings.Repeat("x", 8193))})
	target.RefusedAs(t, err, "ValidationException")
}

func TestTags(t *testing.T) {
	ctx, api := t.Context(), client(t)
	key := symmetric(t).KeyId
	var tags []types.Tag
	var names []string
	for _, c := range "abcdefg" {
		names = append(names, string(c))
		tags = append(tags, types.Tag{TagKey: aws.String(string(c)), TagValue: aws.String("is " + string(c))})
	}
	_, err := api.TagResource(ctx, &kms.TagResourceInput{KeyId: key, Tags: tags})
	target.Must(t, err)
	_, err = api.TagResource(ctx, &kms.TagResourceInput{KeyId: key, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("")}}})
	target.Must(t, err)
	_, err = api.UntagResource(ctx, &kms.UntagResourceInput{KeyId: key, TagKeys: []string{"g", "never was"}})
	target.Must(t, err)
	all := target.Pages(t, kms.NewListResourceTagsPaginator(api, &kms.ListResourceTagsInput{KeyId: key, Limit: aws.Int32(2)}), 2,
		func(page *kms.ListResourceTagsOutput) (keys []string) {
			for _, tag := range page.Tags {
				keys = append(keys, *tag.TagKey)
			}
			return keys
		})
	if slices.Sort(all); !slices.Equal(all, names[:6]) {
		t.Errorf("tags %v", all)
	}
	_, err = api.TagResource(ctx, &kms.TagResourceInput{KeyId: key, Tags: []types.Tag{{TagKey: aws.String("aws:mine"), TagValue: aws.String("x")}}})
	target.Refused[*types.TagException](t, err)
}

func TestRotation(t *testing.T) {
	ctx, api := t.Context(), client(t)
	key := symmetric(t)
	before := seal(t, api, key.KeyId, "before", nil)
	status, err := api.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: key.KeyId})
	target.Must(t, err)
	if status.KeyRotationEnabled {
		t.Error("a new key rotates by itself")
	}
	_, err = api.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: key.KeyId, RotationPeriodInDays: aws.Int32(89)})
	target.RefusedAs(t, err, "ValidationException")
	_, err = api.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: key.KeyId, RotationPeriodInDays: aws.Int32(90)})
	target.Must(t, err)
	status, err = api.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: key.KeyId})
	target.Must(t, err)
	if !status.KeyRotationEnabled || aws.ToInt32(status.RotationPeriodInDays) != 90 || status.NextRotationDate == nil ||
		(time.Until(*status.NextRotationDate)-90*24*time.Hour).Abs() > 24*time.Hour {
		t.Errorf("status %+v", status)
	}
	for range 3 {
		out, err := api.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: key.KeyId})
		target.Must(t, err)
		if !strings.Contains(*out.KeyId, *key.KeyId) {
			t.Errorf("rotated %s", *out.KeyId)
		}
	}
	rotations := target.Pages(t, kms.NewListKeyRotationsPaginator(api, &kms.ListKeyRotationsInput{KeyId: key.KeyId, Limit: aws.Int32(1)}), 1,
		func(page *kms.ListKeyRotationsOutput) (dates []string) {
			for _, r := range page.Rotations {
				if r.RotationType != types.RotationTypeOnDemand {
					t.Errorf("rotation %+v", r)
				}
				recent(t, "RotationDate", r.RotationDate)
				dates = append(dates, r.RotationDate.String())
			}
			return dates
		})
	if len(rotations) != 3 {
		t.Errorf("rotations %v", rotations)
	}
	out, err := api.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: before})
	target.Must(t, err)
	if string(out.Plaintext) != "before" {
		t.Errorf("after rotation %q", out.Plaintext)
	}
	_, err = api.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: key.KeyId})
	target.Must(t, err)
	rsa := newKey(t, &kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify})
	_, err = api.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: rsa.KeyId})
	target.Refused[*types.UnsupportedOperationException](t, err)
}

func TestListKeys(t *testing.T) {
	api := client(t)
	var made []string
	for range 5 {
		made = append(made, *symmetric(t).KeyId)
	}
	all := target.Pages(t, kms.NewListKeysPaginator(api, &kms.ListKeysInput{Limit: aws.Int32(2)}), 2, func(page *kms.ListKeysOutput) (ids []string) {
		for _, k := range page.Keys {
			if !strings.HasSuffix(*k.KeyArn, ":key/"+*k.KeyId) {
				t.Errorf("entry %s %s", *k.KeyId, *k.KeyArn)
			}
			ids = append(ids, *k.KeyId)
		}
		return ids
	})
	target.Holds(t, all, made...)
	_, err := api.ListKeys(t.Context(), &kms.ListKeysInput{Marker: aws.String("bm90IG91cnM=")})
	target.Refused[*types.InvalidMarkerException](t, err)
	_, err = api.ListKeys(t.Context(), &kms.ListKeysInput{Limit: aws.Int32(1001)})
	target.RefusedAs(t, err, "ValidationException")
}

func TestLastUsage(t *testing.T) {
	ctx, api := t.Context(), client(t)
	key := symmetric(t).KeyId
	seal(t, api, key, "x", nil)
	out, err := api.GetKeyLastUsage(ctx, &kms.GetKeyLastUsageInput{KeyId: key})
	target.Supported(t, err)
	if out.KeyLastUsage == nil || out.KeyLastUsage.Operation != "Encrypt" {
		t.Fatalf("last usage %+v", out.KeyLastUsage)
	}
	recent(t, "Timestamp", out.KeyLastUsage.Timestamp)
}
