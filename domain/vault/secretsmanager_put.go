package vault

import (
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
)

func init() { define("secretsmanager", "PutSecretValue", change, putSecretValue) }

// PutSecretValueInput is the request of secretsmanager:PutSecretValue.
type PutSecretValueInput struct {
	SecretID           string   `json:"SecretId" aws:"required,min=1,max=2048"`
	ClientRequestToken string   `json:"ClientRequestToken" aws:"min=32,max=64"`
	SecretBinary       []byte   `json:"SecretBinary" aws:"min=1,max=65536" audit:"-"`
	SecretString       []byte   `json:"SecretString" aws:"text,min=1,max=65536" audit:"-"`
	VersionStages      []string `json:"VersionStages" aws:"min=1,max=20,each.min=1,each.max=256"`
	RotationToken      string   `json:"RotationToken" aws:"min=36,max=256,pattern=^[a-zA-Z0-9\\-]+$" audit:"-"`
}

// PutSecretValueOutput is the reply of secretsmanager:PutSecretValue.
type PutSecretValueOutput struct {
	ARN           string
	Name          string
	VersionID     string `json:"VersionId"`
	VersionStages []string
}

func (o *PutSecretValueOutput) responseElements() any {
	return recordedSecret{ARN: o.ARN, Name: o.Name, VersionID: o.VersionID}
}

func putSecretValue(c *call, in *PutSecretValueInput) (*PutSecretValueOutput, error) {
	s, err := c.openActive(in.SecretID, "secretsmanager:PutSecretValue")
	if err != nil {
		return nil, err
	}
	v, err := givenValue(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fault.New(fault.InvalidRequestException, "You must provide either SecretString or SecretBinary.")
	}
	if err := c.reachable(s, s.KmsKeyID()); err != nil {
		return nil, err
	}
	if have := s.Version(in.ClientRequestToken); have != nil {
		if err := c.retried(s, have, v); err != nil {
			return nil, err
		}
		return &PutSecretValueOutput{ARN: s.ARN, Name: s.Name, VersionID: have.ID(), VersionStages: s.Stages(have)}, nil
	}
	var stages []string // in the order of the request, each once
	for _, stage := range in.VersionStages {
		if !slices.Contains(stages, stage) {
			stages = append(stages, stage)
		}
	}
	if len(stages) == 0 || len(s.Versions()) == 0 && !slices.Contains(stages, secret.Current) {
		stages = append(stages, secret.Current)
	}
	if err := c.stagesFit(s, stages); err != nil {
		return nil, err
	}
	w, err := c.prepareVersion(s, in.ClientRequestToken, c.choose(s.Account, s.KmsKeyID()), v)
	if err != nil {
		return nil, err
	}
	if w.wrapping, err = c.stageWrapped(w.sealed.wrapped); err != nil {
		return nil, err
	}
	c.writeVersion(s, w, stages)
	return &PutSecretValueOutput{ARN: s.ARN, Name: s.Name, VersionID: w.sealed.id, VersionStages: stages}, nil
}

// preparedVersion is a version of an existing secret that only has to be written.
type preparedVersion struct {
	sealed   *sealedVersion
	wrapping event.Wrapping // set when its keyring entry is staged
	purged   []string       // version ids that it pushes out
	rings    []string       // of their data keys
}

func (c *call) prepareVersion(s *secret.Secret, token string, choice keyChoice, v *value) (*preparedVersion, error) {
	p := &preparedVersion{}
	for _, old := range s.Purgeable(c.now()) {
		p.purged = append(p.purged, old.ID())
		old.Rings(func(ring string) bool { p.rings = append(p.rings, ring); return true })
	}
	if len(s.Versions())-len(p.purged) >= secret.MaxVersions {
		return nil, fault.New(fault.LimitExceededException, "The secret has %d versions that are labelled or less than a day old, the most it can have.", secret.MaxVersions)
	}
	version, err := c.versionID(token)
	if err != nil {
		return nil, err
	}
	p.sealed, err = c.sealValue(s.ARN, version, choice.reference, v)
	return p, err
}

// writeVersion emits what a new version brings about. Versions without a label that
// are too many and old enough go first, and their data keys with them.
func (c *call) writeVersion(s *secret.Secret, p *preparedVersion, stages []string) {
	for _, id := range p.purged {
		c.emit(&event.SecretVersionPurged{Secret: s.ARN, Version: id})
	}
	for _, ring := range p.rings {
		c.erase(ring)
	}
	c.emit(c.versionCreated(s.ARN, p.sealed, p.wrapping))
	if slices.Contains(stages, secret.Current) {
		c.endPending(s)
	}
	for _, stage := range stages {
		c.moveStage(s, stage, p.sealed.id)
	}
}

// endPending takes AWSPENDING, which a finished rotation leaves beside AWSCURRENT, off
// the version that a newer value is about to replace: on one that is not current it
// would mean a rotation under way.
func (c *call) endPending(s *secret.Secret) {
	if v := s.Staged(secret.Pending); v != nil && v == s.Staged(secret.Current) {
		c.emit(&event.SecretStageMoved{Secret: s.ARN, Stage: secret.Pending, From: v.ID(), At: c.now()})
	}
}

// moveStage puts a label on a version and takes it off the one that has it. The
// version that loses AWSCURRENT gets AWSPREVIOUS.
func (c *call) moveStage(s *secret.Secret, stage, to string) {
	from := ""
	if v := s.Staged(stage); v != nil {
		from = v.ID()
	}
	if from == to {
		return
	}
	if stage == secret.Current && from != "" {
		c.moveStage(s, secret.Previous, from)
	}
	c.emit(&event.SecretStageMoved{Secret: s.ARN, Stage: stage, From: from, To: to, At: c.now()})
}

// stagesFit checks the bound on a secret's labels before some are added.
func (c *call) stagesFit(s *secret.Secret, stages []string) error {
	total := s.StageCount()
	for i, stage := range stages {
		if s.Staged(stage) == nil && !slices.Contains(stages[:i], stage) {
			total++
		}
	}
	if slices.Contains(stages, secret.Current) && s.Staged(secret.Current) != nil && s.Staged(secret.Previous) == nil &&
		!slices.Contains(stages, secret.Previous) {
		total++
	}
	if total > secret.MaxStages {
		return fault.New(fault.LimitExceededException, "A secret can't have more than %d staging labels.", secret.MaxStages)
	}
	return nil
}
