package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func versionToken(n int) string { return fmt.Sprintf("c0ffee00-1111-4222-8333-%012d", n) }

func vaultWithAdmin(t testing.TB) (*vaulttest.Vault, *vaulttest.Caller) {
	v := vaulttest.New(t)
	return v, v.User("admin", vaulttest.Administrator)
}

// Whatever bytes a value has, it comes back as it was, and is nowhere on the way.
func TestValuesComeBack(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for i, value := range []string{
		"CANARY-1", `{"a":"\"quoted\" \\ back"}`, "\x00\x01\t\r\n\u2028é日本語😀", strings.Repeat("v", secret.MaxValueBytes),
	} {
		name := fmt.Sprintf("text/%d", i)
		o := sm(admin, "CreateSecret", m{"Name": name, "SecretString": value})
		o.OK()
		got := sm(admin, "GetSecretValue", m{"SecretId": name}).OK()
		if got["SecretString"] != value || got["SecretBinary"] != nil {
			t.Errorf("%q came back as %q", value, got["SecretString"])
		}
	}
	sm(admin, "CreateSecret", m{"Name": "bytes", "SecretBinary": base64.StdEncoding.EncodeToString(every)}).OK()
	got := sm(admin, "GetSecretValue", m{"SecretId": "bytes"}).OK()
	if raw, err := base64.StdEncoding.DecodeString(got["SecretBinary"].(string)); err != nil || !bytes.Equal(raw, every) || got["SecretString"] != nil {
		t.Errorf("bytes came back as %v, %v", raw, err)
	}
	for i, line := range v.Lines {
		for _, canary := range []string{"CANARY", "vvvvvvvv", "日本語", "quoted"} {
			if bytes.Contains(line, []byte(canary)) {
				t.Errorf("line %d holds %q", i, canary)
			}
		}
	}
}

func TestCreateRefusals(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	newSecret(admin, "taken", "x", "")
	symmetric, _ := newKey(admin, nil)
	hmac, _ := newKey(admin, m{"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"})
	asymmetric, _ := newKey(admin, m{"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"})
	before := v.State.Secrets.Len()
	for name, tt := range map[string]struct {
		in   m
		code fault.Code
		text string
	}{
		"name taken":       {m{"Name": "taken", "SecretString": "y"}, fault.ResourceExistsException, "The operation failed because the secret taken already exists."},
		"name with space":  {m{"Name": "a b", "SecretString": "y"}, fault.ValidationException, "Invalid name."},
		"name is an ARN":   {m{"Name": "arn:aws:x", "SecretString": "y"}, fault.ValidationException, "Invalid name."},
		"both values":      {m{"Name": "a", "SecretString": "y", "SecretBinary": "eA=="}, fault.InvalidParameterException, "binary"},
		"too long":         {m{"Name": "a", "SecretString": strings.Repeat("y", secret.MaxValueBytes+1)}, fault.ValidationException, "65536"},
		"too many bytes":   {m{"Name": "a", "SecretString": strings.Repeat("é", secret.MaxValueBytes/2+1)}, fault.InvalidParameterException, "65536 bytes"},
		"short token":      {m{"Name": "a", "SecretString": "y", "ClientRequestToken": "short"}, fault.ValidationException, "clientRequestToken"},
		"HMAC key":         {m{"Name": "a", "SecretString": "y", "KmsKeyId": hmac}, fault.EncryptionFailure, "Cannot generate a data key with an asymmetric KMS key"},
		"asymmetric key":   {m{"Name": "a", "SecretString": "y", "KmsKeyId": asymmetric}, fault.EncryptionFailure, "Cannot generate a data key with an asymmetric KMS key"},
		"other Region":     {m{"Name": "a", "SecretString": "y", "KmsKeyId": "arn:aws:kms:eu-west-1:111122223333:key/" + symmetric}, fault.InvalidParameterException, "The operation failed because of an invalid KMS key: "},
		"no such alias":    {m{"Name": "a", "SecretString": "y", "KmsKeyId": "alias/does-not-exist"}, fault.InvalidParameterException, "alias/does-not-exist"},
		"no such key":      {m{"Name": "a", "KmsKeyId": "11111111-2222-3333-4444-555555555555"}, fault.InvalidParameterException, "11111111-2222-3333-4444-555555555555"},
		"tag of AWS":       {m{"Name": "a", "Tags": []m{{"Key": "aws:x", "Value": "y"}}}, fault.InvalidParameterException, "aws:"},
		"replicas":         {m{"Name": "a", "AddReplicaRegions": []m{{"Region": "eu-west-1"}}}, fault.InvalidParameterException, "Invalid replica region."},
		"number for value": {m{"Name": "a", "SecretString": 7}, fault.SerializationException, ""},
	} {
		o := sm(admin, "CreateSecret", tt.in)
		if o.Reply.Fault == nil || o.Reply.Fault.Code != tt.code || !strings.Contains(o.Reply.Fault.Message, tt.text) {
			t.Errorf("%s: %v, want %s %q", name, o.Reply.Fault, tt.code, tt.text)
		}
	}
	if got := v.State.Secrets.Len(); got != before {
		t.Errorf("%d secrets were left half-made", got-before)
	}
	tags := make([]m, secret.MaxTags+1)
	for i := range tags {
		tags[i] = m{"Key": fmt.Sprint(i), "Value": ""}
	}
	sm(admin, "CreateSecret", m{"Name": "a", "Tags": tags}).Fails(fault.InvalidParameterException, "50 tags")
	sm(admin, "CreateSecret", m{"Name": "a", "Tags": tags[1:]}).OK()
}

