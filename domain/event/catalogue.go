package event

import (
	"maps"
	"slices"
)

// Types lists the literal types of all events there are, in order.
func Types() []string { return slices.Sorted(maps.Keys(catalogue)) }

// catalogue maps the literal type of a stored event to an empty value of its
// current shape. A name never leaves this table and never changes its meaning:
// an added optional field keeps the version, a changed meaning gets a new one
// and an upcaster.
var catalogue = map[string]func() Event{
	"VaultInitialized":         func() Event { return new(VaultInitialized) },
	"AccountCreated":           func() Event { return new(AccountCreated) },
	"AccountAliasSet":          func() Event { return new(AccountAliasSet) },
	"AccountAliasRemoved":      func() Event { return new(AccountAliasRemoved) },
	"UserCreated":              func() Event { return new(UserCreated) },
	"UserRenamed":              func() Event { return new(UserRenamed) },
	"UserDeleted":              func() Event { return new(UserDeleted) },
	"GroupCreated":             func() Event { return new(GroupCreated) },
	"GroupRenamed":             func() Event { return new(GroupRenamed) },
	"GroupDeleted":             func() Event { return new(GroupDeleted) },
	"UserAddedToGroup":         func() Event { return new(UserAddedToGroup) },
	"UserRemovedFromGroup":     func() Event { return new(UserRemovedFromGroup) },
	"RoleCreated":              func() Event { return new(RoleCreated) },
	"RoleSettingsChanged":      func() Event { return new(RoleSettingsChanged) },
	"RoleTrustReplaced":        func() Event { return new(RoleTrustReplaced) },
	"RoleDeleted":              func() Event { return new(RoleDeleted) },
	"PolicyCreated":            func() Event { return new(PolicyCreated) },
	"PolicyVersionCreated":     func() Event { return new(PolicyVersionCreated) },
	"PolicyDefaultVersionSet":  func() Event { return new(PolicyDefaultVersionSet) },
	"PolicyVersionDeleted":     func() Event { return new(PolicyVersionDeleted) },
	"PolicyDeleted":            func() Event { return new(PolicyDeleted) },
	"PolicyAttached":           func() Event { return new(PolicyAttached) },
	"PolicyDetached":           func() Event { return new(PolicyDetached) },
	"InlinePolicyPut":          func() Event { return new(InlinePolicyPut) },
	"InlinePolicyDeleted":      func() Event { return new(InlinePolicyDeleted) },
	"BoundarySet":              func() Event { return new(BoundarySet) },
	"BoundaryRemoved":          func() Event { return new(BoundaryRemoved) },
	"PrincipalTagged":          func() Event { return new(PrincipalTagged) },
	"PrincipalUntagged":        func() Event { return new(PrincipalUntagged) },
	"AccessKeyCreated":         func() Event { return new(AccessKeyCreated) },
	"AccessKeyActivated":       func() Event { return new(AccessKeyActivated) },
	"AccessKeyDeactivated":     func() Event { return new(AccessKeyDeactivated) },
	"AccessKeyDeleted":         func() Event { return new(AccessKeyDeleted) },
	"SessionIssued":            func() Event { return new(SessionIssued) },
	"KeyCreated":               func() Event { return new(KeyCreated) },
	"KeyEnabled":               func() Event { return new(KeyEnabled) },
	"KeyDisabled":              func() Event { return new(KeyDisabled) },
	"KeyDescriptionChanged":    func() Event { return new(KeyDescriptionChanged) },
	"KeyPolicyReplaced":        func() Event { return new(KeyPolicyReplaced) },
	"KeyTagged":                func() Event { return new(KeyTagged) },
	"KeyUntagged":              func() Event { return new(KeyUntagged) },
	"KeyDeletionScheduled":     func() Event { return new(KeyDeletionScheduled) },
	"KeyDeletionCancelled":     func() Event { return new(KeyDeletionCancelled) },
	"KeyDeleted":               func() Event { return new(KeyDeleted) },
	"KeyRotationEnabled":       func() Event { return new(KeyRotationEnabled) },
	"KeyRotationDisabled":      func() Event { return new(KeyRotationDisabled) },
	"KeyRotated":               func() Event { return new(KeyRotated) },
	"KeyMaterialImported":      func() Event { return new(KeyMaterialImported) },
	"KeyMaterialDeleted":       func() Event { return new(KeyMaterialDeleted) },
	"KeyMaterialExpired":       func() Event { return new(KeyMaterialExpired) },
	"AliasCreated":             func() Event { return new(AliasCreated) },
	"AliasMoved":               func() Event { return new(AliasMoved) },
	"AliasDeleted":             func() Event { return new(AliasDeleted) },
	"GrantCreated":             func() Event { return new(GrantCreated) },
	"GrantRetired":             func() Event { return new(GrantRetired) },
	"GrantRevoked":             func() Event { return new(GrantRevoked) },
	"SecretCreated":            func() Event { return new(SecretCreated) },
	"SecretVersionCreated":     func() Event { return new(SecretVersionCreated) },
	"SecretVersionRewrapped":   func() Event { return new(SecretVersionRewrapped) },
	"SecretStageMoved":         func() Event { return new(SecretStageMoved) },
	"SecretVersionPurged":      func() Event { return new(SecretVersionPurged) },
	"SecretDescriptionChanged": func() Event { return new(SecretDescriptionChanged) },
	"SecretKeyChanged":         func() Event { return new(SecretKeyChanged) },
	"SecretTypeChanged":        func() Event { return new(SecretTypeChanged) },
	"SecretTagged":             func() Event { return new(SecretTagged) },
	"SecretUntagged":           func() Event { return new(SecretUntagged) },
	"SecretPolicyReplaced":     func() Event { return new(SecretPolicyReplaced) },
	"SecretPolicyRemoved":      func() Event { return new(SecretPolicyRemoved) },
	"SecretDeletionScheduled":  func() Event { return new(SecretDeletionScheduled) },
	"SecretRestored":           func() Event { return new(SecretRestored) },
	"SecretDeleted":            func() Event { return new(SecretDeleted) },
	"Encrypted":                func() Event { return new(Encrypted) },
	"Decrypted":                func() Event { return new(Decrypted) },
	"DataKeyGenerated":         func() Event { return new(DataKeyGenerated) },
	"DataKeyPairGenerated":     func() Event { return new(DataKeyPairGenerated) },
	"SecretValueRead":          func() Event { return new(SecretValueRead) },
}

