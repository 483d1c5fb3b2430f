package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

// TestFaultKill9UnderLoad kills the server at a random moment under load, several
// times on one directory. Every caller remembers what it was told; after each
// kill the server must agree with all of them, and at the end the log must hold a
// record of every answer.
func TestFaultKill9UnderLoad(t *testing.T) {
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	p := serve(t, dir)
	w := newWitness(t, p)
	for round := range rounds {
		w.load(t, p, 150*time.Millisecond+time.Duration(rand.Int64N(int64(500*time.Millisecond))))
		p = serve(t, dir)
		w.check(t, p)
		if t.Failed() {
			t.Fatalf("in round %d", round+1)
		}
	}
	before := portrait(t, p)
	p.stop(t)
	verify(t, dir).want(t, 0, "ok: ")
	p = serve(t, dir)
	if after := portrait(t, p); after != before {
		t.Errorf("answers after a clean restart differ:\nbefore %s\nafter  %s", before, after)
	}
	p.stop(t)
	verify(t, dir).want(t, 0, "ok: ")
	w.checkRecords(t, readLog(t, dir))
}

// witness is all the callers together and what they have been told.
type witness struct {
	sharedKey string
	putters   []*putter
	granters  []*granter
	creators  []*creator
	cipher    *encrypter

	mu       sync.Mutex
	answers  []answer
	refusals map[string]string // request id -> error code
	unknown  int
}

// answer is a reply that a caller received.
type answer struct {
	op, request, outcome string
	n, seq               uint64
	version              string // of a secret's value that came with it
}

// caller is one that makes calls, one after the other, until the server is gone.
type caller interface {
	step(w *witness, c *client.Client) error
}

func newWitness(t *testing.T, p *process) *witness {
	w := &witness{refusals: map[string]string{}}
	admin := p.connect(t)
	w.sharedKey = newKey(t, admin)
	for i := range 2 {
		g := &granter{key: newKey(t, admin), sure: map[string]bool{}, maybe: map[string]bool{}}
		g.grantee, g.accessKey, g.secret = newUser(t, admin, fmt.Sprintf("grantee-%d", i))
		w.granters = append(w.granters, g)
	}
	for i := range 2 {
		w.creators = append(w.creators, &creator{prefix: fmt.Sprintf("made-%d-", i), sure: map[string]bool{}, gone: map[string]bool{}})
	}
	w.cipher = &encrypter{blobs: map[string]string{}}
	return w
}

func newKey(t testing.TB, admin *client.Client) string {
	t.Helper()
	var k struct{ KeyMetadata struct{ Arn string } }
	must(t, admin, "kms", "CreateKey", object{}, &k)
	return k.KeyMetadata.Arn
}

func newUser(t testing.TB, admin *client.Client, name string) (arn, accessKey, secret string) {
	t.Helper()
	var u struct{ User struct{ Arn string } }
	must(t, admin, "iam", "CreateUser", object{"UserName": name}, &u)
	var k struct {
		AccessKey struct{ AccessKeyId, SecretAccessKey string }
	}
	must(t, admin, "iam", "CreateAccessKey", object{"UserName": name}, &k)
	return u.User.Arn, k.AccessKey.AccessKeyId, k.AccessKey.SecretAccessKey
}