func TestKeysByEveryName(t *testing.T) {
	_, admin := vaultWithAdmin(t)
	id, arn := newKey(admin, nil)
	admin.Call("kms:CreateAlias", m{"AliasName": "alias/a", "TargetKeyId": id}).OK()
	for i, name := range []string{id, arn, "alias/a", "arn:aws:kms:us-east-1:111122223333:alias/a"} {
		s := fmt.Sprintf("s%d", i)
		o := sm(admin, "CreateSecret", m{"Name": s, "SecretString": "x", "KmsKeyId": name})
		o.OK()
		tells(t, o, "kms:GenerateDataKey ok", decryptOK, "kms:GenerateDataKey ok", "secretsmanager:CreateSecret ok")
		if got := sm(admin, "DescribeSecret", m{"SecretId": s}).OK()["KmsKeyId"]; got != name {
			t.Errorf("named %s, shown as %v", name, got)
		}
		sm(admin, "GetSecretValue", m{"SecretId": s}).OK()
	}
}

func TestSecretWithoutValue(t *testing.T) {
	_, admin := vaultWithAdmin(t)
	out := sm(admin, "CreateSecret", m{"Name": "empty", "Description": "to come", "Tags": []m{{"Key": "team", "Value": "a"}}}).OK()
	if out["VersionId"] != nil {
		t.Errorf("version %v of nothing", out["VersionId"])
	}
	sm(admin, "GetSecretValue", m{"SecretId": "empty"}).Fails(fault.ResourceNotFoundException, "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT")
	// The first version is current whatever labels are asked for.
	put := sm(admin, "PutSecretValue", m{"SecretId": "empty", "SecretString": "x", "VersionStages": []string{"blue"}}).OK()
	if got := fmt.Sprint(put["VersionStages"]); got != "[blue AWSCURRENT]" {
		t.Errorf("labels %s", got)
	}
	got := sm(admin, "DescribeSecret", m{"SecretId": "empty"}).OK()
	if got["Description"] != "to come" || fmt.Sprint(got["Tags"]) != "[map[Key:team Value:a]]" || got["KmsKeyId"] != nil {
		t.Errorf("described as %v", got)
	}
}

