package audit

import (
	"context"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// OpenSmall is Open of a view whose blocks are full with some 1,000 records, so that
// a test's log has many.
func OpenSmall(ctx context.Context, path string, log eventstore.Log) (*View, error) {
	v, err := Open(ctx, path, log)
	if err == nil {
		v.full = 1000
	}
	return v, err
}

// EventID is eventID, for tests from outside.
var EventID = eventID

// vaultQuery asks for something of every kind.
var vaultQuery = vault.TrailQuery{Account: "111122223333", From: 1<<63 - 1, Through: 1<<63 - 1, Where: []vault.TrailCondition{
	{Field: vault.TrailEventName, Value: "Decrypt"}, {Field: vault.TrailPrincipal, Value: "AIDA1"}, {Field: vault.TrailKey, Value: "1"},
	{Field: vault.TrailErrorCode, Value: vault.AnyError}, {Field: vault.TrailSourceAddress, Value: "192.0.2.1"},
}}

// wantTerm is the term of one text, as databases hold it.
const wantTerm = 0x132298b5b6f4173c