// load lets all callers work over several connections and kills the server in the
// midst of it.
func (w *witness) load(t *testing.T, p *process, after time.Duration) {
	t.Helper()
	var conns []*client.Client
	for range 4 {
		conns = append(conns, p.connect(t))
	}
	var callers []caller
	// New secrets for every round: one takes no more than 200 versions a day.
	for range 6 {
		s := &putter{name: fmt.Sprintf("secret-%d", len(w.putters))}
		must(t, conns[0], "secretsmanager", "CreateSecret", object{"Name": s.name, "SecretString": "0", "KmsKeyId": w.sharedKey}, nil)
		w.putters = append(w.putters, s)
		callers = append(callers, s, &getter{s}, &getter{s})
	}
	for _, g := range w.granters {
		callers = append(callers, g)
	}
	for _, c := range w.creators {
		callers = append(callers, c)
	}
	for range 6 {
		callers = append(callers, w.cipher)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	for i, who := range callers {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := who.step(w, conns[i%len(conns)]); err != nil {
					if errors.Is(err, errWrong) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	w.mu.Lock()
	answered := len(w.answers)
	w.mu.Unlock()
	time.Sleep(after)
	p.kill()
	cancel()
	for _, c := range conns {
		c.Close()
	}
	running.Wait()
	t.Logf("killed after %s: %d answers, %d calls without one so far", after.Round(time.Millisecond), len(w.answers)-answered, w.unknown)
	if len(w.answers) == answered {
		t.Error("no call was answered before the kill: there was no load")
	}
}

// errWrong marks an answer that contradicts what a caller was told before.
var errWrong = errors.New("wrong")

// call makes a call and remembers its answer. lost means that nobody can know
// whether it was carried out.
func (w *witness) call(c *client.Client, service, operation string, in, out any) (reply *client.Reply, lost bool, err error) {
	reply, err = invoke(context.Background(), c, service, operation, in, out)
	w.mu.Lock()
	defer w.mu.Unlock()
	var refused *client.APIError
	switch {
	case err == nil:
		a := answer{op: service + ":" + operation, request: reply.RequestID, n: reply.N, seq: reply.Seq, outcome: "ok"}
		var body struct{ VersionId string }
		if operation == "GetSecretValue" && json.Unmarshal(reply.Body, &body) == nil {
			a.version = body.VersionId
		}
		w.answers = append(w.answers, a)
	case errors.As(err, &refused) && refused.Status < 500:
		w.refusals[refused.RequestID] = refused.Code
	default:
		w.unknown++
		lost = true
	}
	return reply, lost, err
}

// check holds the restarted server against everything the callers were told.
func (w *witness) check(t *testing.T, p *process) {
	t.Helper()
	c := p.connect(t)
	for _, s := range w.putters {
		if err := s.read(func(out any) error {
			_, _, err := w.call(c, "secretsmanager", "GetSecretValue", object{"SecretId": s.name}, out)
			return err
		}); err != nil {
			t.Errorf("after the restart: %v", err)
		}
	}
	for plain, blob := range w.cipher.blobs {
		var opened struct{ Plaintext string }
		if _, _, err := w.call(c, "kms", "Decrypt", object{"CiphertextBlob": blob}, &opened); err != nil || opened.Plaintext != plain {
			t.Errorf("after the restart: an acknowledged ciphertext of %s opens to %q: %v", plain, opened.Plaintext, err)
		}
	}
	for _, g := range w.granters {
		g.check(t, w, p, c)
	}
	for _, m := range w.creators {
		for name := range m.sure {
			var out struct{ SecretString string }
			if _, _, err := w.call(c, "secretsmanager", "GetSecretValue", object{"SecretId": name}, &out); err != nil || out.SecretString != name {
				t.Errorf("after the restart: the created secret %s holds %q: %v", name, out.SecretString, err)
			}
		}
		for name := range m.gone {
			if _, _, err := w.call(c, "secretsmanager", "GetSecretValue", object{"SecretId": name}, nil); code(err) != "ResourceNotFoundException" {
				t.Errorf("after the restart: the deleted secret %s: %v", name, err)
			}
		}
	}
}

func (g *granter) check(t *testing.T, w *witness, p *process, c *client.Client) {
	t.Helper()
	var list struct{ Grants []struct{ GrantId string } }
	if _, _, err := w.call(c, "kms", "ListGrants", object{"KeyId": g.key, "Limit": 100}, &list); err != nil {
		t.Error(err)
		return
	}
	there, strangers := map[string]bool{}, 0
	for _, x := range list.Grants {
		there[x.GrantId] = true
		if !g.sure[x.GrantId] && !g.maybe[x.GrantId] {
			strangers++
		}
	}
	for id := range g.sure {
		if !there[id] {
			t.Errorf("after the restart: the acknowledged grant %s is gone", id)
		}
	}
	for _, id := range g.revoked {
		if there[id] {
			t.Errorf("after the restart: the revoked grant %s is back", id)
		}
	}
	if strangers > g.lost {
		t.Errorf("after the restart: %d grants that no caller may have made; %d creations were not answered", strangers, g.lost)
	}
	grantee := p.connectAs(t, g.accessKey, g.secret, "")
	use := object{"KeyId": g.key, "Plaintext": "aGVsbG8="}
	if _, _, err := w.call(grantee, "kms", "Encrypt", use, nil); (err == nil) != (len(there) > 0) {
		t.Errorf("after the restart: the grantee of %d grants encrypts: %v", len(there), err)
	}
	// All are revoked: then nothing may be left of them.
	for id := range there {
		if _, _, err := w.call(c, "kms", "RevokeGrant", object{"KeyId": g.key, "GrantId": id}, nil); err != nil {
			t.Errorf("revoke %s: %v", id, err)
		}
		g.revoked = append(g.revoked, id)
	}
	clear(g.sure)
	clear(g.maybe)
	g.lost = 0
	if _, _, err := w.call(grantee, "kms", "Encrypt", use, nil); code(err) != "AccessDeniedException" {
		t.Errorf("after the last revocation: the grantee encrypts: %v", err)
	}
}

// checkRecords wants a record for every answer, where its receipt says.
func (w *witness) checkRecords(t *testing.T, records []stored) {
	t.Helper()
	outcomes := map[string][]string{}
	for _, r := range records {
		outcomes[r.Request] = append(outcomes[r.Request], r.Outcome)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.answers {
		if a.n >= uint64(len(records)) {
			t.Fatalf("the receipt of request %s says n=%d, the log has %d records", a.request, a.n, len(records))
		}
		r := records[a.n]
		if r.Request != a.request || r.Op != a.op || r.Outcome != a.outcome || r.seq != a.seq {
			t.Fatalf("the receipt of %s in request %s says n=%d seq=%d, and there is %s in request %s with outcome %s at seq=%d",
				a.op, a.request, a.n, a.seq, r.Op, r.Request, r.Outcome, r.seq)
		}
		if a.version != "" && !strings.Contains(r.line, `"version":"`+a.version+`"`) {
			t.Fatalf("request %s was given version %s, and its record has another: %s", a.request, a.version, r.line)
		}
	}
	for request, code := range w.refusals {
		// CloudTrail's name of an error may leave out "Exception".
		if !slices.ContainsFunc(outcomes[request], func(o string) bool { return o != "ok" && strings.HasPrefix(code, o) }) {
			t.Fatalf("request %s was refused with %s, and its records have %v", request, code, outcomes[request])
		}
	}
	t.Logf("%d answers and %d refusals have their records, among %d", len(w.answers), len(w.refusals), len(records))
}

// portrait is what the server answers about everything it has. Secrets are read
// beforehand: when that was last is among the answers.
func portrait(t *testing.T, p *process) string {
	t.Helper()
	c := p.connect(t)
	var b strings.Builder
	ask := func(service, operation string, in object) []byte {
		reply := must(t, c, service, operation, in, nil)
		fmt.Fprintf(&b, "%s %s %v: %s\n", service, operation, in, reply.Body)
		return reply.Body
	}
	var secrets struct{ SecretList []struct{ ARN string } }
	unmarshal(t, must(t, c, "secretsmanager", "ListSecrets", object{"MaxResults": 100}, nil).Body, &secrets)
	for _, s := range secrets.SecretList {
		must(t, c, "secretsmanager", "GetSecretValue", object{"SecretId": s.ARN}, nil)
	}
	var keys struct{ Keys []struct{ KeyId string } }
	unmarshal(t, ask("kms", "ListKeys", object{"Limit": 1000}), &keys)
	for _, k := range keys.Keys {
		ask("kms", "DescribeKey", object{"KeyId": k.KeyId})
		ask("kms", "ListGrants", object{"KeyId": k.KeyId, "Limit": 100})
		ask("kms", "GetKeyPolicy", object{"KeyId": k.KeyId})
		ask("kms", "GetKeyRotationStatus", object{"KeyId": k.KeyId})
		ask("kms", "ListResourceTags", object{"KeyId": k.KeyId})
	}
	ask("kms", "ListAliases", object{"Limit": 100})
	ask("secretsmanager", "ListSecrets", object{"MaxResults": 100})
	for _, s := range secrets.SecretList {
		ask("secretsmanager", "DescribeSecret", object{"SecretId": s.ARN})
		ask("secretsmanager", "GetSecretValue", object{"SecretId": s.ARN})
		ask("secretsmanager", "ListSecretVersionIds", object{"SecretId": s.ARN, "IncludeDeprecated": true})
	}
	var users struct{ Users []struct{ UserName string } }
	unmarshal(t, ask("iam", "ListUsers", object{}), &users)
	for _, u := range users.Users {
		ask("iam", "ListAccessKeys", object{"UserName": u.UserName})
		ask("iam", "ListAttachedUserPolicies", object{"UserName": u.UserName})
	}
	ask("iam", "ListRoles", object{})
	if len(keys.Keys) == 0 || len(secrets.SecretList) == 0 || len(users.Users) == 0 {
		t.Fatalf("the portrait is empty:\n%s", &b)
	}
	return b.String()
}

func unmarshal(t testing.TB, raw []byte, out any) {
	t.Helper()
	if err := json.Unmarshal(raw, out); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
}
