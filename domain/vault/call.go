package vault

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/key"
)

// Bounds of what a record keeps of a call, from CloudTrail's record format.
const (
	maxAgent   = 1024
	maxMessage = 1024
	maxParams  = 100 << 10
)

// call is one operation being carried out: the request's own, or one that a
// service forwards on the caller's behalf.
type call struct {
	st      *State
	req     *Request
	env     *Env
	dec     *Decision
	service string
	kind    kind
	actor   *identity.Actor
	account string // the caller's
	via     string // the service that forwards, "" for the request's own call
	rec     event.Record
	judged  conditions
	extras  []byte
	notes   *notes // what the record is put together in; nil until there is something

	// Memory for one judgement at a time, which would else be most of what a call
	// allocates.
	question iam.Input
	brought  [4]cond
	// unknownUse: a policy has asked when a key was used, and nobody could tell.
	unknownUse bool
}

// calls are used again once their record has been copied into the decision.
var calls = sync.Pool{New: func() any { return new(call) }}

func (c *call) end() {
	*c = call{}
	calls.Put(c)
}

// Handle decides one request. It is pure but for the state, which an operation
// that changes it (see Changes) mutates as it emits: the engine runs those alone
// and discards the state if their records cannot be stored. Handle never fails:
// whatever is wrong with the request is a reply and a record.
func Handle(st *State, req *Request, env *Env) *Decision {
	now := env.Now.UTC().Truncate(time.Microsecond)
	d := newDecision(st.Revision)
	c := calls.Get().(*call)
	defer c.end()
	*c = call{st: st, req: req, env: env, dec: d, service: req.Service}
	c.rec = event.Record{
		At: now, Request: req.ID, Source: req.Source, Agent: truncate(req.Agent, maxAgent),
	}
	out, err := c.attempt()
	d.reply = Reply{RequestID: req.ID}
	if err == nil {
		d.reply.Body, err = marshalReply(d, out)
	}
	if w, ok := out.(wiped); ok {
		d.wipe = w.wipe
	}
	if err != nil {
		d.reply.Body, d.reply.Fault = nil, fault.Of(err)
	}
	c.finish(out, err)
	d.Changed = st.Revision != d.Revision
	return d
}

// attempt is carryOut for code that may have defects: what makes it panic is a
// failure of this call, with a record, and not of all that are under way. A change may
// have changed half of what it was to change, so the state is given up.
func (c *call) attempt() (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			if c.kind != use {
				c.dec.Broken = err
			}
		}
	}()
	return c.carryOut()
}

func (c *call) carryOut() (any, error) {
	op := table[operationName{c.req.Service, c.req.Operation}]
	if op == nil {
		c.rec.Op = recordedName(c.req.Service) + ":" + recordedName(c.req.Operation)
	} else {
		c.rec.Op = op.recorded
		c.kind = op.kind
		if mayMakeManagedKey(c.req) {
			c.kind = change
		}
	}
	hidden := op != nil && op.kind == internal
	if hidden && c.req.Credential == (identity.Credential{}) {
		c.rec.Who = event.Who{Type: "AWSService", ID: "keytrail"}
		return op.run(c, op, c.req.Body)
	}
	if err := c.authenticate(); err != nil {
		return nil, err
	}
	if c.req.Unreadable != nil {
		return nil, c.req.Unreadable
	}
	if op == nil || hidden {
		return nil, unknownOperation(c.req.Service, c.req.Operation)
	}
	return op.run(c, op, c.req.Body)
}

// authenticate resolves the verified credential to the principal as it stands in
// the state now: a key that was made inactive or a role that was deleted a record
// ago is refused.
func (c *call) authenticate() error {
	actor, err := c.st.Identities.Resolve(c.req.Credential, c.env.Now)
	if err != nil {
		c.rec.Who = event.Who{Type: "Unknown", AccessKey: c.req.Credential.AccessKey}
		return authenticationFault(c.service, err)
	}
	c.actor = actor
	c.account = actor.Principal.Account
	c.rec.Who = actor.Who
	return nil
}

func authenticationFault(service string, err error) error {
	if !queryService(service) {
		return err
	}
	f := fault.Of(err)
	switch f.Code {
	case fault.UnrecognizedClientException:
		return fault.New(fault.InvalidClientTokenID, "%s", f.Message).Because(err)
	case fault.ExpiredTokenException:
		return fault.New(fault.ExpiredToken, "%s", f.Message).Because(err)
	}
	return err
}

// finish completes the call's record and adds it to the decision.
func (c *call) finish(out any, err error) {
	r := &c.rec
	if len(r.Params) > maxParams {
		r.Params = nil
	}
	if c.extras != nil {
		r.Extra = append(c.extras, '}')
	}
	if err != nil {
		f := fault.Of(err)
		r.Outcome, r.Message = f.Code.Recorded(), truncate(f.Message, maxMessage)
		if len(r.Events) > 0 && c.kind != use {
			c.dec.Broken = fmt.Errorf("%s failed after it had changed state: %w", r.Op, err)
		}
		r.Events = nil
	} else {
		r.Outcome = event.OutcomeOK
		if o, ok := out.(respondsWith); ok {
			if raw, err := json.Marshal(o.responseElements()); err == nil && len(raw) <= maxParams {
				r.Response = raw
			}
		}
	}
	c.dec.Records = append(c.dec.Records, *r)
}

