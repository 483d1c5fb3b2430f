package vault

import (
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/secret"
)

// SecretInput is the request of the operations that take a SecretId alone.
type SecretInput struct {
	SecretID string `json:"SecretId" aws:"required,min=1,max=2048"`
}

// SecretOutput is the reply of the operations that say which secret they changed.
type SecretOutput struct {
	ARN       string
	Name      string
	VersionID string `json:"VersionId,omitempty"`
}

func (o *SecretOutput) responseElements() any { return recordedSecret(*o) }

// recordedSecret is a SecretOutput as CloudTrail writes it.
type recordedSecret struct {
	ARN       string `json:"arn"`
	Name      string `json:"name"`
	VersionID string `json:"versionId,omitempty"`
}

// openSecret finds the secret that a request names and judges the action on it. A
// secret that does not exist is judged as well: who may not act on it is told so,
// and not that it is missing.
func (c *call) openSecret(id, action string, conds ...cond) (*secret.Secret, error) {
	s, err := c.st.Secrets.Find(c.account, id)
	if err != nil || s.Gone(c.now()) {
		return nil, c.missingSecret(id, action, conds...)
	}
	c.resource(s.ARN)
	if err := c.authorize(action, onSecret(s), conds...); err != nil {
		return nil, err
	}
	return s, nil
}

// openActive is openSecret for what a secret that is marked for deletion refuses.
func (c *call) openActive(id, action string, conds ...cond) (*secret.Secret, error) {
	s, err := c.openSecret(id, action, conds...)
	if err != nil {
		return nil, err
	}
	if s.Scheduled() {
		return nil, fault.New(fault.InvalidRequestException, "You can't perform this operation on the secret because it was marked for deletion.")
	}
	return s, nil
}

// missingSecret is the answer about a secret that does not exist. As on AWS a
// denial shows the SecretId as it was given.
func (c *call) missingSecret(id, action string, conds ...cond) error {
	reference, owner, ok := secret.Reference(c.st.Region, c.account, id)
	if !ok {
		return invalidName()
	}
	conds = append(conds, when("secretsmanager:secretid", reference))
	on := target{arn: reference, account: owner, model: iam.ModelResource}
	if err := c.authorizeAs(id, action, on, conds...); err != nil {
		return err
	}
	return secret.NotFound()
}

// authorizeAs is authorize with another name for the resource in the refusal.
func (c *call) authorizeAs(shown, action string, on target, conds ...cond) error {
	d := c.try(action, on, conds...)
	c.record(action, on.arn, &d)
	if d.Allowed {
		return nil
	}
	return c.denied(action, shown, &d)
}

func invalidName() error {
	return fault.New(fault.ValidationException, "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
}

// invalid is the fault for parameters that contradict each other or a limit.
func invalid(format string, args ...any) *fault.Fault {
	return fault.New(fault.InvalidParameterException, format, args...)
}

// secretsInternal marks a defect of ours or of the keyring, on the way to a caller
// of Secrets Manager who is told nothing of it.
func secretsInternal(err error) error {
	return fault.New(fault.InternalServiceError, "An error occurred on the server side.").Because(err)
}

const suffixAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// newSuffix draws the six characters that end a new secret's ARN.
func newSuffix(entropy io.Reader) (string, error) {
	suffix := make([]byte, secret.SuffixLength)
	for i := range suffix {
		n, err := below(entropy, len(suffixAlphabet))
		if err != nil {
			return "", secretsInternal(fmt.Errorf("draw the suffix of an ARN: %w", err))
		}
		suffix[i] = suffixAlphabet[n]
	}
	return string(suffix), nil
}

// below draws a number from 0 to n-1, each as likely as any other; n is at most
// 256. Bytes in the incomplete last run of n are thrown away.
func below(entropy io.Reader, n int) (int, error) {
	var b [1]byte
	for whole := 256 - 256%n; ; {
		if _, err := io.ReadFull(entropy, b[:]); err != nil {
			return 0, err
		}
		if int(b[0]) < whole {
			return int(b[0]) % n, nil
		}
	}
}

// versionID is the id of a version to be written: the client's token, or a UUID.
func (c *call) versionID(token string) (string, error) {
	if token != "" {
		return token, nil
	}
	var raw [16]byte
	if _, err := io.ReadFull(c.env.Entropy, raw[:]); err != nil {
		return "", secretsInternal(fmt.Errorf("draw a version id: %w", err))
	}
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	return key.FormatID(raw), nil
}

// SecretTag is a tag of Secrets Manager on the wire.
type SecretTag struct {
	Key   string `json:"Key" aws:"required,min=1,max=128"`
	Value string `json:"Value" aws:"max=256"`
}

// newSecretTags checks tags as a request brings them. A key that comes twice keeps
// its last value.
func newSecretTags(in []SecretTag) ([]event.Tag, error) {
	tags := make([]event.Tag, 0, len(in))
next:
	for _, t := range in {
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return nil, invalid("Tag keys can't begin with aws:")
		}
		for i := range tags {
			if tags[i].Key == t.Key {
				tags[i].Value = t.Value
				continue next
			}
		}
		tags = append(tags, event.Tag{Key: t.Key, Value: t.Value})
	}
	return tags, nil
}

func tooManyTags() error {
	return invalid("A secret can't have more than %d tags.", secret.MaxTags)
}

// listToken is the NextToken of a listing: what was shown last, opaque to clients.
// It grants nothing: every page is authorized anew.
func listToken(serial uint64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendUint([]byte("s"), serial, 36))
}

func parseListToken(token string) (serial uint64, err error) {
	if token == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < 2 || raw[0] != 's' {
		return 0, invalidNextToken()
	}
	if serial, err = strconv.ParseUint(string(raw[1:]), 36, 64); err != nil || serial == 0 {
		return 0, invalidNextToken()
	}
	return serial, nil
}

func invalidNextToken() error {
	return fault.New(fault.InvalidNextTokenException, "The NextToken value is invalid.")
}
