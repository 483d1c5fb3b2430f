package vault

import (
	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/fault"
)

// What users, roles and accounts have on AWS and never have here: passwords, devices
// of multi-factor authentication, certificates, SSH keys, instance profiles, identity
// providers. Clients ask for them before they delete a user or a role, and audits go
// through them all: the true answer is that there are none.

func init() {
	defineIAM("ListMFADevices", use, func(c *call, in *optionalUserPage) (*noMFADevices, error) {
		return none(&noMFADevices{MFADevices: []struct{}{}}, c.ofUser("iam:ListMFADevices", in.UserName))
	})
	defineIAM("ListSigningCertificates", use, func(c *call, in *optionalUserPage) (*noCertificates, error) {
		return none(&noCertificates{Certificates: []struct{}{}}, c.ofUser("iam:ListSigningCertificates", in.UserName))
	})
	defineIAM("ListSSHPublicKeys", use, func(c *call, in *shortUserPage) (*noSSHPublicKeys, error) {
		return none(&noSSHPublicKeys{SSHPublicKeys: []struct{}{}}, c.ofUser("iam:ListSSHPublicKeys", in.UserName))
	})
	defineIAM("ListServiceSpecificCredentials", use, iamListServiceSpecificCredentials)
	defineIAM("GetLoginProfile", use, func(c *call, in *loginProfileInput) (*struct{}, error) {
		return nil, c.noLoginProfile("iam:GetLoginProfile", in.UserName)
	})
	defineIAM("DeleteLoginProfile", change, func(c *call, in *loginProfileInput) (*struct{}, error) {
		return nil, c.noLoginProfile("iam:DeleteLoginProfile", in.UserName)
	})

	defineIAM("ListInstanceProfilesForRole", use, func(c *call, in *rolePageInput) (*noInstanceProfiles, error) {
		_, err := c.onIAMRole("iam:ListInstanceProfilesForRole", in.RoleName)
		return none(&noInstanceProfiles{InstanceProfiles: []struct{}{}}, err)
	})
	defineIAM("ListInstanceProfiles", use, func(c *call, in *pathPageInput) (*noInstanceProfiles, error) {
		return none(&noInstanceProfiles{InstanceProfiles: []struct{}{}}, c.authorize("iam:ListInstanceProfiles", c.listed("instance-profile", in.PathPrefix)))
	})
	defineIAM("GetInstanceProfile", use, iamGetInstanceProfile)

	defineIAM("ListVirtualMFADevices", use, func(c *call, in *virtualDevicesInput) (*noVirtualMFADevices, error) {
		return none(&noVirtualMFADevices{VirtualMFADevices: []struct{}{}}, c.authorize("iam:ListVirtualMFADevices", c.listed("mfa", "")))
	})
	defineIAM("ListServerCertificates", use, func(c *call, in *pathPageInput) (*noServerCertificates, error) {
		return none(&noServerCertificates{ServerCertificateMetadataList: []struct{}{}}, c.authorize("iam:ListServerCertificates", c.listed("server-certificate", in.PathPrefix)))
	})
	defineIAM("ListSAMLProviders", use, func(c *call, _ *struct{}) (*noSAMLProviders, error) {
		return none(&noSAMLProviders{[]struct{}{}}, c.authorize("iam:ListSAMLProviders", c.listed("saml-provider", "")))
	})
	defineIAM("ListOpenIDConnectProviders", use, func(c *call, _ *struct{}) (*noOpenIDProviders, error) {
		return none(&noOpenIDProviders{[]struct{}{}}, c.authorize("iam:ListOpenIDConnectProviders", c.listed("oidc-provider", "")))
	})
	defineIAM("GetAccountPasswordPolicy", use, func(c *call, _ *struct{}) (*struct{}, error) {
		if err := c.authorize("iam:GetAccountPasswordPolicy", plain("*")); err != nil {
			return nil, err
		}
		return nil, fault.New(fault.NoSuchEntity, "The Password Policy with domain name %s cannot be found.", c.account)
	})
	defineIAM("DeleteAccountPasswordPolicy", change, func(c *call, _ *struct{}) (*struct{}, error) {
		if err := c.authorize("iam:DeleteAccountPasswordPolicy", plain("*")); err != nil {
			return nil, err
		}
		return nil, fault.New(fault.NoSuchEntity, "The account policy with name PasswordPolicy cannot be found.")
	})
}

