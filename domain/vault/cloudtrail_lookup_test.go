package vault_test

import (
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestLookupAttributesAreBounded: the view is not even asked.
func TestLookupAttributesAreBounded(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	var attributes []m
	for range 10 {
		attributes = append(attributes, m{"AttributeKey": "Username", "AttributeValue": "x"})
	}
	in := m{"LookupAttributes": attributes}
	admin.Call("cloudtrail:LookupEvents", in).Fails(fault.ServiceUnavailable, "") // there is no view here
	in["LookupAttributes"] = append(attributes, attributes[0])
	admin.Call("cloudtrail:LookupEvents", in).Fails(fault.InvalidLookupAttributesException, "11 lookup attributes")
	body := []byte(`{"LookupAttributes":[`)
	for range 11 {
		body = append(body, `{"AttributeKey":"Username","AttributeValue":"x"},`...)
	}
	body = append(body[:len(body)-1], `]}`...)
	req := &vault.Request{Service: "cloudtrail", Operation: "LookupEvents", Credential: admin.Credential, Body: body}
	if _, ok := vault.NeedsTrail(v.State, req, &v.Env); ok {
		t.Error("the view is asked")
	}
}
