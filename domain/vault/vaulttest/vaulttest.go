// Package vaulttest is the given / when / then of the vault: a state with its
// keyring in memory, callers that make calls on it, and outcomes to hold against
// what was expected. Time stands still until a test moves it, and entropy is
// drawn from a fixed seed, so that every run is the same.
//
// Each call goes the way the engine takes it: seals, then records as stored
// lines, then erasures, then the release. The package is for tests and imports
// no storage.
package vaulttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault"
)

// What every test vault has.
const (
	Account = "111122223333"
	Other   = "444455556666" // a second account
	Region  = "us-east-1"
)

// M is a request or a reply as JSON has it.
type M = map[string]any

// Administrator is the policy that allows everything.
const Administrator = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// Allow is an identity policy that allows the actions on every resource.
func Allow(actions ...string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["%s"],"Resource":"*"}}`, strings.Join(actions, `","`))
}

// Vault is a vault in memory. Lines is its log.
type Vault struct {
	State *vault.State
	Env   vault.Env
	Ring  *Ring
	Lines [][]byte
	// Accesses, if set, gives the view of the lines that calls may ask.
	Accesses func() vault.Accesses

	t     testing.TB
	calls int
	ids   int
}

// New returns a vault with two accounts and nobody in them.
func New(t testing.TB) *Vault {
	t.Helper()
	root, err := envelope.NewRootKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	ring := &Ring{root: root, sealed: map[string][]byte{}, opened: map[string]*envelope.Material{}}
	v := &Vault{
		State: vault.NewState(), Ring: ring, t: t,
		Env: vault.Env{
			Now: time.Date(2026, 11, 23, 18, 0, 0, 123456000, time.UTC), Entropy: rand.NewChaCha8([32]byte{1}),
			Keys: ring, Root: root,
		},
	}
	v.Given(
		&event.VaultInitialized{Installation: strings.Repeat("ab", 16), Region: Region, RootKey: root.ID()},
		&event.AccountCreated{Account: Account, At: v.Env.Now},
		&event.AccountCreated{Account: Other, At: v.Env.Now},
	)
	return v
}

// For hands the vault to another test, as a fuzz target must for each input.
func (v *Vault) For(t testing.TB) { v.t = t }

// Given puts events into the log and the state, as one record.
func (v *Vault) Given(events ...event.Event) {
	v.t.Helper()
	if err := v.State.Apply(events); err != nil {
		v.t.Fatalf("given: %v", err)
	}
	v.store(&event.Record{At: v.Env.Now, Op: "test:Given", Outcome: event.OutcomeOK, Events: events})
}

// Wait moves the clock.
func (v *Vault) Wait(d time.Duration) { v.Env.Now = v.Env.Now.Add(d) }

// Days moves the clock by days.
func (v *Vault) Days(n int) { v.Env.Now = v.Env.Now.AddDate(0, 0, n) }

// Rebuild makes the state anew from the stored lines, as a start does.
func (v *Vault) Rebuild() {
	v.t.Helper()
	st := vault.NewState()
	for i, line := range v.Lines {
		r, err := event.ParseLine(line)
		if err == nil {
			err = st.Apply(r.Events)
		}
		if err != nil {
			v.t.Fatalf("line %d: %v\n%s", i, err, line)
		}
	}
	v.State = st
}

func (v *Vault) store(r *event.Record) {
	v.t.Helper()
	r.N = uint64(len(v.Lines))
	line, err := r.AppendLine(nil)
	if err != nil {
		v.t.Fatalf("record of %s: %v", r.Op, err)
	}
	v.Lines = append(v.Lines, line)
}

// Caller is a principal with credentials.
type Caller struct {
	ARN        string
	ID         string // unique id
	Credential identity.Credential
	v          *Vault
}

func (v *Vault) id(prefix string) string {
	v.ids++
	return fmt.Sprintf("%s%016d", prefix, v.ids)
}

// User makes a user of Account with inline policies and an access key.
func (v *Vault) User(name string, policies ...string) *Caller {
	return v.UserOf(Account, name, policies...)
}

// UserOf makes a user of an account with inline policies and an access key.
func (v *Vault) UserOf(account, name string, policies ...string) *Caller {
	v.t.Helper()
	c := &Caller{ARN: arn.User(account, "/", name).String(), ID: v.id("AIDA"), v: v}
	c.Credential.AccessKey = v.id("AKIA")
	v.Given(
		&event.UserCreated{User: c.ID, Account: account, Name: name, Path: "/", At: v.Env.Now},
		&event.AccessKeyCreated{AccessKey: c.Credential.AccessKey, Account: account, User: c.ID, Ring: v.id("RING"), Commitment: "00", At: v.Env.Now},
	)
	c.Allow(policies...)
	return c
}

// Root gives the root user of an account an access key.
func (v *Vault) Root(account string) *Caller {
	v.t.Helper()
	c := &Caller{ARN: arn.Root(account).String(), ID: account, v: v}
	c.Credential.AccessKey = v.id("AKIA")
	v.Given(&event.AccessKeyCreated{AccessKey: c.Credential.AccessKey, Account: account, Ring: v.id("RING"), Commitment: "00", At: v.Env.Now})
	return c
}

// Role makes a role of Account with inline policies and a session of it, the
// caller. The role's ARN is that of RoleARN.
func (v *Vault) Role(name string, policies ...string) *Caller {
	v.t.Helper()
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}}`, Account)
	c := &Caller{ARN: arn.AssumedRole(Account, name, "session").String(), ID: v.id("AROA"), v: v}
	v.Given(&event.RoleCreated{Role: c.ID, Account: Account, Name: name, Path: "/", MaxSession: 3600, Trust: trust, At: v.Env.Now})
	c.Allow(policies...)
	c.Credential.AccessKey = v.id("ASIA")
	c.Credential.Session = &identity.Session{
		AccessKey: c.Credential.AccessKey, Account: Account, Principal: c.ID, Name: "session",
		Issued: v.Env.Now, Expires: v.Env.Now.AddDate(10, 0, 0),
	}
	return c
}

