package demo

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

type object = map[string]any

const kmsRefusal = "Access to KMS is not allowed"

func policy(statements ...object) string {
	raw, err := json.Marshal(object{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func allow(action any, resource string) object {
	return object{"Effect": "Allow", "Action": action, "Resource": resource}
}

func theSecret(t *teller, admin *client.Client) {
	t.chapter("A secret", `The administrator stores a password. Secrets Manager asks KMS for a data key, seals the
		value with it, and keeps the wrapped data key; the first secret without a key of its own
		brings the managed key aws/secretsmanager into being.`)
	var id struct{ Account string }
	t.do(step{who: admin, says: "who am I?", service: "sts", operation: "GetCallerIdentity", into: &id})
	t.names["account"] = id.Account
	var made struct{ ARN string }
	t.do(step{who: admin, says: "create the secret app-demo", service: "secretsmanager", operation: "CreateSecret",
		in: object{"Name": "app-demo", "SecretString": `{"user":"app","password":"correct horse"}`}, into: &made})
	t.names["secret"] = made.ARN
	if parts := strings.Split(made.ARN, ":"); len(parts) > 3 {
		t.names["region"] = parts[3]
	}
	var read struct{ SecretString string }
	t.do(step{who: admin, says: "read it back", service: "secretsmanager", operation: "GetSecretValue",
		in: object{"SecretId": "app-demo"}, into: &read, check: func() string {
			if read.SecretString != `{"user":"app","password":"correct horse"}` {
				return "the value is not the one that was stored"
			}
			return ""
		}})
}

func theManagedKey(t *teller, admin *client.Client) {
	t.chapter("The managed key", `Its key policy lets every principal of the account use it, but only through Secrets Manager.
		Directly it serves nobody, not even an administrator.`)
	var k struct {
		KeyMetadata struct{ KeyId, Arn, KeyManager string }
	}
	t.do(step{who: admin, says: "describe alias/aws/secretsmanager", service: "kms", operation: "DescribeKey",
		in: object{"KeyId": "alias/aws/secretsmanager"}, into: &k, check: func() string {
			if k.KeyMetadata.KeyManager != "AWS" {
				return "it is managed by " + k.KeyMetadata.KeyManager
			}
			return ""
		}})
	id := k.KeyMetadata.KeyId
	const because = "because no resource-based policy allows the kms:"
	t.do(step{who: admin, says: "generate a data key with it directly", service: "kms", operation: "GenerateDataKey",
		in: object{"KeyId": id, "KeySpec": "AES_256"}, refused: "AccessDeniedException", message: because + "GenerateDataKey action"})
	t.do(step{who: admin, says: "encrypt with it directly", service: "kms", operation: "Encrypt",
		in: object{"KeyId": id, "Plaintext": []byte("hello")}, refused: "AccessDeniedException", message: because + "Encrypt action"})
	t.do(step{who: admin, says: "grant it to somebody directly", service: "kms", operation: "CreateGrant",
		in:      object{"KeyId": id, "GranteePrincipal": "arn:aws:iam::" + t.names["account"] + ":user/admin", "Operations": []string{"Decrypt"}},
		refused: "AccessDeniedException", message: because + "CreateGrant action"})
}

func firstCase(t *teller, admin *client.Client) {
	t.chapter("First case: a secret under aws/secretsmanager", `A role whose only permission is secretsmanager:GetSecretValue on the one secret.`)
	account := t.names["account"]
	t.names["policy"] = "arn:aws:iam::" + account + ":policy/app-read"
	t.names["role"] = "arn:aws:iam::" + account + ":role/SecretReader"
	t.do(step{who: admin, says: "create the policy app-read: GetSecretValue on app-demo", service: "iam", operation: "CreatePolicy",
		in: object{"PolicyName": "app-read", "PolicyDocument": policy(allow("secretsmanager:GetSecretValue", t.names["secret"]))}})
	t.do(step{who: admin, says: "create the role SecretReader, which the account may assume", service: "iam", operation: "CreateRole",
		in: object{"RoleName": "SecretReader", "AssumeRolePolicyDocument": policy(object{"Effect": "Allow",
			"Principal": object{"AWS": "arn:aws:iam::" + account + ":root"}, "Action": "sts:AssumeRole"})}})
	t.do(step{who: admin, says: "attach the policy to the role", service: "iam", operation: "AttachRolePolicy",
		in: object{"RoleName": "SecretReader", "PolicyArn": t.names["policy"]}})
	var session struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	if !t.do(step{who: admin, says: "assume the role", service: "sts", operation: "AssumeRole",
		in: object{"RoleArn": t.names["role"], "RoleSessionName": "reader-session"}, into: &session}) {
		return
	}
	c := session.Credentials
	t.reader, t.err = t.connect("reader", c.AccessKeyId, c.SecretAccessKey, c.SessionToken)
	if t.err != nil {
		return
	}
	var id struct{ Arn string }
	t.do(step{who: t.reader, says: "as the role: who am I?", service: "sts", operation: "GetCallerIdentity", into: &id, check: func() string {
		if want := "arn:aws:sts::" + account + ":assumed-role/SecretReader/reader-session"; id.Arn != want {
			return "expected " + want + ", got " + id.Arn
		}
		return ""
	}})
	t.do(reading(t, "as the role: read the secret; no kms permission is needed", ""))
	t.do(step{who: t.reader, says: "as the role: list secrets, without permission for it", service: "secretsmanager", operation: "ListSecrets",
		refused: "AccessDeniedException", message: "secretsmanager:ListSecrets"})
}

// reading is the role's attempt to read the secret.
func reading(t *teller, says, refused string) step {
	s := step{who: t.reader, says: says, service: "secretsmanager", operation: "GetSecretValue",
		in: object{"SecretId": t.names["secret"]}}
	if refused != "" {
		s.refused, s.message = "AccessDeniedException", refused
	}
	return s
}

func secondCase(t *teller, admin *client.Client) {
	t.chapter("Second case: a secret under a customer key", `The secret moves to a key whose policy does not name the role. The role could read a moment ago.`)
	var k struct{ KeyMetadata struct{ KeyId, Arn string } }
	t.do(step{who: admin, says: "create the key kms-demo", service: "kms", operation: "CreateKey",
		in: object{"Description": "kms-demo"}, into: &k})
	t.names["key"] = k.KeyMetadata.Arn
	t.do(step{who: admin, says: "name it alias/kms-demo", service: "kms", operation: "CreateAlias",
		in: object{"AliasName": "alias/kms-demo", "TargetKeyId": k.KeyMetadata.KeyId}})
	t.do(step{who: admin, says: "change the key of the secret", service: "secretsmanager", operation: "UpdateSecret",
		in: object{"SecretId": t.names["secret"], "KmsKeyId": t.names["key"]}})
	t.do(reading(t, "as the role: read the secret", kmsRefusal))
}

// version puts the policy app-read to a new default version.
func version(t *teller, admin *client.Client, says string, statements ...object) {
	t.do(step{who: admin, says: says, service: "iam", operation: "CreatePolicyVersion",
		in: object{"PolicyArn": t.names["policy"], "PolicyDocument": policy(statements...), "SetAsDefault": true}})
}

func keyPolicy(t *teller, admin *client.Client, says string, refused string, statements ...object) {
	s := step{who: admin, says: says, service: "kms", operation: "PutKeyPolicy",
		in: object{"KeyId": t.names["key"], "PolicyName": "default", "Policy": policy(statements...)}}
	if refused != "" {
		s.refused, s.message = "MalformedPolicyDocumentException", refused
	}
	t.do(s)
}

func delegation(t *teller) object {
	return object{"Sid": "Enable IAM User Permissions", "Effect": "Allow",
		"Principal": object{"AWS": "arn:aws:iam::" + t.names["account"] + ":root"}, "Action": "kms:*", "Resource": "*"}
}

func roadByIdentityPolicy(t *teller, admin *client.Client) {
	t.chapter("Road one: an IAM policy", `kms:Decrypt in the role's policy helps only where the key policy lets the account delegate.`)
	get := allow("secretsmanager:GetSecretValue", t.names["secret"])
	version(t, admin, "allow kms:Decrypt on the alias", get, allow("kms:Decrypt", "arn:aws:kms:"+t.names["region"]+":"+t.names["account"]+":alias/kms-demo"))
	t.do(reading(t, "as the role: an alias is not the key", kmsRefusal))
	version(t, admin, "allow kms:Decrypt on the key", get, allow("kms:Decrypt", t.names["key"]))
	t.do(reading(t, "as the role: read the secret, with the credentials of before", ""))
	admins := object{"Effect": "Allow", "Principal": object{"AWS": "arn:aws:iam::" + t.names["account"] + ":user/admin"}, "Action": "kms:*", "Resource": "*"}
	keyPolicy(t, admin, "take the delegation out of the key policy", "", admins)
	t.do(reading(t, "as the role: the IAM policy alone does not reach the key", kmsRefusal))
	keyPolicy(t, admin, "a key policy that would lock everybody out", "will not allow you to update the key policy",
		object{"Effect": "Allow", "Principal": object{"AWS": t.names["role"]}, "Action": "kms:Decrypt", "Resource": "*"})
	keyPolicy(t, admin, "put the delegation back", "", delegation(t))
	version(t, admin, "take kms:Decrypt out of the role's policy", get)
	t.do(reading(t, "as the role: refused again", kmsRefusal))
}

func roadByKeyPolicy(t *teller, admin *client.Client) {
	t.chapter("Road two: the key policy", `A statement that names the role, and only for requests that come through Secrets Manager.`)
	keyPolicy(t, admin, "let the role decrypt through Secrets Manager", "", delegation(t), object{"Sid": "Reader", "Effect": "Allow",
		"Principal": object{"AWS": t.names["role"]}, "Action": "kms:Decrypt", "Resource": "*",
		"Condition": object{"StringEquals": object{"kms:ViaService": "secretsmanager." + t.names["region"] + ".amazonaws.com"}}})
	t.do(reading(t, "as the role: read the secret", ""))
	var blob struct{ CiphertextBlob []byte }
	t.do(step{who: admin, says: "the administrator encrypts something with the key", service: "kms", operation: "Encrypt",
		in: object{"KeyId": t.names["key"], "Plaintext": []byte("direct")}, into: &blob})
	t.do(step{who: t.reader, says: "as the role: decrypt it directly, not through Secrets Manager", service: "kms", operation: "Decrypt",
		in: object{"CiphertextBlob": blob.CiphertextBlob}, refused: "AccessDeniedException"})
	keyPolicy(t, admin, "take the statement out again", "", delegation(t))
	t.do(reading(t, "as the role: refused again", kmsRefusal))
}

func roadByGrant(t *teller, admin *client.Client) {
	t.chapter("Road three: a grant", `Decrypt for the role, on this key, for this one secret. It works at once and ends at once.`)
	var other struct{ ARN string }
	t.do(step{who: admin, says: "another secret under the same key", service: "secretsmanager", operation: "CreateSecret",
		in: object{"Name": "app-other", "SecretString": "other", "KmsKeyId": t.names["key"]}, into: &other})
	version(t, admin, "the role may ask for both secrets", allow("secretsmanager:GetSecretValue", t.names["secret"]), allow("secretsmanager:GetSecretValue", other.ARN))
	var grant struct{ GrantId string }
	t.do(step{who: admin, says: "grant Decrypt where the context names app-demo", service: "kms", operation: "CreateGrant",
		in: object{"KeyId": t.names["key"], "GranteePrincipal": t.names["role"], "Operations": []string{"Decrypt"}, "Name": "reader",
			"RetiringPrincipal": "arn:aws:iam::" + t.names["account"] + ":user/admin",
			"Constraints":       object{"EncryptionContextSubset": object{"SecretARN": t.names["secret"]}}}, into: &grant})
	t.do(reading(t, "as the role: read the secret", ""))
	t.do(step{who: t.reader, says: "as the role: the other secret is not in the grant", service: "secretsmanager", operation: "GetSecretValue",
		in: object{"SecretId": other.ARN}, refused: "AccessDeniedException", message: kmsRefusal})
	t.do(step{who: admin, says: "retire the grant", service: "kms", operation: "RetireGrant",
		in: object{"KeyId": t.names["key"], "GrantId": grant.GrantId}})
	t.do(reading(t, "as the role: refused again", kmsRefusal))
}

func whoCan(t *teller, admin *client.Client) {
	t.chapter("Who can?", `The question that the article ends with, put to the evaluator that decided all of the above.`)
	var out struct {
		Principals []struct{ Principal string }
		Refused    int
	}
	t.do(step{who: admin, says: "who can read app-demo now?", service: "keytrail", operation: "WhoCan",
		in: object{"Action": "secretsmanager:GetSecretValue", "Resource": t.names["secret"]}, into: &out, check: func() string {
			for _, p := range out.Principals {
				if p.Principal == t.names["role"] {
					return "the role is listed, though it was just refused"
				}
			}
			if len(out.Principals) == 0 {
				return "nobody is listed, though the administrator can"
			}
			return ""
		}})
	for _, p := range out.Principals {
		fmt.Fprintf(t.o.Out, "           %s\n", p.Principal)
	}
	fmt.Fprintf(t.o.Out, "           and %d other principals cannot\n", out.Refused)
}
