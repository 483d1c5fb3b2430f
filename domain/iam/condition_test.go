package iam_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/iam"
)

// holds evaluates an identity policy of one Allow with the condition.
func holds(t *testing.T, version, condition string, context iam.Context) bool {
	t.Helper()
	document := strings.ReplaceAll(`{'Version':'`+version+`','Statement':{'Effect':'Allow','Action':'*','Resource':'*','Condition':{`+condition+`}}}`, "'", `"`)
	kind := iam.IdentityPolicy
	if version != "2012-10-17" {
		kind = iam.SessionPolicy
	}
	in := &iam.Input{Principal: alice, Action: "kms:Decrypt", Resource: key, Context: context,
		Identity: []iam.Source{{Policy: parse(t, kind, document)}}}
	return iam.Evaluate(in).Allowed
}

func TestConditions(t *testing.T) {
	context := iam.ContextMap{
		"aws:username": {"alice"}, "aws:PrincipalArn": {aliceARN}, "aws:PrincipalTag/Dept": {"crypto"}, "aws:SourceIp": {"203.0.113.7"},
		"aws:CurrentTime": {"2026-11-23T18:00:00Z"}, "aws:EpochTime": {"1795456800"}, "aws:SecureTransport": {"true"},
		"aws:MultiFactorAuthAge": {"90"}, "aws:TagKeys": {"env", "team"}, "kms:EncryptionContextKeys": {},
		"kms:EncryptionContext:SecretARN": {secret}, "kms:Blob": {"aGVsbG8="}, "x:star": {"a*c"}, "x:bad": {"not a number"},
		"x:ip6": {"2001:db8::1"}, "x:mapped": {"::ffff:203.0.113.7"}, "x:zone": {"fe80::1%eth0"},
	}
	for _, c := range []struct {
		rule, condition string
		want            bool
	}{
		{"StringEquals: one of several values", `'StringEquals':{'aws:username':['bob','alice']}`, true},
		{"StringEquals: none", `'StringEquals':{'aws:username':['bob']}`, false},
		{"StringEquals: values are case-sensitive", `'StringEquals':{'aws:username':'Alice'}`, false},
		{"StringEquals: no wildcards", `'StringEquals':{'aws:username':'al*'}`, false},
		{"StringEquals: key names are case-insensitive", `'StringEquals':{'AWS:UserName':'alice'}`, true},
		{"StringEquals: operator names are case-insensitive", `'stringequals':{'aws:username':'alice'}`, true},
		{"StringEquals: missing key", `'StringEquals':{'aws:missing':'x'}`, false},
		{"StringEquals: no values never hold", `'StringEquals':{'aws:username':[]}`, false},
		{"StringNotEquals: other value", `'StringNotEquals':{'aws:username':'bob'}`, true},
		{"StringNotEquals: values are NORed", `'StringNotEquals':{'aws:username':['bob','alice']}`, false},
		{"StringNotEquals: missing key", `'StringNotEquals':{'aws:missing':'x'}`, true},
		{"StringEqualsIgnoreCase", `'StringEqualsIgnoreCase':{'aws:username':'ALICE'}`, true},
		{"StringEqualsIgnoreCase with a variable", `'StringEqualsIgnoreCase':{'aws:PrincipalTag/Dept':'CRYPTO','aws:username':'${aws:username}'}`, true},
		{"StringNotEqualsIgnoreCase", `'StringNotEqualsIgnoreCase':{'aws:username':'ALICE'}`, false},
		{"StringLike: star", `'StringLike':{'aws:username':'a*e'}`, true},
		{"StringLike: question mark", `'StringLike':{'aws:username':'al?ce'}`, true},
		{"StringLike: whole text", `'StringLike':{'aws:username':'lic'}`, false},
		{"StringLike: a star in the request is text", `'StringLike':{'x:star':'abc'}`, false},
		{"StringNotLike", `'StringNotLike':{'aws:username':'b*'}`, true},
		{"StringNotLike: matches", `'StringNotLike':{'aws:username':'a*'}`, false},
		{"different keys are ANDed", `'StringEquals':{'aws:username':'alice','aws:missing':'x'}`, false},
		{"different operators are ANDed", `'StringEquals':{'aws:username':'alice'},'Bool':{'aws:SecureTransport':'false'}`, false},

		{"tag keys", `'StringEquals':{'aws:PrincipalTag/Dept':'crypto'}`, true},
		{"encryption context pairs", `'StringLike':{'kms:EncryptionContext:SecretARN':'arn:aws:secretsmanager:*'}`, true},

		{"NumericEquals", `'NumericEquals':{'aws:MultiFactorAuthAge':'90.0'}`, true},
		{"NumericEquals: a JSON number", `'NumericEquals':{'aws:MultiFactorAuthAge':90}`, true},
		{"NumericNotEquals", `'NumericNotEquals':{'aws:MultiFactorAuthAge':'90'}`, false},
		{"NumericLessThan", `'NumericLessThan':{'aws:MultiFactorAuthAge':'91'}`, true},
		{"NumericLessThan: not equal", `'NumericLessThan':{'aws:MultiFactorAuthAge':'90'}`, false},
		{"NumericLessThanEquals", `'NumericLessThanEquals':{'aws:MultiFactorAuthAge':'90'}`, true},
		{"NumericGreaterThan", `'NumericGreaterThan':{'aws:MultiFactorAuthAge':'90'}`, false},
		{"NumericGreaterThanEquals", `'NumericGreaterThanEquals':{'aws:MultiFactorAuthAge':'90'}`, true},
		{"Numeric: request value that is no number", `'NumericLessThan':{'x:bad':'100'}`, false},

		{"DateLessThan", `'DateLessThan':{'aws:CurrentTime':'2026-11-24T00:00:00Z'}`, true},
		{"DateLessThanEquals: the same time", `'DateLessThanEquals':{'aws:CurrentTime':'2026-11-23T18:00:00Z'}`, true},
		{"DateGreaterThan", `'DateGreaterThan':{'aws:CurrentTime':'2026-11-24'}`, false},
		{"DateGreaterThanEquals with a zone", `'DateGreaterThanEquals':{'aws:CurrentTime':'2026-11-23T19:00:00+01:00'}`, true},
		{"DateEquals: epoch seconds against a date", `'DateEquals':{'aws:EpochTime':'2026-11-23T18:00:00Z'}`, true},
		{"DateNotEquals", `'DateNotEquals':{'aws:CurrentTime':'2026-11-23T18:00:00Z'}`, false},

		{"Bool", `'Bool':{'aws:SecureTransport':'true'}`, true},
		{"Bool: a JSON boolean", `'Bool':{'aws:SecureTransport':true}`, true},
		{"Bool: false", `'Bool':{'aws:SecureTransport':'false'}`, false},
		{"Bool: missing key", `'Bool':{'aws:MultiFactorAuthPresent':'false'}`, false},
		{"BinaryEquals", `'BinaryEquals':{'kms:Blob':'aGVsbG8='}`, true},
		{"BinaryEquals: other bytes", `'BinaryEquals':{'kms:Blob':'aGVsbG9v'}`, false},

		{"IpAddress: network", `'IpAddress':{'aws:SourceIp':['10.0.0.0/8','203.0.113.0/24']}`, true},
		{"IpAddress: one address", `'IpAddress':{'aws:SourceIp':'203.0.113.7'}`, true},
		{"IpAddress: outside", `'IpAddress':{'aws:SourceIp':'203.0.113.8/32'}`, false},
		{"IpAddress: version 6", `'IpAddress':{'x:ip6':'2001:db8::/32'}`, true},
		{"IpAddress: version 4 in version 6", `'IpAddress':{'x:mapped':'203.0.113.0/24'}`, true},
		{"IpAddress: a network of version 4 written in version 6", `'IpAddress':{'aws:SourceIp':'::ffff:203.0.113.0/120'}`, true},
		{"IpAddress: a link-local address with its zone", `'IpAddress':{'x:zone':'fe80::/10'}`, true},
		{"NotIpAddress: a link-local address with its zone", `'NotIpAddress':{'x:zone':'fe80::/10'}`, false},
		{"NotIpAddress", `'NotIpAddress':{'aws:SourceIp':'203.0.113.0/24'}`, false},
		{"NotIpAddress: missing key", `'NotIpAddress':{'aws:VpcSourceIp':'203.0.113.0/24'}`, true},

		{"ArnEquals", `'ArnEquals':{'aws:PrincipalArn':'` + aliceARN + `'}`, true},
		{"ArnEquals has wildcards", `'ArnEquals':{'aws:PrincipalArn':'arn:aws:iam::*:user/*'}`, true},
		{"ArnLike is part-wise", `'ArnLike':{'aws:PrincipalArn':'arn:aws:*:user/eng/alice'}`, false},
		{"StringLike is not", `'StringLike':{'aws:PrincipalArn':'arn:aws:*:user/eng/alice'}`, true},
		{"ArnNotEquals", `'ArnNotEquals':{'aws:PrincipalArn':'` + readerARN + `'}`, true},
		{"ArnNotLike", `'ArnNotLike':{'aws:PrincipalArn':'arn:aws:iam::*:user/*'}`, false},
		{"ArnNotLike: missing key", `'ArnNotLike':{'aws:SourceArn':'*'}`, true},

		{"Null true: missing key", `'Null':{'aws:TokenIssueTime':'true'}`, true},
		{"Null true: present key", `'Null':{'aws:username':'true'}`, false},
		{"Null false: present key", `'Null':{'aws:username':'false'}`, true},
		{"Null false: missing key", `'Null':{'aws:TokenIssueTime':'false'}`, false},
		{"Null true: key with no values", `'Null':{'kms:EncryptionContextKeys':'true'}`, true},

		{"IfExists: missing key", `'StringEqualsIfExists':{'aws:missing':'x'}`, true},
		{"IfExists: present key that fails", `'StringEqualsIfExists':{'aws:username':'bob'}`, false},
		{"IfExists: present key that holds", `'stringequalsifexists':{'aws:username':'alice'}`, true},
		{"BoolIfExists", `'BoolIfExists':{'aws:MultiFactorAuthPresent':'true'}`, true},

		{"ForAllValues: all among the values", `'ForAllValues:StringEquals':{'aws:TagKeys':['env','team','x']}`, true},
		{"ForAllValues: one is not", `'ForAllValues:StringEquals':{'aws:TagKeys':['env']}`, false},
		{"ForAllValues: missing key", `'ForAllValues:StringEquals':{'sts:TransitiveTagKeys':['env']}`, true},
		{"ForAllValues: empty key", `'ForAllValues:StringEquals':{'kms:EncryptionContextKeys':['env']}`, true},
		{"ForAllValues:StringNotEquals: none among the values", `'ForAllValues:StringNotEquals':{'aws:TagKeys':['a','b']}`, true},
		{"ForAllValues:StringNotEquals: one is", `'ForAllValues:StringNotEquals':{'aws:TagKeys':['env','b']}`, false},
		{"ForAnyValue: one among the values", `'ForAnyValue:StringLike':{'aws:TagKeys':['te*']}`, true},
		{"ForAnyValue: none", `'ForAnyValue:StringEquals':{'aws:TagKeys':['x']}`, false},
		{"ForAnyValue: missing key", `'ForAnyValue:StringEquals':{'sts:TransitiveTagKeys':['env']}`, false},
		{"ForAnyValue:StringNotEquals: one is none of the values", `'ForAnyValue:StringNotEquals':{'aws:TagKeys':['env']}`, true},
		{"ForAnyValue:StringNotEquals: every one is", `'ForAnyValue:StringNotEquals':{'aws:TagKeys':['env','team']}`, false},
		{"ForAnyValue:StringNotEquals: missing key", `'ForAnyValue:StringNotEquals':{'sts:TransitiveTagKeys':'x'}`, false},
		{"ForAnyValue with IfExists: missing key", `'ForAnyValue:StringEqualsIfExists':{'sts:TransitiveTagKeys':'x'}`, true},
		{"a set without qualifier: any value", `'StringEquals':{'aws:TagKeys':'team'}`, true},
		{"a set without qualifier, negated: no value", `'StringNotEquals':{'aws:TagKeys':'team'}`, false},

		{"variable", `'StringLike':{'kms:EncryptionContext:SecretARN':'*secret:app/db-*','aws:PrincipalArn':'*/${aws:username}'}`, true},
		{"variable: value is text, not a pattern", `'StringLike':{'aws:username':'${x:star}'}`, false},
		{"variable: tag", `'StringEquals':{'aws:PrincipalTag/Dept':'${aws:PrincipalTag/Dept}'}`, true},
		{"variable without value is like nothing", `'StringLike':{'aws:username':'${aws:missing}*'}`, false},
		{"variable without value equals nothing", `'StringNotEquals':{'aws:username':'${aws:missing}'}`, true},
		{"variable with a set has no value", `'StringLike':{'aws:username':['${aws:TagKeys}*']}`, false},
		{"variable without value beside another that holds", `'StringEquals':{'aws:username':['${aws:missing}','alice']}`, true},
		{"variable with default, key missing", `'StringEquals':{'aws:username':'${aws:missing, 'alice'}'}`, true},
		{"variable with default, key present", `'StringEquals':{'aws:username':'${aws:username, 'nobody'}'}`, true},
		{"escape of a star in StringLike", `'StringLike':{'x:star':'a${*}c'}`, true},
		{"escaped star is a star alone", `'StringLike':{'aws:username':'a${*}e'}`, false},
		{"escapes of question mark and dollar", `'StringEquals':{'aws:username':'${?}${$}'}`, false},
		{"variable in an ARN value", `'ArnLike':{'aws:PrincipalArn':'arn:aws:iam::*:user/eng/${aws:username}'}`, true},
	} {
		t.Run(c.rule, func(t *testing.T) {
			condition := strings.ReplaceAll(c.condition, "'alice'}'", "\\u0027alice\\u0027}'")
			condition = strings.ReplaceAll(condition, "'nobody'}'", "\\u0027nobody\\u0027}'")
			if got := holds(t, "2012-10-17", condition, context); got != c.want {
				t.Errorf("%s: %v", c.condition, got)
			}
		})
	}
	if holds(t, "2008-10-17", `'StringEquals':{'aws:username':'${aws:username}'}`, context) {
		t.Error("version 2008-10-17 has variables")
	}
	if !holds(t, "2008-10-17", `'StringEquals':{'aws:username':'${aws:username}'}`, iam.ContextMap{"aws:username": {"${aws:username}"}}) {
		t.Error("in version 2008-10-17 a variable is not literal text")
	}
	if holds(t, "2012-10-17", `'StringEquals':{'aws:username':'alice'}`, nil) {
		t.Error("a condition holds without any context")
	}
}