// RoleARN is the ARN of a role of Account.
func RoleARN(name string) string { return arn.Role(Account, "/", name).String() }

// Allow puts inline policies on the caller's user or role.
func (c *Caller) Allow(policies ...string) {
	c.v.t.Helper()
	for _, p := range policies {
		c.v.Given(&event.InlinePolicyPut{Principal: c.ID, Name: c.v.id("p"), Document: p})
	}
}

// Outcome is what came of a call.
type Outcome struct {
	Reply    vault.Reply
	Decision *vault.Decision
	Records  []*event.Record // as read back from the log; the call's own is the last
	v        *Vault
	call     string
}

// Call makes a call, such as "kms:Decrypt". in is JSON text or anything that
// marshals to JSON; nil is the empty request.
func (c *Caller) Call(operation string, in any) *Outcome {
	c.v.t.Helper()
	return c.v.do(operation, c.Credential, in)
}

// Tick carries out the internal requests, as the engine does when time has come.
func (v *Vault) Tick(requests []vault.Request) []*Outcome {
	v.t.Helper()
	var outcomes []*Outcome
	for _, r := range requests {
		outcomes = append(outcomes, v.do(r.Service+":"+r.Operation, r.Credential, string(r.Body)))
	}
	return outcomes
}

func (v *Vault) do(operation string, credential identity.Credential, in any) *Outcome {
	v.t.Helper()
	service, name, _ := strings.Cut(operation, ":")
	v.calls++
	req := &vault.Request{
		ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", v.calls), Service: service, Operation: name, Credential: credential,
		Body: body(v.t, in), Source: "192.0.2.44", Agent: "vaulttest", Secure: true,
	}
	if v.Accesses != nil && vault.AsksAccesses(service, name) {
		req.Accesses = v.Accesses()
	}
	v.lookBack(req)
	d := vault.Handle(v.State, req, &v.Env)
	if d.Broken != nil {
		v.t.Fatalf("%s: %v", operation, d.Broken)
	}
	if d.Changed && !vault.ChangesState(req) {
		v.t.Fatalf("%s is a use and has changed state", operation)
	}
	for _, s := range d.Seals {
		v.Ring.sealed[s.Ring] = s.Sealed
	}
	o := &Outcome{Decision: d, v: v, call: operation}
	for i := range d.Records {
		v.store(&d.Records[i])
		r, err := event.ParseLine(v.Lines[len(v.Lines)-1])
		if err != nil {
			v.t.Fatalf("%s: %v", operation, err)
		}
		o.Records = append(o.Records, r)
	}
	for _, ring := range d.Erase {
		delete(v.Ring.sealed, ring)
		delete(v.Ring.opened, ring)
	}
	o.Reply = d.Release(vault.Receipt{N: uint64(len(v.Lines) - 1)})
	return o
}

