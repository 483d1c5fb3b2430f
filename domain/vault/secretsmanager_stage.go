package vault

import (
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
)

func init() { define("secretsmanager", "UpdateSecretVersionStage", change, updateSecretVersionStage) }

// UpdateSecretVersionStageInput is the request of
// secretsmanager:UpdateSecretVersionStage.
type UpdateSecretVersionStageInput struct {
	SecretID            string `json:"SecretId" aws:"required,min=1,max=2048"`
	VersionStage        string `json:"VersionStage" aws:"required,min=1,max=256"`
	RemoveFromVersionID string `json:"RemoveFromVersionId" aws:"min=32,max=64"`
	MoveToVersionID     string `json:"MoveToVersionId" aws:"min=32,max=64"`
}

// updateSecretVersionStage puts a label on a version, moves it or takes it off. A
// request that would take it off a version must name that one, so that it cannot hit
// a version that has got the label since.
func updateSecretVersionStage(c *call, in *UpdateSecretVersionStageInput) (*SecretOutput, error) {
	s, err := c.openActive(in.SecretID, "secretsmanager:UpdateSecretVersionStage", when("secretsmanager:versionstage", in.VersionStage))
	if err != nil {
		return nil, err
	}
	for _, id := range []string{in.MoveToVersionID, in.RemoveFromVersionID} {
		if id != "" && s.Version(id) == nil {
			return nil, fault.New(fault.ResourceNotFoundException, "Secrets Manager can't find the specified secret value for VersionId: %s", id)
		}
	}
	holder := ""
	if v := s.Staged(in.VersionStage); v != nil {
		holder = v.ID()
	}
	out := &SecretOutput{ARN: s.ARN, Name: s.Name}
	switch {
	case in.MoveToVersionID == "" && in.RemoveFromVersionID == "":
		return nil, invalid("You must specify MoveToVersionId, RemoveFromVersionId, or both.")
	case in.RemoveFromVersionID != "" && in.RemoveFromVersionID != holder:
		return nil, invalid("Staging label %s isn't currently attached to version %s.", in.VersionStage, in.RemoveFromVersionID)
	case in.MoveToVersionID == holder:
		return out, nil
	case holder != "" && in.RemoveFromVersionID == "":
		return nil, invalid("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", in.VersionStage, holder)
	case in.MoveToVersionID == "" && in.VersionStage == secret.Current:
		return nil, invalid("You can only move staging label %s to a different secret version. It can't be completely removed.", secret.Current)
	case in.MoveToVersionID == "":
		c.emit(&event.SecretStageMoved{Secret: s.ARN, Stage: in.VersionStage, From: holder, At: c.now()})
		return out, nil
	}
	if err := c.stagesFit(s, []string{in.VersionStage}); err != nil {
		return nil, err
	}
	c.moveStage(s, in.VersionStage, in.MoveToVersionID)
	return out, nil
}
