package vault

import (
	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/secret"
)

func init() { define("secretsmanager", "CreateSecret", change, createSecret) }

// ReplicaRegion names another Region of a replicated secret. The vault has one.
type ReplicaRegion struct {
	Region   string `json:"Region" aws:"min=1,max=128,pattern=^([a-z]+-)+\\d+$"`
	KmsKeyID string `json:"KmsKeyId" aws:"max=2048"`
}

// CreateSecretInput is the request of secretsmanager:CreateSecret.
type CreateSecretInput struct {
	Name               string          `json:"Name" aws:"required,min=1,max=512"`
	ClientRequestToken string          `json:"ClientRequestToken" aws:"min=32,max=64"`
	Description        string          `json:"Description" aws:"max=2048"`
	KmsKeyID           *string         `json:"KmsKeyId" aws:"max=2048"`
	SecretBinary       []byte          `json:"SecretBinary" aws:"min=1,max=65536" audit:"-"`
	SecretString       []byte          `json:"SecretString" aws:"text,min=1,max=65536" audit:"-"`
	Tags               []SecretTag     `json:"Tags"`
	AddReplicaRegions  []ReplicaRegion `json:"AddReplicaRegions" aws:"min=1"`
	ForceOverwrite     bool            `json:"ForceOverwriteReplicaSecret"`
	Type               string          `json:"Type" aws:"max=256"`
}

// createSecret makes a secret and, if a value came, its first version. All that can
// fail comes before the first event: a secret is there whole, or not at all.
func createSecret(c *call, in *CreateSecretInput) (*SecretOutput, error) {
	if !secret.ValidName(in.Name) {
		return nil, invalidName()
	}
	v, err := givenValue(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	tags, err := newSecretTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if len(tags) > secret.MaxTags {
		return nil, tooManyTags()
	}
	suffix, err := newSuffix(c.env.Entropy)
	if err != nil {
		return nil, err
	}
	secretARN := arn.Secret(c.st.Region, c.account, in.Name, suffix).String()
	given := ""
	if in.KmsKeyID != nil {
		given = *in.KmsKeyID
	}
	choice := c.choose(c.account, given)
	if err := c.mayCreate(in, secretARN, tags, c.keyConditions(choice, given != "")); err != nil {
		return nil, err
	}
	if len(in.AddReplicaRegions) > 0 {
		return nil, invalid("Invalid replica region. The vault has one Region, and its secrets no replicas.")
	}
	old, _ := c.st.Secrets.Find(c.account, in.Name)
	if old != nil && !old.Gone(c.now()) {
		return c.createAgain(old, in, v)
	}
	k, err := c.resolveKey(c.account, choice)
	if err != nil {
		return nil, err
	}
	if choice.given != "" {
		if err := c.validateKey(secretARN, choice.reference); err != nil {
			return nil, err
		}
	}
	var sealed *sealedVersion
	var wrapping event.Wrapping
	if v != nil {
		version, err := c.versionID(in.ClientRequestToken)
		if err != nil {
			return nil, err
		}
		if sealed, err = c.sealValue(secretARN, version, choice.reference, v); err != nil {
			return nil, err
		}
		if wrapping, err = c.stageWrapped(sealed.wrapped); err != nil {
			return nil, err
		}
	}
	if secret.LooksLikeARN(in.Name) {
		c.extra("nameWarning", "The name ends in a hyphen and six characters, as an ARN does: a partial ARN of this secret can be taken for the full ARN of another.")
	}
	if old != nil {
		c.endSecret(old)
	}
	c.resource(secretARN)
	c.emit(&event.SecretCreated{
		Secret: secretARN, Account: c.account, Name: in.Name, Description: in.Description,
		KmsKeyID: choice.given, Key: k.ID, Type: in.Type, Tags: tags, Created: c.now(),
	})
	out := &SecretOutput{ARN: secretARN, Name: in.Name}
	if sealed != nil {
		c.emit(c.versionCreated(secretARN, sealed, wrapping))
		c.emit(&event.SecretStageMoved{Secret: secretARN, Stage: secret.Current, To: sealed.id, At: c.now()})
		out.VersionID = sealed.id
	}
	return out, nil
}

// mayCreate judges CreateSecret on the ARN that the secret would have.
func (c *call) mayCreate(in *CreateSecretInput, secretARN string, tags []event.Tag, keys []cond) error {
	conds := append(keys, when("secretsmanager:name", in.Name), withRequestTags(tags),
		whenBool("secretsmanager:forceoverwritereplicasecret", in.ForceOverwrite))
	if in.Description != "" {
		conds = append(conds, when("secretsmanager:description", in.Description))
	}
	if in.Type != "" {
		conds = append(conds, when("secretsmanager:type", in.Type))
	}
	if len(in.AddReplicaRegions) > 0 {
		var regions []string
		for _, r := range in.AddReplicaRegions {
			regions = append(regions, r.Region)
		}
		conds = append(conds, condMulti("secretsmanager:addreplicaregions", regions...))
	}
	on := target{arn: secretARN, account: c.account, model: iam.ModelIdentity}
	if err := c.authorizeAs(in.Name, "secretsmanager:CreateSecret", on, conds...); err != nil {
		return err
	}
	if len(tags) == 0 {
		return nil
	}
	return c.authorizeAs(in.Name, "secretsmanager:TagResource", on, conds...)
}

// createAgain answers for a name that is taken: a retry of the call that made the
// secret, told by its token and its value, is no failure.
func (c *call) createAgain(s *secret.Secret, in *CreateSecretInput, v *value) (*SecretOutput, error) {
	c.resource(s.ARN)
	if s.Scheduled() {
		return nil, fault.New(fault.InvalidRequestException, "You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if have := s.Version(in.ClientRequestToken); have != nil && v != nil {
		if err := c.retried(s, have, v); err != nil {
			return nil, err
		}
		return &SecretOutput{ARN: s.ARN, Name: s.Name, VersionID: have.ID()}, nil
	}
	return nil, fault.New(fault.ResourceExistsException, "The operation failed because the secret %s already exists.", in.Name)
}

// retried is nil when a version that has the request's token has its value too.
func (c *call) retried(s *secret.Secret, have *secret.Version, v *value) error {
	same, err := c.holds(s, have, v)
	if err != nil {
		return err
	}
	if !same {
		return tokenInUse(s, have.ID())
	}
	return nil
}

func tokenInUse(s *secret.Secret, token string) error {
	return fault.New(fault.ResourceExistsException,
		"You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", token, s.ARN)
}

func (c *call) versionCreated(secretARN string, v *sealedVersion, w event.Wrapping) *event.SecretVersionCreated {
	return &event.SecretVersionCreated{
		Secret: secretARN, Version: v.id, Binary: v.binary, Ciphertext: v.ciphertext, Wrapping: w, Created: c.now(),
	}
}
