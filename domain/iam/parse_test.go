package iam_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/iam"
)

func TestMalformed(t *testing.T) {
	const (
		syntax    = "Syntax errors in policy."
		version   = "Policy document must be version 2012-10-17 or greater."
		legacy    = "The policy failed legacy parsing"
		actions   = "Policy statement must contain actions."
		resources = "Policy statement must contain resources."
		vendor    = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
		regexes   = "Resource vendor must be fully qualified and cannot contain regexes."
		trust     = "AssumeRole policy may only specify STS AssumeRole actions."
		invalid   = "Policy contains a statement with one or more invalid principals."
	)
	star := `'Effect':'Allow','Action':'kms:Decrypt','Resource':'*'`
	identity, key, trustPolicy := iam.IdentityPolicy, iam.KeyPolicy, iam.TrustPolicy
	for _, c := range []struct {
		rule     string
		kind     iam.Kind
		document string // a whole document, or what one statement holds
		want     string // "" means accepted
	}{
		{"good", identity, star, ""},
		{"one statement without a list", identity, `{'Version':'2012-10-17','Statement':{` + star + `}}`, ""},
		{"an Id is accepted", identity, `{'Version':'2012-10-17','Id':'x','Statement':{` + star + `}}`, ""},

		{"not JSON", identity, `{`, syntax},
		{"not an object", identity, `[]`, syntax},
		{"trailing text", identity, `{'Version':'2012-10-17','Statement':{` + star + `}} x`, syntax},
		{"no Statement", identity, `{'Version':'2012-10-17'}`, syntax},
		{"no statements", identity, `{'Version':'2012-10-17','Statement':[]}`, syntax},
		{"unknown element in the document", identity, `{'Version':'2012-10-17','Statement':{` + star + `},'Statements':[]}`, syntax},
		{"unknown element in a statement", identity, star + `,'Actions':'*'`, syntax},
		{"element names are case-sensitive", identity, `'effect':'Allow','Action':'kms:Decrypt','Resource':'*'`, syntax},
		{"duplicate element", identity, star + `,'Effect':'Deny'`, syntax},
		{"duplicate element behind an escape", identity, star + `,'Eff\u0065ct':'Deny'`, syntax},
		{"duplicate condition key", identity, star + `,'Condition':{'StringEquals':{'aws:username':'a','aws:username':'b'}}`, syntax},
		{"Action and NotAction", identity, star + `,'NotAction':'kms:*'`, syntax},
		{"Resource and NotResource", identity, star + `,'NotResource':'*'`, syntax},
		{"Action of another type", identity, `'Effect':'Allow','Action':1,'Resource':'*'`, syntax},
		{"Action in a nested list", identity, `'Effect':'Allow','Action':[['kms:*']],'Resource':'*'`, syntax},
		{"no Effect", identity, `'Action':'kms:Decrypt','Resource':'*'`, syntax},
		{"unknown Effect", identity, `'Effect':'Maybe','Action':'kms:Decrypt','Resource':'*'`, syntax},
		{"unknown version", identity, `{'Version':'2020-01-01','Statement':{` + star + `}}`, syntax},
		{"unknown operator", identity, star + `,'Condition':{'StringIs':{'aws:username':'a'}}`, syntax},
		{"NullIfExists", identity, star + `,'Condition':{'NullIfExists':{'aws:username':'true'}}`, syntax},
		{"condition value of another type", identity, star + `,'Condition':{'StringEquals':{'aws:username':{}}}`, syntax},
		{"null condition value", identity, star + `,'Condition':{'StringEquals':{'aws:username':null}}`, syntax},
		{"a character AWS does not take", identity, star + `,'Sid':'日本'`, syntax},
		{"a control character behind an escape", identity, star + `,'Sid':'\u0000'`, syntax},
		{"too deep", identity, star + `,'Condition':` + strings.Repeat(`[`, 20) + strings.Repeat(`]`, 20), syntax},

		{"old version", identity, `{'Version':'2008-10-17','Statement':{` + star + `}}`, version},
		{"no version", identity, `{'Statement':{` + star + `}}`, version},
		{"no version in a key policy", key, `{'Statement':{` + star + `,'Principal':'*'}}`, ""},
		{"Effect in lower case", identity, `'Effect':'allow','Action':'kms:Decrypt','Resource':'*'`, legacy},
		{"resource that is no ARN in the first part", identity, `'Effect':'Allow','Action':'kms:Decrypt','Resource':'urn:aws:kms:::'`, legacy},
		{"date that is none", identity, star + `,'Condition':{'DateLessThan':{'aws:CurrentTime':'soon'}}`, legacy},
		{"number that is none", identity, star + `,'Condition':{'NumericEquals':{'aws:MultiFactorAuthAge':'0x10'}}`, legacy},
		{"address that is none", identity, star + `,'Condition':{'IpAddress':{'aws:SourceIp':'10.0.0.0/99'}}`, legacy},
		{"boolean that is none", identity, star + `,'Condition':{'Bool':{'aws:SecureTransport':'yes'}}`, legacy},
		{"Null that is no boolean", identity, star + `,'Condition':{'Null':{'aws:username':'maybe'}}`, legacy},

		{"Sid twice", identity, `{'Version':'2012-10-17','Statement':[{'Sid':'a',` + star + `},{'Sid':'a',` + star + `}]}`, "Statement IDs (SID) in a single policy must be unique."},
		{"Sid twice in a key policy", key, `{'Statement':[{'Sid':'a b',` + star + `,'Principal':'*'},{'Sid':'a b',` + star + `,'Principal':'*'}]}`, ""},
		{"Sid with blanks", identity, star + `,'Sid':'a b'`, "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"},
		{"no actions", identity, `'Effect':'Allow','Resource':'*'`, actions},
		{"empty actions", identity, `'Effect':'Allow','Action':[],'Resource':'*'`, actions},
		{"no actions in a key policy", key, `'Effect':'Allow','Resource':'*','Principal':'*'`, ""},
		{"no resources", identity, `'Effect':'Allow','Action':'kms:Decrypt'`, resources},
		{"no resources in a key policy", key, `'Effect':'Allow','Action':'kms:Decrypt','Principal':'*'`, ""},

		{"action without vendor", identity, `'Effect':'Allow','Action':'Decrypt','Resource':'*'`, vendor},
		{"condition key without vendor", identity, star + `,'Condition':{'StringEquals':{'username':'a'}}`, vendor},
		{"action with two colons", identity, `'Effect':'Allow','Action':'kms:a:b','Resource':'*'`, "Actions/Condition can contain only one colon."},
		{"vendor with a blank", identity, `'Effect':'Allow','Action':'k ms:Decrypt','Resource':'*'`, "Vendor k ms is not valid"},
		{"vendor with a wildcard", identity, `'Effect':'Allow','Action':'k*:Decrypt','Resource':'*'`, "Vendor k* is not valid"},
		{"a misspelt vendor is well-formed", identity, `'Effect':'Allow','Action':'secretmanager:getSecretValue','Resource':'*'`, ""},
		{"resource in no format", identity, `'Effect':'Allow','Action':'kms:Decrypt','Resource':'key'`, `Resource key must be in ARN format or "*".`},
		{"partition", identity, `'Effect':'Allow','Action':'kms:Decrypt','Resource':'arn:x:kms:::key/1'`, `Partition "x" is not valid for resource "arn:x:kms:::key/1".`},
		{"resource vendor missing", identity, `'Effect':'Allow','Action':'kms:Decrypt','Resource':'arn:aws'`, regexes},
		{"resource vendor with a wildcard", identity, `'Effect':'Allow','Action':'kms:Decrypt','Resource':'arn:aws:k*:::key/1'`, regexes},
		{"IAM resource with a Region", identity, `'Effect':'Allow','Action':'iam:GetUser','Resource':'arn:aws:iam:us-east-1:111122223333:user/a'`,
			"IAM resource arn:aws:iam:us-east-1:111122223333:user/a cannot contain region information."},
		{"S3 resource with a Region", identity, `'Effect':'Allow','Action':'s3:GetObject','Resource':'arn:aws:s3:us-east-1::b'`,
			"Resource arn:aws:s3:us-east-1::b can not contain region information."},
		{"IAM resource of no known type", identity, `'Effect':'Allow','Action':'iam:GetUser','Resource':'arn:aws:iam::111122223333:usr/a'`,
			`IAM resource path must either be "*", root, or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.`},
		{"the root of an account", identity, `'Effect':'Allow','Action':'iam:GetUser','Resource':'arn:aws:iam::111122223333:root'`, ""},

		{"Principal in an identity policy", identity, star + `,'Principal':'*'`, "Policy document should not specify a principal."},
		{"no Principal in a key policy", key, star, "Missing required field Principal"},
		{"Principal of another text", key, star + `,'Principal':'all'`, syntax},
		{"unknown kind of principal", key, star + `,'Principal':{'Group':'x'}`, syntax},
		{"wildcard inside a principal", key, star + `,'Principal':{'AWS':'arn:aws:iam::111122223333:user/*'}`, invalid},
		{"a group is no principal", key, star + `,'Principal':{'AWS':'arn:aws:iam::111122223333:group/g'}`, invalid},
		{"account of eleven digits", key, star + `,'Principal':{'AWS':'11112222333'}`, invalid},
		{"role of another service", key, star + `,'Principal':{'AWS':'arn:aws:kms::111122223333:role/r'}`, invalid},
		{"wildcard in a trust principal", trustPolicy, `'Effect':'Allow','Action':'sts:AssumeRole','Principal':{'AWS':'arn:aws:iam::1:user/x'}`,
			`Invalid principal in policy: "AWS":"arn:aws:iam::1:user/x"`},
		{"invalid principal of a secret policy", iam.ResourcePolicy, star + `,'Principal':{'AWS':'me'}`, "This resource policy contains an unsupported principal."},

		{"trust policy", trustPolicy, `'Effect':'Allow','Action':['sts:AssumeRole','sts:TagSession'],'Principal':{'AWS':'*'}`, ""},
		{"trust policy with Resource", trustPolicy, `'Effect':'Allow','Action':'sts:AssumeRole','Resource':'*','Principal':'*'`, "Has prohibited field Resource"},
		{"trust policy with NotResource", trustPolicy, `'Effect':'Allow','Action':'sts:AssumeRole','NotResource':'*','Principal':'*'`, "AssumeRole policy must not contain resources."},
		{"trust policy with NotPrincipal", trustPolicy, `'Effect':'Allow','Action':'sts:AssumeRole','NotPrincipal':{'AWS':'111122223333'}`, "Allow with NotPrincipal is not allowed."},
		{"trust policy denying all but some", trustPolicy, `'Effect':'Deny','Action':'sts:AssumeRole','NotPrincipal':{'AWS':'111122223333'}`, "AssumeRole policy must not contain NotPrincipal field."},
		{"trust policy that is not JSON", trustPolicy, `{`, "This policy contains invalid Json"},
		{"trust policy without actions", trustPolicy, `'Effect':'Allow','Principal':'*'`, "Missing required field Action"},
		{"trust policy with a Sid twice", trustPolicy, `{'Version':'2012-10-17','Statement':[{'Sid':'a','Effect':'Allow','Action':'sts:AssumeRole','Principal':'*'},{'Sid':'a','Effect':'Deny','Action':'sts:AssumeRole','Principal':'*'}]}`,
			"The Statement Ids in the policy are not unique"},
		{"trust policy for everything", trustPolicy, `'Effect':'Allow','Action':'*','Principal':'*'`, trust},
		{"trust policy with other actions", trustPolicy, `'Effect':'Allow','Action':'kms:Decrypt','Principal':'*'`, trust},
		{"trust policy with the action of another name", trustPolicy, `'Effect':'Allow','Action':'sts:GetCallerIdentity','Principal':'*'`, trust},
		{"trust policy with a pattern", trustPolicy, `'Effect':'Allow','Action':'sts:Assume*','Principal':'*'`, ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			document := c.document
			if strings.HasPrefix(document, "'") {
				document = `{'Version':'2012-10-17','Statement':[{` + document + `}]}`
			}
			document = strings.ReplaceAll(document, "'", `"`)
			_, err := iam.Parse(c.kind, []byte(document))
			got := ""
			if err != nil {
				var malformed *iam.MalformedError
				if !errors.As(err, &malformed) {
					t.Fatalf("error of type %T: %v", err, err)
				}
				got = malformed.Text
			}
			if got != c.want {
				t.Errorf("got %q, want %q\n%s", got, c.want, document)
			}
		})
	}
	if _, err := iam.Parse(identity, []byte(strings.Repeat(" ", iam.MaxDocument+1))); err == nil {
		t.Error("a document beyond the bound is accepted")
	}
	if _, err := iam.Parse(identity, []byte("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"\xff\"}]}")); err == nil {
		t.Error("ill-formed UTF-8 is accepted")
	}
}