// Same token and same value: nothing happens twice. Same token and another value:
// refused. Comparing costs one Decrypt, which the record shows.
func TestClientRequestToken(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	in := m{"Name": "s", "SecretString": "one", "ClientRequestToken": versionToken(1)}
	first := sm(admin, "CreateSecret", in).OK()
	if first["VersionId"] != versionToken(1) {
		t.Errorf("version %v", first["VersionId"])
	}
	inUse := fmt.Sprintf("You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", versionToken(1), first["ARN"])
	again := sm(admin, "CreateSecret", in)
	if got := again.OK(); got["ARN"] != first["ARN"] || got["VersionId"] != versionToken(1) || again.Decision.Changed {
		t.Errorf("the retry made %v", got)
	}
	tells(t, again, decryptOK, "secretsmanager:CreateSecret ok")
	in["SecretString"] = "two"
	sm(admin, "CreateSecret", in).Fails(fault.ResourceExistsException, inUse)

	put := m{"SecretId": "s", "SecretString": "two", "ClientRequestToken": versionToken(2)}
	sm(admin, "PutSecretValue", put).OK()
	retry := sm(admin, "PutSecretValue", put)
	if got := retry.OK(); got["VersionId"] != versionToken(2) || fmt.Sprint(got["VersionStages"]) != "[AWSCURRENT]" || retry.Decision.Changed {
		t.Errorf("the retry made %v", got)
	}
	tells(t, retry, decryptOK, "secretsmanager:PutSecretValue ok")
	sm(admin, "PutSecretValue", m{"SecretId": "s", "SecretBinary": b64("two"), "ClientRequestToken": versionToken(2)}).Fails(fault.ResourceExistsException, "already in use")
	sm(admin, "PutSecretValue", m{"SecretId": "s", "SecretString": "three", "ClientRequestToken": versionToken(1)}).Fails(fault.ResourceExistsException, inUse)
	retry = sm(admin, "UpdateSecret", put)
	if got := retry.OK(); got["VersionId"] != versionToken(2) || retry.Decision.Changed {
		t.Errorf("the retry made %v", got)
	}
	tells(t, retry, decryptOK, "secretsmanager:UpdateSecret ok")
	sm(admin, "UpdateSecret", m{"SecretId": "s", "SecretString": "three", "ClientRequestToken": versionToken(1)}).Fails(fault.ResourceExistsException, inUse)
	// Who cannot decrypt cannot find out whether a value fits.
	blind := v.User("blind", vaulttest.Allow("secretsmanager:*"), `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}}`)
	sm(blind, "PutSecretValue", put).Fails(fault.AccessDeniedException, kmsDenied)
}

// A new data key for every value, sealed outside of KMS, bound to its version.
func TestEachValueHasItsOwnDataKey(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	arn, _ := newSecret(admin, "s", "same", "")
	put := sm(admin, "PutSecretValue", m{"SecretId": "s", "SecretString": "same", "ClientRequestToken": versionToken(2)})
	put.OK()
	tells(t, put, "kms:GenerateDataKey ok", "secretsmanager:PutSecretValue ok")
	managed := "arn:aws:kms:us-east-1:111122223333:alias/aws/secretsmanager"
	if got, want := string(put.Records[0].Params), fmt.Sprintf(`{"keyId":"%s","encryptionContext":{"SecretARN":"%s","SecretVersionId":"%s"},"keySpec":"AES_256"}`, managed, arn, versionToken(2)); got != want {
		t.Errorf("forwarded\n%s\nwant\n%s", got, want)
	}
	if got := string(put.Record().Params); got != fmt.Sprintf(`{"secretId":"s","clientRequestToken":"%s"}`, versionToken(2)) {
		t.Errorf("params %s", got)
	}
	if got := string(put.Record().Response); got != fmt.Sprintf(`{"arn":"%s","name":"s","versionId":"%s"}`, arn, versionToken(2)) {
		t.Errorf("response %s", got)
	}
	s, err := v.State.Secrets.Find(vaulttest.Account, "s")
	if err != nil {
		t.Fatal(err)
	}
	versions := s.Versions()
	a, b := &versions[0], &versions[1]
	wrappedA, _ := v.Ring.Sealed(a.Wrapping().Ring)
	wrappedB, _ := v.Ring.Sealed(b.Wrapping().Ring)
	if bytes.Equal(wrappedA, wrappedB) || bytes.Equal(a.Ciphertext(), b.Ciphertext()) {
		t.Error("two versions share a data key or a ciphertext")
	}
	// A wrapped key put in another version's place opens nothing.
	v.Ring.Put(a.Wrapping().Ring, wrappedB)
	sm(admin, "GetSecretValue", m{"SecretId": "s", "VersionStage": "AWSPREVIOUS"}).Fails(fault.DecryptionFailure, "")
}

