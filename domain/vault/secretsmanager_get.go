package vault

import (
	"encoding/base64"
	"slices"
	"unicode/utf8"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() { define("secretsmanager", "GetSecretValue", use, getSecretValue) }

// GetSecretValueInput is the request of secretsmanager:GetSecretValue. Without
// VersionId and VersionStage it means AWSCURRENT.
type GetSecretValueInput struct {
	SecretID     string `json:"SecretId" aws:"required,min=1,max=2048"`
	VersionID    string `json:"VersionId" aws:"min=32,max=64"`
	VersionStage string `json:"VersionStage" aws:"min=1,max=256"`
}

// GetSecretValueOutput is the reply of secretsmanager:GetSecretValue. It is
// marshalled before the state can move.
type GetSecretValueOutput struct {
	secret  *secret.Secret
	version *secret.Version
	value   []byte
}

// AppendJSON appends the reply. It grows dst once and first, so that no second copy
// of the value is left behind.
func (o *GetSecretValueOutput) AppendJSON(dst []byte) []byte {
	s, v, stages := o.secret, o.version, o.secret.Stages(o.version)
	dst = slices.Grow(dst, o.size(stages))
	dst = event.AppendString(append(dst, `{"ARN":`...), s.ARN)
	dst = event.AppendString(append(dst, `,"Name":`...), s.Name)
	dst = event.AppendString(append(dst, `,"VersionId":`...), v.ID())
	if v.Binary() {
		dst = appendBlob(append(dst, `,"SecretBinary":`...), o.value)
	} else {
		dst = appendText(append(dst, `,"SecretString":`...), o.value)
	}
	dst = append(dst, `,"VersionStages":[`...)
	for i, stage := range stages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = event.AppendString(dst, stage)
	}
	dst = shape.At(v.Created()).AppendJSON(append(dst, `],"CreatedDate":`...))
	return append(dst, '}')
}

// size bounds the length of the reply.
func (o *GetSecretValueOutput) size(stages []string) int {
	n := len(o.secret.ARN) + len(o.secret.Name) + len(o.version.ID()) + 256
	for _, stage := range stages {
		n += escapedSize(stage) + 1
	}
	if o.version.Binary() {
		return n + base64.StdEncoding.EncodedLen(len(o.value))
	}
	return n + escapedSize(o.value)
}

// escapedSize bounds the length of text as a JSON string.
func escapedSize[T string | []byte](text T) int {
	size := len(text) + 2
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ':
			size += 5
		case c == '"' || c == '\\':
			size++
		case c >= utf8.RuneSelf: // a byte that is not UTF-8 becomes three
			size += 2
		}
	}
	return size
}

// appendText is event.AppendString for text that must not become a Go string, which
// nobody could wipe.
func appendText(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for len(text) > 0 {
		n := 0
		for n < len(text) && text[n] >= ' ' && text[n] < utf8.RuneSelf && text[n] != '"' && text[n] != '\\' {
			n++
		}
		dst = append(dst, text[:n]...)
		if text = text[n:]; len(text) == 0 {
			break
		}
		switch c := text[0]; {
		case c == '"' || c == '\\':
			dst, text = append(dst, '\\', c), text[1:]
		case c < ' ':
			dst, text = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15]), text[1:]
		default:
			r, size := utf8.DecodeRune(text)
			dst, text = utf8.AppendRune(dst, r), text[size:]
		}
	}
	return append(dst, '"')
}

func (o *GetSecretValueOutput) wipe() { clear(o.value) }

// currentStage is the condition of the requests that name neither version nor label.
var currentStage = []cond{when("secretsmanager:versionstage", secret.Current)}

func getSecretValue(c *call, in *GetSecretValueInput) (*GetSecretValueOutput, error) {
	conds := currentStage
	if in.VersionID != "" || in.VersionStage != "" {
		conds = nil
		if in.VersionID != "" {
			conds = append(conds, when("secretsmanager:versionid", in.VersionID))
		}
		if in.VersionStage != "" {
			conds = append(conds, when("secretsmanager:versionstage", in.VersionStage))
		}
	}
	s, err := c.openActive(in.SecretID, "secretsmanager:GetSecretValue", conds...)
	if err != nil {
		return nil, err
	}
	if err := c.reachable(s, s.KmsKeyID()); err != nil {
		return nil, err
	}
	v, err := askedVersion(s, in.VersionID, in.VersionStage)
	if err != nil {
		return nil, err
	}
	plaintext, err := c.openVersion(s, v)
	if err != nil {
		return nil, err
	}
	c.used(&event.SecretValueRead{Secret: s.ARN, Version: v.ID()})
	return &GetSecretValueOutput{secret: s, version: v, value: plaintext}, nil
}

// askedVersion finds a version by its id, by a label, or by both if they agree.
func askedVersion(s *secret.Secret, id, stage string) (*secret.Version, error) {
	if id == "" {
		if stage == "" {
			stage = secret.Current
		}
		if v := s.Staged(stage); v != nil {
			return v, nil
		}
		return nil, fault.New(fault.ResourceNotFoundException, "Secrets Manager can't find the specified secret value for staging label: %s", stage)
	}
	v := s.Version(id)
	if v == nil {
		return nil, fault.New(fault.ResourceNotFoundException, "Secrets Manager can't find the specified secret value for VersionId: %s", id)
	}
	if stage != "" && s.Staged(stage) != v {
		return nil, fault.New(fault.InvalidRequestException, "You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, nil
}
