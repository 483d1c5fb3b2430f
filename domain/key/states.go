package key

import (
	"time"

	"github.com/keytrail/keytrail/domain/fault"
)

// A cell of the state table: whether an operation works on a key in a state, or
// how it is refused. The conditional cells depend on what kind of key it is.
type cell uint8

const (
	works        cell = iota
	disabled          // DisabledException: the key is disabled
	pending           // KMSInvalidStateException: the key is pending deletion
	notPending        // KMSInvalidStateException: the key is not pending deletion
	importing         // KMSInvalidStateException: the key waits for its material
	external          // UnsupportedOperationException: material is EXTERNAL
	unavailable       // KMSInvalidStateException: the key store is not connected
	creating          // KMSInvalidStateException: the key is being made
	updating          // KMSInvalidStateException: the key is being updated
	unsupported       // UnsupportedOperationException: there is no such key
	ifRotates         // works on keys that rotate
	ifMade            // works on keys whose material was made here, of any spec
	ifImports         // works on keys with imported material
	disabledOrOf      // disabled, for keys that rotate
	pendingOrOf       // pending, for keys that rotate
	pendingIfImp      // pending, for keys with imported material
	fixed             // UnsupportedOperationException: this kind of key does not rotate
)

// stateColumns is the order of the columns in stateTable.
var stateColumns = [...]State{Enabled, Disabled, PendingDeletion, PendingImport, Unavailable, Creating, Updating}

type stateRow struct {
	operations []string
	cells      [len(stateColumns)]cell
}

