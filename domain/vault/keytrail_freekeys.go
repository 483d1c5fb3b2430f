package vault

import (
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/iam"
)

// freeKeys are the condition keys whose value is the request's or the session's to
// choose, by the services whose actions can have them ("" = all). Of every other
// key the answer is in the state: what it has there, or that no request has it.
var freeKeys = map[string]string{
	"aws:sourceip": "", "aws:useragent": "", "aws:multifactorauthpresent": "", "aws:tokenissuetime": "",
	"aws:sourceidentity": "", "aws:requesttag": "", "aws:tagkeys": "",

	"iam:permissionsboundary": "iam", "iam:policyarn": "iam",

	"kms:bypasspolicylockoutsafetycheck": "kms", "kms:datakeypairspec": "kms", "kms:encapsulationalgorithm": "kms",
	"kms:encryptionalgorithm": "kms", "kms:expirationmodel": "kms", "kms:grantconstrainttype": "kms",
	"kms:granteeprincipal": "kms", "kms:grantisforawsresource": "kms", "kms:grantoperations": "kms",
	"kms:keyagreementalgorithm": "kms", "kms:macalgorithm": "kms", "kms:messagetype": "kms",
	"kms:reencryptonsamekey": "kms", "kms:requestalias": "kms", "kms:retiringprincipal": "kms",
	"kms:rotationperiodindays": "kms", "kms:schedulekeydeletionpendingwindowindays": "kms",
	"kms:signingalgorithm": "kms", "kms:validto": "kms", "kms:wrappingalgorithm": "kms", "kms:wrappingkeyspec": "kms",

	"secretsmanager:addreplicaregions": "secretsmanager", "secretsmanager:blockpublicpolicy": "secretsmanager",
	"secretsmanager:description": "secretsmanager", "secretsmanager:forcedeletewithoutrecovery": "secretsmanager",
	"secretsmanager:forceoverwritereplicasecret": "secretsmanager", "secretsmanager:kmskeyarn": "secretsmanager",
	"secretsmanager:kmskeyid": "secretsmanager", "secretsmanager:name": "secretsmanager",
	"secretsmanager:recoverywindowindays": "secretsmanager", "secretsmanager:type": "secretsmanager",
	"secretsmanager:versionid": "secretsmanager", "secretsmanager:versionstage": "secretsmanager",
	"secretsmanager:rotateimmediately": "secretsmanager", "secretsmanager:modifyrotationrules": "secretsmanager",
	"secretsmanager:rotationlambdaarn": "secretsmanager", "secretsmanager:externalsecretrotationrolearn": "secretsmanager",

	"sts:durationseconds": "sts", "sts:externalid": "sts", "sts:rolesessionname": "sts", "sts:sourceidentity": "sts",
	"sts:transitivetagkeys": "sts",
}

// forwarded are the KMS operations that Secrets Manager calls for its callers.
var forwarded = []string{"kms:decrypt", "kms:encrypt", "kms:generatedatakey"}

// free tells of a condition key whether a request of this question would choose
// its value. What the question says itself is not free.
func (q *question) free(name, suffix string) bool {
	if _, _, given := q.given.Lookup(name, suffix); given {
		return false
	}
	service, operation, _ := strings.Cut(strings.ToLower(q.action), ":")
	direct := q.as.via == ""
	actor := q.as.actor
	switch name {
	case "aws:userid", "aws:sourceidentity":
		return actor.Principal.Type == iam.RoleSession && !q.session
	case "aws:principaltag":
		return actor.Principal.Type == iam.RoleSession && q.tagged()
	case "aws:sourceip", "aws:useragent":
		return direct
	case "aws:viaawsservice", "aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "kms:viaservice":
		return direct && slices.Contains(forwarded, service+":"+operation)
	case contextFamily, "kms:encryptioncontextkeys":
		if !direct { // the service gives it, but for the id of a version to be written
			return name == contextFamily && q.newVersion && strings.EqualFold(suffix, "SecretVersionId")
		}
		return service == "kms" && takesContext(operation)
	case "kms:customermasterkeyspec", "kms:customermasterkeyusage", "kms:keyspec", "kms:keyusage", "kms:keyorigin", "kms:multiregion":
		return operation == "createkey"
	case "secretsmanager:secretid":
		return false
	}
	only, ok := freeKeys[name]
	return ok && (only == "" || only == service) && (direct || strings.HasPrefix(name, "aws:"))
}

// takesContext reports whether an operation, in lower case, takes an encryption
// context.
func takesContext(operation string) bool {
	return slices.ContainsFunc(contextOperations, func(name string) bool { return strings.EqualFold(name, operation) })
}

var contextOperations = []string{
	"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
	"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "CreateGrant",
}

// tagged reports whether the role's sessions may have tags of their own: whether
// its trust policy speaks of tagging them.
func (q *question) tagged() bool {
	r := q.as.st.Identities.Role(q.as.actor.Principal.UniqueID)
	if r == nil || r.Trust == nil {
		return false
	}
	text := strings.ToLower(r.Trust.Document())
	return strings.Contains(text, "sts:tagsession") || strings.Contains(text, "sts:*") || strings.Contains(text, `"*"`)
}