func (*VaultInitialized) EventType() string         { return "VaultInitialized" }
func (*AccountCreated) EventType() string           { return "AccountCreated" }
func (*AccountAliasSet) EventType() string          { return "AccountAliasSet" }
func (*AccountAliasRemoved) EventType() string      { return "AccountAliasRemoved" }
func (*UserCreated) EventType() string              { return "UserCreated" }
func (*UserRenamed) EventType() string              { return "UserRenamed" }
func (*UserDeleted) EventType() string              { return "UserDeleted" }
func (*GroupCreated) EventType() string             { return "GroupCreated" }
func (*GroupRenamed) EventType() string             { return "GroupRenamed" }
func (*GroupDeleted) EventType() string             { return "GroupDeleted" }
func (*UserAddedToGroup) EventType() string         { return "UserAddedToGroup" }
func (*UserRemovedFromGroup) EventType() string     { return "UserRemovedFromGroup" }
func (*RoleCreated) EventType() string              { return "RoleCreated" }
func (*RoleSettingsChanged) EventType() string      { return "RoleSettingsChanged" }
func (*RoleTrustReplaced) EventType() string        { return "RoleTrustReplaced" }
func (*RoleDeleted) EventType() string              { return "RoleDeleted" }
func (*PolicyCreated) EventType() string            { return "PolicyCreated" }
func (*PolicyVersionCreated) EventType() string     { return "PolicyVersionCreated" }
func (*PolicyDefaultVersionSet) EventType() string  { return "PolicyDefaultVersionSet" }
func (*PolicyVersionDeleted) EventType() string     { return "PolicyVersionDeleted" }
func (*PolicyDeleted) EventType() string            { return "PolicyDeleted" }
func (*PolicyAttached) EventType() string           { return "PolicyAttached" }
func (*PolicyDetached) EventType() string           { return "PolicyDetached" }
func (*InlinePolicyPut) EventType() string          { return "InlinePolicyPut" }
func (*InlinePolicyDeleted) EventType() string      { return "InlinePolicyDeleted" }
func (*BoundarySet) EventType() string              { return "BoundarySet" }
func (*BoundaryRemoved) EventType() string          { return "BoundaryRemoved" }
func (*PrincipalTagged) EventType() string          { return "PrincipalTagged" }
func (*PrincipalUntagged) EventType() string        { return "PrincipalUntagged" }
func (*AccessKeyCreated) EventType() string         { return "AccessKeyCreated" }
func (*AccessKeyActivated) EventType() string       { return "AccessKeyActivated" }
func (*AccessKeyDeactivated) EventType() string     { return "AccessKeyDeactivated" }
func (*AccessKeyDeleted) EventType() string         { return "AccessKeyDeleted" }
func (*SessionIssued) EventType() string            { return "SessionIssued" }
func (*KeyCreated) EventType() string               { return "KeyCreated" }
func (*KeyEnabled) EventType() string               { return "KeyEnabled" }
func (*KeyDisabled) EventType() string              { return "KeyDisabled" }
func (*KeyDescriptionChanged) EventType() string    { return "KeyDescriptionChanged" }
func (*KeyPolicyReplaced) EventType() string        { return "KeyPolicyReplaced" }
func (*KeyTagged) EventType() string                { return "KeyTagged" }
func (*KeyUntagged) EventType() string              { return "KeyUntagged" }
func (*KeyDeletionScheduled) EventType() string     { return "KeyDeletionScheduled" }
func (*KeyDeletionCancelled) EventType() string     { return "KeyDeletionCancelled" }
func (*KeyDeleted) EventType() string               { return "KeyDeleted" }
func (*KeyRotationEnabled) EventType() string       { return "KeyRotationEnabled" }
func (*KeyRotationDisabled) EventType() string      { return "KeyRotationDisabled" }
func (*KeyRotated) EventType() string               { return "KeyRotated" }
func (*KeyMaterialImported) EventType() string      { return "KeyMaterialImported" }
func (*KeyMaterialDeleted) EventType() string       { return "KeyMaterialDeleted" }
func (*KeyMaterialExpired) EventType() string       { return "KeyMaterialExpired" }
func (*AliasCreated) EventType() string             { return "AliasCreated" }
func (*AliasMoved) EventType() string               { return "AliasMoved" }
func (*AliasDeleted) EventType() string             { return "AliasDeleted" }
func (*GrantCreated) EventType() string             { return "GrantCreated" }
func (*GrantRetired) EventType() string             { return "GrantRetired" }
func (*GrantRevoked) EventType() string             { return "GrantRevoked" }
func (*SecretCreated) EventType() string            { return "SecretCreated" }
func (*SecretVersionCreated) EventType() string     { return "SecretVersionCreated" }
func (*SecretVersionRewrapped) EventType() string   { return "SecretVersionRewrapped" }
func (*SecretStageMoved) EventType() string         { return "SecretStageMoved" }
func (*SecretVersionPurged) EventType() string      { return "SecretVersionPurged" }
func (*SecretDescriptionChanged) EventType() string { return "SecretDescriptionChanged" }
func (*SecretKeyChanged) EventType() string         { return "SecretKeyChanged" }
func (*SecretTypeChanged) EventType() string        { return "SecretTypeChanged" }
func (*SecretTagged) EventType() string             { return "SecretTagged" }
func (*SecretUntagged) EventType() string           { return "SecretUntagged" }
func (*SecretPolicyReplaced) EventType() string     { return "SecretPolicyReplaced" }
func (*SecretPolicyRemoved) EventType() string      { return "SecretPolicyRemoved" }
func (*SecretDeletionScheduled) EventType() string  { return "SecretDeletionScheduled" }
func (*SecretRestored) EventType() string           { return "SecretRestored" }
func (*SecretDeleted) EventType() string            { return "SecretDeleted" }
func (*Encrypted) EventType() string                { return "Encrypted" }
func (*Decrypted) EventType() string                { return "Decrypted" }
func (*DataKeyGenerated) EventType() string         { return "DataKeyGenerated" }
func (*DataKeyPairGenerated) EventType() string     { return "DataKeyPairGenerated" }
func (*SecretValueRead) EventType() string          { return "SecretValueRead" }
