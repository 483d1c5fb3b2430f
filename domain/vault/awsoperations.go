package vault

import "strings"

// awsOperations are the names of every operation that AWS has in the services
// that Keytrail speaks for, from their published models. Those that are not in
// the table are answered with UnsupportedOperationException, so that a client can
// tell them from a mistyped name.
var awsOperations = map[string]map[string]bool{
	"cloudtrail": nameSet(`
		AddTags CancelQuery CreateChannel CreateDashboard CreateEventDataStore CreateTrail DeleteChannel
		DeleteDashboard DeleteEventDataStore DeleteResourcePolicy DeleteTrail
		DeregisterOrganizationDelegatedAdmin DescribeQuery DescribeTrails DisableFederation EnableFederation
		GenerateQuery GetChannel GetDashboard GetEventConfiguration GetEventDataStore GetEventSelectors
		GetImport GetInsightSelectors GetQueryResults GetResourcePolicy GetTrail GetTrailStatus ListChannels
		ListDashboards ListEventDataStores ListImportFailures ListImports ListInsightsData
		ListInsightsMetricData ListPublicKeys ListQueries ListTags ListTrails LookupEvents
		PutEventConfiguration PutEventSelectors PutInsightSelectors PutResourcePolicy
		RegisterOrganizationDelegatedAdmin RemoveTags RestoreEventDataStore SearchSampleQueries
		StartDashboardRefresh StartEventDataStoreIngestion StartImport StartLogging StartQuery
		StopEventDataStoreIngestion StopImport StopLogging UpdateChannel UpdateDashboard
		UpdateEventDataStore UpdateTrail`),
	"iam": nameSet(`
		AcceptDelegationRequest AddClientIDToOpenIDConnectProvider AddRoleToInstanceProfile AddUserToGroup
		AssociateDelegationRequest AttachGroupPolicy AttachRolePolicy AttachUserPolicy ChangePassword
		CreateAccessKey CreateAccountAlias CreateDelegationRequest CreateGroup CreateInstanceProfile
		CreateLoginProfile CreateOpenIDConnectProvider CreatePolicy CreatePolicyVersion CreateRole
		CreateSAMLProvider CreateServiceLinkedRole CreateServiceSpecificCredential CreateUser
		CreateVirtualMFADevice DeactivateMFADevice DeleteAccessKey DeleteAccountAlias
		DeleteAccountPasswordPolicy DeleteGroup DeleteGroupPolicy DeleteInstanceProfile DeleteLoginProfile
		DeleteOpenIDConnectProvider DeletePolicy DeletePolicyVersion DeleteRole
		DeleteRolePermissionsBoundary DeleteRolePolicy DeleteSAMLProvider DeleteSSHPublicKey
		DeleteServerCertificate DeleteServiceLinkedRole DeleteServiceSpecificCredential
		DeleteSigningCertificate DeleteUser DeleteUserPermissionsBoundary DeleteUserPolicy
		DeleteVirtualMFADevice DetachGroupPolicy DetachRolePolicy DetachUserPolicy
		DisableOrganizationsRootCredentialsManagement DisableOrganizationsRootSessions
		DisableOutboundWebIdentityFederation EnableMFADevice EnableOrganizationsRootCredentialsManagement
		EnableOrganizationsRootSessions EnableOutboundWebIdentityFederation GenerateCredentialReport
		GenerateOrganizationsAccessReport GenerateServiceLastAccessedDetails GetAccessKeyLastUsed
		GetAccountAuthorizationDetails GetAccountPasswordPolicy GetAccountSummary
		GetContextKeysForCustomPolicy GetContextKeysForPrincipalPolicy GetCredentialReport
		GetDelegationRequest GetGroup GetGroupPolicy GetHumanReadableSummary GetInstanceProfile
		GetLoginProfile GetMFADevice GetOpenIDConnectProvider GetOrganizationsAccessReport
		GetOutboundWebIdentityFederationInfo GetPolicy GetPolicyVersion GetRole GetRolePolicy
		GetSAMLProvider GetSSHPublicKey GetServerCertificate GetServiceLastAccessedDetails
		GetServiceLastAccessedDetailsWithEntities GetServiceLinkedRoleDeletionStatus GetUser GetUserPolicy
		ListAccessKeys ListAccountAliases ListAttachedGroupPolicies ListAttachedRolePolicies
		ListAttachedUserPolicies ListDelegationRequests ListEntitiesForPolicy ListGroupPolicies ListGroups
		ListGroupsForUser ListInstanceProfileTags ListInstanceProfiles ListInstanceProfilesForRole
		ListMFADeviceTags ListMFADevices ListOpenIDConnectProviderTags ListOpenIDConnectProviders
		ListOrganizationsFeatures ListPolicies ListPoliciesGrantingServiceAccess ListPolicyTags
		ListPolicyVersions ListRolePolicies ListRoleTags ListRoles ListSAMLProviderTags ListSAMLProviders
		ListSSHPublicKeys ListServerCertificateTags ListServerCertificates ListServiceSpecificCredentials
		ListSigningCertificates ListUserPolicies ListUserTags ListUsers ListVirtualMFADevices PutGroupPolicy
		PutRolePermissionsBoundary PutRolePolicy PutUserPermissionsBoundary PutUserPolicy
		RejectDelegationRequest RemoveClientIDFromOpenIDConnectProvider RemoveRoleFromInstanceProfile
		RemoveUserFromGroup ResetServiceSpecificCredential ResyncMFADevice SendDelegationToken
		SetDefaultPolicyVersion SetSecurityTokenServicePreferences SimulateCustomPolicy
		SimulatePrincipalPolicy TagInstanceProfile TagMFADevice TagOpenIDConnectProvider TagPolicy TagRole
		TagSAMLProvider TagServerCertificate TagUser UntagInstanceProfile UntagMFADevice
		UntagOpenIDConnectProvider UntagPolicy UntagRole UntagSAMLProvider UntagServerCertificate UntagUser
		UpdateAccessKey UpdateAccountPasswordPolicy UpdateAssumeRolePolicy UpdateDelegationRequest
		UpdateGroup UpdateLoginProfile UpdateOpenIDConnectProviderThumbprint UpdateRole
		UpdateRoleDescription UpdateSAMLProvider UpdateSSHPublicKey UpdateServerCertificate
		UpdateServiceSpecificCredential UpdateSigningCertificate UpdateUser UploadSSHPublicKey
		UploadServerCertificate UploadSigningCertificate`),
	"kms": nameSet(`
		CancelKeyDeletion ConnectCustomKeyStore CreateAlias CreateCustomKeyStore CreateGrant CreateKey
		Decapsulate Decrypt DeleteAlias DeleteCustomKeyStore DeleteImportedKeyMaterial DeriveSharedSecret
		DescribeCustomKeyStores DescribeKey DisableKey DisableKeyRotation DisconnectCustomKeyStore EnableKey
		EnableKeyRotation Encapsulate Encrypt GenerateDataKey GenerateDataKeyPair
		GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom
		GetKeyLastUsage GetKeyPolicy GetKeyRotationStatus GetParametersForImport GetPublicKey
		ImportKeyMaterial ListAliases ListGrants ListKeyPolicies ListKeyRotations ListKeys ListResourceTags
		ListRetirableGrants PutKeyPolicy ReEncrypt ReplicateKey RetireGrant RevokeGrant RotateKeyOnDemand
		ScheduleKeyDeletion Sign TagResource UntagResource UpdateAlias UpdateCustomKeyStore
		UpdateKeyDescription UpdatePrimaryRegion Verify VerifyMac`),
	"secretsmanager": nameSet(`
		BatchGetSecretValue CancelRotateSecret CreateSecret DeleteResourcePolicy DeleteSecret DescribeSecret
		GetRandomPassword GetResourcePolicy GetSecretValue ListSecretVersionIds ListSecrets
		PutResourcePolicy PutSecretValue RemoveRegionsFromReplication ReplicateSecretToRegions RestoreSecret
		RotateSecret StopReplicationToReplica TagResource UntagResource UpdateSecret
		UpdateSecretVersionStage ValidateResourcePolicy`),
	"sts": nameSet(`
		AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity AssumeRoot DecodeAuthorizationMessage
		GetAccessKeyInfo GetCallerIdentity GetDelegatedAccessToken GetFederationToken GetScopedCredentials
		GetSessionToken GetWebIdentityToken`),
}

func nameSet(list string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(list) {
		set[name] = true
	}
	return set
}

func awsHas(service, name string) bool { return awsOperations[service][name] }

// AWSOperations lists the operations that AWS has, as "service:Name", in no
// particular order.
func AWSOperations() []string {
	var all []string
	for service, set := range awsOperations {
		for name := range set {
			all = append(all, service+":"+name)
		}
	}
	return all
}
