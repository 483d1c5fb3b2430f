package vault

import (
	"time"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() { defineIAM("GetAccessKeyLastUsed", use, iamGetAccessKeyLastUsed) }

type keyLastUsedInput struct {
	AccessKeyID string `json:"AccessKeyId" aws:"required,min=16,max=128,pattern=\\w+"`
}

// accessKeyLastUsed has N/A, as AWS says it, for a key that was never used.
type accessKeyLastUsed struct {
	LastUsedDate shape.Timestamp `json:",omitzero"`
	ServiceName  string
	Region       string
}

type keyLastUsedOutput struct {
	UserName          string `json:",omitempty"`
	AccessKeyLastUsed accessKeyLastUsed
}

// iamGetAccessKeyLastUsed tells of the last call that an access key made, allowed
// or not. Keys that do not exist and those of other accounts are refused alike.
func iamGetAccessKeyLastUsed(c *call, in *keyLastUsedInput) (*keyLastUsedOutput, error) {
	k := c.st.Identities.AccessKey(in.AccessKeyID)
	if k == nil || k.Account != c.account {
		const action = "iam:GetAccessKeyLastUsed"
		shown := "access key " + in.AccessKeyID
		if err := c.authorizeAs(shown, action, plain("*")); err != nil {
			return nil, err
		}
		return nil, fault.New(fault.AccessDenied, "User: %s is not authorized to perform: %s on resource: %s", c.actor.Who.ARN, action, shown)
	}
	out := &keyLastUsedOutput{AccessKeyLastUsed: accessKeyLastUsed{ServiceName: "N/A", Region: "N/A"}}
	owner := plain(c.home().RootARN())
	if k.User != nil {
		owner, out.UserName = plainTagged(k.User.ARN, k.User.Tags), k.User.Name
	}
	if err := c.judge("iam:GetAccessKeyLastUsed", owner, nil); err != nil {
		return nil, err
	}
	if !c.accessesKnown() {
		return nil, fault.New(fault.ServiceUnavailable, "The view of who used what has no answer at present. Try again.")
	}
	if last, ok := c.accesses().AccessKey(k.ID); ok {
		out.AccessKeyLastUsed = accessKeyLastUsed{shape.At(last.At.Truncate(time.Second)), last.Service, c.calledRegion(last.Service)}
	}
	return out, nil
}
