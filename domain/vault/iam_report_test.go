package vault_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

type usedBy struct {
	vault.Accesses
	key  string
	last vault.CredentialUse
}

func (u usedBy) AccessKey(id string) (vault.CredentialUse, bool) { return u.last, id == u.key }

func TestCredentialReport(t *testing.T) {
	v, admin := iamVault(t)
	admin.Call("iam:CreateUser", m{"UserName": "bare", "Path": "/ops/"}).OK()
	admin.Call("iam:CreateUser", m{"UserName": "zoe"}).OK()
	used := admin.Call("iam:CreateAccessKey", m{"UserName": "zoe"}).OK()["AccessKey"].(m)["AccessKeyId"].(string)
	v.Wait(time.Hour)
	idle := admin.Call("iam:CreateAccessKey", m{"UserName": "zoe"}).OK()["AccessKey"].(m)["AccessKeyId"].(string)
	admin.Call("iam:UpdateAccessKey", m{"UserName": "zoe", "AccessKeyId": idle, "Status": "Inactive"}).OK()
	v.Accesses = func() vault.Accesses {
		return usedBy{vault.NoAccesses, used, vault.CredentialUse{Service: "kms", At: v.Env.Now}}
	}
	if got := admin.Call("iam:GenerateCredentialReport", nil).OK()["State"]; got != "COMPLETE" {
		t.Errorf("state %v", got)
	}
	out := admin.Call("iam:GetCredentialReport", nil).OK()
	text, err := base64.StdEncoding.DecodeString(out["Content"].(string))
	if err != nil || out["ReportFormat"] != "text/csv" {
		t.Fatalf("answered %v, %v", out, err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	none := "false,N/A,N/A,N/A,N/A"
	want := []string{
		"<root_account>,arn:aws:iam::111122223333:root,2026-11-23T18:00:00+00:00,not_supported,N/A,not_supported,not_supported,false," + none + "," + none + ",false,N/A,false,N/A",
		"bare,arn:aws:iam::111122223333:user/ops/bare,2026-11-23T18:00:00+00:00,false,N/A,N/A,N/A,false," + none + "," + none + ",false,N/A,false,N/A",
		"zoe,arn:aws:iam::111122223333:user/zoe,2026-11-23T18:00:00+00:00,false,N/A,N/A,N/A,false," +
			"true,2026-11-23T18:00:00+00:00,2026-11-23T19:00:00+00:00,us-east-1,kms,false,2026-11-23T19:00:00+00:00,N/A,N/A,N/A,false,N/A,false,N/A",
	}
	if n := strings.Count(lines[0], ","); n != 21 || !strings.HasPrefix(lines[0], "user,arn,user_creation_time,password_enabled,") {
		t.Errorf("header %s", lines[0])
	}
	for _, line := range want {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("the report lacks\n%s\nin\n%s", line, text)
		}
	}
	v.User("nobody").Call("iam:GetCredentialReport", nil).Fails(fault.AccessDenied, "iam:GetCredentialReport")
	if len(lines) != 5 {
		t.Errorf("%d lines", len(lines))
	}
}