// stateTable is the key-state table of the KMS developer guide. Where the guide
// leaves DisabledException or KMSInvalidStateException open for a key that is
// pending deletion, it is KMSInvalidStateException, which says what is the case.
var stateTable = []stateRow{
	{[]string{"CancelKeyDeletion"},
		[...]cell{notPending, notPending, works, notPending, notPending, notPending, notPending}},
	{[]string{"CreateAlias"},
		[...]cell{works, works, pending, works, works, works, works}},
	{[]string{"CreateGrant"},
		[...]cell{works, disabled, pending, importing, works, creating, works}},
	{[]string{"Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
		"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "ReEncrypt"},
		[...]cell{works, disabled, pending, importing, unavailable, creating, works}},
	{[]string{"Sign", "Verify", "GenerateMac", "VerifyMac", "GetPublicKey", "DeriveSharedSecret",
		"Encapsulate", "Decapsulate"},
		[...]cell{works, disabled, pending, importing, unsupported, creating, works}},
	{[]string{"DeleteAlias", "DescribeKey", "GetKeyPolicy", "ListAliases", "ListGrants", "ListKeyPolicies",
		"ListResourceTags", "PutKeyPolicy", "RetireGrant", "RevokeGrant"},
		[...]cell{works, works, works, works, works, works, works}},
	{[]string{"DeleteImportedKeyMaterial"},
		[...]cell{ifImports, ifImports, ifImports, works, unsupported, creating, updating}},
	{[]string{"DisableKey", "EnableKey"},
		[...]cell{works, works, pending, importing, works, creating, updating}},
	{[]string{"EnableKeyRotation", "DisableKeyRotation"},
		[...]cell{ifRotates, disabledOrOf, pendingOrOf, external, fixed, creating, ifRotates}},
	// The status of a key that never rotates is false, not an error.
	{[]string{"GetKeyRotationStatus"},
		[...]cell{ifMade, ifMade, ifMade, external, fixed, ifMade, ifMade}},
	{[]string{"ListKeyRotations"},
		[...]cell{ifRotates, ifRotates, ifRotates, external, fixed, ifRotates, ifRotates}},
	{[]string{"RotateKeyOnDemand"},
		[...]cell{ifRotates, disabledOrOf, pendingOrOf, importing, fixed, creating, updating}},
	{[]string{"GetParametersForImport"},
		[...]cell{ifImports, ifImports, pendingIfImp, works, unsupported, creating, updating}},
	{[]string{"ImportKeyMaterial"},
		[...]cell{ifImports, ifImports, pendingIfImp, works, unsupported, creating, works}},
	{[]string{"ReplicateKey"},
		[...]cell{works, disabled, pending, importing, unsupported, creating, updating}},
	{[]string{"ScheduleKeyDeletion"},
		[...]cell{works, works, pending, works, works, works, updating}},
	{[]string{"TagResource", "UntagResource", "UpdateKeyDescription"},
		[...]cell{works, works, pending, works, works, works, works}},
	// UpdateAlias is about the key that the alias moves to. The key it leaves may
	// be in any state.
	{[]string{"UpdateAlias"},
		[...]cell{works, works, pending, works, works, works, works}},
	{[]string{"UpdatePrimaryRegion"},
		[...]cell{works, disabled, pending, importing, unsupported, creating, works}},
}

var rowOf = func() map[string]*[len(stateColumns)]cell {
	rows := make(map[string]*[len(stateColumns)]cell)
	for i := range stateTable {
		for _, op := range stateTable[i].operations {
			rows[op] = &stateTable[i].cells
		}
	}
	return rows
}()

// Permits tells whether the operation works on the key in its present state. The
// error is the fault that AWS gives: DisabledException, KMSInvalidStateException
// or UnsupportedOperationException; NotFoundException for a key whose deletion
// window has ended at now. Operations outside the table do not depend on the
// state.
func (k *Key) Permits(operation string, now time.Time) error {
	if k.Gone(now) {
		return NotFound(k.ARN)
	}
	cells := rowOf[operation]
	if cells == nil {
		return nil
	}
	for i, s := range stateColumns {
		if s == k.StateAt(now) {
			return k.refusal(cells[i])
		}
	}
	return fault.New(fault.KMSInternalException, "%s is in an unknown state.", k.ARN)
}

// rotates reports whether the key is of the kind whose material is replaced.
func (k *Key) rotates() bool { return k.Spec == SymmetricDefault && k.Origin == OriginKMS }

func (k *Key) refusal(c cell) error {
	switch c {
	case ifRotates, disabledOrOf, pendingOrOf:
		c = choose(k.rotates(), map[cell]cell{ifRotates: works, disabledOrOf: disabled, pendingOrOf: pending}[c], fixed)
	case ifMade:
		c = choose(k.Origin == OriginKMS, works, fixed)
	case ifImports, pendingIfImp:
		c = choose(k.Origin == OriginExternal, map[cell]cell{ifImports: works, pendingIfImp: pending}[c], unsupported)
	}
	switch c {
	case works:
		return nil
	case disabled:
		return fault.New(fault.DisabledException, "%s is disabled.", k.ARN)
	case pending:
		return fault.New(fault.KMSInvalidStateException, "%s is pending deletion.", k.ARN)
	case notPending:
		return fault.New(fault.KMSInvalidStateException, "%s is not pending deletion.", k.ARN)
	case importing:
		return fault.New(fault.KMSInvalidStateException, "%s is pending import.", k.ARN)
	case unavailable:
		return fault.New(fault.KMSInvalidStateException, "%s is unavailable.", k.ARN)
	case creating:
		return fault.New(fault.KMSInvalidStateException, "%s is being created.", k.ARN)
	case updating:
		return fault.New(fault.KMSInvalidStateException, "%s is being updated.", k.ARN)
	case external:
		return fault.New(fault.UnsupportedOperationException, "%s origin is EXTERNAL which is not valid for this operation.", k.ARN)
	case fixed:
		return fault.New(fault.UnsupportedOperationException, "%s does not support key rotation: it needs a symmetric encryption key with origin AWS_KMS.", k.ARN)
	}
	return fault.New(fault.UnsupportedOperationException, "%s origin is %s which is not valid for this operation.", k.ARN, k.Origin)
}

func choose(ok bool, yes, no cell) cell {
	if ok {
		return yes
	}
	return no
}

// NotFound is the fault for a key that does not exist.
func NotFound(arn string) error {
	return fault.New(fault.NotFoundException, "Key '%s' does not exist", arn)
}
