package vault

import (
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/secret"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("secretsmanager", "DescribeSecret", use, describeSecret)
	define("secretsmanager", "ListSecretVersionIds", use, listSecretVersionIDs)
}

// DescribeSecretOutput is the reply of secretsmanager:DescribeSecret. KmsKeyId is
// absent for aws/secretsmanager, DeletedDate unless the secret is marked for deletion,
// LastAccessedDate until a value is read.
type DescribeSecretOutput struct {
	ARN                string
	Name               string
	Type               string              `json:",omitempty"`
	Description        string              `json:",omitempty"`
	KmsKeyID           string              `json:"KmsKeyId,omitempty"`
	LastChangedDate    shape.Timestamp     `json:",omitzero"`
	LastAccessedDate   shape.Timestamp     `json:",omitzero"` // the day
	DeletedDate        shape.Timestamp     `json:",omitzero"`
	Tags               []SecretTag         `json:",omitzero"`
	VersionIDsToStages map[string][]string `json:"VersionIdsToStages,omitempty"`
	CreatedDate        shape.Timestamp     `json:",omitzero"`
}

func describeSecret(c *call, in *SecretInput) (*DescribeSecretOutput, error) {
	s, err := c.openSecret(in.SecretID, "secretsmanager:DescribeSecret")
	if err != nil {
		return nil, err
	}
	return &DescribeSecretOutput{
		ARN: s.ARN, Name: s.Name, Type: s.Type, Description: s.Description(), KmsKeyID: s.KmsKeyID(),
		LastChangedDate: stamp(s.Changed()), LastAccessedDate: c.lastRead(s.ARN), DeletedDate: stamp(calledAt(s)), CreatedDate: stamp(s.Created()),
		Tags: shownTags(s.Tags), VersionIDsToStages: labelled(s),
	}, nil
}

// labelled maps the versions that have labels to those.
func labelled(s *secret.Secret) map[string][]string {
	var m map[string][]string
	versions := s.Versions()
	for i := range versions {
		if stages := s.Stages(&versions[i]); len(stages) > 0 {
			if m == nil {
				m = make(map[string][]string, 2)
			}
			m[versions[i].ID()] = stages
		}
	}
	return m
}

func calledAt(s *secret.Secret) time.Time {
	called, _ := s.Deletion()
	return called
}

// stamp is the time on the wire; the zero time stays absent.
func stamp(t time.Time) shape.Timestamp {
	if t.IsZero() {
		return shape.Timestamp{}
	}
	return shape.At(t)
}

// shownTags is tags on the wire: absent for a secret that never had any, and an empty
// list for one that has lost them all.
func shownTags(tags []event.Tag) []SecretTag {
	if tags == nil {
		return nil
	}
	shown := make([]SecretTag, len(tags))
	for i, t := range tags {
		shown[i] = SecretTag{Key: t.Key, Value: t.Value}
	}
	return shown
}

// ListSecretVersionIdsInput is the request of secretsmanager:ListSecretVersionIds.
type ListSecretVersionIdsInput struct {
	SecretID          string `json:"SecretId" aws:"required,min=1,max=2048"`
	MaxResults        int    `json:"MaxResults" aws:"min=1,max=100"`
	NextToken         string `json:"NextToken" aws:"min=1,max=4096"`
	IncludeDeprecated bool   `json:"IncludeDeprecated"`
}

// ListSecretVersionIdsOutput is the reply of secretsmanager:ListSecretVersionIds,
// oldest version first.
type ListSecretVersionIdsOutput struct {
	ARN       string
	Name      string
	Versions  []SecretVersion
	NextToken string `json:",omitempty"`
}

// SecretVersion is a version as ListSecretVersionIds shows it. KmsKeyIds has the
// keys that its data key is wrapped under: ARNs, or DefaultEncryptionKey.
type SecretVersion struct {
	VersionID        string          `json:"VersionId"`
	VersionStages    []string        `json:",omitempty"`
	LastAccessedDate shape.Timestamp `json:",omitzero"` // the day
	KmsKeyIDs        []string        `json:"KmsKeyIds,omitempty"`
	CreatedDate      shape.Timestamp
}

func listSecretVersionIDs(c *call, in *ListSecretVersionIdsInput) (*ListSecretVersionIdsOutput, error) {
	s, err := c.openSecret(in.SecretID, "secretsmanager:ListSecretVersionIds")
	if err != nil {
		return nil, err
	}
	limit := in.MaxResults
	if limit == 0 {
		limit = 100
	}
	versions := s.Versions()
	if in.NextToken != "" { // the id of the version shown last
		i := 0
		for i < len(versions) && versions[i].ID() != in.NextToken {
			i++
		}
		if i == len(versions) {
			return nil, invalidNextToken()
		}
		versions = versions[i+1:]
	}
	out := &ListSecretVersionIdsOutput{ARN: s.ARN, Name: s.Name, Versions: []SecretVersion{}}
	for i := range versions {
		v := &versions[i]
		if s.Deprecated(v) && !in.IncludeDeprecated {
			continue
		}
		if len(out.Versions) == limit {
			out.NextToken = out.Versions[limit-1].VersionID
			break
		}
		out.Versions = append(out.Versions, SecretVersion{
			VersionID: v.ID(), VersionStages: s.Stages(v), KmsKeyIDs: c.wrappingKeys(s, v), CreatedDate: stamp(v.Created()),
			LastAccessedDate: c.lastReadVersion(s.ARN, v.ID()),
		})
	}
	return out, nil
}

func (c *call) wrappingKeys(s *secret.Secret, v *secret.Version) []string {
	keys := []string{c.shownKey(s, v.Wrapping().Key)}
	for _, w := range v.Older() {
		keys = append(keys, c.shownKey(s, w.Key))
	}
	return keys
}

func (c *call) shownKey(s *secret.Secret, id string) string {
	k := c.st.Keys.Get(id)
	switch {
	case k == nil: // deleted since
		return id
	case c.isManaged(s.Account, k.ARN):
		return "DefaultEncryptionKey"
	}
	return k.ARN
}
