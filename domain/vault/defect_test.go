package vault_test

import (
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

type brokenEntropy struct{}

func (brokenEntropy) Read([]byte) (int, error) { panic("the dice are on the floor") }

// TestPanicIsAFailureOfItsCall: a defect of ours that a request meets fails that
// request, on the record, and tells its caller nothing. Where it may have left half a
// change in the state, the state is given up.
func TestPanicIsAFailureOfItsCall(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	entropy := v.Env.Entropy
	v.Env.Entropy = brokenEntropy{}
	o := admin.Call("kms:GenerateRandom", m{"NumberOfBytes": 32})
	o.Fails(fault.InternalFailure, "unknown error")
	if strings.Contains(o.Line(), "dice") || strings.Contains(o.Reply.Fault.Message, "dice") {
		t.Errorf("the cause is shown: %s", o.Line())
	}
	if cause := o.Decision.Defect(); cause == nil || !strings.Contains(cause.Error(), "the dice are on the floor") || !strings.Contains(cause.Error(), "kms_") {
		t.Errorf("who runs the vault is told %v", cause)
	}
	d := vault.Handle(v.State, &vault.Request{ID: "r", Service: "kms", Operation: "CreateKey", Credential: admin.Credential}, &v.Env)
	if d.Broken == nil || d.Release(vault.Receipt{}).Body != nil {
		t.Error("a change that panicked is not given up")
	}
	v.Env.Entropy = entropy
	admin.Call("kms:GenerateRandom", m{"NumberOfBytes": 32}).OK()
	if admin.Call("kms:DescribeKey", m{"KeyId": "alias/none"}).Decision.Defect() != nil {
		t.Error("a caller's own fault is none of the vault")
	}
}
