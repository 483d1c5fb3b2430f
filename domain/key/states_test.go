package key

import (
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
)

// TestStateTable walks every cell for every kind of key. The columns are those of
// the developer guide: Enabled, Disabled, PendingDeletion, PendingImport,
// Unavailable, Creating, Updating. "ok" works; the rest is the fault's code and a
// word of its message.
func TestStateTable(t *testing.T) {
	const (
		ok = "ok"
		d  = "DisabledException disabled"
		p  = "KMSInvalidStateException pending deletion"
		n  = "KMSInvalidStateException not pending"
		i  = "KMSInvalidStateException pending import"
		u  = "KMSInvalidStateException unavailable"
		c  = "KMSInvalidStateException created"
		up = "KMSInvalidStateException updated"
		x  = "UnsupportedOperationException EXTERNAL"
		f  = "UnsupportedOperationException rotation"
		o  = "UnsupportedOperationException origin"
	)
	always := [7]string{ok, ok, ok, ok, ok, ok, ok}
	type kinds struct{ symmetric, imported, mac [7]string }
	same := func(row [7]string) kinds { return kinds{row, row, row} }
	crypto := same([7]string{ok, d, p, i, u, c, ok})
	sign := same([7]string{ok, d, p, i, o, c, ok})
	tags := same([7]string{ok, ok, p, ok, ok, ok, ok})
	table := map[string]kinds{
		"CancelKeyDeletion": same([7]string{n, n, ok, n, n, n, n}),
		"CreateAlias":       tags, "UpdateAlias": tags,
		"CreateGrant": same([7]string{ok, d, p, i, ok, c, ok}),
		"Encrypt":     crypto, "Decrypt": crypto, "ReEncrypt": crypto, "GenerateDataKey": crypto, "GenerateDataKeyWithoutPlaintext": crypto,
		"GenerateDataKeyPair": crypto, "GenerateDataKeyPairWithoutPlaintext": crypto,
		"Sign": sign, "Verify": sign, "GenerateMac": sign, "VerifyMac": sign, "GetPublicKey": sign, "DeriveSharedSecret": sign,
		"Encapsulate": sign, "Decapsulate": sign,
		"DeleteAlias": same(always), "DescribeKey": same(always), "GetKeyPolicy": same(always), "ListAliases": same(always),
		"ListGrants": same(always), "ListKeyPolicies": same(always), "ListResourceTags": same(always), "PutKeyPolicy": same(always),
		"RetireGrant": same(always), "RevokeGrant": same(always),
		"DeleteImportedKeyMaterial": {[7]string{o, o, o, ok, o, c, up}, [7]string{ok, ok, ok, ok, o, c, up}, [7]string{o, o, o, ok, o, c, up}},
		"DisableKey":                same([7]string{ok, ok, p, i, ok, c, up}),
		"EnableKey":                 same([7]string{ok, ok, p, i, ok, c, up}),
		"EnableKeyRotation":         {[7]string{ok, d, p, x, f, c, ok}, [7]string{f, f, f, x, f, c, f}, [7]string{f, f, f, x, f, c, f}},
		"DisableKeyRotation":        {[7]string{ok, d, p, x, f, c, ok}, [7]string{f, f, f, x, f, c, f}, [7]string{f, f, f, x, f, c, f}},
		"GetKeyRotationStatus":      {[7]string{ok, ok, ok, x, f, ok, ok}, [7]string{f, f, f, x, f, f, f}, [7]string{ok, ok, ok, x, f, ok, ok}},
		"ListKeyRotations":          {[7]string{ok, ok, ok, x, f, ok, ok}, [7]string{f, f, f, x, f, f, f}, [7]string{f, f, f, x, f, f, f}},
		"RotateKeyOnDemand":         {[7]string{ok, d, p, i, f, c, up}, [7]string{f, f, f, i, f, c, up}, [7]string{f, f, f, i, f, c, up}},
		"GetParametersForImport":    {[7]string{o, o, o, ok, o, c, up}, [7]string{ok, ok, p, ok, o, c, up}, [7]string{o, o, o, ok, o, c, up}},
		"ImportKeyMaterial":         {[7]string{o, o, o, ok, o, c, ok}, [7]string{ok, ok, p, ok, o, c, ok}, [7]string{o, o, o, ok, o, c, ok}},
		"ReplicateKey":              same([7]string{ok, d, p, i, o, c, up}),
		"ScheduleKeyDeletion":       same([7]string{ok, ok, p, ok, ok, ok, up}),
		"TagResource":               tags, "UntagResource": tags, "UpdateKeyDescription": tags,
		"UpdatePrimaryRegion": same([7]string{ok, d, p, i, o, c, ok}),
	}
	if len(rowOf) != len(table) {
		t.Errorf("the state table has %d operations, the test %d", len(rowOf), len(table))
	}
	for operation, want := range table {
		if rowOf[operation] == nil {
			t.Errorf("%s is not in the state table", operation)
			continue
		}
		for kind, row := range map[*Key][7]string{
			{Spec: SymmetricDefault, Origin: OriginKMS}:      want.symmetric,
			{Spec: SymmetricDefault, Origin: OriginExternal}: want.imported,
			{Spec: HMAC256, Origin: OriginKMS}:               want.mac,
		} {
			for column, state := range stateColumns {
				k := *kind
				k.ARN, k.State, k.deletion = "arn:aws:kms:eu:1:key/k", state, time.Unix(100, 0)
				expect(t, operation+" of "+k.Spec+"/"+k.Origin+" in "+string(state), k.Permits(operation, time.Unix(99, 0)), row[column])
			}
		}
	}
}

func expect(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "ok" {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	code, word, _ := strings.Cut(want, " ")
	if !fault.Is(err, fault.Code(code)) || !strings.Contains(err.Error(), word) {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func TestAKeyPastItsDateIsGoneForEveryOperation(t *testing.T) {
	k := &Key{ARN: "arn", State: PendingDeletion, deletion: time.Unix(100, 0)}
	for operation := range rowOf {
		if err := k.Permits(operation, time.Unix(100, 0)); !fault.Is(err, fault.NotFoundException) {
			t.Errorf("%s: %v", operation, err)
		}
	}
}
