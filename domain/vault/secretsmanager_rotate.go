package vault

import "github.com/keytrail/keytrail/domain/fault"

func init() {
	define("secretsmanager", "RotateSecret", change, rotateSecret)
	define("secretsmanager", "CancelRotateSecret", change, cancelRotateSecret)
}

// RotateSecretInput is the request of secretsmanager:RotateSecret.
type RotateSecretInput struct {
	SecretID           string             `json:"SecretId" aws:"required,min=1,max=2048"`
	ClientRequestToken string             `json:"ClientRequestToken" aws:"min=32,max=64"`
	Function           string             `json:"RotationLambdaARN" aws:"max=2048"`
	Rules              *RotationRules     `json:"RotationRules"`
	Metadata           []RotationMetadata `json:"ExternalSecretRotationMetadata"`
	Role               string             `json:"ExternalSecretRotationRoleArn" aws:"min=20,max=2048"`
	Immediately        *bool              `json:"RotateImmediately"`
}

// RotationRules says when a secret is to be rotated: every so many days, or by a
// schedule.
type RotationRules struct {
	AfterDays *int   `json:"AutomaticallyAfterDays" aws:"min=1,max=1000"`
	Duration  string `json:"Duration" aws:"min=2,max=3,pattern=[0-9]+h"`
	Schedule  string `json:"ScheduleExpression" aws:"min=1,max=256,pattern=[0-9A-Za-z\\(\\)#\\?\\*\\-\\/, ]+"`
}

// RotationMetadata is what a partner's rotation of a managed external secret is to know.
type RotationMetadata struct {
	Key   string `json:"Key" aws:"min=1,max=256"`
	Value string `json:"Value" aws:"min=1,max=2048"`
}

// rotateSecret refuses. A rotation is the work of a function that Secrets Manager calls
// step by step, and the vault has no functions: it says what AWS says to who names none,
// or one that cannot be called, and leaves the secret as it is. A rotation from outside
// needs none: it puts the next value under AWSPENDING and moves AWSCURRENT to it.
func rotateSecret(c *call, in *RotateSecretInput) (*SecretOutput, error) {
	conds := []cond{
		whenBool("secretsmanager:rotateimmediately", in.Immediately == nil || *in.Immediately),
		whenBool("secretsmanager:modifyrotationrules", in.Rules != nil),
	}
	if in.Function != "" {
		conds = append(conds, when("secretsmanager:rotationlambdaarn", in.Function))
	}
	if in.Role != "" {
		conds = append(conds, when("secretsmanager:externalsecretrotationrolearn", in.Role))
	}
	if _, err := c.openActive(in.SecretID, "secretsmanager:RotateSecret", conds...); err != nil {
		return nil, err
	}
	switch {
	case in.Rules != nil && in.Rules.AfterDays != nil && in.Rules.Schedule != "":
		return nil, invalid("You can't specify both AutomaticallyAfterDays and ScheduleExpression in RotationRules.")
	case in.Function != "":
		return nil, fault.New(fault.AccessDeniedException, "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.")
	}
	return nil, noRotation()
}

// cancelRotateSecret finds no rotation to cancel: see rotateSecret.
func cancelRotateSecret(c *call, in *SecretInput) (*SecretOutput, error) {
	if _, err := c.openActive(in.SecretID, "secretsmanager:CancelRotateSecret"); err != nil {
		return nil, err
	}
	return nil, noRotation()
}

func noRotation() error {
	return fault.New(fault.InvalidRequestException, "No Lambda rotation function ARN is associated with this secret.")
}
