package vault_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestSimulationsAreBounded: however long the policies, no answer takes long, and page
// by page the answers are all there.
func TestSimulationsAreBounded(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	const each = `{"Effect":"Allow","Action":"kms:*a*b*c*d*","Resource":"*"},`
	document := `{"Version":"2012-10-17","Statement":[` + strings.Repeat(each, 100_000/len(each)) + `{"Effect":"Allow","Action":"kms:action7","Resource":"*"}]}`
	in := m{"PolicyInputList": []string{document, document, document, document, document, document}, "MaxItems": 1000}
	var actions []string
	for i := range 60 {
		actions = append(actions, fmt.Sprintf("kms:action%d", i))
	}
	in["ActionNames"] = actions
	var got []string
	pages := 0
	for more := true; more; pages++ {
		began := time.Now()
		out := admin.Call("iam:SimulateCustomPolicy", in).OK()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a page took %s", took)
		}
		for _, r := range out["EvaluationResults"].([]any) {
			r := r.(m)
			got = append(got, r["EvalActionName"].(string))
			if (r["EvalDecision"] == "allowed") != (r["EvalActionName"] == "kms:action7") {
				t.Errorf("%v is %v", r["EvalActionName"], r["EvalDecision"])
			}
		}
		more, _ = out["IsTruncated"].(bool)
		in["Marker"] = out["Marker"]
	}
	if pages < 3 || strings.Join(got, " ") != strings.Join(actions, " ") {
		t.Errorf("%d pages: %q", pages, got)
	}
}
