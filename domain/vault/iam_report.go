package vault

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"time"

	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	defineIAM("GenerateCredentialReport", use, iamGenerateCredentialReport)
	defineIAM("GetCredentialReport", use, iamGetCredentialReport)
	asksAccesses("iam", "GetCredentialReport")
}

type generateReportOutput struct{ State string }

// iamGenerateCredentialReport has nothing to wait for: the report is made when it is
// asked for.
func iamGenerateCredentialReport(c *call, _ *struct{}) (*generateReportOutput, error) {
	if err := c.authorize("iam:GenerateCredentialReport", plain("*")); err != nil {
		return nil, err
	}
	return &generateReportOutput{State: "COMPLETE"}, nil
}

type credentialReportOutput struct {
	Content       []byte
	ReportFormat  string
	GeneratedTime shape.Timestamp
}

var reportHeader = []string{
	"user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed", "password_next_rotation", "mfa_active",
	"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
	"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region", "access_key_2_last_used_service",
	"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
}

// iamGetCredentialReport lists the root and every user with the age and the last use
// of their access keys. Nobody has a password, a device or a certificate.
func iamGetCredentialReport(c *call, _ *struct{}) (*credentialReportOutput, error) {
	if err := c.authorize("iam:GetCredentialReport", plain("*")); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(reportHeader) // a Buffer takes everything
	a := c.home()
	row := func(name, arn string, created time.Time, password, changed string, keys []*identity.AccessKey) {
		cells := []string{name, arn, reportTime(created), password, "N/A", changed, changed, "false"}
		for i := range identity.MaxAccessKeys {
			var k *identity.AccessKey
			if i < len(keys) {
				k = keys[i]
			}
			cells = append(cells, c.reportKey(k)...)
		}
		_ = w.Write(append(cells, "false", "N/A", "false", "N/A"))
	}
	row("<root_account>", a.RootARN(), a.Created, "not_supported", "not_supported", a.RootKeys())
	for u := range a.Users.After("") {
		row(u.Name, u.ARN, u.Created, "false", "N/A", u.AccessKeys())
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("write the credential report: %w", err)
	}
	return &credentialReportOutput{Content: b.Bytes(), ReportFormat: "text/csv", GeneratedTime: shape.At(c.now())}, nil
}

// reportKey is the five cells of an access key, or of none.
func (c *call) reportKey(k *identity.AccessKey) []string {
	if k == nil {
		return []string{"false", "N/A", "N/A", "N/A", "N/A"}
	}
	cells := []string{strconv.FormatBool(k.Active), reportTime(k.Created), "N/A", "N/A", "N/A"}
	if last, ok := c.accesses().AccessKey(k.ID); ok {
		cells[2], cells[3], cells[4] = reportTime(last.At), c.calledRegion(last.Service), last.Service
	}
	return cells
}

func reportTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }
