package main_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

// TestProgramCanary sends secrets through every operation that takes or returns
// one, rightly and wrongly, and looks for them wherever the program writes.
func TestProgramCanary(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, dir, "--log-level", "debug")
	tail := p.tail(t)
	b := &birds{t: t, admin: p.connect(t), said: &transcript{}}
	b.plantFile("root key", filepath.Join(dir, "root.key"))
	b.plant("administrator's secret access key", p.env["AWS_SECRET_ACCESS_KEY"])

	// The positive control: names and descriptions are not secret.
	b.control.plant("the control", []byte("control-"+rand.Text()))
	b.controlText = controlOf(&b.control)
	b.rightly(p)
	b.wrongly(p)

	_, metrics := p.ops(t, "/metrics")
	fmt.Fprintln(b.said, metrics)
	b.discovery(p)
	audit := p.auditOutput(t, b.requests)
	p.stop(t)
	tail.stop(t)
	records := readLog(t, dir)
	var lines strings.Builder
	for _, r := range records {
		lines.WriteString(r.line + "\n")
	}

	for place, text := range map[string]string{
		"the log's lines": lines.String(), "the server's standard error": p.stderr.String(), "its standard output": p.stdout.String(),
		"error replies, metrics and discovery": b.said.String(), "the output of audit": audit, "the output of audit tail": tail.out.String(),
	} {
		if hit := b.secrets.find([]byte(text)); hit != "" {
			t.Errorf("%s: %s", place, hit)
		}
	}
	for _, hit := range b.secrets.findIn(t, dir, "admin.env", "root.key") {
		t.Error(hit)
	}
	for place, text := range map[string]string{
		"the log's lines": lines.String(), "error replies": b.said.String(), "the output of audit": audit, "the output of audit tail": tail.out.String(),
	} {
		if b.control.find([]byte(text)) == "" {
			t.Errorf("the control is not found in %s: nothing would be", place)
		}
	}
	if len(b.control.findIn(t, dir)) == 0 || len(b.secrets.findIn(t, dir)) < 2 {
		t.Error("what is known to be in the files is not found: nothing would be")
	}
	t.Logf("%d canaries, %d records, %d bytes of their lines", b.secrets.count, len(records), lines.Len())
}

// birds lets canaries fly.
type birds struct {
	t           *testing.T
	admin       *client.Client
	secrets     canaries
	control     canaries
	controlText string
	said        *transcript // every error reply
	requests    []string
}

func controlOf(s *canaries) string {
	for _, forms := range s.forms {
		for _, f := range forms {
			if f.how == "as it is" {
				return string(f.bytes)
			}
		}
	}
	panic("no control")
}

func (b *birds) plant(name, secret string) string {
	b.secrets.plant(name, []byte(secret))
	return secret
}

func (b *birds) plantFile(name, path string) {
	raw, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.secrets.plant(name, raw)
}

// fresh is a new canary.
func (b *birds) fresh(name string) string { return b.plant(name, "canary-"+rand.Text()) }

func (b *birds) fresh64(name string) string {
	return base64.StdEncoding.EncodeToString([]byte(b.fresh(name)))
}

// plant64 plants what a reply has in base64.
func (b *birds) plant64(name, text string) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 {
		b.t.Fatalf("%s: %q: %v", name, text, err)
	}
	b.secrets.plant(name, raw)
}

func (b *birds) do(service, operation string, in object, out any) {
	b.t.Helper()
	b.requests = append(b.requests, must(b.t, b.admin, service, operation, in, out).RequestID)
}

