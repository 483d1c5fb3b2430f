package vault

import (
	"strconv"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() { define("kms", "GetKeyLastUsage", use, kmsGetKeyLastUsage) }

// CryptographicOperations are those that use the keys among their resources, as
// records name them: "kms:Decrypt".
func CryptographicOperations() []string {
	return []string{
		"kms:Decapsulate", "kms:Decrypt", "kms:DeriveSharedSecret", "kms:Encapsulate", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyPair",
		"kms:GenerateDataKeyPairWithoutPlaintext", "kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateMac", "kms:ReEncrypt", "kms:Sign", "kms:Verify", "kms:VerifyMac",
	}
}

// GetKeyLastUsageInput is the request of kms:GetKeyLastUsage.
type GetKeyLastUsageInput struct {
	KeyID string `json:"KeyId" aws:"required,min=1,max=2048"`
}

// GetKeyLastUsageOutput is the reply of kms:GetKeyLastUsage. KeyLastUsage has no
// member for a key that was never used; every use since the key was made is known.
type GetKeyLastUsageOutput struct {
	KeyID             string `json:"KeyId"`
	KeyLastUsage      KeyLastUsageData
	TrackingStartDate shape.Timestamp
	KeyCreationDate   shape.Timestamp
}

// KeyLastUsageData is the last successful cryptographic use of a key.
type KeyLastUsageData struct {
	Operation         string          `json:",omitempty"`
	Timestamp         shape.Timestamp `json:",omitzero"`
	CloudTrailEventID string          `json:"CloudTrailEventId,omitempty"`
	KmsRequestID      string          `json:"KmsRequestId,omitempty"`
}

func kmsGetKeyLastUsage(c *call, in *GetKeyLastUsageInput) (*GetKeyLastUsageOutput, error) {
	k, err := c.openKey(in.KeyID, keysOnly, "kms:GetKeyLastUsage")
	if err != nil {
		return nil, err
	}
	if !c.accessesKnown() {
		return nil, usageTimeout()
	}
	out := &GetKeyLastUsageOutput{KeyID: k.ID, TrackingStartDate: shape.At(k.Created), KeyCreationDate: shape.At(k.Created)}
	if last, ok := c.accesses().Key(k.ID); ok {
		out.KeyLastUsage = KeyLastUsageData{
			Operation: last.Operation, Timestamp: shape.At(last.At.Truncate(time.Second)), KmsRequestID: last.Request,
			CloudTrailEventID: event.ID(c.st.Installation, last.N),
		}
	}
	return out, nil
}

func usageTimeout() error {
	return fault.New(fault.DependencyTimeoutException, "The system timed out while trying to fulfill the request. You can retry the request.")
}

// daysWithoutUse is kms:TrailingDaysWithoutKeyUsage, which guards keys in use from
// being disabled and deleted: whole days since the last use, or since the key was
// made.
func (c *call) daysWithoutUse(k *key.Key) (values []string, multi, ok bool) {
	if c.rec.Op != "kms:DisableKey" && c.rec.Op != "kms:ScheduleKeyDeletion" {
		return nil, false, false
	}
	if !c.accessesKnown() {
		c.unknownUse = true
		return nil, false, false
	}
	since := k.Created
	if last, used := c.accesses().Key(k.ID); used {
		since = last.At
	}
	return one(strconv.Itoa(int(c.now().Sub(since) / (24 * time.Hour))))
}

// useIsKnown refuses what a policy would have judged by a use that nobody can tell
// at present: the key that it guards may be in use.
func (c *call) useIsKnown() error {
	if c.unknownUse {
		return usageTimeout()
	}
	return nil
}
