// Package identity is the room for who exists and what each was given: accounts,
// users, groups, roles, managed and inline policies, permissions boundaries,
// access keys, and the sessions that temporary credentials stand for. Its Store
// is rebuilt from events, and Resolve turns a verified credential into the Actor
// that a call is judged for.
//
// Nothing here decides whether a call is allowed (that is iam) or what an API
// operation may do (that is vault). No clock and no source of randomness enters
// but as an argument, and no secret access key rests in the Store.
package identity

// Limits of IAM, from its quota page and API shapes. Characters of policies are
// counted without white space.
const (
	MaxUserName        = 64  // also of roles
	MaxGroupName       = 128 // also of policies
	MaxGroupsPerUser   = 10
	MaxAccessKeys      = 2  // per user
	MaxVersions        = 5  // per managed policy
	MaxAttached        = 20 // managed policies per user, group or role, as raised from 10
	MaxTags            = 50
	MaxUserInline      = 2048 // characters, all inline policies together
	MaxRoleInline      = 10240
	MaxGroupInline     = 5120
	MaxManagedDocument = 6144
	MaxTrustDocument   = 4096 // as raised from 2,048
)