func TestActionsAndResources(t *testing.T) {
	context := iam.ContextMap{"aws:username": {"alice"}, "aws:PrincipalTag/app": {"app"}, "aws:PrincipalTag/account": {account}}
	for _, c := range []struct {
		rule, statement, action, resource string
		want                              bool
	}{
		{"star", `'Action':'*','Resource':'*'`, "kms:Decrypt", key, true},
		{"prefix", `'Action':'kms:ReEncrypt*','Resource':'*'`, "kms:ReEncryptFrom", key, true},
		{"prefix of another action", `'Action':'kms:ReEncrypt*','Resource':'*'`, "kms:Encrypt", key, false},
		{"question mark", `'Action':'kms:?ecrypt','Resource':'*'`, "kms:Decrypt", key, true},
		{"star inside, any case", `'Action':'KMS:Gen*KEY','Resource':'*'`, "kms:GenerateDataKey", key, true},
		{"NotAction: all others", `'NotAction':'iam:*','Resource':'*'`, "kms:Decrypt", key, true},
		{"NotAction: not these", `'NotAction':['iam:*','kms:Dec*'],'Resource':'*'`, "kms:Decrypt", key, false},
		{"resource", `'Action':'*','Resource':['` + secret + `','` + key + `']`, "kms:Decrypt", key, true},
		{"resource with wildcards in parts", `'Action':'*','Resource':'arn:aws:kms:*:111122223333:key/*'`, "kms:Decrypt", key, true},
		{"a wildcard does not cross parts", `'Action':'*','Resource':'arn:aws:kms:*:key/*'`, "kms:Decrypt", key, false},
		{"six question marks for a secret's suffix", `'Action':'*','Resource':'arn:aws:secretsmanager:us-east-1:111122223333:secret:app/db-??????'`, "x:y", secret, true},
		{"an ARN cut short is completed", `'Action':'*','Resource':'arn:aws:kms'`, "kms:Decrypt", key, true},
		{"NotResource: all others", `'Action':'*','NotResource':'` + secret + `'`, "kms:Decrypt", key, true},
		{"NotResource: not these", `'Action':'*','NotResource':['` + secret + `','arn:aws:kms:*:*:key/1234*']`, "kms:Decrypt", key, false},
		{"variable in the resource part", `'Action':'*','Resource':'arn:aws:secretsmanager:us-east-1:111122223333:secret:${aws:PrincipalTag/app}/*'`, "x:y", secret, true},
		{"variable without value", `'Action':'*','Resource':'arn:aws:secretsmanager:us-east-1:111122223333:secret:${aws:PrincipalTag/none}*'`, "x:y", secret, false},
		{"NotResource with a variable without value allows nothing", `'Action':'*','NotResource':'arn:aws:secretsmanager:us-east-1:111122223333:secret:${aws:PrincipalTag/none}*'`, "x:y", secret, false},
		{"variable before the fifth colon is text", `'Action':'*','Resource':'arn:aws:secretsmanager:us-east-1:${aws:PrincipalTag/account}:secret:*'`, "x:y", secret, false},
	} {
		p := parse(t, iam.IdentityPolicy, doc(`{'Effect':'Allow',`+c.statement+`}`))
		in := &iam.Input{Principal: alice, Action: c.action, Resource: c.resource, Context: context, Identity: []iam.Source{{Policy: p}}}
		if got := iam.Evaluate(in).Allowed; got != c.want {
			t.Errorf("%s: %v", c.rule, got)
		}
	}
}

func TestContextKeys(t *testing.T) {
	p := parse(t, iam.IdentityPolicy, doc(
		allow("kms:*", "arn:aws:kms:*:*:key/${aws:PrincipalTag/Dept}", when(`'StringEquals':{'kms:EncryptionContext:SecretARN':'x','AWS:UserName':'${aws:userid}'},'Null':{'aws:TagKeys':'true'}`)),
		allow("kms:*", "*", when(`'StringLike':{'aws:username':'a*'}`))))
	want := []string{"AWS:UserName", "aws:PrincipalTag/Dept", "aws:TagKeys", "aws:userid", "kms:EncryptionContext:SecretARN"}
	if got := iam.ContextKeys(p); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
