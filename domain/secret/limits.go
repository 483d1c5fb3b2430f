package secret

import "time"

// Limits of AWS Secrets Manager, from its quota page and API shapes.
const (
	MaxValueBytes   = 65_536
	MaxStages       = 20 // staging labels over all versions of a secret
	MaxTags         = 50
	MinWindow       = 7 // days of a recovery window
	MaxWindow       = 30
	MaxBatch        = 20 // secrets of one BatchGetSecretValue
	MaxPolicyLength = 20_480
	SuffixLength    = 6   // random characters at the end of an ARN
	KeptVersions    = 100 // past it, versions without a label go
	PurgeAge        = 24 * time.Hour
	maxVersionID    = 64
	maxRing         = 255
)

// MaxVersions bounds a secret whose versions are all too young or labelled to be
// purged. AWS says "about 100" and removes nothing younger than a day; this is our
// reading of where "about" ends, well above a version every ten minutes.
const MaxVersions = 200

// Staging labels that Secrets Manager moves by itself.
const (
	Current  = "AWSCURRENT"
	Previous = "AWSPREVIOUS"
	Pending  = "AWSPENDING"
)