// rightly uses every operation that takes or returns a secret as it is meant.
func (b *birds) rightly(p *process) {
	t := b.t
	t.Helper()
	// Secrets Manager
	b.do("secretsmanager", "CreateSecret", object{"Name": "text", "SecretString": b.fresh("created text"), "Description": b.controlText}, nil)
	b.do("secretsmanager", "CreateSecret", object{"Name": "binary", "SecretBinary": b.fresh64("created binary")}, nil)
	b.do("secretsmanager", "PutSecretValue", object{"SecretId": "text", "SecretString": b.fresh("put text")}, nil)
	b.do("secretsmanager", "PutSecretValue", object{"SecretId": "binary", "SecretBinary": b.fresh64("put binary")}, nil)
	b.do("secretsmanager", "UpdateSecret", object{"SecretId": "text", "SecretString": b.fresh("updated text")}, nil)
	b.do("secretsmanager", "GetSecretValue", object{"SecretId": "text"}, nil)
	b.do("secretsmanager", "GetSecretValue", object{"SecretId": "binary", "VersionStage": "AWSPREVIOUS"}, nil)
	b.do("secretsmanager", "BatchGetSecretValue", object{"SecretIdList": []string{"text", "binary"}}, nil)
	var random struct{ RandomPassword string }
	b.do("secretsmanager", "GetRandomPassword", object{"PasswordLength": 40, "ExcludePunctuation": true}, &random)
	b.plant("random password", random.RandomPassword)
	b.do("secretsmanager", "CreateSecret", object{"Name": "doomed", "SecretString": b.fresh("doomed text")}, nil)
	b.do("secretsmanager", "DeleteSecret", object{"SecretId": "doomed", "ForceDeleteWithoutRecovery": true}, nil)

	// KMS
	key, other := newKey(t, b.admin), newKey(t, b.admin)
	context := object{"purpose": "canary"}
	var sealed struct{ CiphertextBlob string }
	b.do("kms", "Encrypt", object{"KeyId": key, "Plaintext": b.fresh64("plaintext"), "EncryptionContext": context}, &sealed)
	b.do("kms", "Decrypt", object{"CiphertextBlob": sealed.CiphertextBlob, "EncryptionContext": context}, nil)
	b.do("kms", "ReEncrypt", object{"CiphertextBlob": sealed.CiphertextBlob, "SourceEncryptionContext": context, "DestinationKeyId": other}, nil)
	var made struct{ Plaintext, CiphertextBlob string }
	b.do("kms", "GenerateDataKey", object{"KeyId": key, "KeySpec": "AES_256"}, &made)
	b.plant64("data key", made.Plaintext)
	b.do("kms", "Decrypt", object{"CiphertextBlob": made.CiphertextBlob}, nil)
	b.do("kms", "GenerateDataKeyWithoutPlaintext", object{"KeyId": key, "KeySpec": "AES_256"}, &sealed)
	b.do("kms", "Decrypt", object{"CiphertextBlob": sealed.CiphertextBlob}, &made)
	b.plant64("data key without plaintext", made.Plaintext)
	b.do("kms", "GenerateRandom", object{"NumberOfBytes": 32}, &made)
	b.plant64("random bytes", made.Plaintext)
	var k struct{ KeyMetadata struct{ KeyId string } }
	b.do("kms", "CreateKey", object{"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}, &k)
	message := b.fresh64("message under a MAC")
	var mac struct{ Mac string }
	b.do("kms", "GenerateMac", object{"KeyId": k.KeyMetadata.KeyId, "Message": message, "MacAlgorithm": "HMAC_SHA_256"}, &mac)
	b.do("kms", "VerifyMac", object{"KeyId": k.KeyMetadata.KeyId, "Message": message, "MacAlgorithm": "HMAC_SHA_256", "Mac": mac.Mac}, nil)
	b.do("kms", "CreateKey", object{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}, &k)
	message = b.fresh64("signed message")
	var signed struct{ Signature string }
	b.do("kms", "Sign", object{"KeyId": k.KeyMetadata.KeyId, "Message": message, "SigningAlgorithm": "ECDSA_SHA_256"}, &signed)
	b.do("kms", "Verify", object{"KeyId": k.KeyMetadata.KeyId, "Message": message, "SigningAlgorithm": "ECDSA_SHA_256", "Signature": signed.Signature}, nil)
	var pair struct{ PrivateKeyPlaintext string }
	reply, err := invoke(t.Context(), b.admin, "kms", "GenerateDataKeyPair", object{"KeyId": key, "KeyPairSpec": "ECC_NIST_P256"}, &pair)
	if err == nil {
		b.requests = append(b.requests, reply.RequestID)
		b.plant64("private key of a pair", pair.PrivateKeyPlaintext)
	} else if code(err) != "UnsupportedOperationException" {
		t.Fatal(err)
	}

	// Credentials
	var credentials struct {
		AccessKey   struct{ AccessKeyId, SecretAccessKey string }
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	b.do("iam", "CreateUser", object{"UserName": "nobody"}, nil)
	b.do("iam", "CreateAccessKey", object{"UserName": "nobody"}, &credentials)
	b.plant("secret access key", credentials.AccessKey.SecretAccessKey)
	nobody := p.connectAs(t, credentials.AccessKey.AccessKeyId, credentials.AccessKey.SecretAccessKey, "")
	b.refused(invoke(t.Context(), nobody, "secretsmanager", "CreateSecret", object{"Name": "denied", "SecretString": b.fresh("denied text")}, nil))
	b.refused(invoke(t.Context(), nobody, "kms", "Encrypt", object{"KeyId": key, "Plaintext": b.fresh64("denied plaintext")}, nil))
	b.refused(invoke(t.Context(), nobody, "secretsmanager", "GetSecretValue", object{"SecretId": "text"}, nil))
	b.do("keytrail", "CreateAccount", object{"AccountName": "second"}, &credentials)
	b.plant("administrator of an account", credentials.AccessKey.SecretAccessKey)
	b.do("iam", "CreateRole", object{"RoleName": "reader", "AssumeRolePolicyDocument": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}}`}, nil)
	for operation, in := range map[string]object{
		"AssumeRole":      {"RoleArn": "arn:aws:iam::000000000000:role/reader", "RoleSessionName": "session"},
		"GetSessionToken": {},
	} {
		b.do("sts", operation, in, &credentials)
		c := credentials.Credentials
		b.plant("secret of "+operation, c.SecretAccessKey)
		b.plant("token of "+operation, c.SessionToken)
		session := p.connectAs(t, c.AccessKeyId, c.SecretAccessKey, c.SessionToken)
		must(t, session, "sts", "GetCallerIdentity", object{}, nil)
		b.refused(invoke(t.Context(), session, "iam", "ListUsers", object{}, nil))
	}

	// The verbs
	p.run(t, b.fresh("value on standard input"), "secret", "create", "by-verb").want(t, 0)
	p.run(t, "", "secret", "get", "by-verb").want(t, 0, "canary-")
	blob := p.run(t, b.fresh("plaintext on standard input"), "key", "encrypt", key).want(t, 0).stdout
	p.run(t, blob, "key", "decrypt").want(t, 0, "canary-")
}

// wrongly sends secrets where they do not belong or not as they should be.
func (b *birds) wrongly(p *process) {
	t := b.t
	t.Helper()
	key := newKey(t, b.admin)
	quote := func(s string) string { raw, _ := json.Marshal(s); return string(raw) }
	for i, call := range []struct{ service, operation, body string }{
		{"secretsmanager", "CreateSecret", `{"Name":"wrong","SecretString":{"password":%s}}`},
		{"secretsmanager", "CreateSecret", `{"Name":"wrong","SecretString":[%s]}`},
		{"secretsmanager", "CreateSecret", `{"Name":"wrong","SecretBinary":%s}`},
		{"secretsmanager", "CreateSecret", `{"Name":"wrong","SecretString":%s`},
		{"secretsmanager", "CreateSecret", `{"Name":"wrong","SecretSting":%s}`},
		{"secretsmanager", "CreateSecret", `{"SecretString":%s}`},
		{"secretsmanager", "CreateSecret", `{"Name":"wrong","SecretString":%s,"SecretBinary":"AAAA"}`},
		{"secretsmanager", "CreateSecret", `{"Name":"text","SecretString":%s}`},
		{"secretsmanager", "CreateSecret", `{"Name":"wrong","KmsKeyId":"alias/none","SecretString":%s}`},
		{"secretsmanager", "CreateSecret", `{"Name":"wrong","Name":"wrong","SecretString":%s,"SecretString":7}`},
		{"secretsmanager", "CreateSecret", `%s`},
		{"secretsmanager", "CreateSecret", `[%s]`},
		{"secretsmanager", "CreateSecret", `{%s:1}`},
		{"secretsmanager", "CreateSecret", `{"Name":"wrong","SecretString":` + quote(strings.Repeat("long ", 14000)) + `,"x":%s}`},
		{"secretsmanager", "PutSecretValue", `{"SecretId":"nothing","SecretString":%s}`},
		{"secretsmanager", "PutSecretValue", `{"SecretId":"text","ClientRequestToken":"short","SecretString":%s}`},
		{"secretsmanager", "UpdateSecret", `{"SecretId":"text","KmsKeyId":"alias/none","SecretString":%s}`},
		{"secretsmanager", "GetSecretValue", `{"SecretId":"nothing","SecretString":%s}`},
		{"secretsmanager", "Nothing", `{"SecretString":%s}`},
		{"secretsmanager", "RotateSecret", `{"SecretId":"text","SecretString":%s}`},
		{"nothing", "CreateSecret", `{"SecretString":%s}`},
		{"kms", "Encrypt", `{"KeyId":"KEY","Plaintext":%s}`},
		{"kms", "Encrypt", `{"KeyId":"KEY","Plaintext":[%s]}`},
		{"kms", "Encrypt", `{"KeyId":"KEY","Plaintext":"AAAA","Plaintex":%s}`},
		{"kms", "Encrypt", `{"KeyId":"alias/none","Plaintext":%s}`},
		{"kms", "Decrypt", `{"CiphertextBlob":%s}`},
		{"kms", "GenerateMac", `{"KeyId":"KEY","MacAlgorithm":"HMAC_SHA_256","Message":%s}`},
		{"kms", "Sign", `{"KeyId":"KEY","SigningAlgorithm":"NONE","Message":%s}`},
		{"kms", "ImportKeyMaterial", `{"KeyId":"KEY","EncryptedKeyMaterial":%s}`},
		{"iam", "CreateLoginProfile", `{"UserName":"nobody","Password":%s}`},
		{"iam", "ChangePassword", `{"OldPassword":"x","NewPassword":%s}`},
		{"iam", "CreateAccessKey", `{"UserName":"none","SecretAccessKey":%s}`},
		{"sts", "AssumeRole", `{"RoleArn":"x","RoleSessionName":"s","TokenCode":%s}`},
	} {
		for form, write := range map[string]func(string) string{
			"": quote, " in base64": func(s string) string { return quote(base64.StdEncoding.EncodeToString([]byte(s))) },
			" bare": func(s string) string { return s }, " in bad base64": func(s string) string { return quote("!" + s) },
		} {
			canary := b.fresh(fmt.Sprintf("%s %s (%d)%s", call.service, call.operation, i, form))
			body := strings.Replace(strings.Replace(call.body, "%s", write(canary), 1), "KEY", key, 1)
			reply, err := b.admin.Call(t.Context(), call.service, call.operation, []byte(body))
			if err == nil {
				b.requests = append(b.requests, reply.RequestID) // an unknown member is ignored, as AWS does
				continue
			}
			b.refused(reply, err)
		}
	}
	for operation, in := range map[string]object{
		"Encrypt":  {"KeyId": key, "Plaintext": strings.Repeat(b.fresh64("a plaintext that is too long"), 200)},
		"TooLarge": {"KeyId": key, "Plaintext": strings.Repeat(b.fresh64("a body that is too long"), 1<<20/48)},
	} {
		b.refused(invoke(t.Context(), b.admin, "kms", operation, in, nil))
	}
	b.refused(invoke(t.Context(), b.admin, "kms", "DescribeKey", object{"KeyId": "alias/" + b.controlText}, nil))

	// Connections with a secret that is wrong, and with one in the wrong place.
	id, secret := p.env["AWS_ACCESS_KEY_ID"], p.env["AWS_SECRET_ACCESS_KEY"]
	for _, try := range [][3]string{
		{id, b.fresh("wrong secret access key"), ""}, {b.fresh("access key id that is a secret"), id, ""}, {secret, id, ""},
		{id, secret, b.fresh("session token of nobody")}, {"ASIA" + id[4:], secret, b.fresh("forged session token")},
		{strings.ToUpper(rand.Text())[:20], b.fresh("secret of a stranger"), ""},
	} {
		_, err := client.Connect(t.Context(), client.Options{URL: p.env["KEYTRAIL_NATS_URL"], AccessKey: try[0], Secret: try[1], SessionToken: try[2]})
		if err == nil {
			t.Errorf("connected with %q", try)
			continue
		}
		fmt.Fprintln(b.said, err)
	}
	// What a raw connection can do wrong.
	nc := b.admin.Conn()
	for _, m := range []*nats.Msg{
		{Subject: "keytrail.api." + id + ".kms.Encrypt", Reply: "_INBOX.somebody.else", Data: []byte(b.fresh("foreign reply"))},
		{Subject: "keytrail.api." + id + ".kms.Encrypt", Data: []byte(b.fresh("no reply"))},
		{Subject: "keytrail.api.AKIAAAAAAAAAAAAAAAAA.kms.Encrypt", Reply: "_INBOX." + id + ".x", Data: []byte(b.fresh("foreign subject"))},
		{Subject: "keytrail.log.state", Data: []byte(b.fresh("into the log"))},
	} {
		if err := nc.PublishMsg(m); err != nil {
			t.Error(err)
		}
	}
	nc.Flush()
	for _, args := range [][]string{
		{"call", "kms", "Encrypt", `{"KeyId":"` + key + `","Plaintext":` + b.fresh("argument that is not JSON")},
		{"call", "kms", "Encrypt", `{"KeyId":"` + key + `","Plaintext":"` + b.fresh("argument that is not base64") + `!"}`},
	} {
		r := p.run(t, "", args...)
		if r.exit == 0 {
			t.Errorf("%s", r)
		}
		fmt.Fprintln(b.said, r.stdout, r.stderr)
	}
}

// refused keeps the text of an error reply.
func (b *birds) refused(_ *client.Reply, err error) {
	b.t.Helper()
	var refused *client.APIError
	if !errors.As(err, &refused) {
		b.t.Errorf("want a refusal, got %v", err)
		return
	}
	if refused.RequestID != "" {
		b.requests = append(b.requests, refused.RequestID)
	}
	fmt.Fprintln(b.said, refused.Status, refused)
}

// discovery asks what every client may ask.
func (b *birds) discovery(p *process) {
	b.t.Helper()
	for _, subject := range []string{"$SRV.PING", "$SRV.INFO", "$SRV.STATS"} {
		m, err := b.admin.Conn().Request(subject, nil, patience)
		if err != nil {
			b.t.Fatalf("%s: %v", subject, err)
		}
		fmt.Fprintf(b.said, "%s\n", m.Data)
	}
}

// auditOutput is what the audit verbs print about the requests.
func (p *process) auditOutput(t *testing.T, requests []string) string {
	t.Helper()
	var out strings.Builder
	c := p.connect(t)
	for _, id := range requests {
		for _, operation := range []string{"GetRecord", "ExplainRequest"} {
			reply, err := invoke(t.Context(), c, "keytrail", operation, object{"RequestId": id}, nil)
			if err != nil {
				fmt.Fprintln(&out, err)
				continue
			}
			fmt.Fprintf(&out, "%s\n", reply.Body)
		}
	}
	// The verbs print what these operations answer; a few of them show it.
	for _, id := range append(requests[:3:3], requests[len(requests)-3:]...) {
		for _, args := range [][]string{{"audit", "show", "--request", id}, {"audit", "explain", id}} {
			r := p.run(t, "", args...)
			out.WriteString(r.stdout + r.stderr)
		}
	}
	return out.String()
}

// tailing is keytrail audit tail at work.
type tailing struct {
	cmd *exec.Cmd
	out transcript
	err transcript
}

func (p *process) tail(t *testing.T, flags ...string) *tailing {
	t.Helper()
	w := &tailing{cmd: exec.Command(program, append([]string{"audit", "tail"}, flags...)...)}
	w.cmd.Env = cleanEnvironment(p.env)
	w.cmd.Stdout, w.cmd.Stderr = &w.out, &w.err
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.cmd.Process.Kill() })
	for end := time.Now().Add(patience); !strings.Contains(w.err.String(), "watching"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("audit tail: %s", &w.err)
		}
	}
	return w
}

// stop is ctrl-C.
func (w *tailing) stop(t *testing.T) {
	t.Helper()
	w.cmd.Process.Signal(syscall.SIGINT)
	if err := w.cmd.Wait(); err != nil {
		t.Errorf("audit tail: %v\n%s", err, &w.err)
	}
}