// TestStoredDocuments: these were accepted once and must stay so.
func TestStoredDocuments(t *testing.T) {
	for file, want := range map[string]struct {
		kind       iam.Kind
		id         string
		statements int
	}{
		"administrator":          {iam.IdentityPolicy, "", 1},
		"aws-secretsmanager-key": {iam.KeyPolicy, "auto-secretsmanager-2", 2},
		"default-key-policy":     {iam.KeyPolicy, "key-default-1", 1},
		"secret-policy":          {iam.ResourcePolicy, "", 2},
		"trust":                  {iam.TrustPolicy, "", 1},
		"variables":              {iam.IdentityPolicy, "", 2},
	} {
		document, err := os.ReadFile("testdata/policies/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		p := parse(t, want.kind, string(document))
		if p.Kind() != want.kind || p.ID() != want.id || p.Statements() != want.statements || p.Document() != string(document) {
			t.Errorf("%s: kind %v, id %q, %d statements", file, p.Kind(), p.ID(), p.Statements())
		}
	}
}

func TestSplitKey(t *testing.T) {
	for key, want := range map[string][2]string{
		"AWS:UserName":                    {"aws:username", ""},
		"aws:PrincipalTag/Dept/Sub":       {"aws:principaltag", "Dept/Sub"},
		"KMS:encryptionContext:SecretARN": {"kms:encryptioncontext", "SecretARN"},
		"kms:EncryptionContextKeys":       {"kms:encryptioncontextkeys", ""},
		"secretsmanager:ResourceTag/Env":  {"secretsmanager:resourcetag", "Env"},
		"secretsmanager:resource/Type":    {"secretsmanager:resource/type", ""},
		"ci.example.org/path:sub":         {"ci.example.org/path:sub", ""},
	} {
		if name, suffix := iam.SplitKey(key); name != want[0] || suffix != want[1] {
			t.Errorf("SplitKey(%q) = %q, %q", key, name, suffix)
		}
	}
	if !iam.IsSetKey("aws:tagkeys") || iam.IsSetKey("aws:username") {
		t.Error("IsSetKey does not tell sets from single values")
	}
}

func TestLint(t *testing.T) {
	for _, c := range []struct {
		rule string
		kind iam.Kind
		doc  string
		want []string
	}{
		{"nothing to say", iam.IdentityPolicy, doc(allow("kms:Decrypt", key)), nil},
		{"misspelt vendor", iam.IdentityPolicy, doc(allow("secretmanager:getSecretValue", secret)), []string{iam.UnknownVendor}},
		{"vendor of elsewhere", iam.IdentityPolicy, doc(allow("dynamodb:GetItem", "*")), []string{iam.UnknownVendor}},
		{"kms:ReEncrypt", iam.IdentityPolicy, doc(allow("kms:ReEncrypt", "*")), []string{iam.UnknownAction}},
		{"alias as resource", iam.IdentityPolicy, doc(allow("kms:Decrypt", alias)), []string{iam.AliasResource}},
		{"alias as resource of alias actions", iam.IdentityPolicy, doc(allow("kms:CreateAlias", alias)), nil},
		{"no actions", iam.KeyPolicy, doc(`{'Effect':'Allow','Resource':'*','Principal':'*'}`), []string{iam.NoEffect}},
		{"resource of a key policy", iam.KeyPolicy, doc(allow("kms:*", key, to(rootARN))), []string{iam.KeyPolicyResource}},
		{"NotPrincipal with Allow", iam.KeyPolicy, doc(allow("kms:*", "*", notTo(aliceARN))), []string{iam.NotPrincipalAllow}},
		{"NotPrincipal with Deny, no account", iam.KeyPolicy, doc(deny("kms:*", "*", notTo(aliceARN))), []string{iam.NotPrincipalDeny}},
		{"NotPrincipal with Deny, account", iam.KeyPolicy, doc(deny("kms:*", "*", notTo(aliceARN, rootARN))), nil},
		{"ForAllValues on a context key", iam.KeyPolicy, doc(allow("kms:*", "*", to(rootARN), when(`'ForAllValues:StringEquals':{'kms:EncryptionContextKeys':'a'}`))), []string{iam.OverlyPermissiveCondition}},
		{"ForAllValues on a context pair", iam.KeyPolicy, doc(allow("kms:*", "*", to(rootARN), when(`'ForAllValues:StringEquals':{'kms:EncryptionContext:a':'a'}`))), []string{iam.OverlyPermissiveCondition}},
		{"ForAllValues in a Deny", iam.KeyPolicy, doc(deny("kms:*", "*", to(rootARN), when(`'ForAllValues:StringEquals':{'kms:EncryptionContextKeys':'a'}`))), nil},
		{"ForAllValues elsewhere", iam.IdentityPolicy, doc(allow("kms:*", "*", when(`'ForAllValues:StringEquals':{'aws:TagKeys':'a'}`))), []string{iam.ForAllValuesAllow}},
		{"a set without qualifier", iam.IdentityPolicy, doc(allow("kms:*", "*", when(`'StringEquals':{'kms:ResourceAliases':'a'}`))), []string{iam.MissingQualifier}},
		{"variables in an old version", iam.KeyPolicy, strings.Replace(doc(allow("kms:*", "*", to(rootARN), when(`'StringEquals':{'aws:username':'${aws:userid}'}`))), "2012", "2008", 1), []string{iam.LiteralVariable}},
	} {
		var got []string
		for _, w := range parse(t, c.kind, c.doc).Lint() {
			got = append(got, w.Code)
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: got %q, want %q", c.rule, got, c.want)
		}
	}
	text := parse(t, iam.IdentityPolicy, doc(allow("secretmanager:getSecretValue", secret))).Lint()[0].Text
	if !strings.Contains(text, `did you mean "secretsmanager:getsecretvalue"?`) {
		t.Errorf("the warning proposes nothing: %s", text)
	}
}

func TestIsPublic(t *testing.T) {
	everybody := func(rest ...string) string {
		return doc(allow("secretsmanager:*", "*", append([]string{to("*")}, rest...)...))
	}
	for _, c := range []struct {
		rule, doc string
		want      bool
	}{
		{"everybody", everybody(), true},
		{"everybody as a text", doc(allow("secretsmanager:*", "*", `'Principal':'*'`)), true},
		{"all but one", doc(allow("secretsmanager:*", "*", notTo(aliceARN))), true},
		{"an account", doc(allow("secretsmanager:*", "*", to(stranger))), false},
		{"everybody denied", doc(deny("secretsmanager:*", "*", to("*"))), false},
		{"of an account", everybody(when(`'StringEquals':{'aws:PrincipalAccount':'111122223333'}`)), false},
		{"of a pattern of accounts", everybody(when(`'StringLike':{'aws:PrincipalAccount':'1111*'}`)), true},
		{"of all principals by ARN", everybody(when(`'ArnLike':{'aws:PrincipalArn':'arn:aws:iam::*:role/x'}`)), true},
		{"of an account's principals by ARN", everybody(when(`'ArnLike':{'aws:PrincipalArn':'arn:aws:iam::111122223333:role/*'}`)), false},
		{"where the key exists", everybody(when(`'StringEqualsIfExists':{'aws:PrincipalAccount':'111122223333'}`)), true},
		{"all but an account", everybody(when(`'StringNotEquals':{'aws:PrincipalAccount':'111122223333'}`)), true},
		{"by a key that anybody can set", everybody(when(`'StringEquals':{'secretsmanager:VersionStage':'AWSCURRENT'}`)), true},
		{"from a network", everybody(when(`'IpAddress':{'aws:SourceIp':'203.0.113.0/24'}`)), false},
		{"from everywhere", everybody(when(`'IpAddress':{'aws:SourceIp':['203.0.113.0/24','0.0.0.0/0']}`)), true},
	} {
		if got := parse(t, iam.ResourcePolicy, c.doc).IsPublic(); got != c.want {
			t.Errorf("%s: public %v", c.rule, got)
		}
	}
}

// TestParseIsLinear: the memory that a document costs grows with its length, so
// that nobody holds up the writer with one that is all dollar signs.
func TestParseIsLinear(t *testing.T) {
	for _, part := range []string{"$", "${", "?", "a*", "${a}"} {
		value := strings.Repeat(part, 120_000/len(part))
		document := []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringLike":{"aws:username":"` + value + `"}}}}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := iam.Parse(iam.IdentityPolicy, document); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 256*uint64(len(document)) {
			t.Errorf("%d bytes of %q took %d bytes of memory", len(document), part, used)
		}
	}
}

// TestRestore: rules for new documents are none for those of the log. An effect that
// is none denies.
func TestRestore(t *testing.T) {
	for _, tt := range []struct {
		kind     iam.Kind
		document string
	}{
		{iam.IdentityPolicy, `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:us-east-1::b"}}`},
		{iam.IdentityPolicy, `{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"Decrypt"}]}`},
		{iam.TrustPolicy, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"AssumeRole","Principal":"*","Resource":"*"}}`},
		{iam.KeyPolicy, `{"Statement":{"Effect":"allow","Action":"kms:*","Resource":"*","Principal":"*"}}`},
	} {
		if _, err := iam.Parse(tt.kind, []byte(tt.document)); err == nil {
			t.Errorf("%s is accepted: it proves nothing", tt.document)
		}
		p, err := iam.Restore(tt.kind, []byte(tt.document))
		if err != nil || p.Document() != tt.document {
			t.Errorf("%s is not restored: %v", tt.document, err)
		}
	}
	if _, err := iam.Restore(iam.KeyPolicy, []byte(`{"Statement":`)); err == nil {
		t.Error("half a document is restored")
	}
}
