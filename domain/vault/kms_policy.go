package vault

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/key"
)

func init() {
	define("kms", "PutKeyPolicy", change, kmsPutKeyPolicy)
	define("kms", "GetKeyPolicy", use, kmsGetKeyPolicy)
	define("kms", "ListKeyPolicies", use, kmsListKeyPolicies)
}

// defaultKeyPolicy hands the key to the account's identity policies, as AWS does
// when CreateKey names no policy.
func defaultKeyPolicy(account string) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::` + account + `:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}

// boundPolicy is a key policy that has passed every check but the lock-out's.
type boundPolicy struct {
	text       string
	principals map[string]string // ARN -> unique id
	policy     *iam.Policy       // compiled; its ARNs are those of today, so unbound will do
}

// readKeyPolicy compiles a key policy and looks up the principals it names, who
// all must exist.
func (c *call) readKeyPolicy(text string) (boundPolicy, error) {
	var none boundPolicy
	if len(text) > key.MaxPolicyBytes {
		return none, fault.New(fault.LimitExceededException, "The key policy document exceeds %d bytes.", key.MaxPolicyBytes)
	}
	if strings.ContainsFunc(text, notInKeyPolicy) {
		return none, malformedPolicy("The key policy contains a character outside of tab, line feed, carriage return and U+0020 to U+00FF.")
	}
	p, err := iam.Parse(iam.KeyPolicy, []byte(text))
	if err != nil {
		var m *iam.MalformedError
		if errors.As(err, &m) {
			return none, malformedPolicy(m.Text)
		}
		return none, malformedPolicy("Syntax errors in policy.")
	}
	if overlyPermissive(text) {
		return none, malformedPolicy("OverlyPermissiveCondition: ForAllValues on kms:EncryptionContext:<key> also matches requests that have no such pair.")
	}
	ids, unknown := c.st.Identities.UniqueIDs(p.Principals())
	if len(unknown) > 0 {
		return none, malformedPolicy(iam.InvalidPrincipals)
	}
	return boundPolicy{text: text, principals: ids, policy: p}, nil
}

func notInKeyPolicy(r rune) bool {
	return r != '\t' && r != '\n' && r != '\r' && (r < 0x20 || r > 0xff)
}

// overlyPermissive reports whether a statement of a well-formed policy uses
// ForAllValues, which is true for a missing key, on a pair of the encryption
// context.
func overlyPermissive(text string) bool {
	if !strings.Contains(strings.ToLower(text), "forallvalues:") {
		return false
	}
	type statement struct {
		Condition map[string]map[string]json.RawMessage
	}
	var many struct{ Statement []statement }
	if json.Unmarshal([]byte(text), &many) != nil {
		var one struct{ Statement statement }
		if json.Unmarshal([]byte(text), &one) != nil {
			return false
		}
		many.Statement = []statement{one.Statement}
	}
	for _, s := range many.Statement {
		for operator, keys := range s.Condition {
			if !strings.HasPrefix(strings.ToLower(operator), "forallvalues:") {
				continue
			}
			for key := range keys {
				if strings.HasPrefix(strings.ToLower(key), "kms:encryptioncontext:") {
					return true
				}
			}
		}
	}
	return false
}

func malformedPolicy(text string) error {
	return fault.New(fault.MalformedPolicyDocumentException, "%s", text)
}

// checkLockout refuses a policy under which the caller could not put the next
// one. It is judged as that call would be: boundary, session policy and explicit
// denials count.
func (c *call) checkLockout(k *key.Key, p boundPolicy, bypass bool) error {
	if bypass {
		return nil
	}
	on := onKey(k)
	on.policy.Policy = p.policy
	if c.try("kms:PutKeyPolicy", on, whenBool("kms:bypasspolicylockoutsafetycheck", false)).Allowed {
		return nil
	}
	return malformedPolicy("The new key policy will not allow you to update the key policy in the future.")
}

// PutKeyPolicyInput is the request of kms:PutKeyPolicy.
type PutKeyPolicyInput struct {
	KeyID      string `json:"KeyId" aws:"required,min=1,max=2048"`
	PolicyName string `json:"PolicyName" aws:"min=1,max=128"`
	Policy     string `json:"Policy" aws:"required,min=1,max=131072"`
	Bypass     *bool  `json:"BypassPolicyLockoutSafetyCheck"`
}

func kmsPutKeyPolicy(c *call, in *PutKeyPolicyInput) (*struct{}, error) {
	bypass := in.Bypass != nil && *in.Bypass
	k, err := c.changeKey(in.KeyID, "kms:PutKeyPolicy", whenBool("kms:bypasspolicylockoutsafetycheck", bypass))
	if err != nil {
		return nil, err
	}
	if err := policyName(in.PolicyName); err != nil {
		return nil, err
	}
	p, err := c.readKeyPolicy(in.Policy)
	if err != nil {
		return nil, err
	}
	if err := c.checkLockout(k.Key, p, bypass); err != nil {
		return nil, err
	}
	c.emit(&event.KeyPolicyReplaced{Key: k.ID, Policy: p.text, Principals: p.principals})
	return nil, nil
}

func policyName(name string) error {
	if name == "" || name == "default" {
		return nil
	}
	return fault.New(fault.NotFoundException, "No such policy exists")
}

// GetKeyPolicyInput is the request of kms:GetKeyPolicy.
type GetKeyPolicyInput struct {
	KeyID      string `json:"KeyId" aws:"required,min=1,max=2048"`
	PolicyName string `json:"PolicyName" aws:"min=1,max=128"`
}

// GetKeyPolicyOutput is the reply of kms:GetKeyPolicy. A principal that was bound
// and is gone appears by its unique id.
type GetKeyPolicyOutput struct {
	Policy     string
	PolicyName string
}

func kmsGetKeyPolicy(c *call, in *GetKeyPolicyInput) (*GetKeyPolicyOutput, error) {
	k, err := c.openKey(in.KeyID, keysOnly, "kms:GetKeyPolicy")
	if err != nil {
		return nil, err
	}
	if err := policyName(in.PolicyName); err != nil {
		return nil, err
	}
	return &GetKeyPolicyOutput{Policy: c.st.Identities.Shown(k.PolicyText(), k.Principals()), PolicyName: "default"}, nil
}

// ListKeyPoliciesInput is the request of kms:ListKeyPolicies.
type ListKeyPoliciesInput struct {
	KeyID  string `json:"KeyId" aws:"required,min=1,max=2048"`
	Limit  int    `json:"Limit" aws:"min=1,max=1000"`
	Marker string `json:"Marker" aws:"min=1,max=1024"`
}

// ListKeyPoliciesOutput is the reply of kms:ListKeyPolicies: always one name.
type ListKeyPoliciesOutput struct {
	PolicyNames []string
	Truncated   bool
}

func kmsListKeyPolicies(c *call, in *ListKeyPoliciesInput) (*ListKeyPoliciesOutput, error) {
	if _, err := c.openKey(in.KeyID, keysOnly, "kms:ListKeyPolicies"); err != nil {
		return nil, err
	}
	return &ListKeyPoliciesOutput{PolicyNames: []string{"default"}}, nil
}
