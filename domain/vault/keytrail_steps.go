package vault

import (
	"strings"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
)

// step is one judgement that an operation needs; any of its alternatives will do.
type step []need

// need is one judgement of a step.
type need struct {
	action     string
	on         target
	conds      []cond
	via        string // the service that makes the call
	newVersion bool
	notRoot    bool // the root user cannot, whatever policies say
}

func (n *need) service() string {
	service, _, _ := strings.Cut(n.action, ":")
	return strings.ToLower(service)
}

// steps lists what must be allowed for the operation to be carried out: the action
// itself, and what Secrets Manager asks of the key behind a secret for its caller.
// obstacle tells why it would fail all the same.
func (c *call) steps(action string, on target) (list []step, obstacle string) {
	lower := strings.ToLower(action)
	list = []step{{{action: action, on: on, notRoot: strings.HasPrefix(lower, "sts:assumerole")}}}
	if on.key != nil {
		if _, operation, ok := strings.Cut(action, ":"); ok {
			obstacle = told(on.key.Permits(operation, c.now()))
		}
		return list, obstacle
	}
	if on.secret != nil && on.secret.Scheduled() && lower == "secretsmanager:getsecretvalue" {
		obstacle = "The secret is marked for deletion."
	}
	behind, trouble := c.behindSecret(lower, on)
	if obstacle == "" {
		obstacle = trouble
	}
	if behind != nil {
		list = append(list, behind)
	}
	return list, obstacle
}

func told(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).Message
}

// behindSecret is what the operation needs of the secret's key.
func (c *call) behindSecret(action string, on target) (behind step, obstacle string) {
	switch action {
	case "secretsmanager:getsecretvalue":
		if on.secret != nil {
			return c.toRead(on.secret)
		}
	case "secretsmanager:putsecretvalue", "secretsmanager:updatesecret": // the latter with a new value
		if on.secret != nil {
			return c.toWrite(c.choose(on.secret.Account, on.secret.KmsKeyID()), on.secret.ARN)
		}
	case "secretsmanager:createsecret":
		return c.toWrite(c.choose(on.account, ""), on.arn)
	}
	return nil, ""
}

// toRead is the Decrypt of the current version's data key, by any of its wrappings.
func (c *call) toRead(s *secret.Secret) (behind step, obstacle string) {
	current := s.Staged(secret.Current)
	if current == nil {
		return nil, "The secret has no value."
	}
	for _, w := range append([]secret.Wrapping{current.Wrapping()}, current.Older()...) {
		k := c.st.Keys.Get(w.Key)
		if k == nil {
			continue
		}
		if obstacle == "" && len(behind) == 0 {
			obstacle = told(k.Permits("Decrypt", c.now()))
		}
		behind = append(behind, need{action: "kms:Decrypt", on: onKey(k), via: "secretsmanager",
			conds: []cond{withContext(secretContext(s.ARN, current.ID())), symmetricCondition}})
	}
	if behind == nil {
		return nil, "The key of the secret's value is gone."
	}
	return behind, obstacle
}

// toWrite is the GenerateDataKey for a new version.
func (c *call) toWrite(choice keyChoice, secretARN string) (behind step, obstacle string) {
	k, err := c.findKey(choice.reference, aliasesToo|otherAccount)
	if err != nil {
		if choice.given == "" { // aws/secretsmanager, which comes into being with the first secret
			return nil, ""
		}
		return nil, told(err)
	}
	context := map[string]string{"SecretARN": secretARN}
	return step{{action: "kms:GenerateDataKey", on: onKey(k.Key), via: "secretsmanager", newVersion: true,
		conds: k.conds(withContext(context), symmetricCondition)}}, told(k.Permits("GenerateDataKey", c.now()))
}