type (
	noMFADevices struct {
		MFADevices []struct{}
		iamMore
	}
	noCertificates struct {
		Certificates []struct{}
		iamMore
	}
	noSSHPublicKeys struct {
		SSHPublicKeys []struct{}
		iamMore
	}
	noServiceCredentials struct {
		ServiceSpecificCredentials []struct{}
		iamMore
	}
	noInstanceProfiles struct {
		InstanceProfiles []struct{}
		iamMore
	}
	noVirtualMFADevices struct {
		VirtualMFADevices []struct{}
		iamMore
	}
	noServerCertificates struct {
		ServerCertificateMetadataList []struct{}
		iamMore
	}
	noSAMLProviders   struct{ SAMLProviderList []struct{} }
	noOpenIDProviders struct{ OpenIDConnectProviderList []struct{} }
)

// none is the empty list, for whoever may ask.
func none[Out any](empty *Out, err error) (*Out, error) {
	if err != nil {
		return nil, err
	}
	return empty, nil
}

// optionalUserPage is about the caller where it names no user.
type optionalUserPage struct {
	UserName string `json:"UserName" aws:"min=1,max=128,pattern=[\\w+=,.@-]+"`
	Marker   string `json:"Marker" aws:"min=1,max=320"`
	MaxItems int    `json:"MaxItems" aws:"min=1,max=1000"`
}

type shortUserPage struct {
	UserName string `json:"UserName" aws:"min=1,max=64,pattern=[\\w+=,.@-]+"`
	Marker   string `json:"Marker" aws:"min=1,max=320"`
	MaxItems int    `json:"MaxItems" aws:"min=1,max=1000"`
}

// ofUser judges an action on the user that a request names or else on the caller,
// the account's root included.
func (c *call) ofUser(action, given string) error {
	name, isUser, err := c.callerName(given)
	if err != nil {
		return err
	}
	if !isUser {
		return c.judge(action, plain(c.home().RootARN()), nil)
	}
	_, err = c.onUser(action, name)
	return err
}

type serviceCredentialsInput struct {
	UserName    string `json:"UserName" aws:"min=1,max=64,pattern=[\\w+=,.@-]+"`
	ServiceName string `json:"ServiceName"`
	AllUsers    bool   `json:"AllUsers"`
	Marker      string `json:"Marker" aws:"min=1,max=320"`
	MaxItems    int    `json:"MaxItems" aws:"min=1,max=1000"`
}

func iamListServiceSpecificCredentials(c *call, in *serviceCredentialsInput) (*noServiceCredentials, error) {
	const action = "iam:ListServiceSpecificCredentials"
	empty := &noServiceCredentials{ServiceSpecificCredentials: []struct{}{}}
	if in.AllUsers {
		return none(empty, c.authorize(action, c.listed("user", "")))
	}
	return none(empty, c.ofUser(action, in.UserName))
}

type loginProfileInput struct {
	UserName string `json:"UserName" aws:"min=1,max=64,pattern=[\\w+=,.@-]+"`
}

func (c *call) noLoginProfile(action, given string) error {
	name, isUser, err := c.callerName(given)
	if err != nil {
		return err
	}
	if !isUser {
		return fault.New(fault.ValidationError, "Must specify userName when calling with non-User credentials")
	}
	u, err := c.onUser(action, name)
	if err != nil {
		return err
	}
	return fault.New(fault.NoSuchEntity, "Login Profile for User %s cannot be found.", u.Name)
}

type instanceProfileInput struct {
	InstanceProfileName string `json:"InstanceProfileName" aws:"required,min=1,max=128,pattern=[\\w+=,.@-]+"`
}

func iamGetInstanceProfile(c *call, in *instanceProfileInput) (*struct{}, error) {
	name := arn.ARN{Partition: arn.Partition, Service: "iam", Account: c.account, Resource: "instance-profile/" + in.InstanceProfileName}
	if err := c.judge("iam:GetInstanceProfile", plain(name.String()), nil); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.NoSuchEntity, "Instance Profile %s cannot be found.", in.InstanceProfileName)
}

type virtualDevicesInput struct {
	AssignmentStatus string `json:"AssignmentStatus" aws:"enum=Assigned|Unassigned|Any"`
	Marker           string `json:"Marker" aws:"min=1,max=320"`
	MaxItems         int    `json:"MaxItems" aws:"min=1,max=1000"`
}
