package vault

import (
	"errors"
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
		var m *iam.MalformedError
		if errors.As(err, &m) {
			return none, malformedPolicy(m.Text)
		}
		return none, malformedPolicy("Syntax errors in policy.")
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
		return nil, fault.New(fault.PublicPolicyException, "You can't attach a resource policy that opens the secret to everybody while BlockPublicPolicy is set.")
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
// attached at all is an objection too, so that a caller sees every one in one place.
func validateResourcePolicy(c *call, in *ValidateResourcePolicyInput) (*ValidateResourcePolicyOutput, error) {
	const action = "secretsmanager:ValidateResourcePolicy"
	if in.SecretID == "" {
		if err := c.authorize(action, plain("*")); err != nil {
			return nil, err
		}
	} else if _, err := c.openActive(in.SecretID, action); err != nil {
		return nil, err
	}
	out := &ValidateResourcePolicyOutput{ValidationErrors: []ValidationErrorsEntry{}}
	object := func(check, message string) {
		out.ValidationErrors = append(out.ValidationErrors, ValidationErrorsEntry{CheckName: check, ErrorMessage: message})
	}
	p, err := c.readResourcePolicy(in.ResourcePolicy)
	switch {
	case err != nil:
		object("POLICY_GRAMMAR", fault.Of(err).Message)
	case p.policy.IsPublic():
		object("PUBLIC_POLICY", "The resource policy opens the secret to everybody.")
	}
	out.PolicyValidationPassed = len(out.ValidationErrors) == 0
	return out, nil
}
