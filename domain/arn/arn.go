// Package arn is the room for Amazon Resource Names: taking them apart,
// putting them together and matching them against patterns.
//
// It knows the six parts and the handful of resources the vault names. It does
// not know whether a resource exists, who may use it, or what a policy is.
package arn

import (
	"errors"
	"strings"
)

// MaxLength is the longest name Parse accepts, in bytes: the bound of the
// arnType shape of IAM and of KeyId in KMS.
const MaxLength = 2048

// Partition is the partition of every name the vault makes.
const Partition = "aws"

// ErrMalformed is returned by Parse for text that is not a resource name.
var ErrMalformed = errors.New("arn: malformed resource name")

// ARN is one resource name, arn:Partition:Service:Region:Account:Resource.
// Region and Account are empty where the service has none (IAM is global).
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// Parse takes a resource name apart. Partition, service and resource must not
// be empty; the account is empty, twelve digits, or "aws" (the owner of managed
// policies); no part holds a control character. The resource keeps any further
// colons. Anything else is ErrMalformed.
func Parse(s string) (ARN, error) {
	if len(s) > MaxLength {
		return ARN{}, ErrMalformed
	}
	head, resource, ok := cut(s)
	if !ok || head[0] != "arn" || head[1] == "" || head[2] == "" || resource == "" {
		return ARN{}, ErrMalformed
	}
	if account := head[4]; account != "" && account != "aws" && !IsAccount(account) {
		return ARN{}, ErrMalformed
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f {
			return ARN{}, ErrMalformed
		}
	}
	return ARN{Partition: head[1], Service: head[2], Region: head[3], Account: head[4], Resource: resource}, nil
}

// String is the name as AWS writes it; Parse of it gives a back.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Split divides the resource at its first slash or colon into the type and the
// rest: "key" and the key id, "user" and "path/name". A resource without either
// separator (root) has an empty id.
func (a ARN) Split() (typ, id string) {
	if i := strings.IndexAny(a.Resource, "/:"); i >= 0 {
		return a.Resource[:i], a.Resource[i+1:]
	}
	return a.Resource, ""
}

// IsAccount reports whether s is an account id: twelve decimal digits.
func IsAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Key names a KMS key by its id.
func Key(region, account, id string) ARN {
	return ARN{Partition, "kms", region, account, "key/" + id}
}

// Alias names a KMS alias; name includes the leading "alias/".
func Alias(region, account, name string) ARN {
	return ARN{Partition, "kms", region, account, name}
}

// Secret names a secret. The suffix is the six random characters that keep a
// name unique after deletion and creation anew.
func Secret(region, account, name, suffix string) ARN {
	return ARN{Partition, "secretsmanager", region, account, "secret:" + name + "-" + suffix}
}

// User names an IAM user. A path is "/", or begins and ends with a slash; the
// empty path means "/". The same holds for Role, Group and Policy.
func User(account, path, name string) ARN { return identity("user", account, path, name) }

// Role names an IAM role.
func Role(account, path, name string) ARN { return identity("role", account, path, name) }

// Group names an IAM group.
func Group(account, path, name string) ARN { return identity("group", account, path, name) }

// Policy names a managed policy.
func Policy(account, path, name string) ARN { return identity("policy", account, path, name) }

// Root names the account itself: its root user, and in a policy everyone in it.
func Root(account string) ARN {
	return ARN{Partition, "iam", "", account, "root"}
}

// AssumedRole names a role session. The path of the role is not part of it.
func AssumedRole(account, roleName, session string) ARN {
	return ARN{Partition, "sts", "", account, "assumed-role/" + roleName + "/" + session}
}

// FederatedUser names a session of sts:GetFederationToken.
func FederatedUser(account, name string) ARN {
	return ARN{Partition, "sts", "", account, "federated-user/" + name}
}

func identity(typ, account, path, name string) ARN {
	if path == "" {
		path = "/"
	}
	return ARN{Partition, "iam", "", account, typ + path + name}
}

// cut divides a name at its first five colons.
func cut(s string) (head [5]string, resource string, ok bool) {
	for i := range head {
		head[i], s, ok = strings.Cut(s, ":")
		if !ok {
			return head, "", false
		}
	}
	return head, s, true
}
