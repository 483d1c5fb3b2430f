// Package vault is the domain as one pure function: Handle(State, Request, Env)
// gives a Decision. It holds the working state, the table of operations, and the
// handlers that join keys, secrets and identities under one authorization.
//
// Nothing here stores, publishes, reads a clock or draws a random number: what
// the log shall hold, what the keyring shall hold and what the caller may see are
// values in the Decision, and the caller sees nothing before Release.
package vault

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
)

// MaxBody bounds a request body: the largest value of a secret (65,536 bytes,
// as base64) with room for everything else. The edges refuse more.
const MaxBody = 1 << 20

// Request is one call as an edge hands it over: the operation, credentials that
// the edge has verified, and the body. Nothing in it can claim a via-service, an
// account or a source that the edge did not see itself.
type Request struct {
	ID         string // a UUID, made by the edge
	Service    string // "kms", "secretsmanager", "iam", "sts", "keytrail"
	Operation  string // "Decrypt"
	Credential identity.Credential
	Body       []byte // AWS JSON; empty = {}
	Source     string // client address without port
	Agent      string // user agent
	Secure     bool   // TLS, or a connection that never left the machine
	// Unreadable, if set, is what the edge found wrong with a request of a caller that it
	// knows: the call is refused with it, on the record.
	Unreadable *fault.Fault
	// Evidence is the record lines that NeedsEvidence asked for, read from the log
	// by the engine; EvidenceAbsent says that it could not be read.
	Evidence       [][]byte
	EvidenceAbsent bool
	// Trail is the answer to what NeedsTrail asked, fetched by the engine from the
	// view of the log.
	Trail *TrailAnswer
	// Accesses is who used what last, for the operations of AsksAccesses, with all
	// that was answered before this call was made; nil is NoAccesses.
	Accesses Accesses
	// Projections is the state of the views, for the operations of AsksProjections.
	Projections []Projection
	// Past is the state that NeedsPast asked for, replayed by the engine.
	Past *Past
	// Prepared is the private key that NeedsKey asked for, made by the engine.
	Prepared *Prepared
}

// RekeyMode says what UpdateSecret with another key does to the old wrapping.
type RekeyMode uint8

const (
	// RekeyStrict drops the old wrapping: a reader without permission on the new
	// key is refused at once.
	RekeyStrict RekeyMode = iota
	// RekeyAWS keeps both wrappings until a new version is written, as AWS documents.
	RekeyAWS
)

// Keys reads the keyring. Both methods serve from memory and may be called
// concurrently.
type Keys interface {
	// Material opens the key material kept under the ring id for the key.
	Material(ring string, key [16]byte) (*envelope.Material, error)
	// Sealed returns the bytes kept under the ring id, as they were sealed.
	Sealed(ring string) ([]byte, error)
}

// Env is everything a decision depends on besides the state and the request.
type Env struct {
	Now       time.Time // UTC; truncated to microseconds by Handle
	Entropy   io.Reader // cryptographically random outside of tests
	Keys      Keys
	Root      *envelope.RootKey
	RekeyMode RekeyMode
}

// Seal is a keyring entry that must be on disk before the records are.
type Seal struct {
	Ring   string
	Sealed []byte
}

// Receipt proves that a call's records are on disk: n of the call's own record
// and the stream sequence of the commit that holds it.
type Receipt struct {
	N   uint64
	Seq uint64
}

// Reply is what the caller may see once there is a receipt.
type Reply struct {
	RequestID string
	Receipt   Receipt
	Body      []byte       // AWS JSON; nil with a Fault
	Fault     *fault.Fault // nil on success
}

// Decision is the outcome of Handle. The engine writes Seals to the keyring,
// then Records to the log, then erases Erase from the keyring, then releases.
// Crash points: after Seals and before Records the entries are orphans, erased
// at the next start because no record names them; after Records and before Erase
// they are erased at the next start because the records say so.
type Decision struct {
	Records  []event.Record // forwarded calls first, the call itself last; N not yet set
	Seals    []Seal
	Erase    []string
	Revision uint64 // of the state that was decided on
	Changed  bool   // the working state has been changed by this decision
	// Broken is set when a handler failed after it had changed the working state: a
	// defect of ours. The state must be reloaded and nothing of this stored.
	Broken error

	// Rebuild is the view to be built again once the records are on disk; "" = none.
	Rebuild string

	reply     Reply
	body      []byte   // memory of the reply's body, zeroed between its uses
	notes     []*notes // memory of the records, the first noted of them in use
	noted     int
	wipe      func()
	materials map[string]*envelope.Material
}

// Defect is why the call failed through no fault of its caller, nil otherwise. It is
// for those who run the vault; the caller and the record do not have it.
func (d *Decision) Defect() error {
	if f := d.reply.Fault; f != nil && f.Status() >= 500 {
		return errors.Unwrap(f)
	}
	return nil
}

// Release gives the reply for a receipt. It is the only way out for anything that
// Handle decrypted or made; call it once, when the records are on disk.
func (d *Decision) Release(r Receipt) Reply {
	d.reply.Receipt = r
	return d.reply
}

// decisions are used again: a decision with its records is the largest thing that
// a call allocates.
var decisions = sync.Pool{New: func() any { return new(Decision) }}

func newDecision(revision uint64) *Decision {
	d := decisions.Get().(*Decision)
	d.Revision = revision
	return d
}

// Forget zeroes what the decision holds in the clear and ends its life: nothing
// of it may be used afterwards. Call it when the reply has been sent, or when it
// never will be.
func (d *Decision) Forget() {
	if d.wipe != nil {
		d.wipe()
		d.wipe = nil
	}
	clear(d.reply.Body)
	clear(d.body[:cap(d.body)])
	for _, m := range d.materials {
		m.Destroy()
	}
	clear(d.Records)
	for _, n := range d.notes[:d.noted] {
		*n = notes{}
	}
	*d = Decision{Records: d.Records[:0], body: d.body, notes: d.notes[:min(len(d.notes), maxNotes)]}
	decisions.Put(d)
}

// maxNotes is how many records' memory a decision keeps: what a batch of calls in
// one has beyond it goes.
const maxNotes = 4

// note is memory for one more record.
func (d *Decision) note() *notes {
	if d.noted == len(d.notes) {
		d.notes = append(d.notes, new(notes))
	}
	d.noted++
	return d.notes[d.noted-1]
}
