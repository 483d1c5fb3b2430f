package vault_test

import (
	"fmt"
	"testing"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestAbsentThingsAreListed: what clients ask about a user or a role before they
// delete it has an answer, and it is empty.
func TestAbsentThingsAreListed(t *testing.T) {
	v, admin := iamVault(t)
	v.User("u")
	v.Role("r")
	for _, tc := range []struct {
		op   string
		in   m
		want string
	}{
		{"ListMFADevices", m{"UserName": "u"}, "map[IsTruncated:false MFADevices:[]]"},
		{"ListMFADevices", m{}, "map[IsTruncated:false MFADevices:[]]"},
		{"ListSigningCertificates", m{"UserName": "u"}, "map[Certificates:[] IsTruncated:false]"},
		{"ListSSHPublicKeys", m{"UserName": "u"}, "map[IsTruncated:false SSHPublicKeys:[]]"},
		{"ListServiceSpecificCredentials", m{"UserName": "u", "ServiceName": "codecommit.amazonaws.com"}, "map[IsTruncated:false ServiceSpecificCredentials:[]]"},
		{"ListServiceSpecificCredentials", m{"AllUsers": true}, "map[IsTruncated:false ServiceSpecificCredentials:[]]"},
		{"ListInstanceProfilesForRole", m{"RoleName": "r"}, "map[InstanceProfiles:[] IsTruncated:false]"},
		{"ListInstanceProfiles", m{}, "map[InstanceProfiles:[] IsTruncated:false]"},
		{"ListVirtualMFADevices", m{"AssignmentStatus": "Any"}, "map[IsTruncated:false VirtualMFADevices:[]]"},
		{"ListServerCertificates", m{}, "map[IsTruncated:false ServerCertificateMetadataList:[]]"},
		{"ListSAMLProviders", m{}, "map[SAMLProviderList:[]]"},
		{"ListOpenIDConnectProviders", m{}, "map[OpenIDConnectProviderList:[]]"},
	} {
		if got := fmt.Sprint(admin.Call("iam:"+tc.op, tc.in).OK()); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.op, got, tc.want)
		}
	}
	for _, tc := range []struct {
		op   string
		in   m
		text string
	}{
		{"GetLoginProfile", m{"UserName": "u"}, "Login Profile for User u cannot be found."},
		{"DeleteLoginProfile", m{"UserName": "u"}, "Login Profile for User u cannot be found."},
		{"DeleteLoginProfile", m{"UserName": "none"}, "The user with name none cannot be found."},
		{"ListMFADevices", m{"UserName": "none"}, "The user with name none cannot be found."},
		{"ListInstanceProfilesForRole", m{"RoleName": "none"}, "The role with name none cannot be found."},
		{"GetInstanceProfile", m{"InstanceProfileName": "p"}, "Instance Profile p cannot be found."},
		{"GetAccountPasswordPolicy", nil, "The Password Policy with domain name 111122223333 cannot be found."},
		{"DeleteAccountPasswordPolicy", nil, "The account policy with name PasswordPolicy cannot be found."},
	} {
		admin.Call("iam:"+tc.op, tc.in).Fails(fault.NoSuchEntity, tc.text)
	}
	u := v.User("nobody")
	u.Call("iam:ListMFADevices", m{}).Fails(fault.AccessDenied, "iam:ListMFADevices on resource: "+u.ARN)
	u.Call("iam:ListServiceSpecificCredentials", m{"AllUsers": true}).Fails(fault.AccessDenied, "iam:ListServiceSpecificCredentials")
	v.Role("s", vaulttest.Allow("iam:*")).Call("iam:GetLoginProfile", nil).Fails(fault.ValidationError, "Must specify userName")
}

func TestUpdateRoleDescription(t *testing.T) {
	v, admin := iamVault(t)
	admin.Call("iam:CreateRole", m{"RoleName": "R", "MaxSessionDuration": 7200, "AssumeRolePolicyDocument": trust("*")}).OK()
	o := admin.Call("iam:UpdateRoleDescription", m{"RoleName": "R", "Description": "d"})
	if got := o.OK()["Role"].(m); got["Description"] != "d" || got["MaxSessionDuration"] != nil {
		t.Errorf("updated %v", got)
	}
	if events(o) != "RoleSettingsChanged" {
		t.Errorf("events %s", events(o))
	}
	v.Rebuild()
	if got := admin.Call("iam:GetRole", m{"RoleName": "R"}).OK()["Role"].(m); got["Description"] != "d" || got["MaxSessionDuration"] != 7200.0 {
		t.Errorf("got %v", got)
	}
	admin.Call("iam:UpdateRoleDescription", m{"RoleName": "R"}).Fails(fault.ValidationError, "'description'")
}

func TestDecodeAuthorizationMessage(t *testing.T) {
	v, admin := iamVault(t)
	admin.Call("sts:DecodeAuthorizationMessage", m{"EncodedMessage": "x"}).Fails(fault.InvalidAuthorization, "Message is not valid")
	v.User("u").Call("sts:DecodeAuthorizationMessage", m{"EncodedMessage": "x"}).Fails(fault.AccessDenied, "sts:DecodeAuthorizationMessage")
}
