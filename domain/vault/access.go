package vault

import (
	"time"

	"github.com/keytrail/keytrail/domain/vault/shape"
)

// Accesses is who used what last, derived from all records of the log: those of
// uses as well, which the state is not rebuilt from. It answers from memory and
// may be called concurrently.
type Accesses interface {
	// Key is the last successful cryptographic use of the key with the id.
	Key(id string) (KeyUse, bool)
	// Secret is when a value of the secret with the ARN was read last.
	Secret(arn string) (time.Time, bool)
	// SecretVersion is when that version of the secret was read last.
	SecretVersion(arn, version string) (time.Time, bool)
	// AccessKey is the last call that was made with the long-term access key, allowed
	// or not.
	AccessKey(id string) (CredentialUse, bool)
	// Role is the last call that a session of the role with the unique id made.
	Role(id string) (CredentialUse, bool)
}

// KeyUse is one cryptographic use of a key.
type KeyUse struct {
	Operation string // "Decrypt"
	At        time.Time
	N         uint64 // of its record
	Request   string // request id
}

// CredentialUse is one call.
type CredentialUse struct {
	Service string // "kms"
	At      time.Time
}

// NoAccesses stands in a request for a view that has no answer at present.
var NoAccesses Accesses = noAccesses{}

type noAccesses struct{}

func (noAccesses) Key(string) (KeyUse, bool)                      { return KeyUse{}, false }
func (noAccesses) Secret(string) (time.Time, bool)                { return time.Time{}, false }
func (noAccesses) SecretVersion(string, string) (time.Time, bool) { return time.Time{}, false }
func (noAccesses) AccessKey(string) (CredentialUse, bool)         { return CredentialUse{}, false }
func (noAccesses) Role(string) (CredentialUse, bool)              { return CredentialUse{}, false }

var accessOperations = map[operationName]bool{}

// asksAccesses lets an operation have Request.Accesses.
func asksAccesses(service, name string) { accessOperations[operationName{service, name}] = true }

// AsksAccesses reports whether the operation shows who used what last.
func AsksAccesses(service, name string) bool { return accessOperations[operationName{service, name}] }

// accesses is the view as this call has it. An operation that is about nothing
// else fails without; the others leave out what they cannot know.
func (c *call) accesses() Accesses {
	if c.req.Accesses == nil {
		return NoAccesses
	}
	return c.req.Accesses
}

func (c *call) accessesKnown() bool {
	_, absent := c.accesses().(noAccesses)
	return !absent
}

// lastRead is the day on which the secret was read last; its time of day does not
// show, as on AWS.
func (c *call) lastRead(arn string) shape.Timestamp {
	at, ok := c.accesses().Secret(arn)
	return day(at, ok)
}

// lastReadVersion is lastRead of one version.
func (c *call) lastReadVersion(arn, version string) shape.Timestamp {
	at, ok := c.accesses().SecretVersion(arn, version)
	return day(at, ok)
}

func day(at time.Time, known bool) shape.Timestamp {
	if !known {
		return shape.Timestamp{}
	}
	return shape.At(at.Truncate(24 * time.Hour))
}

// calledRegion is the Region of a call of the service: IAM has one for all.
func (c *call) calledRegion(service string) string {
	if service == "iam" {
		return "us-east-1"
	}
	return c.st.Region
}

func init() {
	asksAccesses("kms", "GetKeyLastUsage")
	asksAccesses("kms", "ScheduleKeyDeletion") // kms:TrailingDaysWithoutKeyUsage
	asksAccesses("kms", "DisableKey")
	asksAccesses("secretsmanager", "DescribeSecret")
	asksAccesses("secretsmanager", "ListSecrets")
	asksAccesses("secretsmanager", "ListSecretVersionIds")
	asksAccesses("iam", "GetAccessKeyLastUsed")
	asksAccesses("iam", "GetRole")
	asksAccesses("iam", "GetAccountAuthorizationDetails")
}