// Which kind a value is, is sealed with it: a log that says otherwise opens nothing.
func TestKindIsBound(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	sm(admin, "CreateSecret", m{"Name": "s", "SecretBinary": b64("x")}).OK()
	for i, line := range v.Lines {
		v.Lines[i] = bytes.Replace(line, []byte(`"binary":true,`), nil, 1)
	}
	v.Rebuild()
	sm(admin, "GetSecretValue", m{"SecretId": "s"}).Fails(fault.InternalServiceError, "")
}

func TestVersionAndStageTogether(t *testing.T) {
	_, admin := vaultWithAdmin(t)
	_, first := newSecret(admin, "s", "one", "")
	sm(admin, "PutSecretValue", m{"SecretId": "s", "SecretString": "two"}).OK()
	read := func(in m) *vaulttest.Outcome { in["SecretId"] = "s"; return sm(admin, "GetSecretValue", in) }
	if got := read(m{"VersionId": first, "VersionStage": "AWSPREVIOUS"}).OK()["SecretString"]; got != "one" {
		t.Errorf("read %v", got)
	}
	read(m{"VersionId": first, "VersionStage": "AWSCURRENT"}).Fails(fault.InvalidRequestException, "")
	read(m{"VersionId": versionToken(9)}).Fails(fault.ResourceNotFoundException, versionToken(9))
	read(m{"VersionStage": "blue"}).Fails(fault.ResourceNotFoundException, "staging label: blue")
}