// forward makes a call to another service as the caller, on the caller's behalf:
// the only place where a via-service comes from. Its record precedes that of c.
func forward[In, Out any](c *call, service, name string, in *In, handle func(*call, *In) (*Out, error)) (*Out, error) {
	op := table[operationName{service, name}]
	principal := c.service + ".amazonaws.com"
	f := calls.Get().(*call)
	defer f.end()
	*f = call{
		st: c.st, req: c.req, env: c.env, dec: c.dec, service: service, kind: c.kind,
		actor: c.actor, account: c.account, via: c.service,
		rec: event.Record{
			At: c.rec.At, Request: c.rec.Request, Op: op.recorded, Who: c.rec.Who,
			Via: c.service, Source: principal, Agent: principal,
		},
	}
	f.rec.Params = op.shape.AppendAudit(f.note().params[:0], in)
	out, err := handle(f, in)
	if err != nil {
		f.finish(nil, err)
		return nil, err
	}
	f.finish(out, nil)
	return out, nil
}

func (c *call) now() time.Time { return c.rec.At }

// emit adds a state event to the record and applies it at once, so that the rest
// of the call sees it. A handler emits only when nothing can fail any more.
func (c *call) emit(e event.Event) {
	if c.kind == use {
		panic("vault: " + c.rec.Op + " is a use and emits " + e.EventType())
	}
	c.rec.Events = append(c.rec.Events, e)
	if err := c.st.applyOne(e); err != nil && c.dec.Broken == nil {
		c.dec.Broken = fmt.Errorf("%s emitted %s: %w", c.rec.Op, e.EventType(), err)
	}
}

// used adds an event that changes no state.
func (c *call) used(e event.Event) {
	if c.rec.Events == nil {
		c.rec.Events = c.note().events[:0]
	}
	c.rec.Events = append(c.rec.Events, e)
}

// resource adds an ARN to the resources of the record.
func (c *call) resource(arn string) {
	if c.rec.Resources == nil {
		c.rec.Resources = c.note().resources[:0]
	}
	c.rec.Resources = append(c.rec.Resources, arn)
}

// notes is the memory of what most records have: parameters, one judgement, of one
// or two statements, on one resource, and one event. A record that has more grows
// out of it.
type notes struct {
	decision  event.Decision
	checks    [1]event.Check
	by        [2]string
	resources [1]string
	events    [1]event.Event
	params    [256]byte
	extras    [96]byte
}

// note is the memory of the call's record. It lasts as long as the decision.
func (c *call) note() *notes {
	if c.notes == nil {
		c.notes = c.dec.note()
	}
	return c.notes
}

// extra adds a member to the record's additionalEventData.
func (c *call) extra(name, value string) {
	if c.extras == nil {
		c.extras = append(c.note().extras[:0], '{')
	} else {
		c.extras = append(c.extras, ',')
	}
	c.extras = event.AppendString(c.extras, name)
	c.extras = append(c.extras, ':')
	c.extras = event.AppendString(c.extras, value)
}

var ringEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// seal stages a keyring entry under a fresh id and returns the id and the
// commitment (hex SHA-256 of the sealed bytes) that the record shall carry.
func (c *call) seal(sealed []byte) (ring, commitment string, err error) {
	var id [20]byte
	if _, err := io.ReadFull(c.env.Entropy, id[:]); err != nil {
		return "", "", fmt.Errorf("draw a keyring id: %w", err)
	}
	ring = ringEncoding.EncodeToString(id[:])
	sum := sha256.Sum256(sealed)
	c.dec.Seals = append(c.dec.Seals, Seal{Ring: ring, Sealed: sealed})
	return ring, hex.EncodeToString(sum[:]), nil
}

// erase names a keyring entry to be erased once the record is on disk.
func (c *call) erase(ring string) { c.dec.Erase = append(c.dec.Erase, ring) }

// sealed returns a keyring entry, also one staged earlier in the same decision.
func (c *call) sealed(ring string) ([]byte, error) {
	for i := range c.dec.Seals {
		if c.dec.Seals[i].Ring == ring {
			return c.dec.Seals[i].Sealed, nil
		}
	}
	return c.env.Keys.Sealed(ring)
}

// newMaterial makes key material for the key and keeps it.
func (c *call) newMaterial(key [16]byte) (event.Material, error) {
	m, err := envelope.NewMaterial(c.env.Entropy)
	if err != nil {
		return event.Material{}, fmt.Errorf("make key material: %w", err)
	}
	return c.keepMaterial(m, key)
}

// keepMaterial seals key material of the key under the root key and stages the
// keyring entry. The material is the call's to destroy from here on.
func (c *call) keepMaterial(m *envelope.Material, key [16]byte) (event.Material, error) {
	sealed, err := m.SealUnder(c.env.Root, c.env.Entropy, key)
	if err != nil {
		m.Destroy()
		return event.Material{}, fmt.Errorf("seal key material: %w", err)
	}
	ring, commitment, err := c.seal(sealed)
	if err != nil {
		m.Destroy()
		return event.Material{}, err
	}
	if c.dec.materials == nil {
		c.dec.materials = map[string]*envelope.Material{}
	}
	c.dec.materials[ring] = m
	id := m.ID()
	return event.Material{ID: hex.EncodeToString(id[:]), Ring: ring, Commitment: commitment}, nil
}

// material opens key material, also such as was made earlier in the same decision.
func (c *call) material(m key.Material, k *key.Key) (*envelope.Material, error) {
	if made := c.dec.materials[m.Ring]; made != nil {
		return made, nil
	}
	opened, err := c.env.Keys.Material(m.Ring, k.RawID)
	if err != nil {
		return nil, fmt.Errorf("open the material of key %s: %w", k.ID, err)
	}
	return opened, nil
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n]
}