// lookBack gives a request what it wants to see of the log, as the engine does.
func (v *Vault) lookBack(req *vault.Request) {
	v.t.Helper()
	if want, ok := vault.NeedsEvidence(v.State, req, &v.Env); ok {
		for i, line := range v.Lines {
			if want.N != nil && *want.N == int64(i) || want.RequestID != "" && bytes.Contains(line, []byte(`,"req":"`+want.RequestID+`"`)) {
				req.Evidence = append(req.Evidence, line)
			}
		}
	}
	q, ok := vault.NeedsPast(v.State, req, &v.Env)
	if !ok {
		return
	}
	past := &vault.Past{State: vault.NewState(), Records: q.Records, At: q.Time}
	for i, line := range v.Lines {
		r, err := event.ParseLine(line)
		if err != nil {
			v.t.Fatal(err)
		}
		if q.Time.IsZero() && uint64(i) >= q.Records || !q.Time.IsZero() && r.At.After(q.Time) {
			break
		}
		if err := past.State.Apply(r.Events); err != nil {
			v.t.Fatal(err)
		}
		if q.Time.IsZero() {
			past.At = r.At
		}
	}
	if q.Records > uint64(len(v.Lines)) {
		past = &vault.Past{Problem: "The log has no such record."}
	}
	req.Past = past
}

func body(t testing.TB, in any) []byte {
	t.Helper()
	switch in := in.(type) {
	case nil:
		return nil
	case string:
		return []byte(in)
	case M:
		if in == nil {
			return nil
		}
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// OK demands success and gives the reply.
func (o *Outcome) OK() M {
	o.v.t.Helper()
	if o.Reply.Fault != nil {
		o.v.t.Fatalf("%s: %v\nrecord: %s", o.call, o.Reply.Fault, o.v.Lines[len(o.v.Lines)-1])
	}
	if got := o.Record().Outcome; got != event.OutcomeOK {
		o.v.t.Fatalf("%s: recorded as %s", o.call, got)
	}
	var m M
	if err := json.Unmarshal(o.Reply.Body, &m); err != nil {
		o.v.t.Fatalf("%s: reply %q: %v", o.call, o.Reply.Body, err)
	}
	return m
}

// Fails demands a fault of the code whose message contains text, a record that
// says the same, and no event in it.
func (o *Outcome) Fails(code fault.Code, text string) {
	o.v.t.Helper()
	switch {
	case o.Reply.Fault == nil:
		o.v.t.Fatalf("%s succeeded, want %s", o.call, code)
	case o.Reply.Fault.Code != code || !strings.Contains(o.Reply.Fault.Message, text):
		o.v.t.Fatalf("%s: %v\nwant %s: …%s…", o.call, o.Reply.Fault, code, text)
	case o.Record().Outcome != code.Recorded():
		o.v.t.Fatalf("%s: recorded as %s, want %s", o.call, o.Record().Outcome, code.Recorded())
	case len(o.Record().Events) > 0 || o.Decision.Changed:
		o.v.t.Fatalf("%s failed and left %d events", o.call, len(o.Record().Events))
	case o.Reply.Body != nil:
		o.v.t.Fatalf("%s failed and replied %q", o.call, o.Reply.Body)
	}
}

// Record is the call's own record, as read back from the log.
func (o *Outcome) Record() *event.Record { return o.Records[len(o.Records)-1] }

// Line is the call's own record as stored.
func (o *Outcome) Line() string { return string(o.v.Lines[o.Record().N]) }

// Ring is a keyring in memory that opens materials under the root key.
type Ring struct {
	root   *envelope.RootKey
	sealed map[string][]byte
	opened map[string]*envelope.Material
}

// Put stores a sealed entry.
func (r *Ring) Put(ring string, sealed []byte) { r.sealed[ring] = sealed }

// Has reports whether the entry is there.
func (r *Ring) Has(ring string) bool { _, ok := r.sealed[ring]; return ok }

// Material implements vault.Keys.
func (r *Ring) Material(ring string, key [16]byte) (*envelope.Material, error) {
	if m := r.opened[ring]; m != nil {
		return m, nil
	}
	sealed, err := r.Sealed(ring)
	if err != nil {
		return nil, err
	}
	m, err := envelope.OpenMaterial(r.root, key, sealed)
	if err != nil {
		return nil, err
	}
	r.opened[ring] = m
	return m, nil
}

// Sealed implements vault.Keys.
func (r *Ring) Sealed(ring string) ([]byte, error) {
	sealed, ok := r.sealed[ring]
	if !ok {
		return nil, fmt.Errorf("keyring has no %s", ring)
	}
	return sealed, nil
}
