package vault_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestWhoCanIsBounded: however much the principals' policies say, no answer takes
// long, and page by page everybody is there.
func TestWhoCanIsBounded(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	const each = `{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"},`
	document := `{"Version":"2012-10-17","Statement":[` + strings.TrimSuffix(strings.Repeat(each, 6000/len(each)), ",") + `]}`
	var policies []string
	for i := range 20 {
		policies = append(policies, admin.Call("iam:CreatePolicy", m{"PolicyName": fmt.Sprint("p", i), "PolicyDocument": document}).OK()["Policy"].(m)["Arn"].(string))
	}
	const users = 150
	for i := range users {
		name := fmt.Sprintf("u%03d", i)
		v.User(name)
		for _, p := range policies {
			admin.Call("iam:AttachUserPolicy", m{"UserName": name, "PolicyArn": p}).OK()
		}
	}
	admin.Call("secretsmanager:CreateSecret", m{"Name": "s", "SecretString": "x"}).OK()
	in, found, pages := m{"Action": "secretsmanager:GetSecretValue", "Resource": "s"}, map[string]bool{}, 0
	for more := true; more; pages++ {
		began := time.Now()
		out := admin.Call("keytrail:WhoCan", in).OK()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a page took %s", took)
		}
		for _, p := range out["Principals"].([]any) {
			found[p.(m)["Principal"].(string)] = true
		}
		in["NextToken"], more = out["NextToken"], out["NextToken"] != nil
	}
	if len(found) != users+2 || pages < 3 { // and the administrator and the root
		t.Errorf("%d principals on %d pages", len(found), pages)
	}
}
