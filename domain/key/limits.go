package key

// Limits of AWS KMS, from its quota pages and API shapes.
const (
	MaxKeysPerAccount    = 100_000 // any state; AWS managed keys are not counted
	MaxAliasesPerKey     = 50
	MaxGrantsPerKey      = 50_000
	MaxTagsPerKey        = 50
	MaxPolicyBytes       = 32_768
	MaxOnDemandRotations = 25
	MinDeletionWindow    = 7 // days
	MaxDeletionWindow    = 30
	MaxMaterialValidity  = 365 // days
	MinRotationPeriod    = 90  // days
	MaxRotationPeriod    = 2560
	DefaultRotation      = 365
	MaxConstraintPairs   = 8
	MaxConstraintValue   = 384 // characters
)
