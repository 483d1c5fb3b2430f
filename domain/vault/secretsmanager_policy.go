package vault

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/secret"
)

func init() {
	define("secretsmanager", "PutResourcePolicy", change, putResourcePolicy)
	define("secretsmanager", "GetResourcePolicy", use, getResourcePolicy)
	define("secretsmanager", "DeleteResourcePolicy", change, deleteResourcePolicy)
	define("secretsmanager", "ValidateResourcePolicy", use, validateResourcePolicy)
}

// readResourcePolicy compiles the resource policy of a secret and binds the
// principals it names, who all must exist.
func (c *call) readResourcePolicy(text string) (boundPolicy, error) {
	var none boundPolicy
	if n := utf8.RuneCountInString(text); n > secret.MaxPolicyLength {
		return none, invalid("The resource policy has %d characters, more than %d.", n, secret.MaxPolicyLength)
	}
	p, err := iam.Parse(iam.ResourcePolicy, []byte(text))
	if err != nil {
		const syntax = "This resource policy contains a syntax error."
		var m *iam.MalformedError
		switch {
		case !errors.As(err, &m), strings.HasPrefix(m.Text, "Syntax error"):
			return none, malformedPolicy(syntax)
		case m.Text == iam.InvalidPrincipal(iam.ResourcePolicy, "AWS", "").Text:
			return none, malformedPolicy(m.Text)
		}
		return none, malformedPolicy(syntax + " " + m.Text)
	}
	ids, unknown := c.st.Identities.UniqueIDs(p.Principals())
	if len(unknown) > 0 {
		return none, malformedPolicy(iam.InvalidPrincipal(iam.ResourcePolicy, "AWS", unknown[0]).Text)
	}
	if len(ids) > 0 {
		p = p.Bind(ids)
	}
	return boundPolicy{text: text, principals: ids, policy: p}, nil
}

// PutResourcePolicyInput is the request of secretsmanager:PutResourcePolicy.
type PutResourcePolicyInput struct {
	SecretID          string `json:"SecretId" aws:"required,min=1,max=2048"`
	ResourcePolicy    string `json:"ResourcePolicy" aws:"required,min=1,max=20480"`
	BlockPublicPolicy *bool  `json:"BlockPublicPolicy"`
}

func putResourcePolicy(c *call, in *PutResourcePolicyInput) (*SecretOutput, error) {
	block := in.BlockPublicPolicy != nil && *in.BlockPublicPolicy
	s, err := c.openActive(in.SecretID, "secretsmanager:PutResourcePolicy", whenBool("secretsmanager:blockpublicpolicy", block))
	if err != nil {
		return nil, err
	}
	p, err := c.readResourcePolicy(in.ResourcePolicy)
	if err != nil {
		return nil, err
	}
	if block && p.policy.IsPublic() {
		return nil, fault.New(fault.PublicPolicyException, "You can't attach a resource-based policy that allows broad access to the secret.")
	}
	c.emit(&event.SecretPolicyReplaced{Secret: s.ARN, Policy: p.text, Principals: p.principals, At: c.now()})
	return &SecretOutput{ARN: s.ARN, Name: s.Name}, nil
}

// GetResourcePolicyOutput is the reply of secretsmanager:GetResourcePolicy.
// ResourcePolicy is absent without one; a principal that is gone appears in it by its
// unique id.
type GetResourcePolicyOutput struct {
	ARN            string
	Name           string
	ResourcePolicy string `json:",omitempty"`
}

func getResourcePolicy(c *call, in *SecretInput) (*GetResourcePolicyOutput, error) {
	s, err := c.openActive(in.SecretID, "secretsmanager:GetResourcePolicy")
	if err != nil {
		return nil, err
	}
	out := &GetResourcePolicyOutput{ARN: s.ARN, Name: s.Name}
	if s.Policy != nil {
		out.ResourcePolicy = c.st.Identities.Shown(s.PolicyText(), s.Principals())
	}
	return out, nil
}

func deleteResourcePolicy(c *call, in *SecretInput) (*SecretOutput, error) {
	s, err := c.openActive(in.SecretID, "secretsmanager:DeleteResourcePolicy")
	if err != nil {
		return nil, err
	}
	if s.Policy != nil {
		c.emit(&event.SecretPolicyRemoved{Secret: s.ARN, At: c.now()})
	}
	return &SecretOutput{ARN: s.ARN, Name: s.Name}, nil
}

// ValidateResourcePolicyInput is the request of secretsmanager:ValidateResourcePolicy.
type ValidateResourcePolicyInput struct {
	SecretID       string `json:"SecretId" aws:"min=1,max=2048"`
	ResourcePolicy string `json:"ResourcePolicy" aws:"required,min=1,max=20480"`
}

// ValidateResourcePolicyOutput is the reply of secretsmanager:ValidateResourcePolicy.
type ValidateResourcePolicyOutput struct {
	PolicyValidationPassed bool
	ValidationErrors       []ValidationErrorsEntry
}

// ValidationErrorsEntry is one objection to a resource policy.
type ValidationErrorsEntry struct {
	CheckName    string
	ErrorMessage string
}

// validateResourcePolicy judges a policy without attaching it. What could not be
// attached at all is refused as PutResourcePolicy refuses it; the objections are to
// what could be: that it opens the secret to everybody, or shuts it to the caller who
// may change its policy now.
func validateResourcePolicy(c *call, in *ValidateResourcePolicyInput) (*ValidateResourcePolicyOutput, error) {
	const action = "secretsmanager:ValidateResourcePolicy"
	var s *secret.Secret
	var err error
	if in.SecretID == "" {
		err = c.authorize(action, plain("*"))
	} else {
		s, err = c.openActive(in.SecretID, action)
	}
	if err != nil {
		return nil, err
	}
	p, err := c.readResourcePolicy(in.ResourcePolicy)
	if err != nil {
		return nil, err
	}
	out := &ValidateResourcePolicyOutput{ValidationErrors: []ValidationErrorsEntry{}}
	object := func(check, message string) {
		out.ValidationErrors = append(out.ValidationErrors, ValidationErrorsEntry{CheckName: check, ErrorMessage: message})
	}
	if p.policy.IsPublic() {
		object("PUBLIC_POLICY", "This resource policy grants broad access to your secret.")
	}
	if s != nil && c.locksOut(s, p) {
		object("POLICY_LOCKOUT", "Your requested changes will not allow you to manage this secret in the future.")
	}
	out.PolicyValidationPassed = len(out.ValidationErrors) == 0
	return out, nil
}

// locksOut reports whether the caller can put the secret's policy now and could not
// under p. Both are judged as that call would be: boundary, session policy and explicit
// denials count.
func (c *call) locksOut(s *secret.Secret, p boundPolicy) bool {
	may := func(on target) bool {
		d := c.try("secretsmanager:PutResourcePolicy", on, whenBool("secretsmanager:blockpublicpolicy", false))
		return d.Allowed
	}
	now, then := onSecret(s), onSecret(s)
	then.policy.Policy = p.policy
	return may(now) && !may(then)
}
