package vault

import (
	"strconv"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("secretsmanager", "DeleteSecret", change, deleteSecret)
	define("secretsmanager", "RestoreSecret", change, restoreSecret)
	define("secretsmanager", "EndSecretVersionDelete", internal, endSecretVersionDelete)
}

// DeleteSecretInput is the request of secretsmanager:DeleteSecret.
type DeleteSecretInput struct {
	SecretID string `json:"SecretId" aws:"required,min=1,max=2048"`
	Window   *int   `json:"RecoveryWindowInDays"`
	Force    bool   `json:"ForceDeleteWithoutRecovery"`
}

// DeleteSecretOutput is the reply of secretsmanager:DeleteSecret. DeletionDate is
// when the secret is, or was, destroyed.
type DeleteSecretOutput struct {
	ARN          string
	Name         string
	DeletionDate shape.Timestamp
}

func (o *DeleteSecretOutput) responseElements() any {
	return struct {
		ARN          string `json:"arn"`
		Name         string `json:"name"`
		DeletionDate string `json:"deletionDate"`
	}{o.ARN, o.Name, o.DeletionDate.Format("Jan 2, 2006, 3:04:05 PM")}
}

func deleteSecret(c *call, in *DeleteSecretInput) (*DeleteSecretOutput, error) {
	window := secret.MaxWindow
	conds := []cond{whenBool("secretsmanager:forcedeletewithoutrecovery", in.Force)}
	if in.Window != nil {
		window = *in.Window
		conds = append(conds, when("secretsmanager:recoverywindowindays", strconv.Itoa(window)))
	}
	if window < secret.MinWindow || window > secret.MaxWindow {
		return nil, invalid("The RecoveryWindowInDays value must be between %d and %d days (inclusive).", secret.MinWindow, secret.MaxWindow)
	}
	s, err := c.openSecret(in.SecretID, "secretsmanager:DeleteSecret", conds...)
	missing := fault.Is(err, fault.ResourceNotFoundException)
	if err != nil && !(missing && in.Force) {
		return nil, err
	}
	switch {
	case in.Force && in.Window != nil:
		return nil, invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case missing:
		reference, _, _ := secret.Reference(c.st.Region, c.account, in.SecretID)
		_, name, _ := strings.Cut(reference, ":secret:")
		return &DeleteSecretOutput{ARN: reference, Name: name, DeletionDate: stamp(c.now())}, nil
	case in.Force:
		out := &DeleteSecretOutput{ARN: s.ARN, Name: s.Name, DeletionDate: stamp(c.now())}
		c.endSecret(s)
		return out, nil
	case s.Scheduled():
		return nil, fault.New(fault.InvalidRequestException, "You can't perform this operation on the secret because it was already scheduled for deletion.")
	}
	ends := c.now().AddDate(0, 0, window)
	c.emit(&event.SecretDeletionScheduled{Secret: s.ARN, Deleted: c.now(), At: ends})
	return &DeleteSecretOutput{ARN: s.ARN, Name: s.Name, DeletionDate: stamp(ends)}, nil
}

// endSecret destroys a secret: the wrapped data key of every version is erased once
// the record is on disk, and what the log holds of the values can be opened no more.
// Crash point: an erasure that did not happen happens at the next start, as the state
// then refers to those entries no more.
func (c *call) endSecret(s *secret.Secret) {
	var rings []string
	versions := s.Versions()
	for i := range versions {
		versions[i].Rings(func(ring string) bool { rings = append(rings, ring); return true })
	}
	c.emit(&event.SecretDeleted{Secret: s.ARN})
	for _, ring := range rings {
		c.erase(ring)
	}
}

func restoreSecret(c *call, in *SecretInput) (*SecretOutput, error) {
	s, err := c.openSecret(in.SecretID, "secretsmanager:RestoreSecret")
	if err != nil {
		return nil, err
	}
	if s.Scheduled() {
		c.emit(&event.SecretRestored{Secret: s.ARN, At: c.now()})
	}
	return &SecretOutput{ARN: s.ARN, Name: s.Name}, nil
}

// endSecretVersionDelete is the end of a recovery window, under the name that
// CloudTrail has for it. No client can call it.
func endSecretVersionDelete(c *call, in *SecretInput) (*struct{}, error) {
	s, err := c.st.Secrets.Find("", in.SecretID)
	if err != nil {
		return nil, err
	}
	c.resource(s.ARN)
	if !s.Gone(c.now()) {
		return nil, fault.New(fault.InvalidRequestException, "The recovery window of %s has not ended.", s.ARN)
	}
	c.endSecret(s)
	return nil, nil
}

// dueSecrets lists the internal calls that time demands of secrets: the end of those
// whose recovery window is over. Each call, carried out, takes its secret off the
// list. Its cost is that of the secrets that are due.
func dueSecrets(st *State, now time.Time) []Request {
	var due []Request
	st.Secrets.Due(now, func(s *secret.Secret) bool {
		body := append(event.AppendString([]byte(`{"SecretId":`), s.ARN), '}')
		due = append(due, Request{
			Service: "secretsmanager", Operation: "EndSecretVersionDelete", Body: body,
			Source: "keytrail", Agent: "keytrail", Secure: true,
		})
		return true
	})
	return due
}