func TestConditionsOfSecrets(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	_, key := newKey(admin, nil)
	_, first := newSecret(admin, "s", "one", key)
	sm(admin, "PutSecretValue", m{"SecretId": "s", "SecretString": "two"}).OK()
	sm(admin, "TagResource", m{"SecretId": "s", "Tags": []m{{"Key": "team", "Value": "blue"}}}).OK()
	who := func(action, condition string) *vaulttest.Caller {
		return v.User(fmt.Sprint("u", len(v.Lines)), fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["%s","kms:*"],"Resource":"*","Condition":{%s}}}`, action, condition),
			vaulttest.Allow("kms:*"))
	}
	for _, tt := range []struct {
		operation, condition string
		good, bad            m
	}{
		{"GetSecretValue", `"ForAnyValue:StringEquals":{"secretsmanager:VersionStage":"AWSCURRENT"}`, m{"SecretId": "s"}, m{"SecretId": "s", "VersionStage": "AWSPREVIOUS"}},
		{"GetSecretValue", fmt.Sprintf(`"StringEquals":{"secretsmanager:VersionId":"%s"}`, first), m{"SecretId": "s", "VersionId": first}, m{"SecretId": "s"}},
		{"GetSecretValue", `"StringEquals":{"secretsmanager:ResourceTag/team":"blue"}`, m{"SecretId": "s"}, nil},
		{"GetSecretValue", `"StringEquals":{"aws:ResourceTag/team":"red"}`, nil, m{"SecretId": "s"}},
		{"GetSecretValue", `"ArnLike":{"secretsmanager:SecretId":"arn:aws:secretsmanager:*:*:secret:s-??????"}`, m{"SecretId": "s"}, m{"SecretId": "t"}},
		{"CreateSecret", `"StringLike":{"secretsmanager:Name":"team/*"}`, m{"Name": "team/a"}, m{"Name": "other"}},
		{"CreateSecret", fmt.Sprintf(`"ArnEquals":{"secretsmanager:KmsKeyArn":"%s"}`, key), m{"Name": "b", "KmsKeyId": key}, m{"Name": "c"}},
		{"CreateSecret", `"StringEquals":{"secretsmanager:Description":"mine"}`, m{"Name": "d", "Description": "mine"}, m{"Name": "e", "Description": "yours"}},
		{"DeleteSecret", `"NumericGreaterThanEquals":{"secretsmanager:RecoveryWindowInDays":"14"}`, m{"SecretId": "team/a", "RecoveryWindowInDays": 14}, m{"SecretId": "b", "RecoveryWindowInDays": 7}},
		{"DeleteSecret", `"Bool":{"secretsmanager:ForceDeleteWithoutRecovery":"false"}`, m{"SecretId": "b"}, m{"SecretId": "d", "ForceDeleteWithoutRecovery": true}},
		{"TagResource", `"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}`, m{"SecretId": "s", "Tags": []m{{"Key": "cost", "Value": "1"}}}, m{"SecretId": "s", "Tags": []m{{"Key": "x", "Value": "1"}}}},
		{"TagResource", `"StringEquals":{"aws:RequestTag/cost":"1"}`, m{"SecretId": "s", "Tags": []m{{"Key": "cost", "Value": "1"}}}, m{"SecretId": "s", "Tags": []m{{"Key": "cost", "Value": "2"}}}},
		{"PutResourcePolicy", `"Bool":{"secretsmanager:BlockPublicPolicy":"true"}`,
			m{"SecretId": "s", "BlockPublicPolicy": true, "ResourcePolicy": secretPolicy(admin.ARN)}, m{"SecretId": "s", "ResourcePolicy": secretPolicy(admin.ARN)}},
	} {
		c := who("secretsmanager:"+tt.operation, tt.condition)
		if tt.good != nil {
			if o := sm(c, tt.operation, tt.good); o.Reply.Fault != nil {
				t.Errorf("%s with %s: %v", tt.operation, tt.condition, o.Reply.Fault)
			}
		}
		if tt.bad != nil {
			if o := sm(c, tt.operation, tt.bad); !fault.Is(o.Reply.Fault, fault.AccessDeniedException) {
				t.Errorf("%s with %s let %v through: %v", tt.operation, tt.condition, tt.bad, o.Reply.Fault)
			}
		}
	}
}

