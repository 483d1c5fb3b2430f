package vault

import (
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/key"
)

const (
	managedAlias       = "alias/aws/secretsmanager"
	managedDescription = "Default key that protects my Secrets Manager data when no other key is defined"
)

// managedKeyPolicy opens the managed key to everybody in the account, through
// Secrets Manager only. Identity policies are given its metadata and RevokeGrant,
// so that not even an administrator can use it directly.
func managedKeyPolicy(account, region string) string {
	const sid = "Allow access through AWS Secrets Manager for all principals in the account that are authorized to use AWS Secrets Manager"
	return `{
  "Version" : "2012-10-17",
  "Id" : "auto-secretsmanager-2",
  "Statement" : [ {
    "Sid" : "` + sid + `",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "*"
    },
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:CreateGrant", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {
      "StringEquals" : {
        "kms:CallerAccount" : "` + account + `",
        "kms:ViaService" : "secretsmanager.` + region + `.amazonaws.com"
      }
    }
  }, {
    "Sid" : "` + sid + `",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "*"
    },
    "Action" : "kms:GenerateDataKey*",
    "Resource" : "*",
    "Condition" : {
      "StringEquals" : {
        "kms:CallerAccount" : "` + account + `"
      },
      "StringLike" : {
        "kms:ViaService" : "secretsmanager.*.amazonaws.com"
      }
    }
  }, {
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::` + account + `:root"
    },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant" ],
    "Resource" : "*"
  } ]
}`
}

// keyChoice is the KMS key that a secret shall have.
type keyChoice struct {
	given     string // as the client named it; "" = aws/secretsmanager
	reference string // what KMS is asked for: an ARN of the key or of an alias
}

// choose reads a KmsKeyId for a secret of the owner. Whatever names the managed
// key is the same as naming none. Names without an account are the owner's, also
// when a caller of another account writes to the secret.
func (c *call) choose(owner, given string) keyChoice {
	managed := arn.Alias(c.st.Region, owner, managedAlias).String()
	reference := given
	switch {
	case given == "":
		return keyChoice{reference: managed}
	case strings.HasPrefix(given, "arn:"):
	case strings.HasPrefix(given, "alias/"):
		reference = arn.Alias(c.st.Region, owner, given).String()
	default:
		reference = arn.Key(c.st.Region, owner, given).String()
	}
	if reference == managed || c.isManaged(owner, reference) {
		return keyChoice{reference: managed}
	}
	return keyChoice{given: given, reference: reference}
}

func (c *call) isManaged(owner, reference string) bool {
	a, ok := c.st.Keys.Alias(owner, managedAlias)
	return ok && a.Key.ARN == reference
}

// keyConditions gives the keys by which a policy can limit what KMS key a request
// may name: only where it names one, and as far as that exists.
func (c *call) keyConditions(choice keyChoice, named bool) []cond {
	if !named {
		return nil
	}
	conds := []cond{when("secretsmanager:kmskeyid", choice.given)}
	if k, err := c.findKey(choice.reference, aliasesToo|otherAccount); err == nil {
		conds = append(conds, when("secretsmanager:kmskeyarn", k.ARN))
	}
	return conds
}

// resolveKey finds the chosen key. The managed key is made when it is first asked
// for, by whoever is authorized to make a secret in the account. A key that does
// not exist is left to the call to KMS that follows, whose record has the reason.
func (c *call) resolveKey(owner string, choice keyChoice) (*key.Key, error) {
	if k, err := c.findKey(choice.reference, aliasesToo|otherAccount); err == nil {
		return k.Key, nil
	}
	if choice.given != "" || owner != c.account {
		return nil, nil
	}
	k, err := createManagedKey(c, managedAlias, managedDescription, managedKeyPolicy(owner, c.st.Region))
	if err != nil {
		return nil, secretsInternal(err)
	}
	return k, nil
}

// keyIDOf is the key id at the end of a key's ARN.
func keyIDOf(keyARN string) string { return keyARN[strings.LastIndexByte(keyARN, '/')+1:] }
