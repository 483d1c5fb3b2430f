package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

func startServer(ctx context.Context, o *Options, dir string, more ...string) (*child, error) {
	args := []string{"server", "--data-dir", dir, "--nats-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}
	return startChild(ctx, o.Executable, dir, profiled(o.CPUProfile, append(args, more...))...)
}

// profiled has the child write a CPU profile of its life.
func profiled(file string, args []string) []string {
	if file == "" {
		return args
	}
	return append([]string{"bench", "profile", file, "--"}, args...)
}

// sample is one call of the vault with all that it left: what the ceiling answers
// and stores instead, without a vault.
type sample struct {
	Service   string      // "kms"
	Operation string      // "Decrypt"
	Body      []byte      // of the request
	Want      []byte      // part of the reply
	Header    nats.Header // of the reply
	Reply     []byte
	Lines     [][]byte // the records of the call
}

// prepare makes the keys or secrets that the callers ask for, each caller its
// own, so that a reply which went to the wrong caller is noticed. The callers are
// an application: a user who may do what it needs and no more.
func prepare(ctx context.Context, server *child, o *Options) (*load, *sample, error) {
	conns, err := server.connect(server.admin(), 1)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	defer conns[0].Close()
	a := admin{ctx, server.admin(), conns[0]}
	app, err := a.application()
	if err != nil {
		return nil, nil, err
	}
	l := &load{name: "vault", child: server}
	operation := "Decrypt"
	if o.What == GetSecretValue {
		operation = "GetSecretValue"
		l.calls, err = a.secretReads(app, o.Callers)
	} else {
		l.calls, err = a.decryptions(app, o.Callers)
	}
	if err != nil {
		return nil, nil, err
	}
	if l.conns, err = o.connections(server, app, "/"); err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	own, err := server.connect(app, 1)
	if err != nil {
		l.close()
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	defer own[0].Close()
	s, err := a.sample(own[0], operation, &l.calls[0])
	if err != nil {
		l.close()
		return nil, nil, fmt.Errorf("look at one call: %w", err)
	}
	return l, s, nil
}

// admin makes calls one at a time.
type admin struct {
	ctx  context.Context
	as   credentials
	conn *nats.Conn
}

func (a *admin) call(service, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	_, err = a.raw(a.conn, a.as.subject(service, operation), body, out)
	return err
}

// applicationPolicy is what the callers may do. That they may use the key of
// aws/secretsmanager, through Secrets Manager, is for its key policy to say.
const applicationPolicy = `{"Version":"2012-10-17","Statement":[
	{"Sid":"UseKeys","Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"},
	{"Sid":"ReadSecrets","Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:bench/*"}]}`

func (a *admin) application() (credentials, error) {
	user := map[string]string{"UserName": "bench-application"}
	if err := a.call("iam", "CreateUser", user, nil); err != nil {
		return credentials{}, err
	}
	policy := map[string]string{"UserName": user["UserName"], "PolicyName": "bench", "PolicyDocument": applicationPolicy}
	if err := a.call("iam", "PutUserPolicy", policy, nil); err != nil {
		return credentials{}, err
	}
	var created struct {
		AccessKey struct{ AccessKeyId, SecretAccessKey string }
	}
	if err := a.call("iam", "CreateAccessKey", user, &created); err != nil {
		return credentials{}, err
	}
	return credentials{created.AccessKey.AccessKeyId, created.AccessKey.SecretAccessKey}, nil
}

func (a *admin) raw(conn *nats.Conn, subject string, body []byte, out any) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(a.ctx, replyTimeout)
	defer cancel()
	m, err := conn.RequestWithContext(ctx, subject, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", subject, err)
	}
	if refusal := m.Header.Get(headerError); refusal != "" {
		return nil, fmt.Errorf("%s was refused: %s", subject, refusal)
	}
	if out != nil {
		if err := json.Unmarshal(m.Data, out); err != nil {
			return nil, fmt.Errorf("%s: read the answer: %w", subject, err)
		}
	}
	return m, nil
}

// decryptions are calls of kms:Decrypt of 32 bytes under one customer key, with
// an encryption context of two pairs.
func (a *admin) decryptions(app credentials, callers int) ([]call, error) {
	var created struct{ KeyMetadata struct{ KeyId string } }
	if err := a.call("kms", "CreateKey", map[string]any{"Description": "keytrail bench"}, &created); err != nil {
		return nil, err
	}
	calls := make([]call, callers)
	for i := range calls {
		plaintext := make([]byte, 32)
		rand.Read(plaintext)
		context := map[string]string{"application": "orders", "tenant": fmt.Sprintf("tenant-%06d", i)}
		var encrypted struct{ CiphertextBlob []byte }
		err := a.call("kms", "Encrypt", map[string]any{
			"KeyId": created.KeyMetadata.KeyId, "Plaintext": plaintext, "EncryptionContext": context,
		}, &encrypted)
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(map[string]any{"CiphertextBlob": encrypted.CiphertextBlob, "EncryptionContext": context})
		if err != nil {
			return nil, err
		}
		calls[i] = call{
			service: "kms", operation: "Decrypt", subject: app.subject("kms", "Decrypt"), body: body,
			want: []byte(`"Plaintext":"` + base64.StdEncoding.EncodeToString(plaintext) + `"`),
		}
	}
	return calls, nil
}

// secretReads are calls of secretsmanager:GetSecretValue of 64 bytes under
// aws/secretsmanager.
func (a *admin) secretReads(app credentials, callers int) ([]call, error) {
	calls := make([]call, callers)
	for i := range calls {
		var value [32]byte
		rand.Read(value[:])
		text := hex.EncodeToString(value[:])
		name := fmt.Sprintf("bench/secret-%06d", i)
		if err := a.call("secretsmanager", "CreateSecret", map[string]any{"Name": name, "SecretString": text}, nil); err != nil {
			return nil, err
		}
		body, err := json.Marshal(map[string]any{"SecretId": name})
		if err != nil {
			return nil, err
		}
		calls[i] = call{
			service: "secretsmanager", operation: "GetSecretValue", subject: app.subject("secretsmanager", "GetSecretValue"), body: body,
			want: []byte(`"SecretString":"` + text + `"`),
		}
	}
	return calls, nil
}

// sample makes one of the calls and fetches its records.
func (a *admin) sample(conn *nats.Conn, operation string, c *call) (*sample, error) {
	if err := (natsConn{conn}).ask(c); err != nil {
		return nil, err
	}
	m, err := a.raw(conn, c.subject, c.body, nil)
	if err != nil {
		return nil, err
	}
	s := &sample{Service: c.service, Operation: operation, Body: c.body, Want: c.want, Header: m.Header, Reply: m.Data}
	var found struct{ Records []json.RawMessage }
	request := map[string]any{"RequestId": m.Header.Get("Keytrail-Request-Id")}
	if err := a.call("keytrail", "GetRecord", request, &found); err != nil {
		return nil, err
	}
	if len(found.Records) == 0 {
		return nil, errors.New("it left no record")
	}
	for _, line := range found.Records {
		s.Lines = append(s.Lines, line)
	}
	return s, nil
}
