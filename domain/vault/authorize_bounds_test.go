package vault_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestRecordsAreBounded: however much decides a call, its record fits into a commit
// with many others, and names what decided of each kind.
func TestRecordsAreBounded(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	many := v.User("many")
	const each = `{"Effect":"Allow","Action":"*","Resource":"*"},`
	document := func(more string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Repeat(each, 6000/len(each)) + more + `]}`
	}
	plain := `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`
	longSid := fmt.Sprintf(`{"Sid":"%0300d","Effect":"Allow","Action":"kms:*","Principal":{"AWS":"%s"},"Resource":"*"}`, 1, vaulttest.Account)
	key := admin.Call("kms:CreateKey", m{"Policy": `{"Version":"2012-10-17","Statement":` + longSid + `}`}).OK()["KeyMetadata"].(m)["Arn"].(string)
	attach := func(name, document string) {
		arn := admin.Call("iam:CreatePolicy", m{"PolicyName": name, "PolicyDocument": document}).OK()["Policy"].(m)["Arn"]
		admin.Call("iam:AttachUserPolicy", m{"UserName": "many", "PolicyArn": arn}).OK()
	}
	for i := range 10 {
		attach(fmt.Sprintf("p%0120d", i), document(plain))
	}
	for range 40 {
		admin.Call("kms:CreateGrant", m{"KeyId": key, "GranteePrincipal": many.ARN, "Operations": []string{"DescribeKey"}}).OK()
	}
	const most = 8 << 10
	o := many.Call("kms:DescribeKey", m{"KeyId": key})
	o.OK()
	check := o.Record().Decision.Checks[0]
	if size := len(o.Line()); size > most || check.More < 1000 {
		t.Errorf("a record of %d bytes, %d left out", size, check.More)
	}
	for _, kind := range []string{"policy/", "key-policy#0:", "grant/"} {
		if !slices.ContainsFunc(check.By, func(by string) bool { return strings.HasPrefix(by, kind) }) {
			t.Errorf("no %s in %q", kind, check.By)
		}
	}
	told := admin.Call("keytrail:ExplainRequest", m{"RequestId": o.Record().Request}).OK()["Records"].([]any)[0].(m)["Checks"].([]any)[0].(m)
	if told["More"] != float64(check.More) || told["Note"] != nil {
		t.Errorf("explained with %v more, note %v; want %d", told["More"], told["Note"], check.More)
	}

	// A denial names who denies, also behind thousands that allow.
	attach("deny", document(`{"Sid":"No","Effect":"Deny","Action":"kms:DescribeKey","Resource":"*"}`))
	o = many.Call("kms:DescribeKey", m{"KeyId": key})
	o.Fails(fault.AccessDeniedException, "with an explicit deny")
	if by := o.Record().Decision.Checks[0].By; len(o.Line()) > most || !slices.ContainsFunc(by, func(by string) bool { return strings.HasSuffix(by, ":No") }) {
		t.Errorf("%d bytes, by %q", len(o.Line()), by)
	}
}

// TestDenialsKeepSoMuchOfTheRequest: condition keys in many spellings are one value
// each.
func TestDenialsKeepSoMuchOfTheRequest(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	role := v.Role("r")
	admin.Call("iam:TagRole", m{"RoleName": "r", "Tags": []m{{"Key": "department", "Value": strings.Repeat("x", 250)}}}).OK()
	for i := range 200 { // spellings of one key
		name := []byte("department")
		for bit := range 8 {
			if i>>bit&1 == 1 {
				name[bit] -= 'a' - 'A'
			}
		}
		role.Allow(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/` + string(name) + `":"y"}}}}`)
	}
	o := role.Call("kms:ListKeys", nil)
	o.Fails(fault.AccessDeniedException, "")
	if size, noted := len(o.Line()), len(o.Record().Decision.Checks[0].Context); size > 24<<10 || noted < 20 {
		t.Errorf("a record of %d bytes with %d keys", size, noted)
	}
}
