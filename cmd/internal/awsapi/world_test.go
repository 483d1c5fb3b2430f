package awsapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/awsapi"
	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/sigv4"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/merkle"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
)

type object = map[string]any

// world is a vault behind a real listener, its log in memory.
type world struct {
	t      testing.TB
	engine *engine.Engine
	api    *awsapi.Service
	host   string
	admin  credentials
	ahead  atomic.Int64 // how far the clock is ahead, in nanoseconds

	mu      sync.Mutex
	records []event.Record // everything on disk, in order
}

type credentials struct{ id, secret, token string }

func newWorld(t testing.TB, change ...func(*awsapi.Options)) *world {
	t.Helper()
	root, err := envelope.NewRootKey(bytes.Repeat([]byte{7}, 32))
	check(t, err)
	w := &world{t: t}
	log, ring := memlog.NewStore(memlog.Options{}).Open(), keyring.NewMemory()
	w.bootstrap(log, ring, root)
	var changed func([]event.Event)
	w.engine, err = engine.Open(context.Background(), engine.Config{
		Log: log, OpenRing: func(context.Context) (keyring.Ring, error) { return ring, nil }, Root: root, Now: w.now,
		Entropy: rand.Reader, Tick: -1,
		Changed: func(e []event.Event) { changed(e) },
		Stored: func(p engine.Published) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, line := range p.Lines { // they last longer than p when they are read again
				r, err := event.ParseLine(line)
				check(t, err)
				w.records = append(w.records, *r)
			}
		},
	})
	check(t, err)
	t.Cleanup(func() { check(t, w.engine.Close()) })
	o := awsapi.Options{Now: w.now, RefuseEvery: time.Hour}
	for _, c := range change {
		c(&o)
	}
	w.api = awsapi.New(w.engine, o)
	changed = w.api.Changed
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	w.host = listener.Addr().String()
	w.api.Serve(listener)
	t.Cleanup(func() { check(t, w.api.Close()) })
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) bootstrap(log eventstore.Log, ring keyring.Ring, root *envelope.RootKey) {
	w.t.Helper()
	d, admin, err := vault.Bootstrap(vault.Founding{Region: region, Account: account}, &vault.Env{Now: w.now(), Entropy: rand.Reader, Root: root})
	check(w.t, err)
	for _, s := range d.Seals {
		check(w.t, ring.Put(context.Background(), keyring.Entry{ID: s.Ring, Sealed: s.Sealed}))
	}
	line, err := d.Records[0].AppendLine(nil)
	check(w.t, err)
	var tree merkle.Tree
	tree.Append(line)
	_, err = log.Append(context.Background(), &eventstore.Commit{Subject: eventstore.State, Lines: [][]byte{line}, Root: tree.Root(), ID: "bootstrap"})
	check(w.t, err)
	w.admin = credentials{id: admin.AccessKey, secret: string(admin.Secret.Expose())}
}

// request is an HTTP request before it is signed.
type request struct {
	method, path, query, body string
	header                    map[string][]string
	service, region           string // of the signature
}

func jsonRequest(service, target string, in any) *request {
	body, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return &request{method: "POST", path: "/", body: string(body), service: service, region: region,
		header: map[string][]string{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {target}}}
}

var versions = map[string]string{"iam": "2010-05-08", "sts": "2011-06-15"}

func queryRequest(service, action string, parameters ...string) *request {
	form := url.Values{"Action": {action}, "Version": {versions[service]}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	return &request{method: "POST", path: "/", body: form.Encode(), service: service, region: region,
		header: map[string][]string{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}}
}

// signed is the request as these credentials send it.
func (w *world) signed(c credentials, r *request) *http.Request {
	w.t.Helper()
	return w.signedFor(c, r, "http")
}

func (w *world) signedFor(c credentials, r *request, scheme string) *http.Request {
	w.t.Helper()
	s := &sigv4.Request{Method: r.method, Path: r.path, Query: r.query, Host: w.host, Header: r.header}
	sigv4.NewSigner(c.id, c.secret, c.token, r.region, r.service).Sign(s, sha256.Sum256([]byte(r.body)), w.now())
	target := scheme + "://" + w.host + r.path
	if r.query != "" {
		target += "?" + r.query
	}
	q, err := http.NewRequestWithContext(w.t.Context(), r.method, target, strings.NewReader(r.body))
	check(w.t, err)
	q.Header = http.Header(r.header)
	return q
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

func (w *world) send(q *http.Request) reply {
	w.t.Helper()
	res, err := http.DefaultClient.Do(q)
	check(w.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(w.t, err)
	return reply{res.StatusCode, res.Header, string(body)}
}

func (w *world) do(c credentials, r *request) reply {
	w.t.Helper()
	return w.send(w.signed(c, r))
}

// kms makes a call that must succeed.
func (w *world) kms(c credentials, operation string, in object) object {
	w.t.Helper()
	return w.ok(c, "kms", "TrentService."+operation, in)
}

func (w *world) ok(c credentials, service, target string, in object) object {
	w.t.Helper()
	r := w.do(c, jsonRequest(service, target, in))
	if r.status != 200 {
		w.t.Fatalf("%s: %d %s", target, r.status, r.body)
	}
	var out object
	check(w.t, json.Unmarshal([]byte(r.body), &out))
	return out
}

// query makes a Query call that must succeed and gives its XML.
func (w *world) query(c credentials, service, action string, parameters ...string) string {
	w.t.Helper()
	r := w.do(c, queryRequest(service, action, parameters...))
	if r.status != 200 {
		w.t.Fatalf("%s: %d %s", action, r.status, r.body)
	}
	wellFormed(w.t, r.body)
	return r.body
}

func wellFormed(t testing.TB, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("not XML: %v\n%s", err, text)
		}
	}
}

// element is the text of the first element of that name.
func element(text, name string) string {
	_, rest, _ := strings.Cut(text, "<"+name+">")
	value, _, _ := strings.Cut(rest, "</"+name+">")
	return value
}

func (w *world) user(name string, actions ...string) credentials {
	w.t.Helper()
	w.query(w.admin, "iam", "CreateUser", "UserName", name)
	if len(actions) > 0 {
		w.query(w.admin, "iam", "PutUserPolicy", "UserName", name, "PolicyName", "p", "PolicyDocument", allow(actions...))
	}
	return w.accessKey(name)
}

func (w *world) accessKey(user string) credentials {
	w.t.Helper()
	made := w.query(w.admin, "iam", "CreateAccessKey", "UserName", user)
	return credentials{id: element(made, "AccessKeyId"), secret: element(made, "SecretAccessKey")}
}

func (w *world) assume(role string, actions ...string) credentials {
	w.t.Helper()
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}}`, account)
	made := w.query(w.admin, "iam", "CreateRole", "RoleName", role, "AssumeRolePolicyDocument", trust)
	if len(actions) > 0 {
		w.query(w.admin, "iam", "PutRolePolicy", "RoleName", role, "PolicyName", "p", "PolicyDocument", allow(actions...))
	}
	got := w.query(w.admin, "sts", "AssumeRole", "RoleArn", element(made, "Arn"), "RoleSessionName", "test", "DurationSeconds", "900")
	return credentials{element(got, "AccessKeyId"), element(got, "SecretAccessKey"), element(got, "SessionToken")}
}

func allow(actions ...string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["%s"],"Resource":"*"}}`, strings.Join(actions, `","`))
}

func (w *world) stored() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.records)
}

// last is the newest record.
func (w *world) last() event.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.records[len(w.records)-1]
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