func secretPolicy(principal string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}`, principal)
}

// What does not exist is refused to those without permission, and missing to others.
func TestMissingSecret(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	nobody := v.User("nobody")
	for _, operation := range []string{"GetSecretValue", "DescribeSecret", "DeleteSecret", "PutResourcePolicy"} {
		in := m{"SecretId": "missing", "ResourcePolicy": secretPolicy(admin.ARN)}
		sm(admin, operation, in).Fails(fault.ResourceNotFoundException, "Secrets Manager can't find the specified secret.")
		sm(nobody, operation, in).Fails(fault.AccessDeniedException, fmt.Sprintf(
			"User: %s is not authorized to perform: secretsmanager:%s on resource: missing because no identity-based policy allows the secretsmanager:%s action", nobody.ARN, operation, operation))
	}
	sm(admin, "GetSecretValue", m{"SecretId": "not a name"}).Fails(fault.ValidationException, "Invalid name.")
	sm(admin, "GetSecretValue", m{"SecretId": "rds!db-1"}).Fails(fault.ResourceNotFoundException, "") // as AWS services name theirs
	sm(admin, "CreateSecret", m{"Name": "rds!db-1"}).Fails(fault.ValidationException, "Invalid name.")
	for _, id := range []string{
		"arn:aws:kms:us-east-1:111122223333:key/x", "arn:aws:secretsmanager:us-east-1:111122223333:secret:missing-AbCdEf:password::",
		"arn:aws:secretsmanager:us-east-1:111122223333:secret:missing-AbCdEf#password", "arn:",
	} {
		sm(admin, "GetSecretValue", m{"SecretId": id}).Fails(fault.ValidationException, "Invalid name.")
	}
	longest := "arn:aws:secretsmanager:us-east-1:111122223333:secret:" + strings.Repeat("a", 512) + "-AbCdEf"
	sm(admin, "GetSecretValue", m{"SecretId": longest}).Fails(fault.ResourceNotFoundException, "")
}

func TestUpdateDescriptionAlone(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	newSecret(admin, "s", "x", "")
	v.Wait(time.Hour)
	o := sm(admin, "UpdateSecret", m{"SecretId": "s", "Description": "d"})
	if out := o.OK(); out["VersionId"] != nil {
		t.Errorf("%v", out)
	}
	tells(t, o, "secretsmanager:UpdateSecret ok")
	got := sm(admin, "DescribeSecret", m{"SecretId": "s"}).OK()
	if got["Description"] != "d" || got["LastChangedDate"].(float64)-got["CreatedDate"].(float64) != 3600 {
		t.Errorf("%v", got)
	}
	value := sm(admin, "UpdateSecret", m{"SecretId": "s", "SecretString": "y", "ClientRequestToken": versionToken(1)}).OK()
	if value["VersionId"] != versionToken(1) || sm(admin, "GetSecretValue", m{"SecretId": "s"}).OK()["SecretString"] != "y" {
		t.Errorf("%v", value)
	}
}

// Every answer is the same after a restart.
func TestRebuiltAnswers(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	_, key := newKey(admin, nil)
	newSecret(admin, "a", "one", "")
	newSecret(admin, "b", "two", key)
	sm(admin, "PutSecretValue", m{"SecretId": "a", "SecretString": "three", "VersionStages": []string{"AWSPENDING", "blue"}}).OK()
	sm(admin, "UpdateSecret", m{"SecretId": "a", "KmsKeyId": key, "Description": "d"}).OK()
	sm(admin, "TagResource", m{"SecretId": "a", "Tags": []m{{"Key": "k", "Value": "v"}}}).OK()
	sm(admin, "PutResourcePolicy", m{"SecretId": "a", "ResourcePolicy": secretPolicy(admin.ARN)}).OK()
	sm(admin, "DeleteSecret", m{"SecretId": "b"}).OK()
	answers := func() string {
		var all []string
		for operation, in := range map[string]m{
			"ListSecrets": {"IncludePlannedDeletion": true}, "DescribeSecret": {"SecretId": "a"}, "GetResourcePolicy": {"SecretId": "a"},
			"ListSecretVersionIds": {"SecretId": "a", "IncludeDeprecated": true}, "GetSecretValue": {"SecretId": "a", "VersionStage": "blue"},
		} {
			b, _ := json.Marshal(sm(admin, operation, in).OK())
			all = append(all, operation+string(b))
		}
		return strings.Join(sortedTexts(all), "\n")
	}
	before := answers()
	v.Rebuild()
	if after := answers(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// A name that ends as an ARN does is accepted with a warning; the full ARN of one
// secret never reads the other.
func TestNamesThatLookLikeARNs(t *testing.T) {
	_, admin := vaultWithAdmin(t)
	plain, _ := newSecret(admin, "app", "plain", "")
	o := sm(admin, "CreateSecret", m{"Name": "app" + plain[len(plain)-7:], "SecretString": "lookalike"})
	lookalike := o.OK()["ARN"].(string)
	if !strings.Contains(string(o.Record().Extra), "nameWarning") {
		t.Errorf("extra %s", o.Record().Extra)
	}
	for id, want := range map[string]string{plain: "plain", lookalike: "lookalike", "app": "plain", lookalike[:len(lookalike)-7]: "plain"} {
		if got := sm(admin, "GetSecretValue", m{"SecretId": id}).OK()["SecretString"]; got != want {
			t.Errorf("%s reads %v, want %s", id, got, want)
		}
	}
}

// What is not there says so, and does nothing by halves.
func TestReplicationIsUnsupported(t *testing.T) {
	_, admin := vaultWithAdmin(t)
	newSecret(admin, "s", "x", "")
	for _, operation := range []string{"ReplicateSecretToRegions", "RemoveRegionsFromReplication", "StopReplicationToReplica"} {
		sm(admin, operation, m{"SecretId": "s"}).Fails(fault.UnsupportedOperationException, operation)
	}
}

// There is no function to rotate a secret: the answers are AWS's to who has none, and
// the secret stays as it is. Permission, conditions and the secret's state are judged
// as for a rotation.
func TestRotationWithoutFunctions(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	newSecret(admin, "s", "x", "")
	before := fmt.Sprint(sm(admin, "DescribeSecret", m{"SecretId": "s"}).OK())
	const function, none = "arn:aws:lambda:us-east-1:111122223333:function:rotate", "No Lambda rotation function ARN is associated with this secret."
	rules := m{"AutomaticallyAfterDays": 30}
	sm(admin, "RotateSecret", m{"SecretId": "s", "RotationRules": rules}).Fails(fault.InvalidRequestException, none)
	sm(admin, "RotateSecret", m{"SecretId": "s", "RotationRules": rules, "RotationLambdaARN": function}).Fails(fault.AccessDeniedException, "Secrets Manager cannot invoke the specified Lambda function.")
	sm(admin, "CancelRotateSecret", m{"SecretId": "s"}).Fails(fault.InvalidRequestException, none)
	sm(admin, "RotateSecret", m{"SecretId": "s", "RotationRules": m{"AutomaticallyAfterDays": 1, "ScheduleExpression": "rate(4 hours)"}}).Fails(fault.InvalidParameterException, "both")
	sm(admin, "RotateSecret", m{"SecretId": "s", "RotationRules": m{"AutomaticallyAfterDays": 1001}}).Fails(fault.ValidationException, "rotationRules.automaticallyAfterDays")
	sm(admin, "RotateSecret", m{"SecretId": "s", "RotationRules": m{"Duration": "3 h"}}).Fails(fault.ValidationException, "rotationRules.duration")
	sm(admin, "RotateSecret", m{"SecretId": "missing"}).Fails(fault.ResourceNotFoundException, "")
	if after := fmt.Sprint(sm(admin, "DescribeSecret", m{"SecretId": "s"}).OK()); after != before {
		t.Errorf("became %s, was %s", after, before)
	}
	later := v.User("later", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"secretsmanager:RotateSecret","Resource":"*","Condition":{
		"Bool":{"secretsmanager:RotateImmediately":"false","secretsmanager:ModifyRotationRules":"false"},"ArnLike":{"secretsmanager:RotationLambdaARN":"arn:aws:lambda:*:*:function:rot*"}}}}`)
	sm(later, "RotateSecret", m{"SecretId": "s", "RotationLambdaARN": function, "RotateImmediately": false}).Fails(fault.AccessDeniedException, "cannot invoke")
	sm(later, "RotateSecret", m{"SecretId": "s", "RotationLambdaARN": function}).Fails(fault.AccessDeniedException, "not authorized")
	sm(later, "CancelRotateSecret", m{"SecretId": "s"}).Fails(fault.AccessDeniedException, "not authorized")
	sm(admin, "DeleteSecret", m{"SecretId": "s"}).OK()
	for _, operation := range []string{"RotateSecret", "CancelRotateSecret"} {
		sm(admin, operation, m{"SecretId": "s"}).Fails(fault.InvalidRequestException, "marked for deletion")
	}
}
