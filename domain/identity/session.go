package identity

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/secretbytes"
)

// Session is what temporary credentials stand for. The vault does not keep it:
// it travels with the caller, sealed, as the session token.
type Session struct {
	AccessKey      string // ASIA…
	Secret         SecretKey
	Account        string
	Principal      string // unique id of the role or user; the account id of its root
	Name           string // of a role session or a federated user; "" for a user's or root's session
	Policy         string // session policy, "" for none
	PolicyARNs     []string
	Tags           []event.Tag // sorted by key
	Transitive     []string    // keys of Tags that pass on to the next role
	SourceIdentity string
	Issued         time.Time // microseconds, UTC
	Expires        time.Time
	MFA            bool

	actor atomic.Pointer[Actor]
}

// ErrToken: a session token does not open: damaged, made up, or sealed by
// another installation.
var ErrToken = errors.New("identity: invalid session token")

const (
	purposeSession = "session token v1"
	sessionFormat  = 1

	// MaxPacked bounds, in bytes, what session policies, policy ARNs, tags and
	// source identity take up in a token: what PackedPolicySize is a percentage
	// of. It keeps a token, in base64, within MaxToken.
	MaxPacked = 2560
	// MaxToken bounds a token in characters. A NATS client sends it in its CONNECT
	// line, for which a server accepts 4,096 bytes.
	MaxToken = 3900
)

var tokenEncoding = base64.StdEncoding.Strict()

// SealSession makes the session token. It fails on a session that takes more
// than MaxPacked, and on errors of entropy.
func SealSession(root *envelope.RootKey, entropy io.Reader, s *Session) (token string, err error) {
	if s.Packed() > MaxPacked {
		return "", fmt.Errorf("identity: seal session: %d bytes of policies and tags, more than %d", s.Packed(), MaxPacked)
	}
	plain := s.appendBinary(make([]byte, 0, 512+s.Packed()))
	defer func() { clear(plain[:cap(plain)]) }()
	sealed, err := root.Seal(entropy, purposeSession, nil, plain)
	if err != nil {
		return "", fmt.Errorf("identity: seal session: %w", err)
	}
	return tokenEncoding.EncodeToString(sealed), nil
}

// OpenSession reads a session token. Whether the session has ended and whether
// its principal still exists is for Resolve to say. The only error is ErrToken,
// with its cause.
func OpenSession(root *envelope.RootKey, token string) (*Session, error) {
	// The decoder would pass over line ends: one session, many tokens.
	if len(token) > MaxToken || strings.ContainsAny(token, "\r\n") {
		return nil, fmt.Errorf("%w: too long, or of several lines", ErrToken)
	}
	sealed, err := tokenEncoding.DecodeString(token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	plain, err := root.Open(purposeSession, nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	defer clear(plain)
	return decodeSession(plain)
}

// Packed is how much of a token, in bytes, is taken up by what the caller of STS
// passed: see MaxPacked.
func (s *Session) Packed() int {
	n := len(s.Policy) + len(s.SourceIdentity)
	for _, a := range s.PolicyARNs {
		n += len(a) + 2
	}
	for _, t := range s.Tags {
		n += len(t.Key) + len(t.Value) + 4
	}
	for _, k := range s.Transitive {
		n += len(k) + 2
	}
	return n
}

// Zero wipes the secret. The session must not be used any more.
func (s *Session) Zero() { s.Secret.Zero() }

// appendBinary writes the fields in a fixed order: a format byte, strings behind
// their length as uvarint, lists behind their count, times as Unix microseconds.
func (s *Session) appendBinary(b []byte) []byte {
	text := func(t string) {
		b = binary.AppendUvarint(b, uint64(len(t)))
		b = append(b, t...)
	}
	b = append(b, sessionFormat)
	text(s.AccessKey)
	b = binary.AppendUvarint(b, uint64(s.Secret.Len()))
	b = append(b, s.Secret.Expose()...)
	for _, t := range []string{s.Account, s.Principal, s.Name, s.Policy, s.SourceIdentity} {
		text(t)
	}
	b = binary.AppendVarint(b, s.Issued.UnixMicro())
	b = binary.AppendVarint(b, s.Expires.UnixMicro())
	mfa := byte(0)
	if s.MFA {
		mfa = 1
	}
	b = append(b, mfa)
	b = binary.AppendUvarint(b, uint64(len(s.PolicyARNs)))
	for _, a := range s.PolicyARNs {
		text(a)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Tags)))
	for _, t := range s.Tags {
		text(t.Key)
		text(t.Value)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Transitive)))
	for _, k := range s.Transitive {
		text(k)
	}
	return b
}

func decodeSession(b []byte) (*Session, error) {
	r := reader{rest: b}
	if r.byte() != sessionFormat {
		return nil, fmt.Errorf("%w: unknown format", ErrToken)
	}
	s := &Session{AccessKey: r.text()}
	s.Secret = SecretKey{secretbytes.NewBytes(r.bytes())}
	s.Account, s.Principal, s.Name, s.Policy, s.SourceIdentity = r.text(), r.text(), r.text(), r.text(), r.text()
	s.Issued, s.Expires = r.time(), r.time()
	s.MFA = r.byte() == 1
	for range r.count() {
		s.PolicyARNs = append(s.PolicyARNs, r.text())
	}
	for range r.count() {
		s.Tags = append(s.Tags, event.Tag{Key: r.text(), Value: r.text()})
	}
	for range r.count() {
		s.Transitive = append(s.Transitive, r.text())
	}
	if r.failed || len(r.rest) > 0 || s.Secret.Len() != SecretSize {
		s.Zero()
		return nil, fmt.Errorf("%w: malformed", ErrToken)
	}
	return s, nil
}

// reader takes values off the front of a byte string; once it has failed it
// gives zero values.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) fail() { r.rest, r.failed = nil, true }

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// count is bounded by what is left: every entry takes at least a byte.
func (r *reader) count() int {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > uint64(len(r.rest)-n) {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return int(v)
}

func (r *reader) bytes() []byte {
	n := r.count()
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) time() time.Time {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return time.Time{}
	}
	r.rest = r.rest[n:]
	return time.UnixMicro(v).UTC()
}
