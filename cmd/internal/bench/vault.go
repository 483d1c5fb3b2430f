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

func startServer(ctx context.Context, o *Options, dir string) (*child, error) {
	args := []string{"server", "--data-dir", dir, "--nats-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}
	return startChild(ctx, o.Executable, dir, profiled(o.CPUProfile, args)...)
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
	Operation string      // "Decrypt"
	Body      []byte      // of the request
	Want      []byte      // part of the reply
	Header    nats.Header // of the reply
	Reply     []byte
	Lines     [][]byte // the records of the call
}

// prepare makes the keys or secrets that the callers ask for, each caller its
// own, so that a reply which went to the wrong caller is noticed.
func prepare(ctx context.Context, server *child, o *Options) (*load, *sample, error) {
	conns, err := server.connect(o.Callers)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	l := &load{name: "vault", child: server, conns: conns}
	a := admin{ctx, server, conns[0]}
	operation := "Decrypt"
	if o.What == GetSecretValue {
		operation = "GetSecretValue"
		l.calls, err = a.secretReads(o.Callers)
	} else {
		l.calls, err = a.decryptions(o.Callers)
	}
	if err != nil {
		l.close()
		return nil, nil, err
	}
	s, err := a.sample(operation, &l.calls[0])
	if err != nil {
		l.close()
		return nil, nil, fmt.Errorf("look at one call: %w", err)
	}
	return l, s, nil
}

// admin makes calls one at a time.
type admin struct {
	ctx   context.Context
	child *child
	conn  *nats.Conn
}

func (a *admin) call(service, operation string, in, out any) (*nats.Msg, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return a.raw(a.child.subject(service, operation), body, out)
}

func (a *admin) raw(subject string, body []byte, out any) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(a.ctx, replyTimeout)
	defer cancel()
	m, err := a.conn.RequestWithContext(ctx, subject, body)
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
func (a *admin) decryptions(callers int) ([]call, error) {
	var created struct{ KeyMetadata struct{ KeyId string } }
	if _, err := a.call("kms", "CreateKey", map[string]any{"Description": "keytrail bench"}, &created); err != nil {
		return nil, err
	}
	calls := make([]call, callers)
	for i := range calls {
		plaintext := make([]byte, 32)
		rand.Read(plaintext)
		context := map[string]string{"application": "orders", "tenant": fmt.Sprintf("tenant-%06d", i)}
		var encrypted struct{ CiphertextBlob []byte }
		_, err := a.call("kms", "Encrypt", map[string]any{
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
			subject: a.child.subject("kms", "Decrypt"), body: body,
			want: []byte(`"Plaintext":"` + base64.StdEncoding.EncodeToString(plaintext) + `"`),
		}
	}
	return calls, nil
}

// secretReads are calls of secretsmanager:GetSecretValue of 64 bytes under
// aws/secretsmanager.
func (a *admin) secretReads(callers int) ([]call, error) {
	calls := make([]call, callers)
	for i := range calls {
		var value [32]byte
		rand.Read(value[:])
		text := hex.EncodeToString(value[:])
		name := fmt.Sprintf("bench/secret-%06d", i)
		if _, err := a.call("secretsmanager", "CreateSecret", map[string]any{"Name": name, "SecretString": text}, nil); err != nil {
			return nil, err
		}
		body, err := json.Marshal(map[string]any{"SecretId": name})
		if err != nil {
			return nil, err
		}
		calls[i] = call{
			subject: a.child.subject("secretsmanager", "GetSecretValue"), body: body,
			want: []byte(`"SecretString":"` + text + `"`),
		}
	}
	return calls, nil
}

// sample makes one of the calls and fetches its records.
func (a *admin) sample(operation string, c *call) (*sample, error) {
	if err := c.ask(a.conn); err != nil {
		return nil, err
	}
	m, err := a.raw(c.subject, c.body, nil)
	if err != nil {
		return nil, err
	}
	s := &sample{Operation: operation, Body: c.body, Want: c.want, Header: m.Header, Reply: m.Data}
	var found struct{ Records []json.RawMessage }
	request := map[string]any{"RequestId": m.Header.Get("Keytrail-Request-Id")}
	if _, err := a.call("keytrail", "GetRecord", request, &found); err != nil {
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
